//! What comes before the first factor: a code to the registered address, or a set-up link. A password alone enrols nothing.

use super::TARGET;
use crate::harness::*;

#[tokio::test]
async fn a_stolen_password_is_not_enough_to_enrol() {
    let world = World::builder().mfa("policy = \"required\"").build().await;
    let alice = world.person("alice", &[]).await;
    let mut thief = alice.elsewhere(66);
    thief.visits("/").await;
    thief.types_password().await.leads_to("/.vestibule/enrol");
    let csrf = {
        let mut tab = thief.clone();
        tab.follows().await;
        tab.is_at("enrol/verify");
        tab.form("enrol/verify/send").fields
    };
    // Nor by posting past the page.
    let form = html::Form { action: "/.vestibule/enrol".into(), method: "post".into(), fields: csrf.clone(), ..html::Form::default() };
    thief.submits(&form, &[("method", "totp")]).await.leads_to("/.vestibule/enrol/verify");
    thief.clone().opens("/.vestibule/enrol/totp").await.is(303);
    let form = html::Form { action: "/.vestibule/enrol/totp".into(), ..form };
    let answer = thief.submits(&form, &[("code", "123456")]).await;
    assert!(matches!(answer.status, 303 | 422), "{}", answer.status);
    assert!(world.app().services.accounts.named("alice").await.unwrap().enrolled().is_empty());
    // Guessing the mailed code has an end.
    thief.visits("/.vestibule/enrol/verify").await;
    thief.sends("enrol/verify/send", &[]).await;
    thief.follows().await;
    for _ in 0..5 {
        thief.sends("enrol/verify", &[("code", "000000")]).await.is(422);
    }
    let right = alice.mailed_code();
    let form = thief.form("enrol/verify");
    thief.submits(&form, &[("code", &right)]).await.is(422);
}

#[tokio::test]
async fn a_code_to_the_registered_address_vouches_and_does_no_more() {
    let world = World::builder().build().await;
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in().await;
    alice.visits(TARGET).await;
    alice.is_at("enrol/verify");
    assert!(world.outbox.newest_first().is_empty(), "a GET sends nothing");
    alice.sends("enrol/verify/send", &[]).await;
    alice.follows().await;
    assert!(alice.page.text().contains("a•••@post.example"), "{}", alice.page.text());
    alice.sends("enrol/verify", &[("code", "000000")]).await.is(422);
    let code = alice.mailed_code();
    alice.sends("enrol/verify", &[("code", &code)]).await.leads_to("/.vestibule/enrol");
    assert_eq!(alice.calls("GET", "/payroll").await.is(401).json()["reason"], "enrol");
    alice.follows().await;
    alice.is_at("enrol");
    alice.enrols_an_app("").await;
    alice.types_password().await;
    alice.follows().await;
    alice.is_at("mfa/totp");
    // It is no second factor.
    alice.types_code(&code).await.is(422);
    alice.types_the_next_code().await;
    alice.follows().await;
    alice.sees(TARGET);
}

#[tokio::test]
async fn a_set_up_link_vouches_once() {
    let world = World::builder().build().await;
    let (mut newcomer, token) = world.newcomer("newcomer").await;
    let link = format!("/.vestibule/setup?token={token}");
    // Mail scanners follow links.
    for _ in 0..3 {
        world.at_a_browser("scanner").visits(&link).await.is(200);
    }
    newcomer.visits(&link).await;
    for weak in ["short", "password1234", "newcomer-newcomer"] {
        assert!(newcomer.sends("setup", &[("password", weak)]).await.is(422).alert().is_some(), "{weak}");
    }
    newcomer.password = "quiet-mountain-lantern-7".to_owned();
    let password = newcomer.password.clone();
    newcomer.sends("setup", &[("password", &password)]).await.leads_to("/.vestibule/enrol");
    newcomer.follows().await;
    newcomer.is_at("enrol");
    assert!(!newcomer.clone().is_signed_in().await);
    newcomer.enrols_an_app("").await;
    newcomer.signs_in().await;
    let mut late = world.at_a_browser("late");
    late.visits(&link).await.is(422);
    late.visits("/.vestibule/setup?token=AAAA").await.is(422);
    late.visits("/.vestibule/setup").await.is(422);
}

#[tokio::test]
async fn a_set_up_link_is_good_for_a_day() {
    let world = World::builder().build().await;
    let (mut one, token) = world.newcomer("one").await;
    world.advance(minutes(24 * 60) - seconds(1));
    let link = format!("/.vestibule/setup?token={token}");
    one.visits(&link).await.is(200);
    let form = one.form("setup");
    world.advance(seconds(1));
    one.visits(&link).await.is(422);
    one.submits(&form, &[("password", "quiet-mountain-lantern-7")]).await.is(422);
}
