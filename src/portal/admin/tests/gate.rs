//! Who gets in, at every address and by every method.

use std::time::Duration;

use super::house::{House, NOW};
use crate::account::UserMfaPolicy;
use crate::base::Time;
use crate::factor::Method;
use crate::policy::Proof;

const PAGES: [&str; 7] =
    ["admin", "admin/users", "admin/users/new", "admin/users/root", "admin/users/root/delete", "admin/sessions", "admin/audit"];
const FORMS: [&str; 4] = ["admin/users", "admin/users/bob", "admin/sessions", "admin/bulk"];

fn email(at: Time) -> Proof {
    Proof::Second { method: Method::Email, at }
}

/// Every page and form answers this to who has proved that.
async fn all_answer(house: &House, who: Option<(&str, Proof)>, status: u16, location: &str) {
    house.add("bob", &["staff"]).await;
    let browser = match who {
        Some((name, proof)) => house.signed_in(name, proof).await,
        None => house.stranger().await,
    };
    let before = house.account("bob").await.epoch;
    for page in PAGES {
        let answer = browser.get(page).await;
        assert_eq!(answer.status, status, "{page}");
        if !location.is_empty() {
            let rd = page.replace('/', "%2F");
            assert_eq!(answer.location, format!("/.vestibule/{location}?rd=%2F.vestibule%2F{rd}"));
        }
    }
    for form in FORMS {
        let answer = browser.post(form, &[("action", "disable"), ("username", "eve"), ("email", "eve@internal.example")]).await;
        assert_eq!(answer.status, status, "{form}");
        assert!(!answer.has("name=\"action\""), "{form}");
    }
    let bob = house.account("bob").await;
    assert!(!bob.disabled && bob.epoch == before, "nothing was done");
    assert!(house.app.services.store.account_by_login("eve").await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_in_particular_is_sent_to_sign_in() {
    all_answer(&House::new().await, None, 303, "login").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_group_is_refused_with_whatever_factor() {
    let house = House::new().await;
    house.add("carol", &["staff"]).await;
    house.enrol("carol").await;
    all_answer(&house, Some(("carol", email(NOW))), 403, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_alone_is_sent_to_the_second_door() {
    all_answer(&House::new().await, Some(("root", Proof::Password)), 303, "mfa").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_browser_is_sent_to_the_second_door() {
    all_answer(&House::new().await, Some(("root", Proof::TrustedBrowser)), 303, "mfa").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_code_is_no_second_factor_here() {
    let proof = Proof::Second { method: Method::Recovery, at: NOW };
    all_answer(&House::new().await, Some(("root", proof)), 303, "mfa").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_factor_that_has_grown_old_is_asked_for_again() {
    let proof = email(NOW.minus(Duration::from_millis(15 * 60 * 1000 + 1)));
    all_answer(&House::new().await, Some(("root", proof)), 303, "mfa").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_without_a_factor_is_sent_to_enrol() {
    let house = House::new().await;
    house.add("dora", &["admins"]).await;
    all_answer(&house, Some(("dora", Proof::Password)), 303, "enrol").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_of_off_closes_the_administration() {
    let house = House::new().await;
    house.edit("root", |root| root.mfa_policy = UserMfaPolicy::Off).await;
    all_answer(&house, Some(("root", email(NOW))), 403, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_factor_opens_every_page_until_it_is_too_old() {
    let house = House::new().await;
    let root = house.signed_in("root", email(NOW)).await;
    for page in PAGES.into_iter().filter(|page| !page.ends_with("/delete")) {
        assert_eq!(root.get(page).await.status, 200, "{page}");
    }
    house.clock.advance(Duration::from_secs(15 * 60));
    assert_eq!(root.get("admin").await.status, 200);
    house.clock.advance(Duration::from_secs(1));
    let stale = root.post("admin/users/root", &[("action", "setup_link")]).await;
    assert_eq!((stale.status.as_u16(), stale.location.as_str()), (303, "/.vestibule/mfa?rd=%2F.vestibule%2Fadmin%2Fusers%2Froot"));
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_the_group_closes_the_door_at_once() {
    let house = House::new().await;
    let root = house.root().await;
    house.edit("root", |root| root.groups.clear()).await;
    assert_eq!(root.get("admin").await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_door_asks_on_the_way_to_the_administration_and_nowhere_else() {
    let house = House::new().await;
    let proof = email(NOW.minus(Duration::from_secs(3600)));
    let root = house.signed_in("root", proof).await;
    for way in ["%2F.vestibule%2Fadmin", "%2F.vestibule%2Fadmin%2Fusers%3Fq%3Dbob"] {
        let door = root.get(&format!("mfa?rd={way}")).await;
        assert_eq!(door.location, format!("/.vestibule/mfa/email?rd={way}"));
        assert_eq!(root.get(&format!("mfa/email?rd={way}")).await.status, 200, "{way}");
    }
    for way in ["/.vestibule/administrate", "/", "/admin"] {
        assert_eq!(root.get(&format!("mfa?rd={way}")).await.location, way, "needless");
    }
    let fresh = house.root().await;
    assert_eq!(fresh.get("mfa?rd=%2F.vestibule%2Fadmin").await.location, "/.vestibule/admin");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_without_its_token_does_nothing() {
    let house = House::new().await;
    house.add("bob", &["staff"]).await;
    let root = house.root().await;
    for (form, fields) in
        [("admin/users/bob", [("action", "disable")]), ("admin/users", [("username", "eve")]), ("admin/bulk", [("action", "disable")])]
    {
        assert_eq!(root.post_without_token(form, &fields).await.status, 403, "{form}");
    }
    assert!(!house.account("bob").await.disabled);
}
