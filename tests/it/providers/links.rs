//! Linking in order to sign in: by oneself after a fresh second factor, by a set-up link, by an administrator.

use serde_json::json;

use super::world_with;
use crate::harness::*;

/// Somebody with a set-up link, in a world where others have passwords.
async fn newcomer(world: &World) -> (Person, String) {
    world.person("carl", &[]).await;
    let (ada, token) = world.newcomer("ada").await;
    (ada, format!("/.vestibule/setup?token={token}"))
}

/// Presses the button that links, on the account page; where the browser is sent.
async fn links_on_the_account_page(person: &mut Person) -> Answer {
    person.visits("/.vestibule/account").await;
    person.sends("account/link", &[]).await
}

#[tokio::test]
async fn somebody_links_their_own_account_with_a_fresh_second_factor() {
    let (world, provider) = world_with("").await;
    let mut alice = world.person_with_app("alice", &[]).await;
    alice.signs_in().await;
    let away = links_on_the_account_page(&mut alice).await.is(303).location().to_owned();
    let asked = provider.asked_for(&away);
    assert_eq!((asked["max_age"].as_str(), asked["prompt"].as_str()), ("0", "login"), "nobody's old session there is linked by mistake");
    alice.comes_back(&provider.lets_in(&away)).await.leads_to("/.vestibule/account");
    assert!(alice.is_signed_in().await, "the session goes on");
    assert!(world.audited().await.iter().any(|(event, detail)| event == "provider.linked" && detail == "corp: ada, by its owner"));
    let mut elsewhere = alice.elsewhere(4);
    elsewhere.comes_by_the_provider(&provider, "/").await;
    elsewhere.is_at("mfa/totp");
    // The same person there is nobody else's.
    let mut bob = world.person_with_app("bob", &[]).await;
    bob.signs_in().await;
    let away = links_on_the_account_page(&mut bob).await.is(303).location().to_owned();
    bob.comes_back(&provider.lets_in(&away)).await.is(403);
    assert!(bob.page.text().contains("linked to another user"));
}

#[tokio::test]
async fn an_old_second_factor_or_none_links_nothing() {
    let (world, provider) = world_with("").await;
    let mut alice = world.person_with_app("alice", &[]).await;
    alice.signs_in().await;
    world.advance(minutes(16));
    links_on_the_account_page(&mut alice).await.leads_to("/.vestibule/mfa");
    let mut bob = world.person("bob", &[]).await;
    bob.signs_in().await;
    links_on_the_account_page(&mut bob).await.leads_to("/.vestibule/enrol");
    assert_eq!(provider.count("token"), 0);
}

#[tokio::test]
async fn an_answer_links_only_what_it_was_asked_for() {
    let (world, provider) = world_with("").await;
    let mut alice = world.person_with_app("alice", &[]).await;
    alice.signs_in().await;
    // An old session at the provider.
    provider.says(json!({ "auth_time": world.now() - 3600 }));
    let away = links_on_the_account_page(&mut alice).await.is(303).location().to_owned();
    alice.comes_back(&provider.lets_in(&away)).await.is(403);
    provider.is_honest_again();
    // A session that ended meanwhile.
    let away = links_on_the_account_page(&mut alice).await.is(303).location().to_owned();
    alice.visits("/.vestibule/logout").await;
    alice.sends("logout", &[]).await;
    let mut later = alice.clone();
    later.comes_back(&provider.lets_in(&away)).await;
    assert!(!later.is_signed_in().await);
    // Another browser's.
    world.advance(seconds(30));
    alice.signs_in().await;
    let away = links_on_the_account_page(&mut alice).await.is(303).location().to_owned();
    let mut mallory = alice.elsewhere(9);
    mallory.comes_back(&provider.lets_in(&away)).await.is(422);
    assert!(!world.audited().await.iter().any(|(event, _)| event == "provider.linked"));
}

