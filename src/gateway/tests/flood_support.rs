//! An attacker who speaks HTTP/2 by hand over TLS, frame by frame, and the gateway that is to stand it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::client::TlsStream;

use super::support::*;
use super::tls::{files, secure_connect};
use crate::config::Config;
use crate::gateway::*;
use crate::policy::Level;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const CONTINUATION: u8 = 9;
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// RFC 9113 section 4.1.
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// `GET path` of first.example as HPACK, nothing in it indexed (RFC 7541 section 6.2.2).
pub(super) fn block(path: &str) -> Vec<u8> {
    let host = b"first.example";
    [&[0x82, 0x87, 0x04, path.len() as u8], path.as_bytes(), &[0x01, host.len() as u8], host].concat()
}

pub(super) fn get_frame(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &block(path))
}

/// What came back by the end: the kinds of the frames, how often each.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) kinds: Vec<usize>,
    bytes: usize,
}

/// An attacker: writes what it likes; what comes back is read beside it.
pub(super) struct Flood {
    pub(super) write: WriteHalf<TlsStream<TcpStream>>,
    pub(super) heard: Option<JoinHandle<Heard>>,
}

async fn listen(mut read: ReadHalf<TlsStream<TcpStream>>) -> Heard {
    let mut heard = Heard { kinds: vec![0; 256], bytes: 0 };
    let mut head = [0; 9];
    while read.read_exact(&mut head).await.is_ok() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        heard.kinds[usize::from(head[3])] += 1;
        heard.bytes += length;
        if read.read_exact(&mut vec![0; length]).await.is_err() {
            break;
        }
    }
    heard
}

impl Flood {
    /// With these SETTINGS; `reads`: what comes back is read.
    pub(super) async fn begin(house: &Fort, settings: &[u8], reads: bool) -> Self {
        let (read, mut write) = tokio::io::split(secure_connect(&house.running, "first.example", &[b"h2"]).await);
        let opening = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(SETTINGS, 0, 0, settings)].concat();
        write.write_all(&opening).await.unwrap();
        write.flush().await.unwrap();
        let heard = if reads {
            Some(tokio::spawn(listen(read)))
        } else {
            std::mem::forget(read);
            None
        };
        Self { write, heard }
    }

    /// `false`: the gateway is not listening any more, or will not take it within a second.
    pub(super) async fn sends(&mut self, bytes: &[u8]) -> bool {
        let sent = async {
            self.write.write_all(bytes).await?;
            self.write.flush().await
        };
        tokio::time::timeout(Duration::from_secs(1), sent).await.is_ok_and(|sent| sent.is_ok())
    }

    /// What came back until the connection ended, which it must.
    pub(super) async fn ends(mut self) -> Heard {
        let heard = self.heard.take().unwrap();
        let heard = tokio::time::timeout(Duration::from_secs(20), heard).await.expect("the connection goes on").unwrap();
        drop(self.write);
        heard
    }
}

pub(super) struct Fort {
    pub(super) house: Arc<House>,
    pub(super) running: Running,
}

impl Fort {
    pub(super) fn new(app: SocketAddr, write_timeout: Duration) -> Self {
        let mut config = Config { routes: vec![route("app", "", Level::Bypass, &[app])], ..Config::default() };
        config.limits.write_timeout = write_timeout;
        let house = House::new(config);
        let host: Arc<dyn GatewayHost> = Arc::clone(&house) as _;
        let certificates = Certificates::load(&files(&["first"])).unwrap();
        let address = "127.0.0.1:0".parse().unwrap();
        let listeners = [Some(certificates), None].map(|certificates| Listener { address, certificates });
        let running = start(&host, &listeners, &Settings { shards: 1, ..Settings::default() }).unwrap();
        Self { house, running }
    }

    pub(super) async fn serves_others(&self) {
        let started = Instant::now();
        let mut other = secure_connect(&self.running, "first.example", &[b"http/1.1"]).await;
        other.write_all(b"GET /other HTTP/1.1\r\nHost: first.example\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        let _ = soon(other.read_to_end(&mut answer)).await;
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }

    /// The connections that are left end by themselves.
    pub(super) async fn is_left(&self) {
        soon(async {
            while self.running.connections() > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }
}
