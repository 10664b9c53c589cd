//! WebSockets through the gateway: none lost, none from elsewhere, none that outlives its session.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::support::*;
use crate::gateway::*;
use crate::policy::Level;

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

const AGREED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// An upstream whose first bytes come in one packet with the 101, and which then echoes.
async fn sockets() -> std::net::SocketAddr {
    upstream(|mut stream| async move {
        let Some(head) = read_head(&mut stream).await else { return };
        assert!(head.contains("Upgrade: websocket\r\n") && head.contains("Connection: Upgrade\r\n"), "{head}");
        let hello = format!("{AGREED}Sec-WebSocket-Accept: {ACCEPT}\r\n\r\nhello");
        stream.write_all(hello.as_bytes()).await.unwrap();
        let (mut from, mut to) = stream.split();
        let _ = tokio::io::copy(&mut from, &mut to).await;
    })
    .await
}

async fn one_socket(running: &Running) {
    let mut client = connect(running).await;
    client.write_all(format!("{UPGRADE}{SIGNED_IN}Origin: http://a.example\r\n\r\n").as_bytes()).await.unwrap();
    let head = read_head(&mut client).await.unwrap();
    assert!(head.starts_with("HTTP/1.1 101") && head.contains(ACCEPT), "{head}");
    let mut hello = [0; 5];
    client.read_exact(&mut hello).await.unwrap();
    assert_eq!(&hello, b"hello");
    client.write_all(b"ping!").await.unwrap();
    client.read_exact(&mut hello).await.unwrap();
    assert_eq!(&hello, b"ping!");
}

#[tokio::test]
async fn no_websocket_is_lost_under_load() {
    let app = sockets().await;
    let (house, running) = gateway(vec![route("app", "", Level::TwoFactor, &[app])]);
    let running = std::sync::Arc::new(running);
    let count: usize = std::env::var("VESTIBULE_TEST_SOCKETS").ok().and_then(|n| n.parse().ok()).unwrap_or(500);
    let workers: Vec<_> = (0..50)
        .map(|_| {
            let running = std::sync::Arc::clone(&running);
            tokio::spawn(async move {
                for _ in 0..count / 50 {
                    one_socket(&running).await;
                }
            })
        })
        .collect();
    for worker in workers {
        tokio::time::timeout(Duration::from_secs(60), worker).await.unwrap().unwrap();
    }
    assert!(house.records(count).await.iter().all(|r| r == "GET /ws 101 tunnel"));
}

#[tokio::test]
async fn what_a_client_sends_ahead_of_the_101_arrives_first() {
    let app = sockets().await;
    let (_house, running) = gateway(vec![route("app", "", Level::Bypass, &[app])]);
    let mut client = connect(&running).await;
    client.write_all(format!("{UPGRADE}\r\nearly").as_bytes()).await.unwrap();
    soon(read_until(&mut client, "hello")).await;
    client.write_all(b" bird").await.unwrap();
    soon(read_until(&mut client, "early bird")).await;
}

#[tokio::test]
async fn a_websocket_from_elsewhere_or_without_a_session_opens_nothing() {
    let app = sockets().await;
    let routes = vec![route("app", "", Level::OneFactor, &[app]), route("open", "/open", Level::Bypass, &[app])];
    let (_house, running) = gateway(routes);
    let open = UPGRADE.replace("/ws", "/open");
    let mut anybody = connect(&running).await;
    anybody.write_all(format!("{open}Origin: http://elsewhere.example\r\n\r\n").as_bytes()).await.unwrap();
    soon(read_until(&mut anybody, "hello")).await;
    let foreign = ask(&running, &format!("{UPGRADE}{SIGNED_IN}Origin: http://evil.example\r\n\r\n")).await;
    assert!(foreign.starts_with("HTTP/1.1 403"), "{foreign}");
    let nobody = ask(&running, &format!("{UPGRADE}Accept: text/html\r\n\r\n")).await;
    assert!(nobody.starts_with("HTTP/1.1 401"), "{nobody}");
}

#[tokio::test]
async fn an_upstream_that_declines_a_websocket_is_heard() {
    let app = upstream(|mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 426 Upgrade Required\r\nConnection: X-Hop\r\nX-Hop: 1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nnope\r\n0\r\n\r\n").await;
    })
    .await;
    let (_house, running) = gateway(vec![route("app", "", Level::Bypass, &[app])]);
    let answer = ask(&running, &format!("{UPGRADE}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 426") && answer.contains("\r\nnope\r\n") && !answer.contains("X-Hop: 1"), "{answer}");
}

