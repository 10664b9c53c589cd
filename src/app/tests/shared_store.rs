//! The assembled program over a database that another has open too.

use std::sync::Arc;
use std::time::Duration;

use crate::app::*;
use crate::base::{Clock, Time};
use crate::config::{Config, StoreUrl};
use crate::gateway::{GatewayHost, Lookup};
use crate::service::sessions::replication::tests::{alice, sign_in};
use crate::store::postgres::server;
use crate::telemetry::server::Health;

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
    while !matches!(b.session(&token, true, GatewayHost::now(b.as_ref())), Lookup::Live(_)) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Whoever starts later finds it too.
    let c = gateway(&config).await;
    assert!(matches!(c.session(&token, true, GatewayHost::now(c.as_ref())), Lookup::Live(_)));
    a.services.sessions.end(id, crate::session::EndReason::SignedOut).await.unwrap();
    tokio::time::timeout(Duration::from_secs(20), revocations.changed()).await.unwrap().unwrap();
    assert!(matches!(b.session(&token, true, GatewayHost::now(b.as_ref())), Lookup::Ended));
    assert!(b.ready().await.is_ok());
}
