//! A provider that lies, a browser that mixes answers up, and answers that are too much.

use serde_json::{Value, json};

use super::world_with;
use crate::harness::*;

#[tokio::test]
async fn no_lie_in_a_token_lets_anybody_in() {
    let (world, provider) = world_with("").await;
    let mut alice = world.person("alice", &[]).await;
    world.links("alice", "ada").await;
    type Twist = fn(&mut Value, &mut Value);
    let lies: [(&str, Twist, &str); 12] = [
        ("issuer", |_, claims| claims["iss"] = json!("https://other.example"), "was not accepted"),
        ("audience", |_, claims| claims["aud"] = json!("another"), "was not accepted"),
        ("two audiences", |_, claims| claims["aud"] = json!(["gate", "another"]), "was not accepted"),
        ("party", |_, claims| claims["azp"] = json!("another"), "was not accepted"),
        ("nonce", |_, claims| claims["nonce"] = json!("another"), "was not accepted"),
        ("no nonce", |_, claims| drop(claims.as_object_mut().unwrap().remove("nonce")), "was not accepted"),
        ("expired", |_, claims| claims["exp"] = json!(claims["iat"].as_u64().unwrap() - 61), "clocks"),
        ("future", |_, claims| claims["iat"] = json!(claims["iat"].as_u64().unwrap() + 120), "clocks"),
        ("no algorithm", |header, _| header["alg"] = json!("none"), "was not accepted"),
        ("key as secret", |header, _| header["alg"] = json!("HS256"), "was not accepted"),
        ("another algorithm", |header, _| header["alg"] = json!("RS256"), "was not accepted"),
        ("logout token", |_, claims| claims["events"] = json!({}), "was not accepted"),
    ];
    for (lie, twist, words) in lies {
        provider.twists(twist);
        alice.visits("/").await;
        let away = alice.presses_the_button().await;
        alice.comes_back(&provider.lets_in(&away)).await;
        assert!([403, 502].contains(&alice.page.status), "{lie}: {}", alice.page.status);
        let status = alice.page.status;
        alice.is_told(status, words).await;
    }
    provider.is_honest_again();
    alice.comes_by_the_provider(&provider, "/").await;
    alice.sees("/");
}

#[tokio::test]
async fn userinfo_of_somebody_else_is_refused() {
    let (world, provider) = world_with("").await;
    let mut alice = world.person("alice", &[]).await;
    world.links("alice", "ada").await;
    for body in [r#"{"sub":"bob"}"#, "{}", "[]", "<html>"] {
        provider.answers_instead("userinfo", 200, body);
        alice.visits("/").await;
        let away = alice.presses_the_button().await;
        alice.comes_back(&provider.lets_in(&away)).await;
        alice.is_told(403, "was not accepted").await;
    }
}

