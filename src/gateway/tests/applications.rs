//! What real applications and clients do: several addresses, pipelining, connections that the application closes, odd answers.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::http2::http2;
use super::support::*;
use super::tls::secure_gateway;
use crate::policy::{HostHeader, Level};

/// Answers each request of a connection with these bytes.
async fn says(answer: &'static str) -> std::net::SocketAddr {
    upstream(move |mut stream| async move {
        while read_head(&mut stream).await.is_some() {
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_name_with_several_addresses_is_tried_at_each() {
    let app = mirror().await;
    let mut named = route("app", "", Level::Bypass, &[app]);
    // The usual localhost is ::1 and 127.0.0.1; the application listens on the second only.
    named.upstreams[0].host = "localhost".into();
    let (_house, running) = gateway(vec![named]);
    for round in 0..8 {
        let answer = ask(&running, "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{round}: {answer}");
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let (go, gone) = tokio::sync::watch::channel(false);
    let app = upstream(move |mut stream| {
        let mut gone = gone.clone();
        async move {
            while let Some(head) = read_head(&mut stream).await {
                if head.starts_with("POST") {
                    gone.wait_for(|gone| *gone).await.unwrap();
                }
                let target = head.split(' ').nth(1).unwrap();
                let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{target}", target.len()).as_bytes()).await;
            }
        }
    })
    .await;
    let (house, running) = gateway(vec![route("app", "", Level::Bypass, &[app])]);
    let mut client = connect(&running).await;
    client.write_all(b"POST /first HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab").await.unwrap();
    // The gateway reads the second request while the first is under way.
    client.write_all(b"GET /second HTTP/1.1\r\nHost: a\r\n\r\nGET /third HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    go.send_replace(true);
    let mut all = String::new();
    soon(client.read_to_string(&mut all)).await.unwrap();
    let order: Vec<_> = ["/first", "/second", "/third"].iter().map(|target| all.find(target)).collect();
    assert!(order.iter().all(Option::is_some) && order.is_sorted() && all.matches("HTTP/1.1 200").count() == 3, "{all}");
    assert_eq!(house.records(3).await, ["POST /first 200 forwarded", "GET /second 200 forwarded", "GET /third 200 forwarded"]);
}

/// Closes a connection at its second request, without a word: a connection that lay idle too long, at the worst moment.
async fn closes_at_the_second() -> std::net::SocketAddr {
    upstream(|mut stream| async move {
        let Some(_) = read_head(&mut stream).await else { return };
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        read_head(&mut stream).await;
    })
    .await
}

#[tokio::test]
async fn what_must_not_be_sent_twice_meets_no_connection_that_closes() {
    let app = closes_at_the_second().await;
    let (_house, running) = gateway(vec![route("app", "", Level::Bypass, &[app])]);
    let mut client = connect(&running).await;
    for method in ["GET", "POST", "POST", "PATCH", "GET", "POST"] {
        client.write_all(format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").as_bytes()).await.unwrap();
        let head = soon(read_head(&mut client)).await.unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{method}: {head}");
        soon(client.read_exact(&mut [0; 2])).await.unwrap();
    }
}

#[tokio::test]
async fn an_unused_connection_is_closed_after_its_time() {
    let (closed, mut is_closed) = tokio::sync::watch::channel(false);
    let app = upstream(move |mut stream| {
        let closed = closed.clone();
        async move {
            read_head(&mut stream).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            closed.send_replace(read_head(&mut stream).await.is_none());
        }
    })
    .await;
    let mut brief = route("app", "", Level::Bypass, &[app]);
    brief.proxy.idle_timeout = Some(Duration::from_millis(100));
    let (_house, running) = gateway(vec![brief]);
    assert!(get(&running, "/", "").await.starts_with("HTTP/1.1 200"));
    soon(is_closed.wait_for(|closed| *closed)).await.unwrap();
}

#[tokio::test]
async fn odd_answers_arrive_over_http_1_and_http_2() {
    let odd = [
        ("/none", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204, ""),
        ("/two", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", 200, "ok"),
        ("/old", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\nX-Hop: secret\r\nConnection: X-Hop, close\r\n\r\nok", 200, "ok"),
    ];
    let mut routes = Vec::new();
    for (path, answer, ..) in odd {
        routes.push(route(&path[1..], path, Level::Bypass, &[says(answer).await]));
    }
    let (_plain, running) = gateway(routes.clone());
    let (_secure, over_tls, _) = secure_gateway(routes, &["first"]);
    let mut client = http2(&over_tls).await;
    for (path, _, status, body) in odd {
        let answer = get(&running, path, "").await;
        let (head, rest) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")) && rest == body, "{path}: {answer}");
        assert!(!answer.contains("secret") && head.to_lowercase().matches("content-length").count() <= 1, "{path}: {answer}");
        let (got, text) = client.get(path, &[]).await;
        assert_eq!((got.status.as_u16(), text.as_str()), (status, body), "{path}");
        assert!(got.headers.get("x-hop").is_none());
    }
}

#[tokio::test]
async fn an_internal_address_in_an_answer_becomes_the_clients() {
    let app = upstream(|mut stream| async move {
        read_head(&mut stream).await;
        let own = stream.local_addr().unwrap();
        let head = format!("HTTP/1.1 302 Found\r\nLocation: http://{own}/x\r\nSet-Cookie: a=b; Domain=127.0.0.1; Path=/\r\n");
        let _ = stream.write_all(format!("{head}Connection: close\r\nContent-Length: 0\r\n\r\n").as_bytes()).await;
    })
    .await;
    let mut inside = route("inside", "/inside", Level::Bypass, &[app]);
    inside.proxy.host = HostHeader::Upstream;
    let mut raw = route("raw", "/raw", Level::Bypass, &[app]);
    raw.proxy.host = HostHeader::Upstream;
    raw.proxy.rewrite_location = Some(false);
    let (_house, running) = gateway(vec![inside, raw, route("own", "/own", Level::Bypass, &[app])]);
    let answer = get(&running, "/inside", "").await;
    assert!(answer.contains("http://a.example/x\r\n") && answer.contains("a=b; Path=/\r\n"), "{answer}");
    for path in ["/raw", "/own"] {
        let answer = get(&running, path, "").await;
        assert!(answer.contains(&format!("http://{app}/x\r\n")) && answer.contains("Domain=127.0.0.1"), "{answer}");
    }
}

#[tokio::test]
async fn a_fragment_in_a_target_is_refused() {
    let app = mirror().await;
    let (_house, running) = gateway(vec![route("app", "", Level::Bypass, &[app])]);
    assert!(get(&running, "/a#b", "").await.starts_with("HTTP/1.1 400"));
    assert!(get(&running, "/a%23b", "").await.starts_with("HTTP/1.1 200"));
}
