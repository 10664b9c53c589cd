//! Signing in with password and authenticator app: by day and by night, on a narrow phone, without script.

use super::driver::Habits;
use super::tab::ENTER;
use super::{Driver, world};

const TARGET: &str = "/payroll/2026?month=11&who=%C3%A9";

/// As it stands on the phone: in two groups.
fn in_two(code: &str) -> String {
    format!("{} {}", &code[..3], &code[3..])
}

#[tokio::test]
async fn alice_signs_in_at_night_on_a_narrow_phone() {
    let world = world().build().await;
    let alice = world.person_with_app("alice", &[]).await;
    let driver = Driver::start().await;
    let tab = driver.opens(&world, Habits { dark: true, width: 320, ..Habits::default() }).await;
    tab.opens(TARGET).await;
    tab.is_at("login").await;
    tab.fits().await;
    tab.types_password("alice").await;
    tab.is_at("mfa/totp").await;
    tab.fits().await;
    assert_eq!(tab.count("#countdown, #resend").await, 0);
    alice.waits_for_the_next_code();
    // A slip first.
    tab.types("#code", &format!("000 000{ENTER}")).await;
    assert!(!tab.text("[role=alert]").await.is_empty());
    tab.fits().await;
    tab.types_code(&in_two(&alice.code())).await;
    tab.sees(TARGET).await;
    assert_eq!(world.upstream.seen().iter().rfind(|seen| seen.target() == TARGET).unwrap().values("remote-user"), ["alice"]);
    alice.waits_for_the_next_code();
    tab.opens("/.vestibule/account").await;
    tab.is_at("account").await;
    tab.fits().await;
    tab.was_quiet().await;
    driver.ends(tab).await;
}

#[tokio::test]
async fn no_page_needs_script() {
    let world = world().build().await;
    let alice = world.person_with_app("alice", &[]).await;
    let driver = Driver::start().await;
    let tab = driver.opens(&world, Habits { script: false, ..Habits::default() }).await;
    tab.opens(TARGET).await;
    tab.is_at("login").await;
    assert!(!tab.element("#passkey").await.is_displayed().await.unwrap(), "script did run");
    assert!(!tab.element(".reveal").await.is_displayed().await.unwrap(), "script did run");
    tab.types_password("alice").await;
    tab.is_at("mfa/totp").await;
    alice.waits_for_the_next_code();
    tab.types("#code", &alice.code()).await;
    tab.clicks("button.go").await;
    tab.sees(TARGET).await;
    tab.was_quiet().await;
    driver.ends(tab).await;
}