#[tokio::test]
async fn answers_that_are_too_much_or_lead_elsewhere_are_not_taken() {
    let (world, provider) = world_with("").await;
    let mut alice = world.person("alice", &[]).await;
    world.links("alice", "ada").await;
    let huge = vec![b' '; 300 * 1024];
    for (kind, status, body) in [
        ("token", 200, huge.clone()),
        ("token", 302, Vec::new()),
        ("token", 200, b"not json".to_vec()),
        ("keys", 200, huge),
        ("keys", 301, Vec::new()),
        ("keys", 200, br#"{"keys":[]}"#.to_vec()),
    ] {
        provider.answers_instead(kind, status, body);
        alice.visits("/").await;
        let away = alice.presses_the_button().await;
        alice.comes_back(&provider.lets_in(&away)).await;
        alice.is_told(403, "was not accepted").await;
        provider.is_honest_again();
    }
}

#[tokio::test]
async fn unknown_keys_are_fetched_once_a_minute() {
    let (world, provider) = world_with("").await;
    let mut alice = world.person("alice", &[]).await;
    world.links("alice", "ada").await;
    alice.comes_by_the_provider(&provider, "/").await;
    assert_eq!(provider.count("keys"), 1);
    // The first fetch does not count: a key that changes now is found.
    provider.changes_its_key();
    let mut other = alice.elsewhere(3);
    other.comes_by_the_provider(&provider, "/").await;
    other.sees("/");
    assert_eq!(provider.count("keys"), 2);
    provider.changes_its_key();
    for _ in 0..5 {
        let mut one = alice.elsewhere(4);
        one.visits("/").await;
        let away = one.presses_the_button().await;
        one.comes_back(&provider.lets_in(&away)).await.is(403);
    }
    assert_eq!(provider.count("keys"), 2);
    world.advance(seconds(61));
    let mut late = alice.elsewhere(5);
    late.comes_by_the_provider(&provider, "/").await;
    late.sees("/");
    assert_eq!(provider.count("keys"), 3);
}

/// RFC 9700 section 4.4: the answer of one provider, handed in at another's address.
#[tokio::test]
async fn one_providers_answer_is_not_taken_for_anothers() {
    let (honest, evil) = (Provider::start().await, Provider::start().await);
    let world = World::builder().with(&format!("{}{}", honest.section(""), evil.named("evil", ""))).build().await;
    honest.follows(&world.clock);
    evil.follows(&world.clock);
    let mut alice = world.person("alice", &[]).await;
    world.links("alice", "ada").await;
    alice.visits("/").await;
    let away = alice.presses_the_button().await;
    let back = honest.lets_in(&away);
    alice.comes_back(&back.replace("callback/corp", "callback/evil")).await;
    alice.is_told(422, "no longer under way").await;
    assert_eq!(evil.count("token"), 0, "no code of another's is handed to it");
    // The other one's name in the answer.
    let named = evil.issuer.replace(':', "%3A").replace('/', "%2F");
    let own = honest.issuer.replace(':', "%3A").replace('/', "%2F");
    alice.comes_back(&back.replace(&own, &named)).await;
    alice.is_told(403, "was not accepted").await;
    assert_eq!(honest.count("token"), 0);
}

#[tokio::test]
async fn a_sign_in_that_took_too_long_is_over() {
    let (world, provider) = world_with("").await;
    let mut alice = world.person("alice", &[]).await;
    world.links("alice", "ada").await;
    alice.visits("/").await;
    let away = alice.presses_the_button().await;
    world.advance(minutes(15));
    alice.comes_back(&provider.lets_in(&away)).await;
    alice.is_told(422, "no longer under way").await;
}

#[tokio::test]
async fn no_token_and_no_secret_of_a_provider_is_in_the_log_or_the_store_in_plain() {
    let (world, provider) = world_with("").await;
    let mut alice = world.person("alice", &[]).await;
    world.links("alice", "ada").await;
    alice.comes_by_the_provider(&provider, "/").await;
    alice.sees("/");
    let all = format!("{:?}", world.audited().await);
    assert!(!all.contains("eyJ") && !all.contains("code-"), "{all}");
    for seen in world.upstream.seen() {
        assert!(!seen.head.contains("eyJ") && !seen.head.contains("access-"), "{}", seen.head);
    }
}

/// RFC 9207 section 2.4: a provider that says it names itself, and an answer without the name.
#[tokio::test]
async fn an_answer_without_the_name_is_none_of_a_provider_that_names_itself() {
    let provider = Provider::start().await;
    let at = |path: &str| format!("{}/{path}", provider.issuer);
    let announced = json!({
        "issuer": provider.issuer, "authorization_endpoint": at("authorize"), "token_endpoint": at("token"), "jwks_uri": at("keys"),
        "authorization_response_iss_parameter_supported": true,
    });
    provider.answers_instead("discovery", 200, announced.to_string());
    let world = World::builder().with(&provider.section("")).build().await;
    provider.follows(&world.clock);
    let mut alice = world.person("alice", &[]).await;
    world.links("alice", "ada").await;
    alice.visits("/").await;
    let away = alice.presses_the_button().await;
    let back = provider.lets_in(&away);
    let nameless = back.split("&iss=").next().unwrap().to_owned();
    alice.comes_back(&nameless).await;
    alice.is_told(403, "was not accepted").await;
    assert_eq!(provider.count("token"), 0);
    alice.comes_by_the_provider(&provider, "/").await;
    alice.sees("/");
}

/// RFC 9700 section 4.5: a code of another sign-in, put into one's own answer.
#[tokio::test]
async fn a_code_of_another_sign_in_is_worth_nothing() {
    let (world, provider) = world_with("").await;
    let mut alice = world.person("alice", &[]).await;
    world.links("alice", "ada").await;
    alice.visits("/").await;
    let stolen = provider.lets_in(&alice.presses_the_button().await);
    let mut mallory = alice.elsewhere(9);
    mallory.visits("/").await;
    let own = provider.lets_in(&mallory.presses_the_button().await);
    let code = |back: &str| back.split("code=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    mallory.comes_back(&own.replace(&code(&own), &code(&stolen))).await;
    mallory.is_told(403, "was not accepted").await;
}

/// RFC 9700 section 4.11: the way back is judged like any other.
#[tokio::test]
async fn a_sign_in_at_a_provider_leads_to_no_strangers_site() {
    let (world, provider) = world_with("").await;
    let alice = world.person("alice", &[]).await;
    world.links("alice", "ada").await;
    for rd in ["https%3A%2F%2Fevil.example%2F", "%2F%2Fevil.example", "%5C%5Cevil.example", "javascript%3Aalert(1)"] {
        let mut one = alice.elsewhere(4);
        one.opens(&format!("/.vestibule/login?rd={rd}")).await.is(200);
        let away = one.presses_the_button().await;
        assert!(!provider.asked_for(&away)["redirect_uri"].contains("evil"));
        one.comes_back(&provider.lets_in(&away)).await.leads_to("/");
        assert_eq!(one.page.location().trim_start_matches("http://app.example"), "/", "{rd}");
    }
}