#[tokio::test]
async fn an_answer_to_another_handshake_opens_nothing() {
    let app = upstream(|mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(format!("{AGREED}Sec-WebSocket-Accept: y\r\n\r\nhello").as_bytes()).await;
        std::future::pending::<()>().await;
    })
    .await;
    let (_house, running) = gateway(vec![route("app", "", Level::Bypass, &[app])]);
    let answer = ask(&running, &format!("{UPGRADE}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 502") && !answer.contains("hello"), "{answer}");
    let other = UPGRADE.replace("Version: 13", "Version: 8");
    assert!(ask(&running, &format!("{other}\r\n")).await.starts_with("HTTP/1.1 400"));
}

/// Says one thing and goes on without another.
async fn events() -> SocketAddr {
    upstream(|mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n").await;
        std::future::pending::<()>().await;
    })
    .await
}

#[tokio::test]
async fn the_end_of_a_session_cuts_what_it_admitted() {
    let app = sockets().await;
    let silent = events().await;
    let routes = vec![
        route("app", "", Level::TwoFactor, &[app]),
        route("sse", "/sse", Level::OneFactor, &[silent]),
        route("open", "/open", Level::Bypass, &[silent]),
    ];
    let (house, running) = gateway(routes);
    let mut tunnel = connect(&running).await;
    tunnel.write_all(format!("{UPGRADE}{SIGNED_IN}\r\n").as_bytes()).await.unwrap();
    soon(read_until(&mut tunnel, "hello")).await;
    let mut events = connect(&running).await;
    events.write_all(format!("GET /sse HTTP/1.1\r\nHost: a\r\n{SIGNED_IN}\r\n").as_bytes()).await.unwrap();
    soon(read_until(&mut events, "data: 1")).await;
    let mut open = connect(&running).await;
    open.write_all(format!("GET /open HTTP/1.1\r\nHost: a\r\n{SIGNED_IN}\r\n").as_bytes()).await.unwrap();
    soon(read_until(&mut open, "data: 1")).await;

    house.revoke();
    let mut rest = Vec::new();
    let second = Duration::from_secs(1);
    let _ = tokio::time::timeout(second, tunnel.read_to_end(&mut rest)).await.expect("the tunnel is cut within a second");
    let _ = tokio::time::timeout(second, events.read_to_end(&mut rest)).await.expect("the events are cut within a second");
    let records = house.records(2).await;
    assert!(records.iter().all(|r| r.contains(" cut")), "{records:?}");
    assert!(tokio::time::timeout(Duration::from_millis(50), open.read_to_end(&mut rest)).await.is_err(), "bypass goes on");
    assert!(get(&running, "/sse", SIGNED_IN).await.starts_with("HTTP/1.1 401"));
}

#[tokio::test]
async fn a_stricter_policy_cuts_what_the_old_one_admitted() {
    let app = sockets().await;
    let silent = events().await;
    let routes = |group: &str, level| {
        let mut closed = route("app", "", Level::OneFactor, &[app]);
        closed.requirement.groups = Some(vec![group.to_owned()]);
        let mut events = route("events", "/events", Level::OneFactor, &[silent]);
        events.requirement.groups = Some(vec![group.to_owned()]);
        vec![closed, events, route("open", "/open", level, &[silent]), route("same", "/same", Level::Bypass, &[silent])]
    };
    let (house, running) = gateway(routes("staff", Level::Bypass));
    let mut open = Vec::new();
    for path in ["/events", "/open", "/same"] {
        let mut stream = connect(&running).await;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\n{SIGNED_IN}\r\n").as_bytes()).await.unwrap();
        soon(read_until(&mut stream, "data: 1")).await;
        open.push(stream);
    }
    let mut tunnel = connect(&running).await;
    tunnel.write_all(format!("{UPGRADE}{SIGNED_IN}\r\n").as_bytes()).await.unwrap();
    soon(read_until(&mut tunnel, "hello")).await;
    let same = open.pop().unwrap();
    open.push(tunnel);

    house.reload(routes("staff", Level::Bypass));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(house.records.borrow().len(), 0, "a reload that changes nothing cuts nothing");
    house.reload(routes("board", Level::OneFactor));
    for mut stream in open {
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(1), stream.read_to_end(&mut rest)).await.expect("cut within a second");
    }
    assert_eq!(house.records(3).await.len(), 3);
    drop(same);
}
