//! TLS on both sides: certificates by name and exchanged live, HTTP/2 by ALPN, upstreams verified against their CA.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::support::*;
use crate::config::{Certificate, Config};
use crate::gateway::*;
use crate::policy::{Level, Route};

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/gateway/testdata").join(name)
}

pub(super) fn files(names: &[&str]) -> Vec<Certificate> {
    names.iter().map(|n| Certificate { cert: data(&format!("{n}.pem")), key: data(&format!("{n}.key")), clients: None }).collect()
}

fn certificate(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(data(&format!("{name}.pem"))).unwrap()
}

pub(super) fn secure_gateway(routes: Vec<Route>, names: &[&str]) -> (Arc<House>, Running, Arc<Certificates>) {
    secure_gateway_by(Settings::default().straight, routes, names)
}

pub(super) fn secure_gateway_by(straight: bool, routes: Vec<Route>, names: &[&str]) -> (Arc<House>, Running, Arc<Certificates>) {
    let certificates = Certificates::load(&files(names)).unwrap();
    let house = House::new(Config { routes, ..Config::default() });
    let host: Arc<dyn GatewayHost> = Arc::clone(&house) as _;
    let listener = Listener { address: "127.0.0.1:0".parse().unwrap(), certificates: Some(Arc::clone(&certificates)) };
    let running = start(&host, &[listener], &Settings { shards: 2, straight, ..Settings::default() }).unwrap();
    (house, running, certificates)
}

pub(super) async fn secure_connect(running: &Running, name: &str, alpn: &[&[u8]]) -> TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate("ca")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, connect(running).await).await.unwrap()
}

async fn shown(running: &Running, name: &str) -> CertificateDer<'static> {
    let stream = secure_connect(running, name, &[]).await;
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

#[tokio::test]
async fn the_name_chooses_the_certificate_and_a_reload_exchanges_it() {
    let (_house, running, certificates) = secure_gateway(vec![], &["first", "wild", "exact"]);
    for (name, expected) in
        [("first.example", "first"), ("x.wild.example", "wild"), ("exact.wild.example", "exact"), ("127.0.0.1", "first")]
    {
        assert_eq!(shown(&running, name).await, certificate(expected), "{name}");
    }
    certificates.reload(&files(&["first", "wild"])).unwrap();
    assert_eq!(shown(&running, "exact.wild.example").await, certificate("wild"));
    let missing = [Certificate { cert: data("README.md"), key: data("first.key"), clients: None }];
    assert!(certificates.reload(&missing).unwrap_err().to_string().contains("README.md"));
    let mixed = [Certificate { cert: data("first.pem"), key: data("wild.key"), clients: None }];
    assert!(certificates.reload(&mixed).is_err());
    assert_eq!(shown(&running, "exact.wild.example").await, certificate("wild"), "a bad reload changes nothing");
}

