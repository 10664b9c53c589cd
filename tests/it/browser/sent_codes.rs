//! The page for a code that was mailed: it counts down, and opens the way to another code by itself.

use vestibule::factor::Method;

use super::driver::Habits;
use super::{Driver, world};
use crate::harness::*;

fn seconds_on(clock: &str) -> u64 {
    let (minutes, seconds) = clock.split_once(':').expect("minutes and seconds");
    minutes.parse::<u64>().unwrap() * 60 + seconds.parse::<u64>().unwrap()
}

#[tokio::test]
async fn a_mailed_code_counts_down_and_another_can_be_had() {
    let world = world().with("[mfa.otp]\nresend_after = \"3s\"\n").build().await;
    let alice = world.person_with("alice", &[Method::Email]).await;
    let driver = Driver::start().await;
    let tab = driver.opens(&world, Habits::default()).await;
    tab.opens("/payroll/1").await;
    tab.types_password("alice").await;
    tab.is_at("mfa/email").await;
    let first = alice.mailed_code();
    let resend = "#resend button";
    assert!(!tab.element(resend).await.is_enabled().await.unwrap());
    let waiting = tab.text(resend).await;
    let at_first = seconds_on(&tab.text("#countdown").await);
    assert!((240..=300).contains(&at_first), "{at_first}");
    tab.waits_for_enabled(resend).await;
    assert_ne!(tab.text(resend).await, waiting);
    let later = seconds_on(&tab.text("#countdown").await);
    assert!(later < at_first, "{at_first} and then {later}");
    world.advance(seconds(3));
    tab.clicks(resend).await;
    let status = tab.text("[role=status]").await;
    assert!(!status.is_empty());
    let second = alice.mailed_code();
    assert_eq!(world.mail_to("alice").len(), 2);
    if first != second {
        tab.types_code(&first).await;
        assert!(!tab.text("[role=alert]").await.is_empty(), "a resend ends the code before it");
    }
    tab.types_code(&second).await;
    tab.sees("/payroll/1").await;
    tab.was_quiet().await;
    driver.ends(tab).await;
}
