//! An application behind the gateway that knows nothing of sign-ins: it notes every request as it came, and answers.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use base64::Engine;
use sha1::{Digest, Sha1};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::stream::Incoming;

/// A request as it arrived.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The request line and the headers, byte for byte.
    pub head: String,
    pub body: Vec<u8>,
    /// What came after the last chunk.
    pub trailers: String,
}

impl Seen {
    pub fn line(&self) -> &str {
        self.head.split("\r\n").next().unwrap_or_default()
    }

    pub fn target(&self) -> &str {
        self.line().split(' ').nth(1).unwrap_or_default()
    }

    /// The values under a name, however it is written.
    pub fn values(&self, name: &str) -> Vec<&str> {
        let pairs = self.head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        pairs.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }
}

/// Whether the application's own door opens, at paths that end with `/door`.
fn opens(seen: &Seen) -> bool {
    let basic = |pair: &[u8]| format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
    [basic(b"svc:right"), basic(b"there:right"), "Bearer right-token".to_owned()]
        .iter()
        .any(|right| seen.values("authorization") == [right])
}

/// The application.
#[derive(Clone)]
pub struct Upstream {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    go_on: Arc<Notify>,
}

impl Upstream {
    pub async fn start() -> Self {
        let listener = TcpListener::bind((IpAddr::from([127, 0, 0, 1]), 0)).await.unwrap();
        let it = Self { address: listener.local_addr().unwrap(), seen: Arc::default(), go_on: Arc::default() };
        let application = it.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                tokio::spawn(application.clone().serve(stream));
            }
        });
        it
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    #[track_caller]
    pub fn last(&self) -> Seen {
        self.seen().pop().expect("a request at the upstream")
    }

    /// Lets a stream of events go on.
    pub fn go_on(&self) {
        self.go_on.notify_one();
    }

    /// Lets every stream of events and every download go on.
    pub fn all_go_on(&self) {
        self.go_on.notify_waiters();
    }

    async fn serve(self, stream: TcpStream) {
        let mut incoming = Incoming::new(stream);
        while let Some(seen) = incoming.request().await {
            self.seen.lock().unwrap().push(seen.clone());
            let path = seen.target().split('?').next().unwrap_or_default().to_owned();
            let method = seen.line().split(' ').next().unwrap_or_default().to_owned();
            if path.ends_with("/ws") && !seen.values("upgrade").is_empty() {
                return self.echo(incoming, &seen).await;
            }
            if path.ends_with("/sse") {
                self.events(&mut incoming).await;
                continue;
            }
            if path.ends_with("/download") {
                let begin = [b"first".to_vec(), vec![b'x'; 256 * 1024]].concat();
                let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\nContent-Length: {}\r\n\r\n", begin.len() + 5);
                incoming.send(&[head.into_bytes(), begin].concat()).await;
                self.go_on.notified().await;
                incoming.send(b"after").await;
                continue;
            }
            if path.ends_with("/door") && !opens(&seen) {
                let head = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"door\"\r\nContent-Length: 0\r\n\r\n";
                incoming.send(head.as_bytes()).await;
                continue;
            }
            let (extra, body) = if path.ends_with("/echo") {
                ("", seen.body.clone())
            } else if path.ends_with("/set-cookie") {
                let cookies = "Set-Cookie: app=1; Path=/\r\nSet-Cookie: vestibule=evil; Path=/\r\nSet-Cookie: vestibule_flow=evil\r\n\
                               Set-Cookie: __Host-vestibule=evil; Secure; Path=/\r\nSet-Cookie: vestibules=mine\r\n";
                (cookies, b"cookies".to_vec())
            } else {
                ("", format!("application at {}", seen.target()).into_bytes())
            };
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{extra}Content-Length: {}\r\n\r\n", body.len());
            let body = if method == "HEAD" { Vec::new() } else { body };
            incoming.send(&[head.into_bytes(), body].concat()).await;
        }
    }

    async fn events(&self, incoming: &mut Incoming) {
        incoming.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        incoming.send(b"b\r\ndata: one\n\n\r\n").await;
        self.go_on.notified().await;
        incoming.send(b"b\r\ndata: two\n\n\r\n0\r\n\r\n").await;
    }

    async fn echo(&self, mut incoming: Incoming, seen: &Seen) {
        let key = seen.values("sec-websocket-key").concat();
        let digest = Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
        let accept = base64::engine::general_purpose::STANDARD.encode(digest);
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        incoming.send(head.as_bytes()).await;
        while let Some(text) = incoming.masked_text().await {
            let mut frame = vec![0x81, text.len() as u8];
            frame.extend(text);
            incoming.send(&frame).await;
        }
    }
}
