//! Ends: here, there, and while the session goes on.

use serde_json::{Value, json};

use super::world_with;
use crate::harness::*;

async fn signed_in(world: &World, provider: &Provider, claims: Value) -> Person {
    let alice = world.person("alice", &["staff"]).await;
    world.links("alice", "ada").await;
    let mut one = alice.elsewhere(3);
    provider.says(claims);
    one.comes_by_the_provider(provider, "/").await;
    one.sees("/");
    one
}

async fn told(world: &World, name: &str, token: &str) -> Answer {
    let mut provider = world.at_a_browser("the provider");
    let body = format!("logout_token={token}");
    provider
        .asks("POST", &format!("/.vestibule/backchannel/{name}"), "Content-Type: application/x-www-form-urlencoded\r\n", body.as_bytes())
        .await
}

#[tokio::test]
async fn signing_out_here_signs_out_there() {
    let (world, provider) = world_with("").await;
    let mut alice = signed_in(&world, &provider, json!({})).await;
    alice.visits("/.vestibule/logout").await;
    let away = alice.sends("logout", &[]).await.is(303).location().to_owned();
    assert!(away.starts_with(&format!("{}/end?", provider.issuer)), "{away}");
    let asked: std::collections::HashMap<String, String> = url::Url::parse(&away).unwrap().query_pairs().into_owned().collect();
    assert!(asked["id_token_hint"].starts_with("eyJ"));
    assert_eq!(asked["post_logout_redirect_uri"], "http://app.example/.vestibule/logout");
    assert!(!alice.is_signed_in().await, "here first, whatever happens there");
    alice.comes_back("/.vestibule/logout").await.is(200);
}

#[tokio::test]
async fn the_back_channel_ends_sessions_and_tunnels_at_once_and_each_token_once() {
    let (world, provider) = world_with("").await;
    let mut alice = signed_in(&world, &provider, json!({ "sid": "s1" })).await;
    let (mut socket, answer) = alice.opens_socket("/ws", "http://app.example").await;
    answer.is(101);
    let token = provider.logout_token(json!({ "sub": "bob" }));
    told(&world, "corp", &token).await.is(200);
    told(&world, "corp", &provider.logout_token(json!({ "sid": "s2" }))).await.is(200);
    assert!(alice.is_signed_in().await, "somebody else, another session");
    for bad in ["x", "", &provider.logout_token(json!({ "aud": "another" })), &provider.logout_token(json!({ "nonce": "n" })), &token] {
        let answer = told(&world, "corp", bad).await;
        assert_eq!(answer.is(400).header("cache-control"), Some("no-store"));
    }
    told(&world, "nobody", &provider.logout_token(json!({}))).await.is(404);
    assert!(alice.is_signed_in().await);
    told(&world, "corp", &provider.logout_token(json!({ "sid": "s1" }))).await.is(200);
    assert!(!alice.is_signed_in().await);
    assert_eq!(socket.hear().await, None, "the tunnel is cut");
}

#[tokio::test]
async fn it_ends_what_came_from_the_provider_and_nothing_else() {
    let (world, provider) = world_with("").await;
    let mut by_provider = signed_in(&world, &provider, json!({})).await;
    let mut by_password = by_provider.elsewhere(4);
    by_password.signs_in().await;
    told(&world, "corp", &provider.logout_token(json!({}))).await.is(200);
    assert!(!by_provider.is_signed_in().await && by_password.is_signed_in().await);
}

#[tokio::test]
async fn a_sign_in_that_is_under_way_when_the_provider_ends_it_comes_to_nothing() {
    let (world, provider) = world_with("").await;
    let mut alice = world.person_with_app("alice", &[]).await;
    world.links("alice", "ada").await;
    alice.comes_by_the_provider(&provider, "/").await;
    alice.is_at("mfa/totp");
    world.advance(seconds(1));
    told(&world, "corp", &provider.logout_token(json!({}))).await.is(200);
    alice.types_the_code().await;
    assert!(!alice.is_signed_in().await);
    world.advance(seconds(30));
    let mut again = alice.elsewhere(5);
    again.comes_by_the_provider(&provider, "/").await;
    again.types_the_code().await.leads_to("/");
}

