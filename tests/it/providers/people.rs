//! Whose account a provider's person is.

use serde_json::json;

use super::world_with;
use crate::harness::*;

#[tokio::test]
async fn nobody_is_let_in_who_is_not_linked_whatever_their_address_says() {
    let (world, provider) = world_with("").await;
    let mut alice = world.person("alice", &[]).await;
    provider.has(json!({ "sub": "evil", "preferred_username": "alice", "email": "alice@post.example", "email_verified": true }));
    alice.visits("/").await;
    let away = alice.presses_the_button().await;
    alice.comes_back(&provider.lets_in(&away)).await;
    alice.is_told(403, "No account here belongs to you").await;
    let refused = world.audited().await.into_iter().find(|(event, _)| event == "provider.refused").unwrap();
    assert!(refused.1.contains("evil"), "an administrator finds the subject: {}", refused.1);
}

#[tokio::test]
async fn an_address_links_once_if_it_is_verified_and_in_a_domain_that_is_named() {
    let (world, provider) = world_with("link_by = \"email\"\nemail_domains = [\"post.example\"]").await;
    let alice = world.person("alice", &[]).await;
    let ada = |sub: &str, email: &str, verified: serde_json::Value| json!({ "sub": sub, "email": email, "email_verified": verified });
    let come = |claims: serde_json::Value| {
        let (mut one, provider) = (alice.elsewhere(4), provider.clone());
        provider.has(claims);
        async move {
            one.visits("/").await;
            let away = one.presses_the_button().await;
            one.comes_back(&provider.lets_in(&away)).await.status
        }
    };
    assert_eq!(come(ada("a", "alice@post.example", json!(false))).await, 403);
    assert_eq!(come(ada("a", "alice@post.example", json!(null))).await, 403);
    assert_eq!(come(ada("a", "alice@post.example", json!("yes"))).await, 403);
    assert_eq!(come(ada("a", "alice@elsewhere.example", json!(true))).await, 403);
    assert_eq!(come(ada("a", "alice@post.example@evil.example", json!(true))).await, 403);
    assert_eq!(come(ada("a", "ALICE@Post.example", json!(true))).await, 303);
    assert_eq!(come(ada("a", "other@post.example", json!(false))).await, 303, "by the subject from now on");
    assert_eq!(come(ada("b", "alice@post.example", json!(true))).await, 403, "never a second subject");
}

#[tokio::test]
async fn a_new_person_gets_an_account_with_mapped_groups_and_no_name_of_anybodys() {
    let more = "create = \"groups\"\n[providers.group_map]\n\"the-staff\" = \"staff\"";
    let (world, provider) = world_with(more).await;
    world.person("bob", &[]).await;
    let come = |claims: serde_json::Value| {
        let (mut one, provider) = (world.at_a_browser("x"), provider.clone());
        provider.has(claims);
        async move {
            one.visits("/staff").await;
            let away = one.presses_the_button().await;
            one.comes_back(&provider.lets_in(&away)).await;
            one
        }
    };
    let mut ada = come(json!({ "sub": "1", "preferred_username": "ada@corp.example", "name": "Ada L", "groups": ["the-staff", "admins"], "email": "ada@corp.example", "email_verified": true })).await;
    ada.page.leads_to("/staff");
    ada.follows().await;
    let seen = world.upstream.last();
    assert_eq!((seen.values("remote-user"), seen.values("remote-groups")), (vec!["ada"], vec!["staff"]));
    assert_eq!(seen.values("remote-email"), ["ada@corp.example"]);
    for claims in [
        json!({ "sub": "2", "preferred_username": "eve", "groups": ["admins"] }),
        json!({ "sub": "3", "preferred_username": "BOB", "groups": ["the-staff"] }),
        json!({ "sub": "4", "preferred_username": "ada", "groups": ["the-staff"] }),
        json!({ "sub": "5", "preferred_username": "a b", "groups": ["the-staff"] }),
        json!({ "sub": "6", "preferred_username": "bob@post.example", "groups": ["the-staff"] }),
        json!({ "sub": "7", "groups": ["the-staff"] }),
        json!({ "sub": "8", "preferred_username": "many", "_claim_names": { "groups": "src1" } }),
        json!({ "sub": "9", "preferred_username": "odd", "groups": { "the-staff": true } }),
    ] {
        let mut one = come(claims.clone()).await;
        one.page.is(403);
        assert!(!one.is_signed_in().await, "{claims}");
    }
    assert!(world.audited().await.iter().any(|(event, detail)| event == "provider.refused" && detail.contains("too many groups")));
}

