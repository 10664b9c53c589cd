//! A PostgreSQL store of an earlier release is opened by today's program: its sessions live, its accounts are there.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use crate::app::{App, Post};
use crate::base::{Clock, Time};
use crate::config::{Config, StoreUrl};
use crate::gateway::Lookup;
use crate::store::postgres::server;

fn sample(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples/0.1.0").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn keys_in(data_dir: &Path) {
    let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    std::fs::create_dir(data_dir).unwrap();
    mode(data_dir, 0o700);
    let keys = data_dir.join("keys.json");
    std::fs::write(&keys, sample("postgres-keys.json")).unwrap();
    mode(&keys, 0o600);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_earlier_database_keeps_its_sessions_and_its_log() {
    let database = server::database().await;
    server::client(&database).await.batch_execute(&sample("postgres.sql")).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.server.data_dir = folder.path().join("data");
    config.store = StoreUrl::Postgres(server::url(&database));
    keys_in(&config.server.data_dir);
    let clock = Clock::manual(Time::from_secs(1_800_000_015));
    let app = App::open(Arc::new(config), clock, Post::Outbox(Arc::default())).await.unwrap();
    let cookies = sample("postgres-cookies.txt");
    let mut seen = 0;
    for line in cookies.lines() {
        let (name, token) = line.split_once(' ').unwrap();
        assert!(matches!(super::look_up(&app, token).await, Lookup::Live(_)), "{name}");
        seen += 1;
    }
    assert_eq!(seen, 2);
    assert!(app.services.audit_verifier.verify().await.unwrap().whole);
}
