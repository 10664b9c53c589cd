//! Applications that do what none should.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Kind {
    /// Takes the connection and never says a word.
    Silent,
    /// Closes before an answer.
    Hangs,
    /// Promises a hundred bytes, sends ten, and is gone.
    DiesHalfway,
    /// Says what is no HTTP.
    Garbage,
    /// Sends a header without an end.
    EndlessHeader,
    /// Sends a body for as long as somebody takes it.
    Endless,
}

/// Starts one; lives as long as the test's runtime.
pub async fn start(kind: Kind) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, kind));
        }
    });
    address
}

async fn serve(mut stream: TcpStream, kind: Kind) {
    let mut buffer = [0; 4096];
    let _ = stream.read(&mut buffer).await;
    let endless = |piece: &'static [u8]| piece.repeat(1000);
    let (once, then): (&[u8], Vec<u8>) = match kind {
        Kind::Silent => {
            // Until the gateway gives up.
            while stream.read(&mut buffer).await.is_ok_and(|n| n > 0) {}
            return;
        }
        Kind::Hangs => return,
        Kind::DiesHalfway => (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789", Vec::new()),
        Kind::Garbage => (b"\x00\x01\x02 what is it \r\n\r\n\r\n", Vec::new()),
        Kind::EndlessHeader => (b"HTTP/1.1 200 OK\r\n", endless(b"X: y\r\n")),
        Kind::Endless => (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n", endless(b"0123456789")),
    };
    let _ = stream.write_all(once).await;
    if kind == Kind::DiesHalfway {
        // Its end comes by itself, not with the last bytes.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    while !then.is_empty() && stream.write_all(&then).await.is_ok() {}
}
