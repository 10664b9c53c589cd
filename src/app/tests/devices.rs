//! Sessions bound to a device where gateways share a database, and while that is away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use data_encoding::BASE64URL_NOPAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

use super::town::{Town, town_with};
use crate::app::*;
use crate::base::{ClientAddr, Clock, Host, SessionId, Time};
use crate::config::{Config, DeviceBound, StoreUrl};
use crate::gateway::{GatewayHost, Lookup, UserSession};
use crate::policy::DeviceState;
use crate::service::Client;
use crate::service::client::ClientBinding;
use crate::service::device::{Refreshed, Registered, Shows};
use crate::service::sessions::replication::tests::{alice, sign_in};
use crate::session::EndReason;
use crate::session::device::wire;
use crate::store::postgres::server::{self, Own};

const LIFETIME: Duration = Duration::from_secs(600);

/// A browser's key.
struct Device(EcdsaKeyPair);

impl Device {
    fn new() -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Self(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap())
    }

    fn signs(&self, header: &Value, challenge: &str) -> String {
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let signed = format!("{}.{}", part(header), part(&json!({ "jti": challenge })));
        let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
    }

    fn registers(&self, challenge: &str) -> String {
        let point = self.0.public_key().as_ref();
        let (x, y) = (BASE64URL_NOPAD.encode(&point[1..33]), BASE64URL_NOPAD.encode(&point[33..]));
        let jwk = json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y });
        self.signs(&json!({ "alg": "ES256", "typ": "dbsc+jwt", "jwk": jwk }), challenge)
    }

    fn proves(&self, challenge: &str) -> String {
        self.signs(&json!({ "alg": "ES256", "typ": "dbsc+jwt" }), challenge)
    }
}

/// The challenge in a `Secure-Session-Challenge`.
fn challenge(header: &str) -> &str {
    header.split('"').nth(1).unwrap()
}

fn browser() -> Client {
    let host = Host::parse(b"a.example").unwrap();
    let client = Client::of_request(ClientAddr::new([127, 0, 0, 1].into()), host, "test".to_owned());
    let binding = ClientBinding { may_bind: true, ..ClientBinding::default() };
    Client { origin: "https://a.example".to_owned(), binding, ..client }
}

async fn comes_about(what: impl AsyncFn() -> bool) {
    let start = Instant::now();
    while !what().await {
        assert!(start.elapsed() < Duration::from_secs(60), "it never came about");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn live(app: &App, token: &str) -> Option<Arc<dyn UserSession>> {
    let found = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(super::look_up(app, token)));
    match found {
        Lookup::Live(session) => Some(session),
        Lookup::Ended | Lookup::Forged | Lookup::Unknown | Lookup::Elsewhere => None,
    }
}

/// What a request with this bound cookie shows at a gateway.
fn shows(app: &App, token: &str, cookie: Option<&str>) -> Option<DeviceState> {
    live(app, token).map(|session| session.device(cookie, GatewayHost::now(app)).state)
}

/// A gateway over the database, and others that join it later.
struct Fleet {
    config: Arc<Config>,
    clock: Clock,
    _folder: tempfile::TempDir,
}

impl Fleet {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.server.data_dir = folder.path().join("data");
        config.session.device_bound = Some(DeviceBound { lifetime: LIFETIME });
        config.store = StoreUrl::Postgres(server::url(&server::database().await));
        Self { config: Arc::new(config), clock: Clock::manual(Time::from_secs(1_000_000)), _folder: folder }
    }

    async fn gateway(&self) -> Arc<App> {
        App::open(Arc::clone(&self.config), self.clock.clone(), Post::Outbox(Arc::default())).await.unwrap()
    }
}

/// Binds a session at a gateway.
async fn binds(at: &App, session: SessionId, device: &Device) -> Shows {
    let devices = &at.services.devices;
    let offered = devices.offer(session, &browser()).await.unwrap().unwrap();
    match devices.register(&device.registers(&offered), "a.example", &browser()).await.unwrap() {
        Registered::Bound(shows) => shows,
        other => panic!("{other:?}"),
    }
}

async fn refreshes(at: &App, name: &str, proof: Option<&str>) -> Refreshed {
    at.services.devices.refresh(wire::id(name).unwrap(), proof, &browser()).await.unwrap()
}

