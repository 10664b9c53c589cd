//! The assembled program over a database that another has open too.

use std::sync::Arc;
use std::time::Duration;

use super::look_up;
use crate::app::*;
use crate::base::{ClientAddr, Clock, Subject, Time};
use crate::config::{Config, StoreUrl};
use crate::gateway::{GatewayHost, Lookup, TokenLookup};
use crate::service::accounts::NewAccount;
use crate::service::admin::AccountChange;
use crate::service::audit::Actor;
use crate::service::sessions::replication::tests::{alice, sign_in};
use crate::service::tokens::NewToken;
use crate::store::postgres::server;
use crate::telemetry::server::Health;
use crate::token::Way;

async fn gateway(config: &Arc<Config>) -> Arc<App> {
    App::open(config.clone(), Clock::manual(Time::from_secs(1_000_000)), Post::Outbox(Arc::default())).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_gateways_over_one_database_are_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.server.data_dir = folder.path().join("data");
    config.store = StoreUrl::Postgres(server::url(&server::database().await));
    let config = Arc::new(config);
    let (a, b) = (gateway(&config).await, gateway(&config).await);
    let account = alice(&a.services).await;
    let (id, token) = sign_in(&a.services, &account).await;
    let mut revocations = GatewayHost::revocations(b.as_ref());
    // Not in memory, and read when it is used.
    assert!(matches!(b.session(&token, true, GatewayHost::now(b.as_ref())), Lookup::Elsewhere));
    assert!(matches!(look_up(&b, &token).await, Lookup::Live(_)));
    assert!(matches!(b.session(&token, true, GatewayHost::now(b.as_ref())), Lookup::Live(_)));
    // Whoever starts later finds it too.
    let c = gateway(&config).await;
    assert!(matches!(look_up(&c, &token).await, Lookup::Live(_)));
    a.services.sessions.end(id, crate::session::EndReason::SignedOut).await.unwrap();
    tokio::time::timeout(Duration::from_secs(20), revocations.changed()).await.unwrap().unwrap();
    assert!(matches!(b.session(&token, true, GatewayHost::now(b.as_ref())), Lookup::Ended));
    assert!(b.ready().await.is_ok());
}

/// Waits until the other gateway's news is there.
async fn soon(what: &str, holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap_or_else(|_| panic!("still not: {what}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_token_and_a_certificate_of_one_gateway_count_at_the_other_and_end_there_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.server.data_dir = folder.path().join("data");
    config.store = StoreUrl::Postgres(server::url(&server::database().await));
    let config = Arc::new(config);
    let (a, b) = (gateway(&config).await, gateway(&config).await);
    let subject = Subject::parse("CN=robot,O=Example").unwrap();
    let new = NewAccount { name: "robot".into(), service: true, certificate_subject: Some(subject.to_string()), ..NewAccount::default() };
    assert!(a.services.accounts.add(&new, None, Actor::CommandLine).await.unwrap().is_none());
    let robot = a.services.accounts.named("robot").await.unwrap();
    let wanted = NewToken { name: "backup".into(), lifetime: Duration::from_secs(3600), ..NewToken::default() };
    let (text, view) = a.services.api_tokens.make(&robot, &wanted, Actor::CommandLine).await.unwrap();
    let id = view.id.parse().unwrap();
    let client = ClientAddr::new([192, 0, 2, 1].into());
    let token_at = |app: &Arc<App>| match app.token(text.expose(), Way::Bearer, client, GatewayHost::now(app.as_ref())) {
        TokenLookup::Live(owner) => Some(owner),
        TokenLookup::Invalid | TokenLookup::Throttled(_) | TokenLookup::Unknown => None,
    };
    let holder_at = |app: &Arc<App>| match app.certificate_holder(&subject, None) {
        Lookup::Live(holder) => Some(holder),
        Lookup::Ended | Lookup::Forged | Lookup::Unknown | Lookup::Elsewhere => None,
    };
    // One look-up for the news: wrong tokens are counted.
    soon("the token is known", || b.services.tokens.table().get(id).is_some()).await;
    soon("the certificate is known", || holder_at(&b).is_some()).await;
    let (by_token, by_certificate) = (token_at(&b).unwrap(), holder_at(&b).unwrap());
    assert_eq!((by_token.identity().person.name.as_str(), by_certificate.identity().person.name.as_str()), ("robot", "robot"));
    // Revoked where it was not made: what it carries at the other is told at once.
    let mut revocations = GatewayHost::revocations(a.as_ref());
    let carried = token_at(&a).unwrap();
    b.services.api_tokens.revoke(id, None, Actor::CommandLine).await.unwrap();
    assert!(token_at(&b).is_none() && by_token.is_ended());
    tokio::time::timeout(Duration::from_secs(20), revocations.changed()).await.unwrap().unwrap();
    assert!(carried.is_ended() && token_at(&a).is_none());
    // The account is the certificate's: at every gateway, and at one that starts later.
    let c = gateway(&config).await;
    assert!(holder_at(&c).is_some());
    let disable = AccountChange { disabled: Some(true), ..AccountChange::default() };
    b.services.accounts.change("robot", &disable, Actor::CommandLine).await.unwrap();
    assert!(by_certificate.is_ended() && holder_at(&b).is_none());
    soon("it is disabled everywhere", || holder_at(&a).is_none() && holder_at(&c).is_none()).await;
    let d = gateway(&config).await;
    assert!(holder_at(&d).is_none());
}
