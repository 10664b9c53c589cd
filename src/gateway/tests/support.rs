//! A whole gateway before a real upstream, in one process, for the live tests: raw bytes in, raw bytes out.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::account::MfaPolicy;
use crate::base::{Clock, Time};
use crate::config::Config;
use crate::factor::{Method, MethodSet};
use crate::gateway::*;
use crate::limit::{Place, Places};
use crate::policy::{
    Application, CertificateUse, DeviceState, Identity, Level, Person, Policy, Proof, ProxyOptions, Requirement, Route, Upstream,
};

/// A session that a test can end.
pub struct Guest {
    token: &'static str,
    person: Arc<Person>,
    ended: AtomicBool,
    touched: AtomicUsize,
}

impl Guest {
    fn new(token: &'static str, name: &str) -> Arc<Self> {
        let person = Person {
            name: name.into(),
            display_name: "Bob".into(),
            email: "bob@example".into(),
            groups: vec!["staff".into()],
            mfa: MfaPolicy::Optional,
            methods: MethodSet::EMPTY,
            guest: None,
            applications: Vec::new(),
        };
        Arc::new(Self { token, person: Arc::new(person), ended: AtomicBool::new(false), touched: AtomicUsize::new(0) })
    }
}

impl UserSession for Guest {
    fn identity(&self) -> Identity {
        Identity {
            person: Arc::clone(&self.person),
            proof: Proof::Second { method: Method::Totp, at: Time::from_secs(1) },
            token: None,
            device: DeviceState::Unbound,
        }
    }

    fn accepts(&self, token: &str, _secure: bool, _now: Time) -> bool {
        token == self.token && !self.is_ended()
    }

    fn is_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    fn touch(&self, _now: Time) {
        self.touched.fetch_add(1, Ordering::SeqCst);
    }
}

/// The rest of the program, as small as it can be.
pub struct House {
    pub snapshot: Mutex<Arc<Snapshot>>,
    guest: Arc<Guest>,
    other: Arc<Guest>,
    revoked: watch::Sender<u64>,
    pub records: watch::Sender<Vec<String>>,
    /// Of each record, in and out.
    pub bytes: Mutex<Vec<(u64, u64)>>,
    pub dropped: Mutex<Vec<String>>,
    pub unread: AtomicUsize,
    large_bodies: Arc<Places>,
}

impl House {
    pub fn new(config: Config) -> Arc<Self> {
        let policy = Arc::new(Policy::new(config.routes.clone(), &config.portal.prefix));
        let snapshot = Snapshot::new(Arc::new(config), policy).unwrap();
        Arc::new(Self {
            snapshot: Mutex::new(Arc::new(snapshot)),
            guest: Guest::new("good", "bob"),
            other: Guest::new("other", "carol"),
            revoked: watch::Sender::new(0),
            records: watch::Sender::new(Vec::new()),
            bytes: Mutex::default(),
            dropped: Mutex::new(Vec::new()),
            unread: AtomicUsize::new(0),
            large_bodies: large_bodies(),
        })
    }

    pub fn revoke(&self) {
        self.guest.ended.store(true, Ordering::SeqCst);
        self.revoked.send_modify(|n| *n += 1);
    }

    /// How often the session's use was noted.
    pub fn touched(&self) -> usize {
        self.guest.touched.load(Ordering::SeqCst)
    }

    /// Other routes from now on.
    pub fn reload(&self, routes: Vec<Route>) {
        let config = Config { routes, ..Config::default() };
        let policy = Arc::new(Policy::new(config.routes.clone(), &config.portal.prefix));
        *self.snapshot.lock().unwrap() = Arc::new(Snapshot::new(Arc::new(config), policy).unwrap());
        self.revoked.send_modify(|n| *n += 1);
    }

    /// Waits until so many requests are over, and gives their records.
    pub async fn records(&self, count: usize) -> Vec<String> {
        let mut seen = self.records.subscribe();
        let seen = tokio::time::timeout(Duration::from_secs(10), seen.wait_for(|r| r.len() >= count)).await.unwrap().unwrap();
        seen.clone()
    }
}

