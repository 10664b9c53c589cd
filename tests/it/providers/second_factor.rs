//! What of the provider's counts as a second factor, and how long it is fresh.

use serde_json::json;

use super::world_with;
use crate::harness::*;

const COUNTS: &str = "counts_as_second_factor = { amr = [\"mfa\"], acr = [\"gold\"] }";

#[tokio::test]
async fn what_the_configuration_names_opens_a_two_factor_route() {
    let (world, provider) = world_with(COUNTS).await;
    let mut alice = world.person_with_app("alice", &[]).await;
    world.links("alice", "ada").await;
    provider.says(json!({ "amr": ["pwd", "mfa"] }));
    alice.visits("/payroll").await;
    let away = alice.presses_the_button().await;
    assert_eq!(provider.asked_for(&away)["acr_values"], "gold", "the route wants it, so it is asked for");
    alice.comes_back(&provider.lets_in(&away)).await.leads_to("/payroll");
    alice.follows().await;
    alice.sees("/payroll");
    let signed_in = world.audited().await.into_iter().find(|(event, _)| event == "sign_in.finished").unwrap();
    assert_eq!(signed_in.1, "provider corp, external");
    // It is no authenticator app.
    assert_eq!(alice.calls("GET", "/by-app").await.is(401).json()["reason"], "second_factor");
}

#[tokio::test]
async fn what_it_does_not_name_counts_for_nothing() {
    let (world, provider) = world_with(COUNTS).await;
    let alice = world.person_with_app("alice", &[]).await;
    world.links("alice", "ada").await;
    for says in [json!({}), json!({ "amr": ["pwd"] }), json!({ "acr": "silver" }), json!({ "amr": ["gold"] }), json!({ "acr": "mfa" })] {
        let mut one = alice.elsewhere(4);
        provider.says(says);
        one.comes_by_the_provider(&provider, "/").await;
        one.is_at("mfa");
        assert!(!one.is_signed_in().await);
    }
}

#[tokio::test]
async fn an_old_session_at_the_provider_is_not_fresh_enough() {
    let (world, provider) = world_with(COUNTS).await;
    let mut alice = world.person("alice", &[]).await;
    world.links("alice", "ada").await;
    let before = world.now() - 3600;
    provider.says(json!({ "amr": ["mfa"], "auth_time": before }));
    alice.visits("/fresh/x").await;
    let away = alice.presses_the_button().await;
    assert_eq!(provider.asked_for(&away)["max_age"], "900");
    alice.comes_back(&provider.lets_in(&away)).await.leads_to("/fresh/x");
    alice.follows().await;
    alice.is_at("mfa/external");
    // The provider is asked to have the person authenticate; an old session there still does not do.
    let away = alice.sends("mfa/external", &[]).await.is(303).location().to_owned();
    let asked = provider.asked_for(&away);
    assert_eq!((asked["max_age"].as_str(), asked["login_hint"].as_str()), ("0", "alice@post.example"));
    alice.comes_back(&provider.lets_in(&away)).await.is(403);
    assert!(alice.page.text().contains("fresh second factor"));
    alice.calls("GET", "/fresh/x").await.is(401);
    alice.calls("GET", "/payroll").await.is(200);
    alice.visits("/fresh/x").await;
    let away = alice.sends("mfa/external", &[]).await.is(303).location().to_owned();
    provider.says(json!({ "amr": ["mfa"] }));
    alice.comes_back(&provider.lets_in(&away)).await.leads_to("/fresh/x");
    alice.follows().await;
    alice.sees("/fresh/x");
    world.advance(minutes(15) + seconds(1));
    alice.calls("GET", "/fresh/x").await.is(401);
}

#[tokio::test]
async fn a_second_factor_without_a_time_is_never_fresh() {
    let (world, provider) = world_with(COUNTS).await;
    let mut alice = world.person("alice", &[]).await;
    world.links("alice", "ada").await;
    provider.says(json!({ "amr": ["mfa"], "auth_time": null }));
    alice.comes_by_the_provider(&provider, "/payroll").await;
    alice.sees("/payroll");
    alice.calls("GET", "/fresh").await.is(401);
}

#[tokio::test]
async fn somebody_else_at_the_provider_does_not_step_up() {
    let (world, provider) = world_with(COUNTS).await;
    let mut alice = world.person("alice", &[]).await;
    world.links("alice", "ada").await;
    provider.says(json!({ "amr": ["mfa"] }));
    alice.comes_by_the_provider(&provider, "/payroll").await;
    world.advance(minutes(20));
    alice.visits("/fresh").await;
    let away = alice.sends("mfa/external", &[]).await.is(303).location().to_owned();
    provider.has(json!({ "sub": "bob" }));
    alice.comes_back(&provider.lets_in(&away)).await.is(403);
    assert!(alice.page.text().contains("somebody else"));
    alice.calls("GET", "/fresh").await.is(401);
}

#[tokio::test]
async fn an_administrator_may_have_said_that_a_user_has_other_methods_only() {
    use vestibule::factor::Method;
    use vestibule::service::admin::MfaChange;
    let (world, provider) = world_with(COUNTS).await;
    let mut alice = world.person_with_app("alice", &[]).await;
    world.links("alice", "ada").await;
    world.mfa("alice", MfaChange { allow: Some(vec![Method::Totp]), ..MfaChange::default() }).await;
    provider.says(json!({ "amr": ["mfa"] }));
    alice.comes_by_the_provider(&provider, "/payroll").await;
    alice.is_at("mfa/totp");
}

#[tokio::test]
async fn a_word_that_counts_no_more_opens_nothing_any_more() {
    let (world, provider) = world_with(COUNTS).await;
    let mut alice = world.person("alice", &[]).await;
    world.links("alice", "ada").await;
    provider.says(json!({ "amr": ["mfa"] }));
    alice.comes_by_the_provider(&provider, "/payroll").await;
    alice.sees("/payroll");
    world.reload(|text| text.replace(COUNTS, "")).await;
    alice.calls("GET", "/payroll").await.is(401);
    assert!(alice.is_signed_in().await);
}
