//! Upstreams behind Unix sockets.

use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use crate::gateway::tests::support::*;
use crate::policy::{HostHeader, Level, Upstream};

/// Answers every request on a socket with its head; an upgrade with 101 and a word.
fn mirror_at(path: &Path) {
    let listener = UnixListener::bind(path).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while let Ok(byte) = stream.read_u8().await {
                    head.push(byte);
                    if !head.ends_with(b"\r\n\r\n") {
                        continue;
                    }
                    let text = String::from_utf8(std::mem::take(&mut head)).unwrap();
                    let answer = if text.contains("Upgrade: websocket") {
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nhello"
                            .to_owned()
                    } else {
                        format!("HTTP/1.1 200 OK\r\nLocation: http://localhost/x\r\nContent-Length: {}\r\n\r\n{text}", text.len())
                    };
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    if answer.ends_with("hello") {
                        return;
                    }
                }
            });
        }
    });
}

#[tokio::test]
async fn a_socket_serves_requests_and_websockets_and_another_takes_over() {
    let folder = tempfile::tempdir().unwrap();
    let (there, missing) = (folder.path().join("app.sock"), folder.path().join("missing.sock"));
    mirror_at(&there);
    let at = |name: &str, path: &str, sockets: &[&Path]| {
        let mut route = route(name, path, Level::OneFactor, &[]);
        route.upstreams = sockets.iter().map(|path| Upstream::socket(path)).collect();
        route
    };
    let mut inside = at("inside", "/inside", &[&there]);
    inside.proxy.host = HostHeader::Upstream;
    let (house, running) = gateway(vec![at("app", "", &[&missing, &there]), at("gone", "/gone", &[&missing]), inside]);
    for _ in 0..4 {
        let answer = get(&running, "/a//b%2e?x=%2f", SIGNED_IN).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("GET /a//b%2e?x=%2f HTTP/1.1\r\n"), "{answer}");
        assert!(
            answer.contains("Remote-User: bob") && answer.contains("Host: a.example\r\n") && !answer.contains("vestibule="),
            "{answer}"
        );
    }
    let post = ask(&running, &format!("POST /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{SIGNED_IN}Content-Length: 0\r\n\r\n")).await;
    assert!(post.starts_with("HTTP/1.1 200"), "{post}");
    let inside = get(&running, "/inside", SIGNED_IN).await;
    assert!(inside.contains("Host: localhost\r\n") && inside.to_lowercase().contains("location: http://a.example/x\r\n"), "{inside}");
    let upgrade = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let open = ask(&running, &format!("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n{SIGNED_IN}{upgrade}\r\n")).await;
    assert!(open.starts_with("HTTP/1.1 101") && open.ends_with("hello"), "{open}");
    assert!(get(&running, "/gone", SIGNED_IN).await.starts_with("HTTP/1.1 502"));
    let ntlm = get(&running, "/ntlm", &format!("{SIGNED_IN}Authorization: NTLM one\r\n")).await;
    assert!(ntlm.starts_with("HTTP/1.1 200"), "a connection of its own: {ntlm}");
    assert!(house.records(9).await.iter().any(|record| record == "GET /gone 502 failed upstream_unreachable"));
}