impl GatewayHost for House {
    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.lock().unwrap())
    }

    fn now(&self) -> Time {
        Clock::manual(Time::from_secs(1_700_000_000)).now()
    }

    fn session(&self, token: &str, _secure: bool, _now: Time) -> Lookup {
        match token {
            "good" if self.guest.is_ended() => Lookup::Ended,
            "good" => Lookup::Live(Arc::clone(&self.guest) as _),
            "other" => Lookup::Live(Arc::clone(&self.other) as _),
            "panic" => panic!("as a bug would"),
            _ => Lookup::Forged,
        }
    }

    fn sign_upstream(&self, name: &[u8]) -> Option<String> {
        Some(format!("signed-{}", data_encoding::HEXLOWER.encode(name)))
    }

    fn is_upstream(&self, value: &str, name: &[u8]) -> bool {
        self.sign_upstream(name).is_some_and(|signed| signed == value)
    }

    fn large_body(&self, client: crate::base::ClientAddr) -> Option<Place> {
        self.large_bodies.take(client.group())
    }

    fn revocations(&self) -> watch::Receiver<u64> {
        self.revoked.subscribe()
    }

    fn portal(&self, request: http::Request<Bytes>, context: PortalContext) -> PortalAnswer {
        let body = format!("portal {} {} {}", request.uri(), context.host, request.body().len());
        Box::pin(async move { http::Response::new(Bytes::from(body)) })
    }

    fn error_page(&self, page: &ErrorPage<'_>) -> String {
        format!("<h1>{} {}</h1>", page.status, page.reason)
    }

    fn record(&self, r: &AccessRecord<'_>) {
        let line = format!("{} {} {} {} {}", r.method, r.path, r.status, r.outcome.name(), r.reason);
        self.bytes.lock().unwrap().push((r.bytes_in, r.bytes_out));
        self.records.send_modify(|all| all.push(line.trim_end().to_owned()));
    }

    fn unread(&self, _peer: crate::base::ClientAddr) {
        self.unread.fetch_add(1, Ordering::SeqCst);
    }

    fn dropped_cookie(&self, _route: &str, cookie: &str) {
        self.dropped.lock().unwrap().push(cookie.to_owned());
    }
}

pub fn route(name: &str, path: &str, level: Level, upstreams: &[SocketAddr]) -> Route {
    let upstreams = upstreams.iter().map(|a| Upstream::new(false, a.ip().to_string(), a.port())).collect();
    Route {
        name: name.into(),
        hosts: vec![],
        path: path.into(),
        upstreams,
        requirement: Requirement {
            level,
            groups: None,
            factors: None,
            max_age: None,
            client_certificate: CertificateUse::None,
            enforce: true,
        },
        rules: vec![],
        encoded_slash: false,
        keep_post: true,
        proxy: ProxyOptions { connect_timeout: Duration::from_secs(2), read_timeout: Duration::from_secs(5), ..ProxyOptions::default() },
        application: Application::default(),
    }
}

/// A gateway on a free port.
pub fn gateway(routes: Vec<Route>) -> (Arc<House>, Running) {
    gateway_with(Config { routes, ..Config::default() })
}

/// By the straight way where it can be gone, or by pingora's alone; with one shard.
pub fn gateway_by(straight: bool, routes: Vec<Route>) -> (Arc<House>, Running) {
    started(Config { routes, ..Config::default() }, Settings { shards: 1, straight, ..Settings::default() })
}

pub fn gateway_with(config: Config) -> (Arc<House>, Running) {
    started(config, Settings { shards: 2, ..Settings::default() })
}

fn started(config: Config, settings: Settings) -> (Arc<House>, Running) {
    let house = House::new(config);
    let host: Arc<dyn GatewayHost> = Arc::clone(&house) as _;
    let listener = Listener { address: "127.0.0.1:0".parse().unwrap(), certificates: None };
    let running = start(&host, &[listener], &Settings { drain: Duration::from_secs(5), ..settings }).unwrap();
    (house, running)
}

/// A free port on which nobody listens.
pub fn nobody() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// An upstream that answers each connection with what `talk` does with it.
pub async fn upstream<F, T>(talk: F) -> SocketAddr
where
    F: Fn(TcpStream) -> T + Send + Sync + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream));
        }
    });
    address
}

/// An upstream that answers every request with the head that it got.
pub async fn mirror() -> SocketAddr {
    upstream(|mut stream| async move {
        while let Some(head) = read_head(&mut stream).await {
            let answer = format!(
                "HTTP/1.1 200 OK\r\nSet-Cookie: app=1\r\nSet-Cookie: vestibule=evil\r\nContent-Length: {}\r\n\r\n{head}",
                head.len()
            );
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    })
    .await
}

/// Up to the blank line, which is kept; `None` at the end of the stream.
pub async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

pub async fn connect(running: &Running) -> TcpStream {
    TcpStream::connect(running.addresses[0]).await.unwrap()
}

/// Sends a request on a connection of its own and gives all that comes back.
pub async fn ask(running: &Running, request: &str) -> String {
    let mut stream = connect(running).await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// A GET that closes, with further header lines.
pub async fn get(running: &Running, path: &str, headers: &str) -> String {
    ask(running, &format!("GET {path} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n{headers}\r\n")).await
}

/// What a signed-in client sends.
pub const SIGNED_IN: &str = "Cookie: a=1; vestibule=good; b=2\r\n";

pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), future).await.unwrap()
}

pub async fn read_until(stream: &mut TcpStream, what: &str) {
    let mut seen = String::new();
    while !seen.contains(what) {
        seen.push(char::from(stream.read_u8().await.unwrap()));
    }
}
