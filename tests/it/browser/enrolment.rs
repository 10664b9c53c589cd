//! A newcomer sets up an authenticator app and keeps the recovery codes.

use std::collections::HashSet;

use super::driver::Habits;
use super::{Driver, world};
use crate::harness::*;

#[tokio::test]
async fn a_newcomer_sets_up_an_app_and_signs_in_with_it() {
    let world = world().build().await;
    let mut nina = world.person("nina", &[]).await;
    let target = "/payroll/may?x=1";
    let driver = Driver::start().await;
    let tab = driver.opens(&world, Habits { width: 390, ..Habits::default() }).await;
    tab.opens(target).await;
    tab.types_password("nina").await;
    tab.is_at("enrol").await;
    tab.fits().await;
    tab.clicks("button[name=method][value=totp]").await;
    tab.is_at("enrol/totp").await;
    tab.fits().await;
    let (_, _, width, height) = tab.element(".qr svg").await.rectangle().await.unwrap();
    assert!(width >= 150.0 && (width - height).abs() < 1.0, "a phone reads no QR code of {width} by {height}");
    nina.phone = Some(Authenticator::from_key(&tab.text("#totp-secret").await));
    tab.types_code(&nina.code()).await;
    tab.is_at("enrol/recovery").await;
    tab.fits().await;
    let codes = tab.texts("#recovery-codes code").await;
    assert_eq!(codes.iter().collect::<HashSet<_>>().len(), 10, "{codes:?}");
    // The tools appear with the script that makes them work.
    assert!(tab.element("[data-do=download]").await.is_displayed().await.unwrap());
    tab.clicks("button.go").await;
    nina.waits_for_the_next_code();
    tab.types_password("nina").await;
    tab.is_at("mfa/totp").await;
    tab.types_code(&nina.code()).await;
    tab.sees(target).await;
    tab.was_quiet().await;
    driver.ends(tab).await;
}
