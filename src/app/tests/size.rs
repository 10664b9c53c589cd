//! What a gateway takes over a large store. A measurement, with real rows: `SIZE_SESSIONS=5000000 cargo test --lib size_of -- --ignored --nocapture`

use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::account::Account;
use crate::app::*;
use crate::base::{Clock, SessionId, UserId};
use crate::config::{Config, StoreUrl};
use crate::store::kv::{Batch, encode, key};
use crate::store::postgres::server::Own;

fn number(name: &str, or: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(or)
}

/// What belongs to this process alone, in bytes: the program's file is left out.
fn own_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = text.lines().find(|line| line.starts_with("Anonymous:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}

fn user(n: usize) -> UserId {
    let digest: [u8; 32] = Sha256::digest(n.to_string()).into();
    UserId::from_bytes(digest[..16].try_into().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "a measurement"]
async fn size_of_a_gateway_over_a_large_store() {
    let (sessions, used) = (number("SIZE_SESSIONS", 200_000), number("SIZE_USED", 50_000));
    let users = number("SIZE_USERS", sessions / 10);
    let own = tokio::task::spawn_blocking(Own::start).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let mut config = Config { store: StoreUrl::Postgres(crate::base::Secret::new(own.url())), ..Config::default() };
    config.server.data_dir = folder.path().join("data");
    let config = Arc::new(config);
    let maker = App::open(config.clone(), clock.clone(), Post::Outbox(Arc::default())).await.unwrap();
    for some in (0..users).collect::<Vec<_>>().chunks(1000) {
        let mut batch = Batch::default();
        for n in some {
            let account: Account = serde_json::from_value(serde_json::json!({
                "id": user(*n), "name": format!("user{n}"), "email": format!("user{n}@internal.example"), "display_name": format!("Person {n}"),
                "created": clock.now(), "groups": ["staff"], "password": "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$c29tZWhhc2hzb21laGFzaHNvbWVoYXNoc29tZWhhc2g",
            }))
            .unwrap();
            batch = batch.put(key("account", account.id.to_string()), encode(&account).unwrap());
        }
        maker.services.store.kv().commit(batch).await.unwrap();
    }
    drop(maker);
    let mut pg = tokio_postgres::Config::new();
    pg.host_path(own.folder()).user("vestibule").dbname("postgres");
    let (client, connection) = pg.connect(tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let now = data_encoding::HEXLOWER.encode(&clock.now().millis().to_le_bytes());
    let made = Instant::now();
    let sql = format!(
        r"INSERT INTO vestibule_kv SELECT 'session/'::bytea || uuid_send(gen_random_uuid()),
          '\x0100'::bytea || substring(sha256((n % {users})::text::bytea) for 16) || '\x00000000{now}{now}{now}7f000001'::bytea || 'Firefox on Linux'::bytea
          FROM generate_series(1, {sessions}) AS n;
          INSERT INTO vestibule_kv SELECT 'session-of/'::bytea || substring(value from 3 for 16) || substring(key from 9), ''
          FROM vestibule_kv WHERE key >= 'session/' AND key < 'session0';
          INSERT INTO vestibule_kv VALUES ('session-index', '1') ON CONFLICT DO NOTHING; ANALYZE vestibule_kv"
    );
    client.batch_execute(&sql).await.unwrap();
    let rows = client.query("SELECT pg_total_relation_size('vestibule_kv')", &[]).await.unwrap();
    let size: i64 = rows[0].get(0);
    println!("{users} accounts and {sessions} sessions: {:.0} MiB in the database, made in {:?}", mib(size.unsigned_abs()), made.elapsed());
    let wanted = format!(
        "SELECT key FROM vestibule_kv WHERE key >= 'session/' AND key < 'session0' AND random() < {} LIMIT {used}",
        (used as f64 * 1.2 / sessions as f64).min(1.0)
    );
    let ids: Vec<SessionId> = client
        .query(&wanted, &[])
        .await
        .unwrap()
        .iter()
        .map(|row| SessionId::from_bytes(row.get::<_, Vec<u8>>(0)[8..].try_into().unwrap()))
        .collect();
    let before = own_memory();
    let started = Instant::now();
    let app = App::open(config, clock.clone(), Post::Outbox(Arc::default())).await.unwrap();
    println!("started in {:?}", started.elapsed());
    tokio::time::sleep(Duration::from_secs(15)).await;
    println!("at rest {:.1} MiB more than {:.1}", mib(own_memory().saturating_sub(before)), mib(before));
    let loaded = Instant::now();
    let all: Vec<_> = ids
        .chunks(ids.len().div_ceil(64).max(1))
        .map(|some| {
            let (services, some) = (app.services.clone(), some.to_vec());
            tokio::spawn(async move {
                for id in some {
                    assert!(services.sessions.find(id).await.unwrap().is_some());
                }
            })
        })
        .collect();
    for one in all {
        one.await.unwrap();
    }
    let took = loaded.elapsed();
    println!("{} sessions read in {took:?}, {:.0} a second", ids.len(), ids.len() as f64 / took.as_secs_f64());
    println!(
        "in use {:.1} MiB, all of this process {:.1}; {} in memory",
        mib(own_memory().saturating_sub(before)),
        mib(own_memory()),
        app.services.live.count()
    );
    assert!(own_memory() < 150 * 1_048_576);
    let account = app.services.store.account(user(0)).await.unwrap().unwrap();
    let (listing, of) = (Instant::now(), app.services.sessions.signed_in(&account).await.unwrap().len());
    println!("{of} sessions of one user found in {:?}", listing.elapsed());
    let sweeping = Instant::now();
    let swept = app.sweep_store(&mut None).await.unwrap();
    println!("a sweep: {swept:?} in {:?}", sweeping.elapsed());
}
