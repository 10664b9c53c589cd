//! Stands between the gateway and the authority, and makes an authority of it that hangs, refuses, limits rates, or does not like nonces.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use crate::harness::servers::pebble::Pebble;

const PATIENCE: Duration = Duration::from_secs(60);

/// What is wrong with the authority.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mood {
    Well,
    /// Takes the connection and says nothing.
    Hangs,
    /// No orders: 403 with a problem document.
    Refuses,
    /// No orders for two hours: 429.
    LimitsRates,
    /// The next so many nonces are bad.
    DislikesNonces(u8),
}

/// The authority as the gateway meets it.
pub struct Unreliable {
    pub directory: String,
    mood: Arc<Mutex<Mood>>,
    orders: Arc<AtomicUsize>,
}

struct Request {
    head: String,
    body: Vec<u8>,
}

impl Unreliable {
    pub fn before(pebble: &'static Pebble) -> Self {
        let listener = TcpListener::bind((pebble.address.as_str(), 0)).unwrap();
        let directory = format!("https://{}/dir", listener.local_addr().unwrap());
        let it = Self { directory, mood: Arc::new(Mutex::new(Mood::Well)), orders: Arc::default() };
        let (mood, orders, tls) = (it.mood.clone(), it.orders.clone(), server_config(pebble));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (mood, orders, tls) = (mood.clone(), orders.clone(), tls.clone());
                std::thread::spawn(move || serve(stream, &tls, pebble, &mood, &orders));
            }
        });
        it
    }

    pub fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// How many orders there were so far.
    pub fn orders(&self) -> usize {
        self.orders.load(Ordering::SeqCst)
    }

    /// Whether the nonces that were to be bad have been.
    pub fn has_settled(&self) -> bool {
        *self.mood.lock().unwrap() == Mood::Well
    }
}

fn server_config(pebble: &Pebble) -> Arc<rustls::ServerConfig> {
    let (cert, key) = pebble.certificate();
    let chain = CertificateDer::pem_file_iter(cert).unwrap().map(Result::unwrap).collect();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_no_client_auth().with_single_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap()).unwrap())
}

fn serve(stream: TcpStream, tls: &Arc<rustls::ServerConfig>, pebble: &Pebble, mood: &Mutex<Mood>, orders: &AtomicUsize) {
    if *mood.lock().unwrap() == Mood::Hangs {
        std::thread::sleep(PATIENCE * 10);
        return;
    }
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let connection = rustls::ServerConnection::new(tls.clone()).unwrap();
    let mut client = rustls::StreamOwned::new(connection, stream);
    let Some(request) = read(&mut client) else { return };
    let answer = answer(&request, pebble, mood, orders);
    let _ = client.write_all(&answer);
    client.conn.send_close_notify();
    let _ = client.flush();
}

fn read(stream: &mut impl Read) -> Option<Request> {
    let (mut bytes, mut byte) = (Vec::new(), [0]);
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        bytes.push(byte[0]);
    }
    let head = String::from_utf8(bytes).unwrap();
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).ok()?;
    Some(Request { head, body })
}

fn answer(request: &Request, pebble: &Pebble, mood: &Mutex<Mood>, orders: &AtomicUsize) -> Vec<u8> {
    let is_order = request.head.starts_with("POST /order-plz");
    if is_order {
        orders.fetch_add(1, Ordering::SeqCst);
    }
    let now = *mood.lock().unwrap();
    match now {
        Mood::Refuses if is_order => problem("403 Forbidden", "unauthorized", "this account orders nothing", ""),
        Mood::LimitsRates if is_order => problem("429 Too Many Requests", "rateLimited", "too many certificates", "Retry-After: 7200\r\n"),
        Mood::DislikesNonces(left) if request.head.starts_with("POST") => {
            *mood.lock().unwrap() = if left > 1 { Mood::DislikesNonces(left - 1) } else { Mood::Well };
            problem("400 Bad Request", "badNonce", "the nonce is bad", "")
        }
        _ => forward(request, pebble),
    }
}

fn problem(status: &str, kind: &str, detail: &str, line: &str) -> Vec<u8> {
    let body = format!("{{\"type\":\"urn:ietf:params:acme:error:{kind}\",\"detail\":\"{detail}\"}}");
    let length = body.len();
    let kind = "Content-Type: application/problem+json";
    format!("HTTP/1.1 {status}\r\n{kind}\r\n{line}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

fn forward(request: &Request, pebble: &Pebble) -> Vec<u8> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&pebble.ca).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let address: SocketAddr = format!("{}:{}", pebble.socket().0, pebble.socket().1).parse().unwrap();
    let connection = rustls::ClientConnection::new(Arc::new(config), ServerName::from(address.ip())).unwrap();
    let mut server = rustls::StreamOwned::new(connection, TcpStream::connect(address).unwrap());
    let head = request.head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    server.write_all(&[head.as_bytes(), &request.body].concat()).unwrap();
    let mut answer = Vec::new();
    let _ = server.read_to_end(&mut answer);
    answer
}
