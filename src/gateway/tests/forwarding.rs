//! The gateway as a client meets it: real sockets, a real upstream, no sleeping.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::*;
use crate::config::Config;
use crate::gateway::*;
use crate::policy::Level;

#[tokio::test]
async fn an_admitted_request_arrives_with_the_gateways_headers_alone() {
    let app = mirror().await;
    let (house, running) = gateway(vec![route("app", "", Level::TwoFactor, &[app])]);
    let spoofed =
        "remote_user: root\r\nRemote-User: root\r\nX-Forwarded-For: 1.2.3.4\r\nConnection: Remote-User, close\r\nX-Real-IP: 9.9.9.9\r\n";
    let answer = ask(&running, &format!("GET /a//b%20c?x=%2f HTTP/1.1\r\nHost: a.example\r\n{spoofed}{SIGNED_IN}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("GET /a//b%20c?x=%2f HTTP/1.1\r\n"), "{answer}");
    for line in ["Remote-User: bob\r\n", "Remote-Groups: staff\r\n", "X-Forwarded-For: 127.0.0.1\r\n", "X-Forwarded-Proto: http\r\n"] {
        assert_eq!(answer.matches(line).count(), 1, "{line} in {answer}");
    }
    assert!(answer.contains("Cookie: a=1; b=2\r\n") && !answer.contains("good") && !answer.contains("root") && !answer.contains("9.9.9.9"));
    assert!(answer.contains("Set-Cookie: app=1") && !answer.contains("evil"), "{answer}");
    assert_eq!(*house.dropped.lock().unwrap(), ["vestibule"]);
    assert_eq!(house.records(1).await, ["GET /a//b%20c 200 forwarded"]);
}

#[tokio::test]
async fn who_must_sign_in_is_sent_there_or_told() {
    let (house, running) = gateway(vec![route("app", "", Level::OneFactor, &[nobody()])]);
    let page = get(&running, "/a?b=c%20d", "Sec-Fetch-Mode: navigate\r\n").await;
    assert!(page.starts_with("HTTP/1.1 303") && page.contains("/.vestibule/login?rd=/a%3Fb%3Dc%2520d\r\n"), "{page}");
    assert!(page.to_lowercase().contains("cache-control: no-store"));
    let api = get(&running, "/a", "Accept: application/json\r\n").await;
    assert!(api.starts_with("HTTP/1.1 401") && api.contains("application/problem+json") && api.contains(r#""reason":"sign_in""#), "{api}");
    let forged = get(&running, "/a", "Cookie: vestibule=forged\r\n").await;
    assert!(forged.starts_with("HTTP/1.1 401") && forged.contains("vestibule=; Path=/; Max-Age=0"), "{forged}");
    let doubled = get(&running, "/a", "Cookie: vestibule=good; vestibule=good\r\n").await;
    assert!(doubled.starts_with("HTTP/1.1 401") && doubled.contains("vestibule=; Path=/"), "{doubled}");
    assert_eq!(house.records(4).await.iter().filter(|r| r.ends_with("challenged sign_in")).count(), 4);
}

#[tokio::test]
async fn malformed_requests_and_hidden_places_are_refused() {
    let app = mirror().await;
    let (_house, running) = gateway(vec![route("app", "", Level::Bypass, &[app]), route("no", "/deny", Level::Deny, &[app])]);
    for request in [
        "GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "GET /../x HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let answer = ask(&running, request).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{request} gave {answer}");
    }
    assert!(ask(&running, "TRACE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.starts_with("HTTP/1.1 405"));
    assert!(get(&running, "/deny", "").await.starts_with("HTTP/1.1 403"));
    assert!(get(&running, "/.VESTIBULE/login", "").await.starts_with("HTTP/1.1 404"));
    assert!(get(&running, "/.vestibule/login?rd=/", "").await.ends_with("portal /.vestibule/login?rd=/ a.example 0"));
    let large = format!("POST /.vestibule/login HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n{}", "x".repeat(70_000));
    assert!(ask(&running, &large).await.starts_with("HTTP/1.1 413"));
}

#[tokio::test]
async fn an_answer_of_ours_leaves_the_connection_usable_unless_a_body_is_unread() {
    let (_house, running) = gateway(vec![route("app", "", Level::OneFactor, &[nobody()])]);
    let mut client = connect(&running).await;
    for method in ["HEAD", "GET", "HEAD"] {
        client.write_all(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await.unwrap();
        let head = soon(read_head(&mut client)).await.unwrap();
        assert!(head.starts_with("HTTP/1.1 401") && head.contains("keep-alive"), "{head}");
        let length: usize = head.to_lowercase().split("content-length: ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
        if method == "GET" {
            soon(client.read_exact(&mut vec![0; length])).await.unwrap();
        }
    }
    client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut rest = String::new();
    soon(client.read_to_string(&mut rest)).await.unwrap();
    assert!(rest.starts_with("HTTP/1.1 401") && rest.contains("close") && rest.matches("HTTP/1.1").count() == 1, "{rest}");
}

#[tokio::test]
async fn a_trailer_of_a_clients_does_not_arrive() {
    let app = upstream(|mut stream| async move {
        let mut all = Vec::new();
        while !String::from_utf8_lossy(&all).contains("body") || !all.ends_with(b"0\r\n\r\n") {
            all.push(stream.read_u8().await.unwrap());
        }
        let all = String::from_utf8_lossy(&all);
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{all}", all.len());
        let _ = stream.write_all(answer.as_bytes()).await;
    })
    .await;
    let (_house, running) = gateway(vec![route("app", "", Level::Bypass, &[app])]);
    let head = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTrailer: Remote-User\r\nTransfer-Encoding: chunked\r\n\r\n";
    let answer = ask(&running, &format!("{head}4\r\nbody\r\n0\r\nRemote-User: root\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("body") && !answer.contains("Remote-User"), "{answer}");
}

#[tokio::test]
async fn a_panic_ends_in_a_refusal_and_one_record() {
    let app = mirror().await;
    let (house, running) = gateway(vec![route("app", "", Level::OneFactor, &[app])]);
    let answer = get(&running, "/", "Cookie: vestibule=panic\r\n").await;
    assert_eq!(answer, "");
    assert_eq!(house.records(1).await, ["GET / 0 cut"]);
    assert!(get(&running, "/", SIGNED_IN).await.starts_with("HTTP/1.1 200"), "the shard goes on");
}

#[tokio::test]
async fn a_dead_upstream_is_passed_over() {
    let app = mirror().await;
    let (house, running) =
        gateway(vec![route("app", "", Level::Bypass, &[nobody(), app]), route("dead", "/dead", Level::Bypass, &[nobody()])]);
    for _ in 0..6 {
        let answer = ask(&running, "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert!(get(&running, "/dead", "").await.starts_with("HTTP/1.1 502"));
    assert_eq!(house.records(7).await[6], "GET /dead 502 failed upstream_unreachable");
}

#[tokio::test]
async fn events_come_through_as_they_are_sent() {
    let (go, gone) = tokio::sync::watch::channel(0u32);
    let app = upstream(move |mut stream| {
        let mut gone = gone.clone();
        async move {
            read_head(&mut stream).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n").await.unwrap();
            for n in 1..=3 {
                gone.wait_for(|g| *g >= n).await.unwrap();
                stream.write_all(format!("data: {n}\n\n").as_bytes()).await.unwrap();
            }
        }
    })
    .await;
    let (_house, running) = gateway(vec![route("app", "", Level::Bypass, &[app])]);
    let mut client = connect(&running).await;
    client.write_all(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let head = soon(read_head(&mut client)).await.unwrap();
    assert!(head.contains("text/event-stream"));
    for n in 1..=3 {
        go.send_replace(n);
        // Each event must come before the next one is even sent.
        soon(read_until(&mut client, &format!("data: {n}\n\n"))).await;
    }
}

#[tokio::test]
async fn a_header_that_dribbles_in_is_cut_off() {
    let mut config = Config::default();
    config.limits.header_timeout = Duration::from_millis(200);
    let (_house, running) = gateway_with(config);
    let mut client = connect(&running).await;
    client.write_all(b"GET / HTTP/1.1\r\nHost:").await.unwrap();
    assert_eq!(soon(client.read(&mut [0; 16])).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn connections_over_the_limit_are_closed_at_once() {
    let mut config = Config::default();
    config.limits.connections_per_ip = 2;
    let (_house, running) = gateway_with(config);
    let (mut first, mut second) = (seated(&running).await, seated(&running).await);
    let mut third = connect(&running).await;
    assert_eq!(soon(third.read(&mut [0; 16])).await.unwrap_or(0), 0);
    for client in [&mut first, &mut second] {
        assert!(talks(client).await, "those who have a seat keep it");
    }
}

/// A connection that is served. The gateway's own look at its address may still have a seat for a moment.
async fn seated(running: &Running) -> TcpStream {
    loop {
        let mut client = connect(running).await;
        if talks(&mut client).await {
            return client;
        }
    }
}

async fn talks(client: &mut TcpStream) -> bool {
    if client.write_all(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await.is_err() {
        return false;
    }
    soon(read_head(client)).await.is_some_and(|head| head.starts_with("HTTP/1.1 404"))
}

#[tokio::test]
async fn a_stop_waits_for_what_is_under_way_and_for_nothing_else() {
    let (go, gone) = tokio::sync::watch::channel(false);
    let (arrive, mut arrived) = tokio::sync::watch::channel(false);
    let app = upstream(move |mut stream| {
        let (mut gone, arrive) = (gone.clone(), arrive.clone());
        async move {
            read_head(&mut stream).await;
            arrive.send_replace(true);
            gone.wait_for(|g| *g).await.unwrap();
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone").await;
        }
    })
    .await;
    let (_house, running) = gateway(vec![route("app", "", Level::Bypass, &[app])]);
    let idle = connect(&running).await;
    let mut busy = connect(&running).await;
    busy.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    soon(arrived.wait_for(|a| *a)).await.unwrap();
    running.stop();
    go.send_replace(true);
    soon(read_until(&mut busy, "done")).await;
    let stopped = std::time::Instant::now();
    soon(tokio::task::spawn_blocking(move || running.join())).await.unwrap();
    assert!(stopped.elapsed() < Duration::from_secs(3), "an idle connection must not hold the end up");
    drop(idle);
}

#[tokio::test]
async fn a_large_body_streams_both_ways() {
    let size: usize = std::env::var("VESTIBULE_TEST_BODY_MIB").ok().and_then(|n| n.parse().ok()).unwrap_or(32) * 1024 * 1024;
    let before = peak_memory();
    let app = upstream(move |mut stream| async move {
        let Some(head) = read_head(&mut stream).await else { return };
        assert!(head.starts_with("POST"));
        let (mut left, mut buffer) = (size, vec![0; 65536]);
        while left > 0 {
            left -= stream.read(&mut buffer).await.unwrap();
        }
        stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n").as_bytes()).await.unwrap();
        for _ in 0..size / buffer.len() {
            stream.write_all(&buffer).await.unwrap();
        }
    })
    .await;
    let (_house, running) = gateway(vec![route("app", "", Level::Bypass, &[app])]);
    let (mut from, mut to) = connect(&running).await.into_split();
    let sent = tokio::spawn(async move {
        to.write_all(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n").as_bytes()).await.unwrap();
        for _ in 0..size / 65536 {
            to.write_all(&[7; 65536]).await.unwrap();
        }
        to
    });
    let mut received = 0;
    let mut buffer = vec![0; 65536];
    while received < size {
        let read = soon(from.read(&mut buffer)).await.unwrap();
        assert!(read > 0);
        received += read;
    }
    sent.await.unwrap();
    // Other tests run in this process: the bound is far above what they use and far below an unbounded buffer's 1 GiB.
    let more = peak_memory().saturating_sub(before);
    assert!(more < 128 * 1024, "{more} KiB more");
}

/// The most memory that this process has had, in KiB.
fn peak_memory() -> usize {
    memory("VmHWM:")
}

fn memory(field: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix(field)).unwrap_or("0");
    line.trim().trim_end_matches(" kB").trim().parse().unwrap_or(0)
}

/// By hand: `cargo test --lib idle_connections -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "a measurement"]
async fn idle_connections_are_small() {
    let app = mirror().await;
    let (_house, running) = gateway(vec![route("app", "", Level::Bypass, &[app])]);
    let before = memory("VmRSS:");
    let mut idle = Vec::new();
    for _ in 0..900 {
        let mut client = connect(&running).await;
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        soon(read_until(&mut client, "X-Request-Id")).await;
        idle.push(client);
    }
    println!("{} KiB for each idle connection, client side included", (memory("VmRSS:") - before) / idle.len());
}
