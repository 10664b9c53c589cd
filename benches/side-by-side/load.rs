//! The load that wrk cannot make, for `run.py`: WebSocket messages, requests at a fixed pace, sign-ins from many addresses.
//!
//! ```text
//! load echo PORT                                       a WebSocket application: sends back what it gets
//! load counted ADDRESS WAY COUNT CONNECTIONS [COOKIE]  so many requests as fast as they go: get, post, tls or h2
//! load sockets ADDRESS CONNECTIONS SECONDS [COOKIE]    messages there and back, one under way on each connection
//! load paced ADDRESS RATE CONNECTIONS SECONDS [COOKIE] requests at a pace; a latency counts from when the request was due
//! load storm ADDRESS RATE SECONDS COOKIE CSRF          sign-ins at a pace, each on a connection and from an address of its own
//! ```
//! What was measured goes to standard output as one JSON object.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use bytes::Bytes;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use sha1::Digest;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const PASSWORD: &str = "correct-battery-orchard-71";
/// As many users as `run.py` makes for it.
const USERS: u64 = 8;
/// One masked text frame of 119 characters; nobody on the way looks into it.
const FRAME: [u8; 125] = {
    let mut frame = [b'x'; 125];
    [frame[0], frame[1], frame[2], frame[3], frame[4], frame[5]] = [0x81, 0x80 | 119, 0, 0, 0, 0];
    frame
};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let text = |at: usize| arguments.get(at).cloned().unwrap_or_default();
    let number = |at: usize| text(at).parse::<u64>().expect("a number");
    let address = || text(1).parse::<SocketAddr>().expect("an address");
    match text(0).as_str() {
        "echo" => echo(number(1) as u16).await,
        "counted" => counted(address(), &text(2), (number(3), number(4)), &text(5)).await,
        "sockets" => sockets(address(), number(2), number(3), text(4)).await,
        "paced" => paced(address(), number(2), number(3), number(4), text(5)).await,
        "storm" => storm(address(), number(2), number(3), text(4), text(5)).await,
        _ => panic!("echo, counted, sockets, paced or storm"),
    }
}

fn cookie_line(cookie: &str) -> String {
    if cookie.is_empty() { String::new() } else { format!("Cookie: {cookie}\r\n") }
}

/// The header of a message, and what came after it.
async fn header(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok((String::from_utf8_lossy(&bytes).into_owned(), rest));
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn field<'h>(header: &'h str, name: &str) -> Option<&'h str> {
    let mut lines = header.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

fn status(header: &str) -> u16 {
    header.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

async fn echo(port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            stream.set_nodelay(true)?;
            let (asked, early) = header(&mut stream).await?;
            let key = field(&asked, "sec-websocket-key").unwrap_or_default();
            let digest = sha1::Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
            let accept = base64::engine::general_purpose::STANDARD.encode(digest);
            let answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).await?;
            stream.write_all(&early).await?;
            let mut buffer = [0; 4096];
            loop {
                let read = stream.read(&mut buffer).await?;
                if read == 0 {
                    return Ok::<(), std::io::Error>(());
                }
                stream.write_all(&buffer[..read]).await?;
            }
        });
    }
}

/// The requests of a connection, one after the other; over HTTP/2 ten at once.
async fn counted(address: SocketAddr, way: &str, (count, connections): (u64, u64), cookie: &str) {
    let (mut tasks, begin) = (JoinSet::new(), Instant::now());
    let each = count / connections;
    let body = if way == "post" { "x".repeat(10_240) } else { String::new() };
    let length = if body.is_empty() { String::new() } else { format!("Content-Type: text/plain\r\nContent-Length: {}\r\n", body.len()) };
    let method = if body.is_empty() { "GET" } else { "POST" };
    let request: Arc<str> = format!("{method} / HTTP/1.1\r\nHost: {address}\r\n{}{length}\r\n{body}", cookie_line(cookie)).into();
    for _ in 0..connections {
        let (request, way, cookie) = (Arc::clone(&request), way.to_owned(), cookie.to_owned());
        tasks.spawn(async move {
            let stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            match way.as_str() {
                "get" | "post" => requests(stream, &request, each).await,
                "tls" => requests(secured(address, stream, b"http/1.1").await, &request, each).await,
                "h2" => streams(address, secured(address, stream, b"h2").await, &cookie, each).await,
                _ => panic!("get, post, tls or h2"),
            }
        });
    }
    let took = tasks.join_all().await.concat();
    report(took, begin.elapsed().as_secs_f64(), &BTreeMap::new());
}

async fn requests(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str, count: u64) -> Vec<Duration> {
    let mut took = Vec::new();
    for _ in 0..count {
        let start = Instant::now();
        stream.write_all(request.as_bytes()).await.unwrap();
        let (answer, mut body) = header(&mut stream).await.unwrap();
        assert_eq!(status(&answer), 200, "{answer}");
        let length: usize = field(&answer, "content-length").and_then(|length| length.parse().ok()).unwrap();
        while body.len() < length {
            assert_ne!(stream.read_buf(&mut body).await.unwrap(), 0);
        }
        took.push(start.elapsed());
    }
    took
}

