//! The provider as the second factor, after our own password.

use serde_json::json;

use super::world_with;
use crate::harness::*;

const EXTERNAL: &str = "use = [\"second_factor\"]\ncounts_as_second_factor = { acr = [\"gold\"] }";

async fn at_the_second_step(world: &World, provider: &Provider) -> Person {
    let mut alice = world.person("alice", &[]).await;
    world.links("alice", "ada").await;
    provider.says(json!({ "acr": "gold" }));
    alice.visits("/payroll").await;
    assert!(!alice.has_form("login/with/corp"), "it is no way to sign in");
    alice.types_password().await.is(303);
    alice.follows().await;
    alice.is_at("mfa/external");
    alice
}

#[tokio::test]
async fn after_the_password_the_provider_confirms() {
    let (world, provider) = world_with(EXTERNAL).await;
    let mut alice = at_the_second_step(&world, &provider).await;
    let away = alice.sends("mfa/external", &[]).await.is(303).location().to_owned();
    let asked = provider.asked_for(&away);
    assert_eq!(
        (asked["max_age"].as_str(), asked["acr_values"].as_str(), asked["login_hint"].as_str()),
        ("0", "gold", "alice@post.example")
    );
    assert!(!alice.is_signed_in().await);
    alice.comes_back(&provider.lets_in(&away)).await.leads_to("/payroll");
    alice.follows().await;
    alice.sees("/payroll");
    let signed_in = world.audited().await.into_iter().find(|(event, _)| event == "sign_in.finished").unwrap();
    assert_eq!(signed_in.1, "password, external");
}

#[tokio::test]
async fn an_old_session_a_weak_one_or_somebody_else_is_no_second_factor() {
    let (world, provider) = world_with(EXTERNAL).await;
    let alice = at_the_second_step(&world, &provider).await;
    let now = world.now();
    for (sub, says) in [
        ("ada", json!({ "acr": "gold", "auth_time": now - 61 })),
        ("ada", json!({ "acr": "gold", "auth_time": null })),
        ("ada", json!({ "acr": "silver" })),
        ("ada", json!({})),
        ("bob", json!({ "acr": "gold" })),
    ] {
        let mut one = alice.clone();
        provider.has(json!({ "sub": sub }));
        provider.says(says.clone());
        let away = one.sends("mfa/external", &[]).await.is(303).location().to_owned();
        one.comes_back(&provider.lets_in(&away)).await.is(403);
        assert!(!one.is_signed_in().await, "{says}");
    }
    assert!(world.audited().await.iter().any(|(event, detail)| event == "second_factor.wrong" && detail == "external"));
}

#[tokio::test]
async fn it_is_set_up_by_linking_once() {
    let (world, provider) = world_with(EXTERNAL).await;
    let mut alice = world.person("alice", &[]).await;
    alice.visits("/payroll").await;
    alice.types_password().await.is(303);
    alice.follows().await;
    alice.is_at("enrol");
    provider.says(json!({ "acr": "gold" }));
    alice.picks("enrol", "external").await;
    alice.is_at("enrol/external");
    let away = alice.sends("enrol/external", &[]).await.is(303).location().to_owned();
    alice.comes_back(&provider.lets_in(&away)).await.leads_to("/.vestibule/enrol/recovery");
    alice.follows().await;
    alice.sends("enrol/recovery", &[]).await.leads_to("/.vestibule/login");
    alice.follows().await;
    alice.types_password().await.is(303);
    alice.follows().await;
    alice.is_at("mfa/external");
    let away = alice.sends("mfa/external", &[]).await.is(303).location().to_owned();
    alice.comes_back(&provider.lets_in(&away)).await.leads_to("/payroll");
    // The same person there is nobody else's factor.
    let mut bob = world.person("bob", &[]).await;
    bob.visits("/payroll").await;
    bob.types_password().await;
    bob.follows().await;
    bob.picks("enrol", "external").await;
    let away = bob.sends("enrol/external", &[]).await.is(303).location().to_owned();
    bob.comes_back(&provider.lets_in(&away)).await.is(403);
    assert!(bob.page.text().contains("linked to another user"));
}

#[tokio::test]
async fn an_answer_for_one_sign_in_finishes_no_other() {
    let (world, provider) = world_with(EXTERNAL).await;
    let mut alice = at_the_second_step(&world, &provider).await;
    let away = alice.sends("mfa/external", &[]).await.is(303).location().to_owned();
    let back = provider.lets_in(&away);
    // A new sign-in in the same browser has another flow.
    let mut other = alice.clone();
    other.visits("/.vestibule/login").await;
    other.types_password().await.is(303);
    other.comes_back(&back).await.is(422);
    assert!(!other.is_signed_in().await);
    alice.comes_back(&back).await.leads_to("/payroll");
}
