//! Every record is in the file once and in order, whatever happens to the file or the process.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::app::{App, Post};
use crate::base::{Clock, Time};
use crate::config::{Config, StoreUrl};
use crate::service::audit::{Actor, Event};

async fn app(folder: &Path, file: &Path) -> Arc<App> {
    let mut config = Config::default();
    config.server.data_dir = folder.join("data");
    config.store = StoreUrl::Sled(folder.join("data/store"));
    config.audit.file = Some(Target::Path(file.to_owned()));
    App::open(Arc::new(config), Clock::manual(Time::from_secs(1_700_000_000)), Post::Outbox(Arc::default())).await.unwrap()
}

async fn happens(app: &App, times: usize) {
    for n in 0..times {
        app.services.audit.record(Event::SignedIn, Some("alice"), Actor::Gateway, format!("no {n}\nnot another line")).await.unwrap();
    }
}

fn numbers(file: &Path) -> Vec<u64> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].as_u64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_is_completed_after_crash_rotation_and_fault() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let app = app(folder.path(), &file).await;
    let mut writer = AuditFileWriter::default();
    happens(&app, 1200).await;
    assert_eq!(writer.catch_up(&app.services.audit_file).await.unwrap(), 1200);
    assert_eq!(writer.catch_up(&app.services.audit_file).await.unwrap(), 0);
    assert_eq!(numbers(&file), (1..=1200).collect::<Vec<_>>());
    let first: serde_json::Value = serde_json::from_str(std::fs::read_to_string(&file).unwrap().lines().next().unwrap()).unwrap();
    assert_eq!((first["at"].as_str(), first["event"].as_str()), (Some("2023-11-14T22:13:20Z"), Some("sign_in.finished")));

    // Killed while it wrote, before it noted how far it was: the mark is behind, the last line half there.
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, &text[..text.len() - 30]).unwrap();
    happens(&app, 3).await;
    let mut writer = AuditFileWriter::default();
    std::fs::remove_file(folder.path().join("data/audit.position")).unwrap();
    assert_eq!(writer.catch_up(&app.services.audit_file).await.unwrap(), 4);
    assert_eq!(numbers(&file), (1..=1203).collect::<Vec<_>>());

    // Rotated, then stopped before anything more was written: the mark knows.
    std::fs::rename(&file, folder.path().join("audit.jsonl.1")).unwrap();
    happens(&app, 2).await;
    let mut writer = AuditFileWriter::default();
    writer.catch_up(&app.services.audit_file).await.unwrap();
    assert_eq!(numbers(&file), [1204, 1205]);

    // Rotated while it runs.
    std::fs::rename(&file, folder.path().join("audit.jsonl.2")).unwrap();
    happens(&app, 1).await;
    writer.catch_up(&app.services.audit_file).await.unwrap();
    assert_eq!(numbers(&file), [1206]);

    // A folder in its place: an error, and everything once that is mended.
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    happens(&app, 2).await;
    assert!(matches!(writer.catch_up(&app.services.audit_file).await, Err(AuditFileError::File(..))));
    assert!(writer.catch_up(&app.services.audit_file).await.is_err());
    std::fs::remove_dir(&file).unwrap();
    happens(&app, 1).await;
    assert_eq!(writer.catch_up(&app.services.audit_file).await.unwrap(), 3);
    assert_eq!(numbers(&file), [1207, 1208, 1209]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_in_the_file_yet_is_not_trimmed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let app = app(folder.path(), &file).await;
    let mut writer = AuditFileWriter::default();
    happens(&app, 10).await;
    writer.catch_up(&app.services.audit_file).await.unwrap();
    happens(&app, 10).await;
    app.services.clock.advance(std::time::Duration::from_secs(500 * 86_400));
    assert_eq!(app.services.audit_retention.trim().await.unwrap(), 10);
    writer.catch_up(&app.services.audit_file).await.unwrap();
    assert_eq!(app.services.audit_retention.trim().await.unwrap(), 10, "all but the newest");
    writer.catch_up(&app.services.audit_file).await.unwrap();
    assert_eq!(numbers(&file), (1..=22).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_store_that_is_put_back_is_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let app = app(folder.path(), &file).await;
    happens(&app, 5).await;
    let backup = app.services.store.kv().snapshot().await.unwrap();
    happens(&app, 5).await;
    AuditFileWriter::default().catch_up(&app.services.audit_file).await.unwrap();
    assert!(app.services.store.kv().replace(backup, false).await.unwrap());
    happens(&app, 1).await;
    AuditFileWriter::default().catch_up(&app.services.audit_file).await.unwrap();
    assert_eq!(numbers(&file), (1..=10).chain(1..=6).collect::<Vec<_>>());
}