#[tokio::test]
async fn a_step_up_does_not_lose_the_provider() {
    let (world, provider) = world_with("").await;
    let mut alice = world.person_with_app("alice", &[]).await;
    world.links("alice", "ada").await;
    alice.comes_by_the_provider(&provider, "/").await;
    alice.types_the_code().await.leads_to("/");
    world.advance(minutes(16));
    alice.visits("/fresh").await;
    alice.types_the_code().await.leads_to("/fresh");
    assert!(alice.is_signed_in().await);
    told(&world, "corp", &provider.logout_token(json!({}))).await.is(200);
    assert!(!alice.is_signed_in().await);
}

async fn refreshes(world: &World) {
    world.app().services.provider.refresh_all().await.unwrap();
}

#[tokio::test]
async fn a_group_that_is_taken_away_there_is_gone_here() {
    let more = "create = \"groups\"\nrefresh = \"1m\"\n[providers.group_map]\n\"the-staff\" = \"staff\"";
    let (world, provider) = world_with(more).await;
    let ada = |groups: Value| json!({ "sub": "ada", "preferred_username": "ada", "groups": groups });
    provider.has(ada(json!(["the-staff", "others"])));
    let mut person = world.at_a_browser("ada");
    person.opens("/.vestibule/login?local=1&rd=/staff").await;
    let away = person.presses_the_button().await;
    person.comes_back(&provider.lets_in(&away)).await.leads_to("/staff");
    person.follows().await;
    person.sees("/staff");
    provider.has(ada(json!([])));
    refreshes(&world).await;
    person.calls("GET", "/staff").await.is(200);
    world.advance(minutes(1));
    refreshes(&world).await;
    person.calls("GET", "/staff").await.is(403);
    assert!(person.is_signed_in().await);
    // Asked again only when it is due, and with the token that came last.
    let asked = provider.count("token");
    refreshes(&world).await;
    assert_eq!(provider.count("token"), asked);
    world.advance(minutes(1));
    provider.has(ada(json!(["the-staff"])));
    refreshes(&world).await;
    person.calls("GET", "/staff").await.is(200);
}

#[tokio::test]
async fn whom_the_provider_no_longer_knows_is_signed_out_and_its_absence_is_borne_for_a_while() {
    let (world, provider) = world_with("refresh = \"1m\"\nmax_stale = \"5m\"").await;
    let mut alice = signed_in(&world, &provider, json!({})).await;
    provider.answers_instead("token", 503, "ill");
    world.advance(minutes(4));
    refreshes(&world).await;
    assert!(alice.is_signed_in().await);
    provider.is_honest_again();
    world.advance(minutes(1));
    refreshes(&world).await;
    assert!(alice.is_signed_in().await, "it was confirmed again");
    provider.answers_instead("token", 503, "ill");
    for _ in 0..4 {
        world.advance(minutes(1));
        refreshes(&world).await;
        assert!(alice.is_signed_in().await);
    }
    world.advance(minutes(2));
    refreshes(&world).await;
    assert!(!alice.is_signed_in().await, "after max_stale");
    provider.is_honest_again();
    alice.comes_by_the_provider(&provider, "/").await;
    provider.forgets_everybody();
    world.advance(minutes(1));
    refreshes(&world).await;
    assert!(!alice.is_signed_in().await, "invalid_grant");
}

#[tokio::test]
async fn a_provider_that_leaves_the_configuration_takes_its_sessions_along() {
    let (world, provider) = world_with("").await;
    let mut alice = signed_in(&world, &provider, json!({})).await;
    let section = provider.section("");
    world.reload(|text| text.replace(&section, "")).await;
    refreshes(&world).await;
    assert!(!alice.is_signed_in().await);
}

#[tokio::test]
async fn a_step_up_at_the_provider_brings_what_it_gave_last() {
    let (world, provider) = world_with("refresh = \"1m\"\ncounts_as_second_factor = { amr = [\"mfa\"] }").await;
    let mut alice = signed_in(&world, &provider, json!({ "amr": ["mfa"], "sid": "s1" })).await;
    world.advance(minutes(16));
    provider.says(json!({ "amr": ["mfa"], "sid": "s2" }));
    alice.visits("/fresh").await;
    let away = alice.sends("mfa/external", &[]).await.is(303).location().to_owned();
    // A provider may take an older token back when it gives a new one.
    provider.forgets_everybody();
    alice.comes_back(&provider.lets_in(&away)).await.leads_to("/fresh");
    refreshes(&world).await;
    world.advance(minutes(1));
    refreshes(&world).await;
    assert!(alice.is_signed_in().await);
    told(&world, "corp", &provider.logout_token(json!({ "sid": "s2" }))).await.is(200);
    assert!(!alice.is_signed_in().await, "its newer session there is what it hangs on");
}