/// Shows the device at a gateway, by a challenge that this gateway gives.
async fn proves(at: &App, name: &str, device: &Device) -> Shows {
    let given = match refreshes(at, name, None).await {
        Refreshed::Challenge(given) => given,
        other => panic!("{other:?}"),
    };
    match refreshes(at, name, Some(&device.proves(challenge(&given)))).await {
        Refreshed::Shows(shows) => shows,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_session_is_bound_at_one_gateway_shown_at_another_and_revoked_for_both() {
    let fleet = Fleet::new().await;
    let (a, b) = (fleet.gateway().await, fleet.gateway().await);
    let account = alice(&a.services).await;
    let (id, token) = sign_in(&a.services, &account).await;
    let device = Device::new();
    let bound = binds(&a, id, &device).await;
    let name = bound.name.as_str();
    // The cookie of one counts at the other, and the session is held there too.
    comes_about(async || shows(&b, &token, Some(&bound.cookie)) == Some(DeviceState::Proved(fleet.clock.now()))).await;
    fleet.clock.advance(Duration::from_secs(61));
    for app in [&a, &b] {
        assert_eq!(shows(app, &token, None), Some(DeviceState::Missing));
    }
    // The challenge that one gave is answered at the other, once for both.
    fleet.clock.advance(Duration::from_secs(300));
    let proof = device.proves(challenge(&bound.challenge));
    let (one, other) = tokio::join!(refreshes(&a, name, Some(&proof)), refreshes(&b, name, Some(&proof)));
    let right = [one, other].into_iter().filter(|refreshed| matches!(refreshed, Refreshed::Shows(_))).count();
    assert_eq!(right, 1);
    // Shown at B, known at A: what is open at A goes on, and would be looked at otherwise.
    fleet.clock.advance(Duration::from_secs(300));
    let shown = proves(&b, name, &device).await;
    let proved_at = fleet.clock.now();
    assert_eq!(shows(&a, &token, Some(&shown.cookie)), Some(DeviceState::Proved(proved_at)));
    comes_about(async || live(&a, &token).unwrap().bound().unwrap().proved_at == proved_at).await;
    a.services.live.sweep(fleet.clock.now());
    let mut news = GatewayHost::revocations(a.as_ref());
    news.mark_unchanged();
    fleet.clock.advance(LIFETIME + Duration::from_secs(119));
    a.services.live.sweep(fleet.clock.now());
    assert!(!news.has_changed().unwrap());
    fleet.clock.advance(Duration::from_secs(1));
    a.services.live.sweep(fleet.clock.now());
    assert!(news.has_changed().unwrap(), "what is open is looked at");
    assert_eq!(shows(&a, &token, Some(&shown.cookie)), Some(DeviceState::Missing));
    // Another gateway that starts later knows the binding as it is.
    let again = proves(&a, name, &device).await;
    let c = fleet.gateway().await;
    assert_eq!(shows(&c, &token, Some(&again.cookie)), Some(DeviceState::Proved(fleet.clock.now())));
    assert_eq!(live(&c, &token).unwrap().bound().unwrap().proved_at, fleet.clock.now());
    // Revoked at A, it is over at B and C: neither the session nor the binding is there, and the browser is told so.
    a.services.sessions.end(id, EndReason::Revoked).await.unwrap();
    comes_about(async || [&b, &c].iter().all(|app| live(app, &token).is_none())).await;
    for app in [&a, &b, &c] {
        assert!(matches!(refreshes(app, name, None).await, Refreshed::Nothing));
        assert!(matches!(refreshes(app, name, Some(&device.proves(challenge(&again.challenge)))).await, Refreshed::Nothing));
    }
    assert_eq!(a.services.store.device(id).await.unwrap(), None);
}

/// A browser over HTTPS in a town whose sessions are bound.
struct Bound {
    device: Device,
    name: String,
    cookies: String,
    challenge: String,
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let lines = answer.split("\r\n\r\n").next()?.lines();
    lines.filter_map(|line| line.split_once(": ")).find(|(sent, _)| sent.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

impl Bound {
    async fn begin(town: &Town) -> Self {
        let browser_of_alice = town.signs_in("alice").await;
        let device = Device::new();
        let offered = town.app.services.devices.offer(browser_of_alice.id, &browser()).await.unwrap().unwrap();
        let mut bound =
            Self { device, name: String::new(), cookies: format!("__Host-vestibule={}", browser_of_alice.token), challenge: String::new() };
        let proof = bound.device.registers(&offered);
        let answer = bound.asks(town, "register", &format!("Secure-Session-Response: {proof}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let said: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        said["session_identifier"].as_str().unwrap().clone_into(&mut bound.name);
        bound.hears(&answer);
        bound
    }

    async fn asks(&self, town: &Town, what: &str, lines: &str) -> String {
        let request = format!(
            "POST /.vestibule/device/{what} HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-Proto: https\r\nConnection: close\r\nContent-Length: 0\r\n\
             Sec-Fetch-Mode: no-cors\r\n{lines}\r\n"
        );
        town.ask(request.as_bytes()).await
    }

    /// The proof of the last challenge, sent once.
    async fn shows(&self, town: &Town) -> String {
        let proof = self.device.proves(&self.challenge);
        self.asks(town, "refresh", &format!("Sec-Secure-Session-Id: {}\r\nSecure-Session-Response: {proof}\r\n", self.name)).await
    }

    fn hears(&mut self, answer: &str) {
        challenge(header(answer, "secure-session-challenge").unwrap()).clone_into(&mut self.challenge);
        let session = self.cookies.split("; ").next().unwrap();
        let cookie = header(answer, "set-cookie").unwrap().split(';').next().unwrap();
        self.cookies = format!("{session}; {cookie}");
    }

    async fn opens(&self, town: &Town, lines: &str) -> String {
        let head = "GET /wiki HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n";
        town.ask(format!("{head}Cookie: {}\r\n{lines}\r\n", self.cookies).as_bytes()).await
    }
}

const SECTIONS: &str = "[server]\ntrusted_proxies = [\"127.0.0.1\"]\n[session.device_bound]\n";

async fn away(mut server: Own) -> Own {
    let stopped = move || {
        server.stop();
        server
    };
    tokio::task::spawn_blocking(stopped).await.unwrap()
}

async fn back(mut server: Own) -> Own {
    let started = move || {
        server.start_again();
        server
    };
    tokio::task::spawn_blocking(started).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn while_the_database_is_away_a_refresh_is_asked_to_come_back_and_no_cookie_lasts_longer() {
    let server = tokio::task::spawn_blocking(Own::start).await.unwrap();
    let town = town_with(SECTIONS, &server.url(), "1h").await;
    let mut alice = Bound::begin(&town).await;
    let offered = town.signs_in("bob").await;
    let offered = town.app.services.devices.offer(offered.id, &browser()).await.unwrap().unwrap();
    let is_let_in = async |alice: &Bound| alice.opens(&town, "").await.starts_with("HTTP/1.1 201");
    assert!(is_let_in(&alice).await);
    let server = away(server).await;
    comes_about(async || town.app.services.live.is_behind()).await;
    // Browsers try again after a 503, and take any other refusal for the end of the session.
    for answer in [alice.shows(&town).await, alice.asks(&town, "refresh", &format!("Sec-Secure-Session-Id: {}\r\n", alice.name)).await] {
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(header(&answer, "set-cookie").is_none());
    }
    let proof = Device::new().registers(&offered);
    let answer = alice.asks(&town, "register", &format!("Secure-Session-Response: {proof}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    let unknown = alice.asks(&town, "refresh", "Sec-Secure-Session-Id: vestibule-aaaaaaaaaaaaaaaaaaaaaaaaaa\r\n").await;
    assert!(!unknown.starts_with("HTTP/1.1 200"), "{unknown}");
    // Signed in is who was, with the cookie that is there, for as long as that lasts.
    assert!(is_let_in(&alice).await);
    town.clock.advance(LIFETIME + Duration::from_secs(60));
    // What is open is looked at, although the store takes nothing: it ends two minutes after the cookie.
    let mut news = GatewayHost::revocations(town.app.as_ref());
    assert!(town.app.sweep_all(&mut None).await.is_err());
    news.mark_unchanged();
    town.clock.advance(Duration::from_secs(60));
    assert!(town.app.sweep_all(&mut None).await.is_err(), "the store is away");
    assert!(news.has_changed().unwrap());
    let arrived = town.arrived().len();
    let answer = alice.opens(&town, "").await;
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("\"reason\":\"device\""), "{answer}");
    let skipped = format!("Secure-Session-Skipped: server_error;session_identifier=\"{}\"\r\n", alice.name);
    let page = alice.opens(&town, &format!("Sec-Fetch-Mode: navigate\r\nSec-Fetch-Site: none\r\n{skipped}")).await;
    assert!(page.starts_with("HTTP/1.1 503") && header(&page, "retry-after") == Some("5"), "{page}");
    assert_eq!(town.arrived().len(), arrived, "nothing is forwarded");
    // It is back: the proof that was answered by 503 counts still.
    let _server = back(server).await;
    comes_about(async || !town.app.services.live.is_behind()).await;
    let mut answer = alice.shows(&town).await;
    if answer.starts_with("HTTP/1.1 403") {
        // Its challenge was of before; the next one is answered.
        challenge(header(&answer, "secure-session-challenge").unwrap()).clone_into(&mut alice.challenge);
        answer = alice.shows(&town).await;
    }
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    alice.hears(&answer);
    assert!(is_let_in(&alice).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_max_stale_nobody_is_let_in_and_no_browser_loses_its_key() {
    let server = tokio::task::spawn_blocking(Own::start).await.unwrap();
    let town = town_with(SECTIONS, &server.url(), "0s").await;
    let alice = Bound::begin(&town).await;
    let server = away(server).await;
    comes_about(async || town.app.services.live.is_stale()).await;
    for answer in [alice.shows(&town).await, alice.opens(&town, "").await] {
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    }
    assert!(town.arrived().is_empty());
    let _server = back(server).await;
    comes_about(async || alice.opens(&town, "").await.starts_with("HTTP/1.1 201")).await;
    let answer = alice.shows(&town).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
