//! What a database goes through in practice: a pooler before it, a primary that goes away, a password that changes.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use super::listen::listen;
use super::*;
use server::{Own, Pooler};

async fn comes_about(what: impl AsyncFn() -> bool) {
    let start = Instant::now();
    while !what().await {
        assert!(start.elapsed() < Duration::from_secs(60), "it never came about");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn news_of(changes: &mut mpsc::Receiver<Change>, wanted: &Change) {
    let wait = async { while changes.recv().await.unwrap() != *wanted {} };
    tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn behind_a_pooler_in_transaction_mode_changes_are_heard_over_a_connection_past_it() {
    let database = server::database().await;
    let pooler = Arc::new(tokio::task::spawn_blocking(Pooler::start).await.unwrap());
    let url = pooler.url(&database, true);
    let (a, b) = (Arc::new(PostgresKv::open(&url).await.unwrap()), PostgresKv::open(&url).await.unwrap());
    let mut changes = b.changes().unwrap();
    news_of(&mut changes, &Change::Listening).await;
    assert!(a.commit(Batch::durable().put("session/1", "x")).await.unwrap());
    news_of(&mut changes, &Change::Key(b"session/1".to_vec())).await;
    // Of fifty uses of one thing at once one wins, whichever server connection each part of them is given.
    let uses: Vec<_> = (0..50)
        .map(|n: u8| {
            let kv = a.clone();
            tokio::spawn(async move { kv.commit(Batch::durable().expect("once", None).put("once", [n])).await.unwrap() })
        })
        .collect();
    let mut won = 0;
    for used in uses {
        won += usize::from(used.await.unwrap());
    }
    assert_eq!(won, 1);
    assert_eq!(b.scan(b"", None, 10, false).await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_pooler_that_swallows_notices_is_told_from_a_quiet_day() {
    let database = server::database().await;
    let pooler = tokio::task::spawn_blocking(Pooler::start).await.unwrap();
    let source = Source::new(None, &pooler.url(&database, false)).unwrap();
    let (out, mut changes) = mpsc::channel(8);
    let said = listen(&source, Origin::random().unwrap(), &out).await;
    assert!(said.contains("pooler") && said.contains("listen=HOST:PORT"), "{said}");
    assert!(changes.try_recv().is_err(), "nobody is told that changes are heard");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn when_the_primary_goes_away_the_next_host_takes_over_with_all_that_was_acknowledged() {
    let (mut first, second) = tokio::task::spawn_blocking(|| {
        let first = Own::start();
        let second = first.standby();
        (first, second)
    })
    .await
    .unwrap();
    let encoded = |folder: &std::path::Path| {
        percent_encoding::utf8_percent_encode(folder.to_str().unwrap(), percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let hosts = format!("{},{}", encoded(second.folder()), encoded(first.folder()));
    let url = Secret::new(format!("postgres://vestibule@{hosts}/postgres?target_session_attrs=read-write"));
    let kv = PostgresKv::open(&url).await.unwrap();
    let mut changes = kv.changes().unwrap();
    news_of(&mut changes, &Change::Listening).await;
    assert!(kv.commit(Batch::durable().put("account/1", "before")).await.unwrap());
    let second = tokio::task::spawn_blocking(move || {
        first.stop();
        second.promote();
        (first, second)
    })
    .await
    .unwrap();
    comes_about(async || kv.commit(Batch::durable().put("account/2", "after")).await.is_ok()).await;
    assert_eq!(kv.get(b"account/1").await.unwrap().as_deref(), Some(&b"before"[..]));
    // The line stands again too: from here on nothing is missed.
    news_of(&mut changes, &Change::Listening).await;
    assert!(kv.commit(Batch::durable().put("account/3", "heard")).await.unwrap());
    news_of(&mut changes, &Change::Key(b"account/3".to_vec())).await;
    drop(second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_password_that_changes_is_read_from_its_file_without_a_restart() {
    let server = tokio::task::spawn_blocking(Own::start).await.unwrap();
    let (owner, connection) = {
        let mut config = tokio_postgres::Config::new();
        config.host_path(server.folder()).user("vestibule").dbname("postgres");
        config.connect(tokio_postgres::NoTls).await.unwrap()
    };
    tokio::spawn(connection);
    owner.batch_execute("CREATE ROLE gate LOGIN PASSWORD 'first'; GRANT CREATE, USAGE ON SCHEMA public TO gate").await.unwrap();
    let rules = server.folder().join("data/pg_hba.conf");
    std::fs::write(&rules, "local all vestibule trust\nlocal all all scram-sha-256\n").unwrap();
    owner.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.url");
    let says = |password: &str, database: &str| {
        let url = server.url().replace("vestibule@", &format!("gate:{password}@")).replace("/postgres", &format!("/{database}"));
        std::fs::write(&file, format!("{url}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        Secret::new(url)
    };
    let url = says("first", "postgres");
    let opened = async || PostgresKv::open_from(&file, &url).await;
    // The rules are in force once the server has read them.
    comes_about(async || PostgresKv::open(&Secret::new(url.expose().replace("first", "wrong"))).await.is_err()).await;
    let kv = opened().await.unwrap();
    let works = async || kv.commit(Batch::default().put("a/b", "1")).await.is_ok();
    assert!(works().await);
    owner.batch_execute("ALTER ROLE gate PASSWORD 'second'").await.unwrap();
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'gate'";
    owner.batch_execute(cut).await.unwrap();
    comes_about(async || !works().await).await;
    // Others may read it: not believed. Another database: not taken for this one.
    says("second", "postgres");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(!works().await);
    says("second", "template1");
    assert!(!works().await);
    says("second", "postgres");
    comes_about(works).await;
}
