//! Applications that authenticate the connection (NTLM, Negotiate): nobody else is ever answered over such a connection.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::http2::http2;
use super::support::*;
use super::tls::secure_gateway;
use crate::policy::Level;

/// Takes whoever a connection's `Authorization` named for the sender of all that follows on it, as IIS does. Answers with that name,
/// and with how many requests came over the connection.
async fn application() -> (SocketAddr, tokio::sync::watch::Receiver<usize>) {
    let (open, is_open) = tokio::sync::watch::channel(0);
    let app = upstream(move |mut stream| {
        let open = open.clone();
        async move {
            open.send_modify(|open| *open += 1);
            let (mut user, mut legs, mut count) = ("nobody", 0, 0);
            while let Some(head) = read_head(&mut stream).await {
                count += 1;
                if head.contains("NTLM ") || head.contains("Negotiate ") {
                    legs += 1;
                    user = if legs > 1 { "alice" } else { user };
                }
                let status = if legs == 1 { "401 Unauthorized\r\nWWW-Authenticate: NTLM challenge" } else { "200 OK" };
                let answer =
                    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{user} {count}", user.len() + 1 + count.to_string().len());
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    break;
                }
            }
            open.send_modify(|open| *open -= 1);
        }
    })
    .await;
    (app, is_open)
}

async fn asks(client: &mut TcpStream, headers: &str) -> String {
    client.write_all(format!("GET / HTTP/1.1\r\nHost: a.example\r\n{headers}\r\n").as_bytes()).await.unwrap();
    let head = soon(read_head(client)).await.unwrap();
    let length: usize = head.to_lowercase().split("content-length: ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    soon(client.read_exact(&mut body)).await.unwrap();
    String::from_utf8(body).unwrap()
}

#[tokio::test]
async fn an_authenticated_connection_is_its_clients_alone_and_ends_with_it() {
    let (app, mut open) = application().await;
    let (_house, running) = gateway(vec![route("app", "", Level::Bypass, &[app])]);
    for scheme in ["NTLM", "Negotiate"] {
        let mut alice = connect(&running).await;
        assert_eq!(asks(&mut alice, &format!("Authorization: {scheme} one\r\n")).await, "nobody 1");
        assert_eq!(asks(&mut alice, &format!("Authorization: {scheme} two\r\n")).await, "alice 2");
        for _ in 0..4 {
            let mut stranger = connect(&running).await;
            assert!(asks(&mut stranger, "").await.starts_with("nobody"), "{scheme}");
        }
        assert_eq!(asks(&mut alice, "").await, "alice 3", "it goes on over the same connection");
        assert!(asks(&mut alice, SIGNED_IN).await.starts_with("alice"), "no identity is sent on this route");
        let before = *open.borrow_and_update();
        drop(alice);
        soon(open.wait_for(|open| *open < before)).await.unwrap();
    }
}

#[tokio::test]
async fn users_of_one_client_connection_have_connections_of_their_own() {
    let (app, _open) = application().await;
    let (_house, running) = gateway(vec![route("app", "", Level::OneFactor, &[app])]);
    let mut proxy = connect(&running).await;
    for _ in 0..2 {
        asks(&mut proxy, &format!("{SIGNED_IN}Authorization: NTLM x\r\n")).await;
    }
    assert_eq!(asks(&mut proxy, SIGNED_IN).await, "alice 3");
    assert_eq!(asks(&mut proxy, "Cookie: vestibule=other\r\n").await, "nobody 1");
}

#[tokio::test]
async fn an_http_2_client_has_its_own_too() {
    let (app, _open) = application().await;
    let (_house, running, _) = secure_gateway(vec![route("app", "", Level::Bypass, &[app])], &["first"]);
    let mut alice = http2(&running).await;
    let mut stranger = http2(&running).await;
    assert_eq!(alice.get("/", &[("authorization", "NTLM one")]).await.1, "nobody 1");
    assert_eq!(alice.get("/", &[("authorization", "NTLM two")]).await.1, "alice 2");
    for _ in 0..4 {
        assert!(stranger.get("/", &[]).await.1.starts_with("nobody"));
    }
    assert_eq!(alice.get("/", &[]).await.1, "alice 3");
}

/// A browser asks first without credentials: what that connection was told about is nobody's next connection.
#[tokio::test]
async fn a_connection_that_asked_for_authentication_goes_to_nobody_else() {
    let (app, mut open) = demanding().await;
    let routes = vec![route("app", "", Level::Bypass, &[app]), route("other", "/other/", Level::Bypass, &[app])];
    let (_house, running) = gateway(routes);
    let mut alice = connect(&running).await;
    assert_eq!(asks(&mut alice, "").await, "401 on connection 1");
    for connection in 2..5 {
        let mut stranger = connect(&running).await;
        assert_eq!(asks(&mut stranger, "").await, format!("401 on connection {connection}"), "one of their own");
    }
    let mut elsewhere = connect(&running).await;
    elsewhere.write_all(b"GET /other/ HTTP/1.1\r\nHost: a.example\r\n\r\n").await.unwrap();
    soon(read_head(&mut elsewhere)).await.unwrap();
    assert_eq!(*open.borrow_and_update(), 5, "nor to another route's");
}

/// Answers every request with a challenge of the connection, and with the number of the connection.
async fn demanding() -> (SocketAddr, tokio::sync::watch::Receiver<usize>) {
    let (count, counted) = tokio::sync::watch::channel(0);
    let app = upstream(move |mut stream| {
        count.send_modify(|count| *count += 1);
        let body = format!("401 on connection {}", *count.borrow());
        async move {
            while read_head(&mut stream).await.is_some() {
                let answer = format!("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\nWWW-Authenticate: NTLM\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    break;
                }
            }
        }
    })
    .await;
    (app, counted)
}
