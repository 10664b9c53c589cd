//! An upstream that notes what it receives, byte for byte, and answers as it is told.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::gateway::tests::support::{read_head, upstream};

/// What an upstream says to a request.
#[derive(Clone, Copy)]
pub struct Answer {
    /// One after the other, each once the one before was taken by the system.
    pub pieces: &'static [&'static [u8]],
    /// The connection ends then.
    pub closes: bool,
    /// Nothing that HTTP allows, or a body that breaks off.
    pub is_broken: bool,
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.pieces.concat()))
    }
}

#[derive(Default)]
struct Heard {
    answer: Option<Answer>,
    sent: Vec<String>,
}

pub struct Upstream {
    pub address: SocketAddr,
    heard: Arc<Mutex<Heard>>,
    connections: Arc<AtomicUsize>,
}

impl Upstream {
    pub async fn start() -> Self {
        let (heard, connections) = (Arc::<Mutex<Heard>>::default(), Arc::<AtomicUsize>::default());
        let (ours, count) = (Arc::clone(&heard), Arc::clone(&connections));
        let address = upstream(move |stream| {
            count.fetch_add(1, Ordering::SeqCst);
            serve(stream, Arc::clone(&ours))
        })
        .await;
        Self { address, heard, connections }
    }

    pub fn answers(&self, answer: &Answer) {
        self.heard.lock().unwrap().answer = Some(*answer);
    }

    /// What was received since this was last asked.
    pub fn taken(&self) -> Vec<String> {
        std::mem::take(&mut self.heard.lock().unwrap().sent)
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn serve(mut stream: TcpStream, heard: Arc<Mutex<Heard>>) {
    let _ = stream.set_nodelay(true);
    while let Some(head) = read_head(&mut stream).await {
        let body = read_body(&mut stream, &head.to_ascii_lowercase()).await;
        let is_end = head.contains(" /end ");
        let answer = heard.lock().unwrap().answer;
        heard.lock().unwrap().sent.push(named(&head) + &body);
        let Some(answer) = answer.filter(|_| !is_end) else {
            if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nend").await.is_err() {
                return;
            }
            continue;
        };
        for piece in answer.pieces {
            if stream.write_all(piece).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
        if answer.closes {
            let _ = stream.shutdown().await;
            return;
        }
    }
}

/// Without the id's value, which is another each time, and its lines by their names: removing a `Connection` moves the last line into its place.
/// The order of different names means nothing (RFC 9110 section 5.3); that of equal ones is kept.
fn named(head: &str) -> String {
    let line = |line: &str| if line.starts_with("X-Request-Id: ") { "X-Request-Id: ID".to_owned() } else { line.to_owned() };
    let mut lines: Vec<String> = head.trim_end().split("\r\n").map(line).collect();
    if let Some((_, fields)) = lines.split_first_mut() {
        fields.sort_by_key(|field| field.split(':').next().unwrap_or_default().to_ascii_lowercase());
    }
    lines.join("\r\n") + "\r\n\r\n"
}

async fn read_body(stream: &mut TcpStream, head: &str) -> String {
    let length = head.split("\r\ncontent-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    let _ = stream.read_exact(&mut body).await;
    while head.contains("transfer-encoding: chunked") && !body.ends_with(b"0\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => body.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&body).into_owned()
}
