//! A storm of sign-ins while others work: what is forwarded is forwarded, the storm is held to its bounds, and nobody half signs in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::site::{self, Served, Site, at};

const STORM: u8 = 100;
const WORKERS: u8 = 4;

fn resident_kib(served: &Served) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", served.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_sign_ins_leaves_traffic_alone() {
    // Hashing as in production: that is what the storm is made of.
    let config = site::PLAIN.replace("memory_kib = 64", "memory_kib = 19456").replace("iterations = 1", "iterations = 2");
    let site = Site::with(&config).await;
    for name in ["alice", "worker"] {
        site.adds(name).await.ok();
    }
    let served = Arc::new(site.serve().await);
    let mut worker = at(&served, "worker");
    worker.signs_in().await;
    let calm = resident_kib(&served);
    let (over, forwarded) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        let (mut one, over, forwarded) = (worker.clone(), over.clone(), forwarded.clone());
        workers.spawn(async move {
            let mut times = Vec::new();
            while !over.load(Ordering::SeqCst) {
                let started = Instant::now();
                one.calls("GET", "/x").await.is(200);
                times.push(started.elapsed());
                forwarded.fetch_add(1, Ordering::SeqCst);
            }
            times
        });
    }
    let mut storm = JoinSet::new();
    for n in 0..STORM {
        let mut one = at(&served, "alice").elsewhere(10 + n);
        // Every third guesses, every third is nobody.
        let good = match n % 3 {
            0 => true,
            1 => {
                one.password = "not-the-right-password".to_owned();
                false
            }
            _ => {
                one.name = format!("nobody{n}");
                false
            }
        };
        storm.spawn(async move {
            one.visits("/.vestibule/login").await;
            let answer = one.types_password().await;
            assert!(matches!(answer.status, 303 | 422 | 429 | 503), "{}", answer.status);
            let inside = one.is_signed_in().await;
            assert_eq!(inside, answer.status == 303, "half signed in");
            assert!(!inside || good, "let in without the password");
            if answer.status == 503 {
                assert!(answer.header("retry-after").is_some());
            }
            answer.status
        });
    }
    let mut told = storm.join_all().await;
    told.sort_unstable();
    over.store(true, Ordering::SeqCst);
    let mut times: Vec<Duration> = workers.join_all().await.into_iter().flatten().collect();
    times.sort_unstable();
    let p99 = times[times.len() * 99 / 100];
    let grown = resident_kib(&served).saturating_sub(calm);
    let count = |status: u16| told.iter().filter(|s| **s == status).count();
    println!(
        "{STORM} sign-ins at once: {} in, {} refused, {} told to wait, {} busy; {} requests forwarded meanwhile, all good, p99 {p99:?}; memory grew by {grown} KiB",
        count(303),
        count(422),
        count(429),
        count(503),
        times.len()
    );
    assert!(count(303) > 0 && !times.is_empty(), "{told:?}");
    assert!(grown < 128 * 1024, "memory grew by {grown} KiB");
    assert!(!site.log().contains("panicked"), "{}", site.log());
}
