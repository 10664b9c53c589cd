//! Transfers that take longer than a session may lie idle, and what the record says of those that were cut.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::http2::http2;
use super::support::*;
use super::tls::secure_gateway;
use crate::config::Config;
use crate::policy::Level;

/// Echoes pieces for as long as they come, as the answer to a request.
async fn echo() -> std::net::SocketAddr {
    upstream(|mut stream| async move {
        let Some(head) = read_head(&mut stream).await else { return };
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n").await;
        let mut buffer = [0; 4096];
        if head.starts_with("GET") {
            let _ = stream.write_all(b"begin").await;
            std::future::pending::<()>().await;
        }
        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
            let _ = stream.write_all(&buffer[..read]).await;
        }
    })
    .await
}

#[tokio::test]
async fn moving_bytes_are_use_of_the_session() {
    let app = echo().await;
    let mut config = Config { routes: vec![route("app", "", Level::OneFactor, &[app])], ..Config::default() };
    config.session.idle_timeout = Duration::from_millis(40);
    let (house, running) = gateway_with(config);
    let mut client = connect(&running).await;
    client.write_all(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n{SIGNED_IN}\r\n").as_bytes()).await.unwrap();
    soon(read_head(&mut client)).await.unwrap();
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(15)).await;
        client.write_all(b"x").await.unwrap();
        soon(read_until(&mut client, "x")).await;
    }
    assert!(house.touched() >= 3, "{}", house.touched());
}

#[tokio::test]
async fn the_record_of_what_was_cut_tells_its_bytes() {
    let app = echo().await;
    let (house, running) = gateway(vec![route("app", "", Level::OneFactor, &[app])]);
    let mut client = connect(&running).await;
    client.write_all(format!("GET / HTTP/1.1\r\nHost: a\r\n{SIGNED_IN}\r\n").as_bytes()).await.unwrap();
    soon(read_until(&mut client, "begin")).await;
    house.revoke();
    assert_eq!(house.records(1).await, ["GET / 200 cut"]);
    assert_eq!(*house.bytes.lock().unwrap(), [(0, 5)]);
}

#[tokio::test]
async fn a_client_that_cancels_is_cut_and_not_malformed() {
    let app = echo().await;
    let (house, running, _) = secure_gateway(vec![route("app", "", Level::Bypass, &[app])], &["first"]);
    let mut client = http2(&running).await;
    client.begins_and_cancels("/").await;
    assert_eq!(house.records(1).await, ["GET / 200 cut client_gone"]);
}

#[tokio::test]
async fn an_upload_over_http_2_has_more_than_64_kib_under_way() {
    let (_house, running, _) = secure_gateway(vec![], &["first"]);
    assert!(http2(&running).await.window().await > 2 * 65_535);
}
