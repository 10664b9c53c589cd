//! A storm of sign-ins while others work: what is forwarded is forwarded, the storm is held to its bounds, and nobody half signs in.
//! `cargo test --release --test it a_minute_of_storm -- --ignored --nocapture` measures 200 a second for a minute.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::harness::Person;
use crate::harness::html::Form;
use crate::harness::steady::Steady;
use crate::site::{self, Served, Site, at};

const STORM: u8 = 100;
const WORKERS: u8 = 4;

fn resident_kib(served: &Served) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", served.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Clients that ask for what is forwarded, without a pause, for as long as they are let.
struct Workers {
    over: Arc<AtomicBool>,
    all: JoinSet<Vec<Duration>>,
}

impl Workers {
    fn start(worker: &Person) -> Self {
        let (over, mut all) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
        for _ in 0..WORKERS {
            let (mut one, over) = (worker.clone(), over.clone());
            all.spawn(async move {
                let mut times = Vec::new();
                while !over.load(Ordering::SeqCst) {
                    let started = Instant::now();
                    one.calls("GET", "/x").await.is(200);
                    times.push(started.elapsed());
                }
                times
            });
        }
        Self { over, all }
    }

    /// How long each answer took, the slowest last.
    async fn stop(self) -> Vec<Duration> {
        self.over.store(true, Ordering::SeqCst);
        let mut times: Vec<Duration> = self.all.join_all().await.into_iter().flatten().collect();
        times.sort_unstable();
        times
    }
}

fn p99(times: &[Duration]) -> Duration {
    times[times.len() * 99 / 100]
}

/// The form on the page, by its token alone: to take the page apart costs the storm more than the gateway.
fn sign_in_form(page: &str) -> Form {
    let token = page.split_once("name=\"csrf\" value=\"").and_then(|(_, rest)| rest.split_once('"')).expect("a form").0;
    let fields = vec![("csrf".to_owned(), token.to_owned())];
    Form { action: "/.vestibule/login".to_owned(), method: "post".to_owned(), fields, ..Form::default() }
}

/// One sign-in: in with the password, or refused, or told to come back; never between. Its status.
async fn tries(one: &mut Person, good: bool) -> u16 {
    one.opens("/.vestibule/login").await;
    let form = sign_in_form(&one.page.text());
    let typed = (one.name.clone(), one.password.clone());
    let answer = one.submits(&form, &[("username", &typed.0), ("password", &typed.1)]).await;
    assert!(matches!(answer.status, 303 | 422 | 429 | 503), "{}", answer.status);
    let inside = one.is_signed_in().await;
    assert_eq!(inside, answer.status == 303, "half signed in");
    assert!(!inside || good, "let in without the password");
    if matches!(answer.status, 429 | 503) {
        assert!(answer.header("retry-after").is_some());
    }
    answer.status
}

/// A runtime whose threads give way to the clients that are measured: the storm comes from elsewhere, and must not cost them the
/// processor here.
fn elsewhere() -> tokio::runtime::Runtime {
    let gives_way = || rustix::process::setpriority_process(Some(rustix::thread::gettid()), 10).unwrap();
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).on_thread_start(gives_way).enable_all().build().unwrap()
}

/// 99th percentiles of requests that are forwarded, and of the same ones sent to the application itself: what the machine adds.
async fn measures(through: (SocketAddr, &str), beside: SocketAddr, work: impl Future<Output = ()>) -> (Duration, Duration, usize) {
    let forwarded = Steady::start(4, through.0, through.1);
    let direct = Steady::start(1, beside, through.1);
    work.await;
    tokio::task::spawn_blocking(move || {
        let (forwarded, direct) = (forwarded.stop(), direct.stop());
        (p99(&forwarded), p99(&direct), forwarded.len())
    })
    .await
    .unwrap()
}

/// 200 sign-ins a second for `VESTIBULE_TEST_STORM` seconds (60), from 200 addresses; half of them with the right password.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: a minute, in a release build"]
async fn a_minute_of_storm_beside_forwarded_traffic() {
    let seconds: u64 = std::env::var("VESTIBULE_TEST_STORM").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let config = site::PLAIN.replace("memory_kib = 64", "memory_kib = 19456").replace("iterations = 1", "iterations = 2");
    let site = Site::with(&config).await;
    site.adds("worker").await.ok();
    for n in 0..20 {
        site.adds(&format!("user{n}")).await.ok();
    }
    let served = Arc::new(site.serve().await);
    let mut worker = at(&served, "worker");
    worker.signs_in().await;
    let head = format!("GET /x HTTP/1.1\r\n{}Accept: application/json\r\n\r\n", worker.lines("/x"));
    let (through, beside) = ((served.address, head.as_str()), site.upstream.address);
    let calm = measures(through, beside, tokio::time::sleep(Duration::from_secs(15))).await;
    let (before, elsewhere) = (resident_kib(&served), elsewhere());
    let (told, peak) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicU64::new(0)));
    let storm = {
        let (told, peak, served) = (told.clone(), peak.clone(), served.clone());
        elsewhere.spawn(async move {
            let (mut storm, mut tick) = (JoinSet::new(), tokio::time::interval(Duration::from_millis(5)));
            tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
            for n in 0..seconds * 200 {
                tick.tick().await;
                let mut one = at(&served, &format!("user{}", n % 20)).elsewhere(10 + (n % 200) as u8);
                let good = n % 2 == 0;
                if !good {
                    one.name = format!("nobody{n}");
                }
                storm.spawn(async move { tries(&mut one, good).await });
                if n % 200 == 0 {
                    peak.fetch_max(resident_kib(&served), Ordering::SeqCst);
                }
            }
            *told.lock().unwrap() = storm.join_all().await;
        })
    };
    let stormy = measures(through, beside, async { storm.await.unwrap() }).await;
    elsewhere.shutdown_background();
    let (told, peak) = (told.lock().unwrap().clone(), peak.load(Ordering::SeqCst));
    tokio::time::sleep(Duration::from_secs(15)).await;
    let after = resident_kib(&served);
    let count = |status: u16| told.iter().filter(|s| **s == status).count();
    println!(
        "{} sign-ins: {} in, {} refused, {} told to wait, {} busy, 0 half; forwarded meanwhile {}, all good; p99 calm {:?}, storm {:?}; without the gateway calm {:?}, storm {:?}; memory {before} KiB before, {peak} at most, {after} a quarter minute later",
        told.len(),
        count(303),
        count(422),
        count(429),
        count(503),
        stormy.2,
        calm.0,
        stormy.0,
        calm.1,
        stormy.1,
    );
    assert!(count(303) > 0 && peak < before + 128 * 1024, "{before} {peak}");
    assert!(!site.log().contains("panicked"), "{}", site.log());
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
    let workers = Workers::start(&worker);
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
        storm.spawn(async move { tries(&mut one, good).await });
    }
    let mut told = storm.join_all().await;
    told.sort_unstable();
    let times = workers.stop().await;
    let p99 = p99(&times);
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
    // A block of 19 MiB for each of the two threads that hash; the rest is connections and pages.
    assert!(grown < 128 * 1024, "memory grew by {grown} KiB");
    assert!(!site.log().contains("panicked"), "{}", site.log());
}
