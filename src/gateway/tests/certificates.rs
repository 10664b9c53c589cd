//! What a certificate decides beside encryption: which hosts are redirected to HTTPS, and which upstream is trusted.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::*;
use super::tls::{files, secure_upstream_with};
use crate::config::Config;
use crate::gateway::*;
use crate::policy::Level;

/// A gateway with a TLS and a plain listener.
fn both(config: Config) -> (Arc<House>, Running) {
    let house = House::new(config);
    let host: Arc<dyn GatewayHost> = Arc::clone(&house) as _;
    let certificates = Certificates::load(&files(&["first"])).unwrap();
    let address = "127.0.0.1:0".parse().unwrap();
    let listeners = [Some(certificates), None].map(|certificates| Listener { address, certificates });
    let running = start(&host, &listeners, &Settings { shards: 1, ..Settings::default() }).unwrap();
    (house, running)
}

/// What a plain request for this target and Host is answered.
async fn plainly(running: &Running, request: &str) -> String {
    let mut stream = TcpStream::connect(running.addresses[1]).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let _ = soon(stream.read_to_string(&mut answer)).await;
    answer
}

#[tokio::test]
async fn plain_http_for_a_host_with_a_certificate_is_redirected() {
    let app = mirror().await;
    let config = || Config { routes: vec![route("app", "", Level::Bypass, &[app])], ..Config::default() };
    let (house, running) = both(config());
    let port = running.addresses[0].port();
    let request = |line: &str, host: &str| format!("{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    for (host, location) in
        [("first.example", "https://first.example".to_owned()), ("FIRST.example:80", format!("https://first.example:{port}"))]
    {
        let answer = plainly(&running, &request("POST /a//b?c=%20", host)).await;
        assert!(answer.starts_with("HTTP/1.1 308") && answer.contains(&format!("{location}/a//b?c=%20\r\n")), "{answer}");
    }
    assert!(plainly(&running, &request("GET /.vestibule/login", "first.example")).await.starts_with("HTTP/1.1 308"));
    assert!(plainly(&running, &request("GET /", "other.example")).await.starts_with("HTTP/1.1 200"), "it has no certificate");
    assert!(plainly(&running, &request("GET /.well-known/acme-challenge/x", "first.example")).await.starts_with("HTTP/1.1 200"));
    assert_eq!(house.records(1).await[0], "POST /a//b 308 refused plain_http");
    let mut off = config();
    off.server.redirect_to_https = false;
    let (_house, running) = both(off);
    assert!(plainly(&running, &request("GET /", "first.example")).await.starts_with("HTTP/1.1 200"));
}

/// A self-signed certificate that says it is an authority, as `openssl req -x509` makes it, and its key.
fn authority_itself() -> (CertificateDer<'static>, PrivateKeyDer<'static>, String) {
    let mut parameters = rcgen::CertificateParams::new(vec!["app.internal".to_owned()]).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    let pem = certificate.pem();
    (certificate.der().clone(), PrivateKeyDer::try_from(key.serialize_der()).unwrap(), pem)
}

#[tokio::test]
async fn the_very_certificate_that_a_route_names_is_trusted_and_no_other() {
    let (certificate, key, pem) = authority_itself();
    let app = secure_upstream_with(certificate, key).await;
    let (_, _, other) = authority_itself();
    let with = |name: &str, path: &str, pem: &str| {
        let mut route = route(name, path, Level::Bypass, &[app]);
        route.upstreams[0].tls = true;
        route.proxy.ca = Some(Arc::new(pem.as_bytes().to_vec()));
        route
    };
    let (_house, running) = gateway(vec![with("own", "/own", &pem), with("other", "/other", &other)]);
    let upgrade =
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for round in 0..2 {
        assert!(get(&running, "/own", "").await.starts_with("HTTP/1.1 200"), "{round}");
        let answer = get(&running, "/other", "").await;
        assert!(answer.starts_with("HTTP/1.1 502") && answer.contains("upstream_certificate"), "{round}: {answer}");
    }
    let tunnel = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n{upgrade}\r\n");
    assert!(ask(&running, &tunnel("/own")).await.ends_with("hello"));
    assert!(ask(&running, &tunnel("/other")).await.starts_with("HTTP/1.1 502"));
}
