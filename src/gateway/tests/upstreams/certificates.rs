//! Certificates between the gateway and its upstreams: one that the gateway shows, one under another name, one that is pinned.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::gateway::tests::support::*;
use crate::policy::{ClientCertificate, Level, Route};

type Made = (rcgen::Certificate, Vec<u8>);

/// An authority and what it issued.
struct Authority {
    certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| {
    let mut params = CertificateParams::new([]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "the authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Authority { certificate, issuer: Issuer::new(params, key) }
});

fn issued(name: &str) -> Made {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().unwrap();
    (params.signed_by(&key, &AUTHORITY.issuer).unwrap(), key.serialize_der())
}

/// A self-signed certificate, the same each time.
pub(super) fn own(name: &str) -> (&'static rcgen::Certificate, Vec<u8>) {
    static OWN: LazyLock<Made> = LazyLock::new(|| {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (made.cert, made.signing_key.serialize_der())
    });
    assert_eq!(name, "localhost");
    (&OWN.0, OWN.1.clone())
}

/// An upstream that shows this certificate; with `asks`, it demands one of the authority's and answers with the subject.
async fn shows(made: &Made, asks: bool) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(AUTHORITY.certificate.der().clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let config = if asks { config.with_client_cert_verifier(verifier) } else { config.with_no_client_auth() };
    let config = config.with_single_cert(vec![made.0.der().clone()], PrivateKeyDer::try_from(made.1.clone()).unwrap()).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    upstream(move |stream: TcpStream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let shown = stream.get_ref().1.peer_certificates().map_or(0, |chain| chain[0].len());
            let answer = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{shown}", shown.to_string().len());
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    })
    .await
}

fn to(name: &str, app: SocketAddr, ca: &str) -> Route {
    let mut route = route(name, &format!("/{name}"), Level::Bypass, &[app]);
    route.upstreams[0].tls = true;
    route.proxy.ca = Some(Arc::new(ca.as_bytes().to_vec()));
    route
}

fn authority() -> String {
    AUTHORITY.certificate.pem()
}

#[tokio::test]
async fn a_certificate_may_be_for_another_name_only_if_the_route_says_which() {
    let app = shows(&issued("app.internal"), false).await;
    let (plain, mut named, mut wrong) = (to("plain", app, &authority()), to("named", app, &authority()), to("wrong", app, &authority()));
    named.proxy.certificate_name = Some("app.internal".into());
    wrong.proxy.certificate_name = Some("other.internal".into());
    let (_house, running) = gateway(vec![plain, named, wrong]);
    for _ in 0..2 {
        assert!(get(&running, "/named", "").await.starts_with("HTTP/1.1 200"));
        assert!(get(&running, "/plain", "").await.starts_with("HTTP/1.1 502"));
        assert!(get(&running, "/wrong", "").await.starts_with("HTTP/1.1 502"));
    }
}

#[tokio::test]
async fn a_pinned_certificate_is_trusted_itself_and_no_other_of_its_issuer() {
    let (pinned, other) = (issued("somewhere.internal"), issued("somewhere.internal"));
    let (app, impostor) = (shows(&pinned, false).await, shows(&other, false).await);
    let pem = pinned.0.pem();
    let (_house, running) = gateway(vec![to("pinned", app, &pem), to("impostor", impostor, &pem)]);
    for round in 0..3 {
        assert!(get(&running, "/pinned", "").await.starts_with("HTTP/1.1 200"), "{round}");
        assert!(get(&running, "/impostor", "").await.starts_with("HTTP/1.1 502"), "{round}");
    }
    let upgrade = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (path, status) in [("/pinned", "200"), ("/impostor", "502")] {
        let answer = ask(&running, &format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n{upgrade}\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
    }
}

#[tokio::test]
async fn an_upstream_that_asks_is_shown_the_routes_certificate_and_no_others() {
    let (server, client) = (issued("127.0.0.1"), issued("the gateway"));
    let app = shows(&server, true).await;
    let mut shown = to("shown", app, &authority());
    shown.proxy.certificate_name = None;
    let certificate = ClientCertificate { chain: vec![client.0.der().to_vec()], key: client.1.clone().into() };
    shown.proxy.client_certificate = Some(Arc::new(certificate));
    let (_house, running) = gateway(vec![shown, to("bare", app, &authority())]);
    for _ in 0..2 {
        let answer = get(&running, "/shown", "").await;
        assert!(answer.ends_with(&format!("\r\n\r\n{}", client.0.der().len())), "{answer}");
        // With TLS 1.3 the upstream refuses after its handshake.
        assert!(get(&running, "/bare", "").await.starts_with("HTTP/1.1 502"));
    }
    let upgrade = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let answer = ask(&running, &format!("GET /shown HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n{upgrade}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "by the other way too: {answer}");
}