#[tokio::test]
async fn over_tls_the_cookie_has_its_prefix_and_the_upstream_hears_https() {
    let app = mirror().await;
    let (_house, running, _) = secure_gateway(vec![route("app", "", Level::OneFactor, &[app])], &["first"]);
    let stream = secure_connect(&running, "first.example", &[b"h2", b"http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    for (cookie, status) in [("vestibule=good", "401"), ("__Host-vestibule=good", "200")] {
        let mut stream = secure_connect(&running, "first.example", &[b"http/1.1"]).await;
        let request = format!("GET / HTTP/1.1\r\nHost: first.example\r\nConnection: close\r\nCookie: {cookie}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert!(status == "401" || answer.contains("X-Forwarded-Proto: https\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn a_silent_http_2_client_is_cut_and_a_quiet_one_is_kept() {
    let mut config = Config::default();
    config.limits.header_timeout = std::time::Duration::from_millis(200);
    let certificates = Certificates::load(&files(&["first"])).unwrap();
    let host: Arc<dyn GatewayHost> = House::new(config) as _;
    let listener = Listener { address: "127.0.0.1:0".parse().unwrap(), certificates: Some(certificates) };
    let running = start(&host, &[listener], &Settings { shards: 1, ..Settings::default() }).unwrap();
    let mut silent = secure_connect(&running, "first.example", &[b"h2"]).await;
    let mut quiet = secure_connect(&running, "first.example", &[b"h2"]).await;
    // The connection preface and an empty SETTINGS frame (RFC 9113 section 3.4).
    quiet.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let ended = async |stream: &mut TlsStream<TcpStream>| {
        let mut all = Vec::new();
        tokio::time::timeout(std::time::Duration::from_secs(1), stream.read_to_end(&mut all)).await.is_ok()
    };
    assert!(ended(&mut silent).await);
    assert!(!ended(&mut quiet).await);
}

/// An upstream that speaks TLS: it answers an upgrade with 101 and a word, anything else with 200.
async fn secure_upstream() -> std::net::SocketAddr {
    secure_upstream_with(certificate("first"), PrivateKeyDer::from_pem_file(data("first.key")).unwrap()).await
}

pub(super) async fn secure_upstream_with(certificate: CertificateDer<'static>, key: PrivateKeyDer<'static>) -> std::net::SocketAddr {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    upstream(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let mut head = vec![0; 4096];
            let read = stream.read(&mut head).await.unwrap_or(0);
            let upgrade = String::from_utf8_lossy(&head[..read]).contains("Upgrade: websocket");
            let open = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nhello";
            let plain = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello";
            let _ = stream.write_all(if upgrade { open } else { plain }).await;
            let _ = stream.shutdown().await;
        }
    })
    .await
}

fn verified(name: &str, path: &str, app: std::net::SocketAddr, ca: &str) -> Route {
    let mut route = route(name, path, Level::Bypass, &[app]);
    route.upstreams[0].tls = true;
    route.proxy.ca = Some(Arc::new(std::fs::read(data(ca)).unwrap()));
    route
}

#[tokio::test]
async fn an_upstream_is_trusted_by_its_routes_ca_alone() {
    let app = secure_upstream().await;
    let mut named = verified("name", "/name", app, "ca.pem");
    named.upstreams[0].host = "localhost".into();
    let routes = vec![verified("good", "/good", app, "ca.pem"), verified("bad", "/bad", app, "other-ca.pem"), named];
    let (_house, running) = gateway(routes);
    let upgrade = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for round in 0..2 {
        assert!(get(&running, "/good", "").await.starts_with("HTTP/1.1 200"), "{round}");
        assert!(get(&running, "/bad", "").await.starts_with("HTTP/1.1 502"), "another CA, {round}");
        assert!(get(&running, "/name", "").await.starts_with("HTTP/1.1 502"), "another name, {round}");
    }
    let open = ask(&running, &format!("GET /good HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n{upgrade}\r\n")).await;
    assert!(open.starts_with("HTTP/1.1 101") && open.ends_with("hello"), "{open}");
    let shut = ask(&running, &format!("GET /bad HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n{upgrade}\r\n")).await;
    assert!(shut.starts_with("HTTP/1.1 502"), "{shut}");
}

#[tokio::test]
async fn each_stream_is_its_own_cookies() {
    let app = mirror().await;
    let (house, running, _) = secure_gateway(vec![route("app", "", Level::OneFactor, &[app])], &["first"]);
    let stream = secure_connect(&running, "first.example", &[b"h2"]).await;
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let ask = async |token: &str| {
        let mut client = client.clone().ready().await.unwrap();
        let request = http::Request::get("https://first.example/a//b?x=%2f").header("Cookie", "a=1").header("x-app", "1");
        let request = request.header("Cookie", format!("__Host-vestibule={token}")).header("Cookie", "b=2").body(()).unwrap();
        let answer = client.send_request(request, true).unwrap().0.await.unwrap();
        let (status, mut body) = (answer.status().as_u16(), answer.into_body());
        let mut text = Vec::new();
        while let Some(part) = body.data().await {
            text.extend(part.unwrap());
        }
        (status, String::from_utf8(text).unwrap())
    };
    for _ in 0..3 {
        for (token, name) in [("good", "bob"), ("good", "bob"), ("other", "carol")] {
            let (status, seen) = ask(token).await;
            assert_eq!(status, 200);
            for line in [
                &format!("Remote-User: {name}\r\n"),
                "GET /a//b?x=%2f HTTP/1.1\r\n",
                "\r\nHost: first.example\r\n",
                "cookie: a=1; b=2\r\n",
                "X-Forwarded-Proto: https\r\n",
                "X-Forwarded-For: 127.0.0.1\r\n",
            ] {
                assert_eq!(seen.to_ascii_lowercase().matches(&line.to_ascii_lowercase()).count(), 1, "{line} in {seen}");
            }
            assert!(seen.contains("Remote-User: ") && seen.contains("X-Request-Id: "), "{seen}");
        }
        assert_eq!(ask("forged").await.0, 401);
    }
    let (all, others) = tokio::join!(ask("good"), ask("other"));
    assert!(all.1.contains(": bob\r\n") && others.1.contains(": carol\r\n"));
    house.revoke();
    assert_eq!((ask("good").await.0, ask("other").await.0), (401, 200));
}

/// By hand, where curl is: `cargo test --lib curl -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "needs curl"]
async fn http_2_as_curl_speaks_it() {
    let app = mirror().await;
    let (house, running, _) = secure_gateway(vec![route("app", "", Level::OneFactor, &[app])], &["first"]);
    let address = running.addresses[0];
    let curl = async |more: &[&str]| {
        let resolve = format!("first.example:{}:127.0.0.1", address.port());
        let url = format!("https://first.example:{}/a//b?x=%2f", address.port());
        let ca = data("ca.pem");
        let mut command = tokio::process::Command::new("curl");
        command.args(["--http2", "-si", "--resolve", &resolve, "--cacert"]).arg(ca).args(more).arg(url);
        let output = command.output().await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        println!("{text}{}", String::from_utf8_lossy(&output.stderr));
        text
    };
    let page = curl(&["-H", "Accept: text/html"]).await;
    assert!(page.starts_with("HTTP/2 303") && page.contains("/.vestibule/login?rd=/a//b%3Fx%3D%252f"), "{page}");
    let app = curl(&["-H", "Cookie: __Host-vestibule=good", "-H", "Cookie: a=b", "-H", "Remote_User: root", "-H", "TE: trailers"]).await;
    assert!(app.starts_with("HTTP/2 200") && app.contains("GET /a//b?x=%2f HTTP/1.1"), "{app}");
    let host = format!("Host: first.example:{}\r\n", address.port());
    assert!(app.contains(&host) && app.contains("Remote-User: bob") && !app.contains("root"));
    let head = curl(&["-I"]).await;
    assert!(head.starts_with("HTTP/2 401"), "{head}");
    assert!(curl(&["-H", "Host: b.example"]).await.starts_with("HTTP/2 401"));
    let post = curl(&["-d", "a=b"]).await;
    assert!(post.starts_with("HTTP/2 401"), "{post}");
    println!("{:?}", house.records(5).await);
}