#[tokio::test]
async fn an_unverified_address_is_not_passed_on_to_the_application() {
    let (world, provider) = world_with("create = \"always\"").await;
    provider.has(json!({ "sub": "1", "preferred_username": "ada", "email": "boss@corp.example" }));
    let mut ada = world.at_a_browser("ada");
    ada.opens("/.vestibule/login?local=1&rd=/").await;
    let away = ada.presses_the_button().await;
    ada.comes_back(&provider.lets_in(&away)).await.leads_to("/");
    ada.follows().await;
    assert!(!format!("{:?}", world.upstream.last()).contains("boss"));
}

#[tokio::test]
async fn entra_is_known_by_tenant_and_object() {
    let provider = Provider::below("/11112222-3333/v2.0").await;
    let world = World::builder().with(&provider.section("")).build().await;
    provider.follows(&world.clock);
    let alice = world.person("alice", &[]).await;
    world.links("alice", "11112222-3333/object").await;
    for (claims, status) in [
        (json!({ "sub": "pairwise", "tid": "11112222-3333", "oid": "object" }), 303),
        (json!({ "sub": "other", "tid": "11112222-3333", "oid": "object" }), 303),
        (json!({ "sub": "pairwise", "tid": "another", "oid": "object" }), 403),
        (json!({ "sub": "11112222-3333/object", "tid": "11112222-3333", "oid": "evil" }), 403),
    ] {
        let mut one = alice.elsewhere(6);
        provider.has(claims.clone());
        one.visits("/").await;
        let away = one.presses_the_button().await;
        assert_eq!(one.comes_back(&provider.lets_in(&away)).await.status, status, "{claims}");
    }
}

#[tokio::test]
async fn a_disabled_account_and_an_unlinked_one_stay_outside() {
    use vestibule::service::audit::Actor;
    let (world, provider) = world_with("").await;
    let mut alice = world.person("alice", &[]).await;
    world.links("alice", "ada").await;
    alice.comes_by_the_provider(&provider, "/").await;
    world.app().services.provider.unlink_by_hand("alice", "corp", Actor::CommandLine).await.unwrap();
    assert!(!alice.is_signed_in().await, "the sessions end with the link");
    alice.visits("/").await;
    let away = alice.presses_the_button().await;
    alice.comes_back(&provider.lets_in(&away)).await;
    alice.is_told(403, "No account here belongs to you").await;
    world.links("alice", "ada").await;
    world.disable("alice").await;
    alice.visits("/").await;
    let away = alice.presses_the_button().await;
    alice.comes_back(&provider.lets_in(&away)).await;
    alice.is_told(403, "disabled").await;
}

#[tokio::test]
async fn no_other_way_in_stands_for_the_providers_word() {
    use vestibule::base::Secret;
    let (world, provider) = world_with("create = \"always\"").await;
    world.person("carl", &[]).await;
    let mut ada = world.at_a_browser("ada");
    ada.comes_by_the_provider(&provider, "/").await;
    ada.sees("/");
    let services = &world.app().services;
    let account = services.store.account_by_login("ada").await.unwrap().unwrap();
    assert_eq!(account.source_name(), "corp");
    // Neither a password that somebody gives them, nor one by a link.
    assert!(services.accounts.set_password("ada", &Secret::new(PASSWORD), vestibule::service::audit::Actor::CommandLine).await.is_err());
    assert!(services.accounts.setup_link("ada", vestibule::service::audit::Actor::CommandLine).await.is_err());
    let mut other = ada.elsewhere(4);
    other.visits("/").await;
    other.types_password().await.is(422);
    assert!(!other.is_signed_in().await);
}

#[tokio::test]
async fn a_service_account_is_nobodys_at_a_provider() {
    use vestibule::service::accounts::NewAccount;
    use vestibule::service::audit::Actor;
    let (world, provider) = world_with("link_by = \"email\"\nemail_domains = [\"corp.example\"]").await;
    let robot = NewAccount { name: "robot".into(), email: "ada@corp.example".into(), service: true, ..NewAccount::default() };
    let services = &world.app().services;
    services.accounts.add(&robot, None, Actor::CommandLine).await.unwrap();
    assert!(services.provider.link_by_hand("robot", "corp", "ada", Actor::CommandLine).await.is_err());
    world.person("carl", &[]).await;
    let mut ada = world.at_a_browser("ada");
    ada.visits("/").await;
    let away = ada.presses_the_button().await;
    ada.comes_back(&provider.lets_in(&away)).await;
    ada.is_told(403, "No account here belongs to you").await;
}
