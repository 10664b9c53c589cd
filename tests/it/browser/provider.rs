//! Signing in at a provider in a real browser, without script: the button, the provider's own page, the second factor there, and out again
//! at both.

use serde_json::json;
use vestibule::base::Clock;

use super::driver::Habits;
use super::passkeys::{BUILT_IN, registers};
use super::tab::Tab;
use super::{Driver, world};
use crate::harness::World;
use crate::providers::certified::Certified;

/// The provider's, on the sign-in page.
const BUTTON: &str = "form[action*='login/with/corp'] button";

async fn signs_in_there(tab: &Tab, certified: &Certified, with_factor: bool) {
    tab.is_elsewhere(&certified.issuer).await;
    tab.types("input[name=name]", "ada").await;
    if with_factor {
        tab.clicks("input[name=mfa]").await;
    }
    tab.clicks("#go").await;
}

async fn world_with(certified: &Certified) -> World {
    let world = world().with(&certified.section()).build().await;
    world.clock.set(Clock::system().now());
    let ada = json!({ "preferred_username": "ada", "name": "Ada L", "groups": ["the-staff"], "email": "ada@corp.example", "email_verified": true });
    certified.told(&world, "/test/people", json!({ "sub": "ada", "claims": ada })).await;
    // With a password about, the form is shown and nobody is sent away at once.
    world.person("carl", &[]).await;
    world
}

#[tokio::test]
async fn ada_signs_in_at_the_provider_steps_up_there_and_signs_out_without_script() {
    let certified = Certified::start().await;
    let world = world_with(&certified).await;
    let driver = Driver::start().await;
    let tab = driver.opens(&world, Habits { script: false, ..Habits::default() }).await;
    tab.opens("/staff/a?b=c%2f").await;
    tab.is_at("login").await;
    tab.clicks(BUTTON).await;
    signs_in_there(&tab, &certified, false).await;
    tab.sees("/staff/a?b=c%2f").await;
    assert_eq!(world.upstream.last().values("remote-user"), ["ada"]);
    tab.opens("/payroll").await;
    tab.is_at("mfa/external").await;
    tab.clicks("button[name=provider]").await;
    signs_in_there(&tab, &certified, true).await;
    tab.sees("/payroll").await;
    tab.opens("/.vestibule/logout").await;
    tab.clicks("form button").await;
    tab.is_elsewhere(&certified.issuer).await;
    tab.opens("/staff").await;
    tab.is_at("login").await;
    driver.ends(tab).await;
}

#[tokio::test]
async fn who_says_no_there_stands_on_a_page_with_a_way_on() {
    let certified = Certified::start().await;
    let world = world_with(&certified).await;
    let driver = Driver::start().await;
    let tab = driver.opens(&world, Habits { width: 320, ..Habits::default() }).await;
    tab.opens("/staff").await;
    tab.is_at("login").await;
    tab.fits().await;
    tab.clicks(BUTTON).await;
    tab.is_elsewhere(&certified.issuer).await;
    tab.clicks("#no").await;
    tab.is_at("callback/corp").await;
    tab.fits().await;
    assert!(tab.text("main").await.contains("did not let you in"));
    tab.clicks("main a").await;
    tab.is_at("login").await;
    driver.ends(tab).await;
}

#[tokio::test]
async fn a_passkey_of_a_providers_person_is_a_second_factor_and_no_way_in() {
    let certified = Certified::start().await;
    let world = world_with(&certified).await;
    let driver = Driver::start().await;
    let tab = driver.opens(&world, Habits::default()).await;
    tab.plugs_in(BUILT_IN).await;
    tab.opens("/staff").await;
    tab.clicks(BUTTON).await;
    signs_in_there(&tab, &certified, false).await;
    tab.sees("/staff").await;
    registers(&tab, "Blue laptop").await;
    tab.is_at("enrol/recovery").await;
    tab.clicks("button.go").await;
    tab.is_at("login").await;
    // The provider cannot be asked about somebody who is not there.
    tab.clicks("#passkey").await;
    tab.is_at("login/passkey").await;
    assert!(tab.text("main").await.contains("signs in with the company account"));
    tab.opens("/staff").await;
    tab.is_at("login").await;
    tab.clicks(BUTTON).await;
    tab.is_at("mfa").await;
    tab.clicks("button[name=method][value=webauthn]").await;
    tab.is_at("mfa/webauthn").await;
    tab.clicks("form[data-webauthn] button.go").await;
    tab.sees("/staff").await;
    driver.ends(tab).await;
}
