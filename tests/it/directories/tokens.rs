//! API tokens of people of a directory.

use vestibule::service::tokens::NewToken;

use super::*;

#[tokio::test]
async fn tokens_of_somebody_without_a_session_follow_the_directory_too() {
    let (directory, world) = worlds("refresh = \"2s\"").await;
    world.at_a_browser("bob").signs_in().await;
    let (owner, services) = (account(&world, "bob").await.unwrap(), &world.app().services);
    let new = NewToken { name: "nightly".into(), lifetime: seconds(3600), ..NewToken::default() };
    services.api_tokens.make(&owner, &new, Actor::CommandLine).await.unwrap();
    services.admin_sessions.revoke(Some("bob"), Actor::CommandLine).await.unwrap();
    assert!(services.live.of(owner.id).is_empty());
    assert_eq!(services.tokens.table().of(owner.id).len(), 1);
    directory.tree().records.retain(|record| record.dn != dn("bob"));
    world.advance(seconds(2));
    until("the token is gone", async || services.tokens.table().of(owner.id).is_empty()).await;
}
