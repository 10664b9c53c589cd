//! What the commands say of the other gateways, where several share a store.

use super::*;
use crate::cli::control::execute;
use crate::cli::terminal::output::reached;
use crate::config::{Config, StoreUrl};
use crate::service::admin::AccountChange;
use crate::service::import::Meter;
use crate::service::sessions::replication::tests::{alice, sign_in};
use crate::store::Gateway;
use crate::store::postgres::server;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_is_signed_out_or_disabled_is_said_to_be_so_at_how_many_gateways() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config { store: StoreUrl::Postgres(server::url(&server::database().await)), ..Config::default() };
    config.server.data_dir = folder.path().join("data");
    let clock = Clock::manual(Time::from_secs(1_700_000_000));
    let app = App::open(Arc::new(config), clock.clone(), Post::Outbox(Arc::default())).await.unwrap();
    let does = async |command| execute(&app, command, &Meter::default()).await.unwrap();
    let account = alice(&app.services).await;
    sign_in(&app.services, &account).await;
    // A command beside the gateways is none of them.
    let done = does(Command::SessionRevoke { which: Which::OfUser("alice".into()) }).await;
    assert_eq!((&done["revoked"], &done["reach"]["of"]), (&1.into(), &0.into()), "{done}");
    app.join_gateways().await;
    let done = does(Command::SessionRevoke { which: Which::OfUser("alice".into()) }).await;
    assert_eq!(reached(&done), "; reached 1 of 1 gateway");
    // One that was heard of a moment ago and does not answer.
    let silent =
        Gateway { name: "web2\u{1b}".into(), heard: clock.now(), max_stale: std::time::Duration::from_secs(90), ..Gateway::default() };
    app.services.store.put_gateway("ffff", &silent).await.unwrap();
    let disabled = AccountChange { disabled: Some(true), ..AccountChange::default() };
    let done = does(Command::UserSet { name: "alice".into(), change: disabled }).await;
    let said = reached(&done);
    assert!(said.starts_with("; reached 1 of 2 gateways; web2") && said.ends_with("for up to 90s (store.max_stale)"), "{said}");
    assert!(!said.contains('\u{1b}') && done["disabled"] == true, "{said}");
    let enabled = AccountChange { disabled: Some(false), ..AccountChange::default() };
    assert!(does(Command::UserSet { name: "alice".into(), change: enabled }).await.get("reach").is_none());
    let done = does(Command::UserDelete { name: "alice".into() }).await;
    assert_eq!((&done["deleted"], &done["reach"]["missing"][0]["id"]), (&true.into(), &"ffff".into()));
}
