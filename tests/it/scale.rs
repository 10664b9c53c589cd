//! The administration pages over HTTP with many accounts. `time_of_the_admin_pages` is a measurement:
//! `cargo test --release --test it time_of_the_admin_pages -- --ignored --nocapture`

use std::time::{Duration, Instant};

use vestibule::account::Account;
use vestibule::base::UserId;
use vestibule::policy::Proof;
use vestibule::session::SessionRecord;
use vestibule::store::kv::{Batch, key};

use crate::harness::*;

const PAGES: [&str; 10] = [
    "admin",
    "admin/users",
    "admin/users?page=2",
    "admin/users?page=LAST",
    "admin/users?q=user000042",
    "admin/users?q=nobody-has-this",
    "admin/sessions",
    "admin/sessions?q=user000042",
    "admin/audit",
    "admin/audit?user=user000042",
];

/// So many accounts, a tenth of them signed in, and ten records for each in the audit log.
async fn house_of(users: usize) -> World {
    let world = World::builder().with("[admin]\ngroups = [\"admins\"]\n").build().await;
    let services = world.app().services.clone();
    let now = world.clock.now();
    let account = |n: usize| -> Account {
        serde_json::from_value(serde_json::json!({
            "id": UserId::random().unwrap(), "name": format!("user{n:06}"), "email": format!("user{n:06}@internal.example"),
            "display_name": format!("Person {n}"), "created": now, "groups": ["staff"],
        }))
        .unwrap()
    };
    let mut n = 0;
    while n < users {
        let batch: Vec<Account> = (n..users.min(n + 1000)).map(account).collect();
        services.store.create_accounts(&batch).await.unwrap().unwrap();
        for account in batch.iter().step_by(10) {
            let record = SessionRecord::begin(account.id, 0, Proof::Password, now, [192, 0, 2, 7].into(), "Firefox");
            services.live.insert(record.unwrap(), account);
        }
        n += batch.len();
    }
    log(&world, users).await;
    services.store.index_audit().await.unwrap();
    world
}

/// The records are in the chain's place and are no chain: nothing here proves it.
async fn log(world: &World, users: usize) {
    let (kv, now) = (world.app().services.store.kv(), world.clock.now());
    let first = world.app().services.store.audit_head().await.unwrap().map_or(0, |head| head.seq);
    let mut batch = Batch::default();
    for n in 0..users * 10 {
        let seq = first + 1 + n as u64;
        let record = serde_json::json!({
            "seq": seq, "at": now, "event": "sign_in.finished", "user": format!("user{:06}", n % users), "address": "192.0.2.7",
            "request": "0123456789abcdef", "detail": "password, totp", "previous": "0".repeat(64), "hash": "0".repeat(64)
        });
        batch = batch.put(key("audit", seq.to_be_bytes()), record.to_string());
        if batch.write.len() == 10_000 {
            assert!(kv.commit(std::mem::take(&mut batch)).await.unwrap());
        }
    }
    let head = serde_json::json!({ "seq": first + users as u64 * 10, "hash": "" }).to_string();
    assert!(kv.commit(batch.put("audit-head", head)).await.unwrap());
}

async fn first_byte(person: &Person, path: &str) -> Duration {
    let mut wire = person.wire().await;
    let start = Instant::now();
    wire.send(format!("GET {path} HTTP/1.1\r\n{}Sec-Fetch-Mode: navigate\r\nAccept: text/html\r\n\r\n", person.lines(path)).as_bytes())
        .await;
    let head = wire.head().await.unwrap();
    let took = start.elapsed();
    head.is(200);
    took
}

/// The median of 15 loads of each page; the first load of all apart.
async fn medians(users: usize) -> Vec<(Duration, Duration)> {
    let world = house_of(users).await;
    let mut root = world.person_with_app("root", &["admins"]).await;
    root.signs_in_at("/payroll").await;
    let mut all = Vec::new();
    for page in PAGES {
        let path = format!("{PREFIX}/{page}").replace("LAST", &(users / 40).to_string());
        let cold = first_byte(&root, &path).await;
        let mut times = Vec::new();
        for _ in 0..15 {
            times.push(first_byte(&root, &path).await);
        }
        times.sort();
        all.push((cold, times[7]));
    }
    all
}

#[tokio::test]
#[ignore = "a measurement"]
async fn time_of_the_admin_pages() {
    let (few, many) = (medians(100).await, medians(100_000).await);
    for ((page, few), many) in PAGES.iter().zip(few).zip(many) {
        let ratio = many.1.as_secs_f64() / few.1.as_secs_f64();
        println!("| `{page}` | {:.1} | {:.1} | {ratio:.1} | {:.1} |", ms(few.1), ms(many.1), ms(many.0));
    }
}

fn ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}