#[tokio::test]
async fn a_set_up_link_leads_to_the_provider_once() {
    let (world, provider) = world_with("").await;
    let (mut ada, link) = newcomer(&world).await;
    ada.visits(&link).await;
    assert!(ada.has_form("setup"), "or a password");
    let away = ada.sends("setup/with/corp", &[]).await.is(303).location().to_owned();
    // What the person there refuses does not cost the link.
    ada.comes_back(&provider.refuses(&away, "access_denied")).await.is(403);
    ada.visits(&link).await;
    let away = ada.sends("setup/with/corp", &[]).await.is(303).location().to_owned();
    ada.comes_back(&provider.lets_in(&away)).await.is(303);
    assert!(ada.is_signed_in().await);
    let mut again = ada.elsewhere(4);
    again.visits(&link).await.is(422);
    again.comes_by_the_provider(&provider, "/").await;
    again.sees("/");
}

#[tokio::test]
async fn a_set_up_link_that_was_used_meanwhile_links_nobody() {
    let (world, provider) = world_with("").await;
    let (mut ada, link) = newcomer(&world).await;
    ada.visits(&link).await;
    let away = ada.sends("setup/with/corp", &[]).await.is(303).location().to_owned();
    let mut owner = ada.elsewhere(4);
    owner.visits(&link).await;
    owner.sends("setup", &[("password", PASSWORD)]).await.is(303);
    ada.comes_back(&provider.lets_in(&away)).await.is(422);
    assert!(!ada.is_signed_in().await);
}

#[tokio::test]
async fn an_administrator_links_and_unlinks() {
    let (world, provider) = world_with("").await;
    let mut root = world.person_with_app("root", &["admins"]).await;
    let mut bob = world.person("bob", &[]).await;
    root.signs_in().await;
    root.visits("/.vestibule/admin/users/bob").await;
    root.sends("admin/users/bob", &[("action", "link"), ("provider", "corp"), ("subject", "ada")]).await.is(200);
    assert!(root.page.text().contains("<small dir=\"auto\">ada</small>"), "{}", root.page.text());
    bob.comes_by_the_provider(&provider, "/").await;
    bob.sees("/");
    // Told on the page, not as a fault of the store.
    root.sends("admin/users/bob", &[("action", "link"), ("provider", "corp"), ("subject", "eve")]).await.is(422);
    assert!(root.page.text().contains("linked at “corp” already"));
    world.person("carol", &[]).await;
    root.visits("/.vestibule/admin/users/carol").await;
    root.sends("admin/users/carol", &[("action", "link"), ("provider", "corp"), ("subject", "ada")]).await.is(422);
    assert!(root.page.text().contains("Another account is linked"));
    root.visits("/.vestibule/admin/users/bob").await;
    root.sends("admin/users/bob", &[("action", "unlink"), ("provider", "corp")]).await.is(200);
    assert!(!bob.is_signed_in().await);
}

#[tokio::test]
async fn whoever_takes_a_link_away_is_signed_out_and_needs_a_password() {
    let (world, provider) = world_with("").await;
    let mut alice = world.person_with_app("alice", &[]).await;
    world.links("alice", "ada").await;
    alice.signs_in().await;
    alice.visits("/.vestibule/account").await;
    alice.sends("account/unlink", &[]).await.leads_to("/.vestibule/login");
    assert!(!alice.is_signed_in().await);
    let away = {
        alice.visits("/").await;
        alice.presses_the_button().await
    };
    alice.comes_back(&provider.lets_in(&away)).await;
    alice.is_told(403, "No account here belongs to you").await;
    // Who never had a password keeps the link.
    let (mut ada, link) = newcomer(&world).await;
    ada.visits(&link).await;
    let away = ada.sends("setup/with/corp", &[]).await.is(303).location().to_owned();
    ada.comes_back(&provider.lets_in(&away)).await.is(303);
    ada.visits("/.vestibule/account").await;
    assert!(!ada.has_form("account/unlink"));
}
