//! What a million sessions and a hundred thousand accounts cost: bytes each, the time to read them at the start, the longest pause of a sweep.
//!
//! `cargo run --profile bench --example growth -- measure [SESSIONS [ACCOUNTS]]` prints it;
//! `... -- fill FOLDER SESSIONS ACCOUNTS` leaves such a store below a data folder, for measuring the start of the program itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

#[path = "../../tests/it/harness/counting.rs"]
mod counting;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use vestibule::account::Account;
use vestibule::base::{Clock, SessionId, Time, UserId};
use vestibule::config::Config;
use vestibule::factor::Method;
use vestibule::service::admin::directory::Directory;
use vestibule::service::sessions::{Found, PARTS};
use vestibule::service::{LiveSessions, sessions};
use vestibule::session::keys::MasterKey;
use vestibule::session::{KeyRing, SessionRecord};
use vestibule::store::kv::{Batch, Kv, key};
use vestibule::store::{SledKv, Store};

#[global_allocator]
static GLOBAL: counting::Counting = counting::Counting;

const AT_ONCE: usize = 5000;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, otherwise: usize| arguments.get(at).map_or(otherwise, |text| text.parse().expect("a number"));
    match arguments.first().map(String::as_str) {
        Some("fill") => {
            let folder = Path::new(&arguments[1]);
            fill(&folder.join("store"), number(2, 0), number(3, 0)).await;
        }
        Some("measure") | None => {
            let folder = tempfile::tempdir().unwrap();
            let (sessions, accounts) = (number(1, 1_000_000), number(2, 100_000));
            fill(&folder.path().join("store"), sessions, accounts).await;
            measure(&folder.path().join("store"), sessions, accounts).await;
        }
        Some(other) => panic!("measure or fill, not {other}"),
    }
}

fn user(n: usize) -> UserId {
    UserId::from_bytes((n as u128).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_be_bytes())
}

fn account(n: usize) -> Account {
    serde_json::from_value(serde_json::json!({
        "id": user(n), "name": format!("user.number{n}"), "email": format!("user.number{n}@internal.example"),
        "display_name": format!("User Number {n}"), "created": 0, "groups": ["everybody", format!("team-{}", n % 50)],
    }))
    .unwrap()
}

fn record(n: usize, accounts: usize, now: Time) -> SessionRecord {
    SessionRecord {
        id: SessionId::random().unwrap(),
        user: user(n % accounts),
        epoch: 0,
        created: now,
        last_seen: now,
        second: Some((Method::Totp, now)),
        trusted_browser: false,
        full_auth: now,
        address: [192, 0, 2, (n % 256) as u8].into(),
        browser: ["Firefox · Linux", "Chrome · Windows", "Safari · iPhone", "Edge · Windows"][n % 4].into(),
        family: vestibule::session::Family::First,
        device: None,
    }
}

async fn fill(folder: &Path, sessions: usize, accounts: usize) {
    let store = open(folder).await;
    let now = Clock::system().now();
    let all: Vec<Account> = (0..accounts).map(account).collect();
    for some in all.chunks(AT_ONCE) {
        store.create_accounts(some).await.unwrap().unwrap();
    }
    for first in (0..sessions).step_by(AT_ONCE) {
        let records = (first..sessions.min(first + AT_ONCE)).map(|n| record(n, accounts, now));
        let batch = records.fold(Batch::default(), |batch, record| batch.put(key("session", record.id.as_bytes()), record.pack()));
        assert!(store.kv().commit(batch).await.unwrap());
    }
}

fn keys() -> Arc<KeyRing> {
    Arc::new(KeyRing::new(&[MasterKey::random(1, Time::default()).unwrap()]).unwrap())
}

async fn open(folder: &Path) -> Store {
    let kv: Arc<dyn Kv> = Arc::new(SledKv::open(folder).await.unwrap());
    Store::new(kv, keys())
}

async fn measure(folder: &Path, sessions: usize, accounts: usize) {
    let start = Instant::now();
    let store = open(folder).await;
    println!("open the store              {:>10.3} s", start.elapsed().as_secs_f64());

    let config = Config::default();
    let (live, mut ended) = LiveSessions::new(keys(), config.session, config.mfa);
    let (store, live) = (Arc::new(store), Arc::new(live));
    // The store's own cache fills first, so that it is not taken for the sessions'.
    store.all_sessions().await.unwrap();
    store.all_accounts().await.unwrap();
    counting::start();
    let start = Instant::now();
    sessions::restore(&store, &live).await.unwrap();
    let took = start.elapsed();
    assert_eq!(live.count(), sessions);
    let each = counting::so_far().count as f64 / sessions.max(1) as f64;
    println!("take {sessions:>9} sessions in  {:>10.3} s, {each:.0} allocations each", took.as_secs_f64());
    per("a session, its user's share included", counting::so_far().held, sessions);

    let directory = Directory::default();
    let (before, start) = (counting::so_far().held, Instant::now());
    directory.ready(&store).await.unwrap();
    println!("read the directory          {:>10.3} s", start.elapsed().as_secs_f64());
    per("an account in the directory", counting::so_far().held - before, accounts);
    println!("resident                    {:>10.1} MiB", resident());

    finds(&store, accounts).await;
    lookups(&live);
    let now = Clock::system().now();
    sweep("a sweep that finds nothing", &live, now);
    sweep("a sweep that ends them all", &live, now.plus(Duration::from_secs(24 * 3600)));
    assert_eq!(live.count(), 0);
    let mut told = 0;
    while ended.try_recv().is_ok() {
        told += 1;
    }
    assert_eq!(told, sessions);
}

fn per(what: &str, held: i64, count: usize) {
    println!("{what:<44}{:>6.0} bytes", held as f64 / count.max(1) as f64);
}

/// An account by name and by address, as a sign-in finds it: two reads of the store and the document taken apart.
async fn finds(store: &Store, accounts: usize) {
    for (what, suffix) in [("by name", ""), ("by e-mail", "@internal.example")] {
        let mut took: Vec<Duration> = Vec::new();
        for turn in 0..accounts.min(10_000) {
            let n = turn.wrapping_mul(7919) % accounts;
            let start = Instant::now();
            let found = store.account_by_login(&format!("User.Number{n}{suffix}")).await.unwrap();
            took.push(start.elapsed());
            assert_eq!(found.map(|account| account.id), Some(user(n)));
        }
        took.sort_unstable();
        let at = |share: usize| took.get(took.len() * share / 100).map_or(0.0, |took| took.as_secs_f64() * 1e6);
        println!("an account {what:<17}{:>10.1} us, 99 of 100 in {:.1}", at(50), at(99));
    }
}

fn lookups(live: &LiveSessions) {
    let now = Clock::system().now();
    let tokens: Vec<String> = live.ids().into_iter().step_by(37).take(20_000).map(|id| live.token(id)).collect();
    let start = Instant::now();
    assert!(tokens.iter().all(|token| matches!(live.lookup(token, now), Found::Live(_))));
    println!("a look-up                   {:>10.0} ns", start.elapsed().as_nanos() as f64 / tokens.len().max(1) as f64);
}

fn sweep(what: &str, live: &LiveSessions, now: Time) {
    let (mut longest, start) = (Duration::ZERO, Instant::now());
    for part in 0..PARTS {
        let start = Instant::now();
        live.sweep_part(part, now);
        longest = longest.max(start.elapsed());
    }
    println!("{what}: {:.3} s in {PARTS} parts, the longest {:.2} ms", start.elapsed().as_secs_f64(), longest.as_secs_f64() * 1000.0);
}

/// MiB, from the kernel.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or(0.0) / 1024.0
}
