//! The edges: who is slow, many, large or rude does not keep others from being served, and is told so where that can be told.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::harness::*;

const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

async fn limited(limits: &str) -> World {
    World::builder().mfa("first_enrolment = \"password\"").with(&format!("[limits]\n{limits}")).build().await
}

async fn open(world: &World, from: u8) -> Wire {
    Wire::open(world.address(), IpAddr::from([127, 0, 0, from])).await
}

const HEAD: &str = "GET /public/x HTTP/1.1\r\nHost: app.example\r\n";

#[tokio::test]
async fn a_header_that_drips_in_is_cut_off_in_all() {
    let world = limited("header_timeout = \"1s\"").await;
    let mut drip = open(&world, 1).await;
    let started = Instant::now();
    // Each drop comes well within the timeout; all of them do not.
    let cut = soon(async {
        loop {
            drip.send(b"X").await;
            if tokio::time::timeout(Duration::from_millis(100), drip.until(b"\r\n")).await.is_ok() {
                return started.elapsed();
            }
        }
    })
    .await;
    assert!((Duration::from_millis(900)..Duration::from_secs(4)).contains(&cut), "{cut:?}");
    assert_eq!(world.upstream.count(), 0);
}

/// As many open files as the system gives: both ends of every connection are in this process.
fn many_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

/// Two thousand that dribble, from two addresses, and one who is served.
#[tokio::test]
async fn two_thousand_slow_clients_do_not_keep_another_waiting() {
    many_files();
    let world = limited("header_timeout = \"60s\"\nconnections_per_ip = 1500").await;
    let mut slow = Vec::new();
    for n in 0..2000u32 {
        let mut wire = open(&world, if n % 2 == 0 { 2 } else { 3 }).await;
        wire.send(HEAD.as_bytes()).await;
        slow.push(wire);
    }
    let mut worst = Duration::ZERO;
    for _ in 0..50 {
        let started = Instant::now();
        let mut wire = open(&world, 1).await;
        wire.send(format!("{HEAD}Connection: close\r\n\r\n").as_bytes()).await;
        wire.answer("GET").await.expect("an answer").is(200);
        worst = worst.max(started.elapsed());
        for one in slow.iter_mut().take(100) {
            one.send(b"X").await;
        }
    }
    assert!(worst < Duration::from_secs(2), "{worst:?}");
    println!("2000 slow connections held, the slowest of 50 answers to another took {worst:?}");
    let mut last = slow.pop().unwrap();
    last.send(b"Connection: close\r\n\r\n").await;
    last.answer("GET").await.expect("the slow are served too").is(200);
}

#[tokio::test]
async fn connections_are_bounded_for_each_client_and_for_all() {
    let world = limited("connections = 8\nconnections_per_ip = 5").await;
    let ask = format!("{HEAD}\r\n");
    let mut seated = Vec::new();
    for (from, expected) in [(2, 5), (3, 3), (4, 0)] {
        let mut served = 0;
        for _ in 0..6 {
            let mut wire = open(&world, from).await;
            wire.send(ask.as_bytes()).await;
            if wire.answer("GET").await.is_some_and(|answer| answer.status == 200) {
                served += 1;
                seated.push(wire);
            }
        }
        assert_eq!(served, expected, "for 127.0.0.{from}");
    }
    drop(seated);
    // Who left makes room.
    soon(async {
        loop {
            let mut wire = open(&world, 4).await;
            wire.send(ask.as_bytes()).await;
            if wire.answer("GET").await.is_some() {
                break;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn headers_are_bounded_in_size_and_number() {
    let world = World::new().await;
    let cases = [
        (format!("{HEAD}X: {}\r\n", "y".repeat(70_000)), 431),
        (format!("{HEAD}{}", "X: y\r\n".repeat(210)), 431),
        (format!("{HEAD}Cookie: vestibule={}\r\n", "y".repeat(66_000)), 431),
        (format!("GET /public/{} HTTP/1.1\r\nHost: app.example\r\n", "y".repeat(17_000)), 414),
        (format!("{HEAD}X: {}\r\n", "y".repeat(60_000)), 200),
        (format!("{HEAD}{}", "X: y\r\n".repeat(190)), 200),
    ];
    for (head, status) in cases {
        let mut wire = open(&world, 1).await;
        wire.send(format!("{head}Connection: close\r\n\r\n").as_bytes()).await;
        assert_eq!(wire.answer("GET").await.expect("an answer").status, status, "{}…", &head[..60]);
    }
    // What pingora itself stops has no answer owed but must not be served.
    for flood in [format!("{HEAD}X: {}\r\n", "y".repeat(2_000_000)), format!("{HEAD}{}", "X: y\r\n".repeat(5000))] {
        let before = world.upstream.count();
        let mut wire = open(&world, 1).await;
        wire.send(format!("{flood}Connection: close\r\n\r\n").as_bytes()).await;
        assert!(wire.answer("GET").await.is_none_or(|answer| (400..500).contains(&answer.status)));
        assert_eq!(world.upstream.count(), before);
    }
}

#[tokio::test]
async fn a_form_that_is_too_large_or_too_slow_is_told_so() {
    let world = World::new().await;
    let post = |length: usize| {
        format!(
            "POST {PREFIX}/login HTTP/1.1\r\nHost: app.example\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    let mut large = open(&world, 1).await;
    large.send(&[post(70_000).into_bytes(), vec![b'x'; 70_000]].concat()).await;
    large.answer("POST").await.expect("an answer").is(413);
    let mut chunked = open(&world, 1).await;
    let head = format!("POST {PREFIX}/login HTTP/1.1\r\nHost: app.example\r\nTransfer-Encoding: chunked\r\n\r\n");
    chunked.send(head.as_bytes()).await;
    for _ in 0..20 {
        chunked.send(&[b"1000\r\n".to_vec(), vec![b'x'; 4096], b"\r\n".to_vec()].concat()).await;
    }
    chunked.answer("POST").await.expect("an answer").is(413);
    let mut slow = open(&world, 1).await;
    slow.send(&[post(100).as_bytes(), b"username=alice"].concat()).await;
    let started = Instant::now();
    slow.answer("POST").await.expect("an answer").is(408);
    assert!(started.elapsed() > Duration::from_secs(10), "an honest client on a slow line has time: {:?}", started.elapsed());
}

#[tokio::test]
async fn who_does_not_read_is_not_waited_for_by_others() {
    let world = World::new().await;
    let upstream = crate::misbehaving::start(crate::misbehaving::Kind::Endless).await;
    let more =
        format!("\n[[routes]]\nname = \"big\"\nhosts = [\"big.example\"]\nupstreams = [\"http://{upstream}\"]\npolicy = \"bypass\"\n");
    world.reload(|text| text + &more).await;
    let mut readers = Vec::new();
    for _ in 0..20 {
        let mut wire = open(&world, 2).await;
        wire.send(b"GET /big HTTP/1.1\r\nHost: big.example\r\n\r\n").await;
        wire.head().await.expect("a head").is(200);
        readers.push(wire);
    }
    for _ in 0..20 {
        let mut wire = Wire::open(world.address(), LOOPBACK).await;
        wire.send(format!("{HEAD}Connection: close\r\n\r\n").as_bytes()).await;
        wire.answer("GET").await.expect("an answer").is(200);
    }
}