async fn streams(
    address: SocketAddr,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    cookie: &str,
    count: u64,
) -> Vec<Duration> {
    const AT_ONCE: u64 = 10;
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    let driver = tokio::spawn(connection);
    let request = http::Request::get(format!("https://{address}/"));
    let request = if cookie.is_empty() { request } else { request.header("cookie", cookie) };
    let request = request.body(()).unwrap();
    let mut tasks = JoinSet::new();
    for number in 0..AT_ONCE {
        let (mut sender, request) = (sender.clone(), request.clone());
        let count = count / AT_ONCE + u64::from(number < count % AT_ONCE);
        tasks.spawn(async move {
            let mut took = Vec::new();
            for _ in 0..count {
                let start = Instant::now();
                sender = sender.ready().await.unwrap();
                let (answer, _) = sender.send_request(request.clone(), true).unwrap();
                let answer = answer.await.unwrap();
                assert_eq!(answer.status(), 200);
                let mut body = answer.into_body();
                while let Some(part) = body.data().await {
                    let part: Bytes = part.unwrap();
                    body.flow_control().release_capacity(part.len()).unwrap();
                }
                took.push(start.elapsed());
            }
            took
        });
    }
    drop(sender);
    let took = tasks.join_all().await.concat();
    driver.abort();
    took
}

async fn secured(address: SocketAddr, stream: TcpStream, protocol: &[u8]) -> tokio_rustls::client::TlsStream<TcpStream> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate)).with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    tokio_rustls::TlsConnector::from(Arc::new(config)).connect(ServerName::from(address.ip()), stream).await.unwrap()
}

/// What is measured here has a certificate that was made for it.
#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

async fn sockets(address: SocketAddr, connections: u64, seconds: u64, cookie: String) {
    let mut tasks = JoinSet::new();
    let until = Instant::now() + Duration::from_secs(seconds);
    for _ in 0..connections {
        let cookie = cookie_line(&cookie);
        tasks.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let hello = format!(
                "GET /socket HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{cookie}\r\n"
            );
            stream.write_all(hello.as_bytes()).await.unwrap();
            let (answer, _) = header(&mut stream).await.unwrap();
            assert_eq!(status(&answer), 101, "{answer}");
            let (mut took, mut back) = (Vec::new(), [0; FRAME.len()]);
            while Instant::now() < until {
                let start = Instant::now();
                stream.write_all(&FRAME).await.unwrap();
                stream.read_exact(&mut back).await.unwrap();
                took.push(start.elapsed());
            }
            took
        });
    }
    report(tasks.join_all().await.concat(), seconds as f64, &BTreeMap::new());
}

async fn paced(address: SocketAddr, rate: u64, connections: u64, seconds: u64, cookie: String) {
    let mut tasks = JoinSet::new();
    let (begin, step) = (Instant::now(), Duration::from_secs_f64(connections as f64 / rate as f64));
    for number in 0..connections {
        let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\n{}\r\n", cookie_line(&cookie));
        tasks.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let mut took = Vec::new();
            let mut due = begin + step.mul_f64(number as f64 / connections as f64);
            while due < begin + Duration::from_secs(seconds) {
                tokio::time::sleep_until(due.into()).await;
                stream.write_all(request.as_bytes()).await.unwrap();
                let (answer, mut body) = header(&mut stream).await.unwrap();
                assert_eq!(status(&answer), 200, "{answer}");
                let length: usize = field(&answer, "content-length").and_then(|length| length.parse().ok()).unwrap();
                while body.len() < length {
                    assert_ne!(stream.read_buf(&mut body).await.unwrap(), 0);
                }
                took.push(due.elapsed());
                due += step;
            }
            took
        });
    }
    report(tasks.join_all().await.concat(), seconds as f64, &BTreeMap::new());
}

async fn storm(address: SocketAddr, rate: u64, seconds: u64, cookie: String, csrf: String) {
    let (mut tasks, begin) = (JoinSet::new(), Instant::now());
    let step = Duration::from_secs_f64(1.0 / rate as f64);
    let csrf: String = percent_encoding::utf8_percent_encode(&csrf, percent_encoding::NON_ALPHANUMERIC).to_string();
    for number in 0..rate * seconds {
        let due = begin + step.mul_f64(number as f64);
        tokio::time::sleep_until(due.into()).await;
        let body = format!("csrf={csrf}&rd=%2F&username=user-{}&password={PASSWORD}", number % USERS);
        let cookie = cookie_line(&cookie);
        tasks.spawn(async move {
            let answer = signs_in(address, number, &cookie, &body).await.unwrap_or_default();
            (due.elapsed(), status(&answer))
        });
    }
    let all = tasks.join_all().await;
    let mut statuses = BTreeMap::new();
    all.iter().for_each(|(_, status)| *statuses.entry(*status).or_insert(0) += 1);
    let took = all.iter().filter(|(_, status)| *status == 303).map(|(took, _)| *took).collect();
    report(took, begin.elapsed().as_secs_f64(), &statuses);
}

async fn signs_in(address: SocketAddr, number: u64, cookie: &str, body: &str) -> std::io::Result<String> {
    let socket = TcpSocket::new_v4()?;
    let [.., third, second, first] = number.to_be_bytes();
    socket.bind(([127, 1 + third, second, 1 + first % 250], 0).into())?;
    let mut stream = socket.connect(address).await?;
    let request = format!(
        "POST /.vestibule/login HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\nSec-Fetch-Mode: navigate\r\nAccept: text/html\r\n\
         Connection: close\r\n{cookie}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    Ok(header(&mut stream).await?.0)
}

fn report(mut took: Vec<Duration>, seconds: f64, statuses: &BTreeMap<u16, u64>) {
    took.sort_unstable();
    let at =
        |part: f64| took.get(((took.len() as f64 * part) as usize).min(took.len().saturating_sub(1))).map_or(0.0, Duration::as_secs_f64);
    let statuses: BTreeMap<String, u64> = statuses.iter().map(|(status, count)| (status.to_string(), *count)).collect();
    let said = serde_json::json!({
        "count": took.len(), "rate": took.len() as f64 / seconds, "p50_ms": at(0.5) * 1e3, "p99_ms": at(0.99) * 1e3,
        "longest_ms": at(1.0) * 1e3, "statuses": statuses,
    });
    println!("{said}");
}
