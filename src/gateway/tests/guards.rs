//! What the gateway keeps out, as a client meets it: disguised methods, unknown addresses, floods.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::support::*;
use crate::config::Config;
use crate::gateway::Running;
use crate::policy::{CertificateUse, Level, Requirement, Route, Rule};

fn rule(level: Level) -> Rule {
    let requirement =
        Requirement { level, groups: None, factors: None, max_age: None, client_certificate: CertificateUse::None, enforce: true };
    Rule {
        paths: vec![],
        patterns: vec![],
        methods: vec![],
        networks: vec![],
        query: vec![],
        whereabouts: None,
        requirement,
        comment: None,
    }
}

fn with_rule(route: Route, rule: Rule) -> Route {
    Route { rules: vec![rule], ..route }
}

fn post(headers: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n{headers}\r\n")
}

#[tokio::test]
async fn a_method_in_disguise_is_judged_as_what_it_may_be_taken_for() {
    let app = mirror().await;
    let only_delete = Rule { methods: vec![http::Method::DELETE], ..rule(Level::Deny) };
    let (_house, running) = gateway(vec![with_rule(route("app", "", Level::Bypass, &[app]), only_delete)]);
    assert!(ask(&running, &post("")).await.starts_with("HTTP/1.1 200"));
    assert!(ask(&running, &post("X-HTTP-Method-Override: PATCH\r\n")).await.contains("PATCH"));
    for name in ["X-HTTP-Method-Override", "X-Http-Method", "X_Method_Override"] {
        assert!(ask(&running, &post(&format!("{name}: delete\r\n"))).await.starts_with("HTTP/1.1 403"), "{name}");
    }
    let two = post("X-HTTP-Method: DELETE\r\nX-HTTP-Method: PUT\r\n");
    assert!(ask(&running, &two).await.starts_with("HTTP/1.1 400"));
    assert!(ask(&running, "delete / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.starts_with("HTTP/1.1 400"));
}

#[tokio::test]
async fn a_rule_for_a_network_does_not_open_to_the_proxy_itself() {
    let app = mirror().await;
    let inside = Rule { networks: vec!["127.0.0.0/8".parse().unwrap()], ..rule(Level::Bypass) };
    let mut config = Config { routes: vec![with_rule(route("app", "", Level::Deny, &[app]), inside)], ..Config::default() };
    config.server.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    let (_house, running) = gateway_with(config);
    for (headers, status) in [
        ("", "403"),
        ("X-Forwarded-For: unknown\r\n", "403"),
        ("X-Forwarded-For: 192.0.2.1\r\n", "403"),
        ("X-Forwarded-For: 127.0.0.9:4711\r\n", "200"),
    ] {
        assert!(get(&running, "/", headers).await.starts_with(&format!("HTTP/1.1 {status}")), "{headers}");
    }
}

#[tokio::test]
async fn a_header_without_end_is_cut_off_by_its_size() {
    let (_house, running) = gateway_with(Config::default());
    let mut client = connect(&running).await;
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nX: ").await.unwrap();
    let _ = client.write_all(&[b'x'; 200 * 1024]).await;
    let cut = tokio::time::timeout(Duration::from_secs(5), client.read(&mut [0; 1])).await.expect("before the header's deadline");
    assert_eq!(cut.unwrap_or(0), 0);
}

#[tokio::test]
async fn the_upstream_gets_the_host_that_was_judged() {
    let app = mirror().await;
    let (_house, running) = gateway(vec![route("app", "", Level::Bypass, &[app])]);
    let answer = ask(&running, "GET / HTTP/1.1\r\nHost: A.Example.:8080\r\nConnection: close\r\n\r\n").await;
    assert!(answer.contains("Host: a.example:8080\r\n"), "{answer}");
}

#[tokio::test]
async fn an_application_does_not_join_the_portals_pages() {
    let app = upstream(|mut stream| async move {
        read_head(&mut stream).await;
        let head = "HTTP/1.1 200 OK\r\nCross-Origin-Opener-Policy: same-origin-plus-COEP; report-to=\"x\"\r\nService-Worker-Allowed: /\r\n";
        let _ = stream.write_all(format!("{head}Connection: close\r\nContent-Length: 0\r\n\r\n").as_bytes()).await;
    })
    .await;
    let (_house, running) = gateway(vec![route("app", "", Level::Bypass, &[app])]);
    let answer = get(&running, "/", "").await.to_lowercase();
    assert!(answer.contains("cross-origin-opener-policy: same-origin-allow-popups\r\n"), "{answer}");
    assert!(!answer.contains("plus-coep") && !answer.contains("service-worker-allowed"), "{answer}");
}

#[tokio::test]
async fn a_second_connection_line_closes_too() {
    let app = mirror().await;
    let (_house, running) = gateway(vec![route("app", "", Level::Bypass, &[app])]);
    for lines in ["Connection: x\r\nConnection: close\r\n", "Connection: x, Close\r\n"] {
        // `ask` reads to the end of the connection, and has only so much patience.
        assert!(ask(&running, &format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n")).await.starts_with("HTTP/1.1 200"), "{lines}");
    }
}

#[tokio::test]
async fn what_is_no_request_is_counted_and_what_says_nothing_is_not() {
    let app = mirror().await;
    let (house, running) = gateway(vec![route("app", "", Level::Bypass, &[app])]);
    for (n, bytes) in ["CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", "\0\x01\x02\r\n\r\n", "G\r\n\r\n"].into_iter().enumerate() {
        ask(&running, bytes).await;
        soon(async {
            while house.unread.load(std::sync::atomic::Ordering::SeqCst) < n + 1 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
    drop(connect(&running).await);
    get(&running, "/", "").await;
    assert_eq!(house.unread.load(std::sync::atomic::Ordering::SeqCst), 3);
}

#[tokio::test]
async fn an_application_cannot_change_the_protocol_unasked() {
    let app = upstream(|mut stream| async move {
        let _ = read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nraw").await;
        let _ = stream.read(&mut [0; 64]).await;
    })
    .await;
    let (_house, running) = gateway(vec![route("app", "", Level::Bypass, &[app])]);
    for headers in ["", "Upgrade: x\r\n", "Upgrade: websocket\r\n"] {
        let answer = get(&running, "/", headers).await;
        assert!(answer.starts_with("HTTP/1.1 502") && !answer.contains("raw"), "{headers:?}: {answer}");
    }
}

#[tokio::test]
async fn a_client_of_http_1_0_gets_no_interim_answers_and_no_chunks() {
    let app = upstream(|mut stream| async move {
        let _ = read_head(&mut stream).await;
        let answer = "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n";
        let _ = stream.write_all(answer.as_bytes()).await;
    })
    .await;
    let (_house, running) = gateway(vec![route("app", "", Level::Bypass, &[app])]);
    let info = |version: &str| format!("GET / HTTP/{version}\r\nHost: a\r\nConnection: close\r\n\r\n");
    let old = ask(&running, &info("1.0")).await;
    assert!(old.starts_with("HTTP/1.1 200") && old.ends_with("\r\n\r\nbody") && !old.to_ascii_lowercase().contains("chunked"), "{old}");
    let new = ask(&running, &info("1.1")).await;
    assert!(new.starts_with("HTTP/1.1 103") && new.ends_with("\r\n4\r\nbody\r\n0\r\n\r\n"), "{new}");
    for (version, word, continues) in [("1.1", "100-Continue", true), ("1.1", "x", false), ("1.0", "100-continue", false)] {
        let form = format!(
            "POST /.vestibule/login HTTP/{version}\r\nHost: a\r\nConnection: close\r\nExpect: {word}\r\nContent-Length: 1\r\n\r\na"
        );
        assert_eq!(ask(&running, &form).await.starts_with("HTTP/1.1 100"), continues, "{version} {word}");
    }
}

async fn connect_from(running: &Running, address: [u8; 4]) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((address, 0).into()).unwrap();
    socket.connect(running.addresses[0]).await.unwrap()
}

/// A sign-in with a body of so many bytes, of which nothing is sent before the gateway asks for it.
async fn begin_a_post(running: &Running, from: [u8; 4], length: usize) -> (TcpStream, String) {
    let mut stream = connect_from(running, from).await;
    let head = format!("POST /.vestibule/login HTTP/1.1\r\nHost: a.example\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = soon(read_head(&mut stream)).await.unwrap();
    (stream, answer)
}

const TOO_MANY: &str = "503 Service Unavailable";

/// Strangers can send large forms: what of them is in memory at once is bounded, and nobody's sign-in, which is small, is in their way.
#[tokio::test]
async fn only_so_many_large_forms_are_read_at_once() {
    let (house, running) = gateway(vec![route("app", "/", Level::Bypass, &[mirror().await])]);
    let stranger = [127, 0, 0, 7];
    let mut reading = Vec::new();
    for n in 0..16 {
        let (stream, answer) = begin_a_post(&running, stranger, 60_000).await;
        assert!(answer.starts_with("HTTP/1.1 100"), "{n}: {answer}");
        reading.push(stream);
    }
    let (mut refused, answer) = begin_a_post(&running, stranger, 60_000).await;
    assert!(answer.contains(TOO_MANY) && answer.to_ascii_lowercase().contains("retry-after: 5"), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
    let _ = refused.write_all(&[b'a'; 60_000]).await;
    // What does not say how long it is counts as soon as it is known to be large.
    let mut chunked = connect_from(&running, stranger).await;
    chunked.write_all(b"POST /.vestibule/login HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
    chunked.write_all(format!("2000\r\n{}\r\n1\r\na\r\n", "a".repeat(0x2000)).as_bytes()).await.unwrap();
    assert!(soon(read_head(&mut chunked)).await.unwrap().contains(TOO_MANY));
    let (mut small, answer) = begin_a_post(&running, stranger, 8 * 1024).await;
    assert!(answer.starts_with("HTTP/1.1 100"), "a sign-in is small: {answer}");
    small.write_all(&[b'a'; 8 * 1024]).await.unwrap();
    read_until(&mut small, "portal /.vestibule/login a.example 8192").await;
    // One that is answered makes room, and so does one that hangs up.
    let mut last = reading.pop().unwrap();
    last.write_all(&[b'a'; 60_000]).await.unwrap();
    read_until(&mut last, "portal /.vestibule/login a.example 60000").await;
    drop(reading.pop());
    house.records(5).await;
    for _ in 0..2 {
        let (stream, answer) = begin_a_post(&running, stranger, 60_000).await;
        assert!(answer.starts_with("HTTP/1.1 100"), "{answer}");
        reading.push(stream);
    }
    assert!(begin_a_post(&running, stranger, 60_000).await.1.contains(TOO_MANY));
    // All addresses together have room for 128.
    let mut admitted = reading.len();
    for address in 10..30 {
        for _ in 0..16 {
            let (stream, answer) = begin_a_post(&running, [127, 0, 0, address], 60_000).await;
            if answer.starts_with("HTTP/1.1 100") {
                admitted += 1;
                reading.push(stream);
            } else {
                assert!(answer.contains(TOO_MANY), "{answer}");
            }
        }
    }
    assert_eq!(admitted, 128);
}
