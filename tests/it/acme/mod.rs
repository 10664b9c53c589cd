//! Certificates by ACME, from a real authority: issued, renewed, kept over a restart, and never lost, whatever the authority does.

mod unreliable;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};

use crate::harness::Upstream;
use crate::harness::binary::{Crowd, Gateway, Machine, get};
use crate::harness::servers::pebble::{BLOCKED, HMAC, HTTP, KID, Pebble, TLS};
use unreliable::{Mood, Unreliable};

/// Looks at certificates and believes none of them.
#[derive(Debug)]
struct Looks;

impl ServerCertVerifier for Looks {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// The certificate that is shown for a name.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Seen(Vec<u8>);

impl Seen {
    fn is_by_the_authority(&self) -> bool {
        self.0.windows(6).any(|word| word == b"Pebble")
    }

    fn is_a_stand_in(&self) -> bool {
        self.0.windows(18).any(|words| words == b"no certificate yet")
    }
}

/// One request over TLS: which certificate was shown, and the answer. A handshake that fails is an error.
fn asks(address: SocketAddr, host: &str, path: &str, protocols: &[&[u8]]) -> std::io::Result<(Seen, String)> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.dangerous().with_custom_certificate_verifier(Arc::new(Looks)).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let mut connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut wire = rustls::Stream::new(&mut connection, &mut stream);
    wire.write_all(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    let _ = wire.read_to_end(&mut answer);
    let shown = connection.peer_certificates().and_then(|chain| chain.first()).map(|first| first.to_vec()).unwrap_or_default();
    Ok((Seen(shown), String::from_utf8_lossy(&answer).into_owned()))
}

fn shown(gateway: &Gateway, host: &str) -> Seen {
    let (seen, answer) = asks(gateway.tls.unwrap(), host, "/", &[]).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    seen
}

#[track_caller]
fn waits_for(gateway: &Gateway, what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(90), "still not: {what}\n{}", gateway.log());
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A loopback address that is this test's own.
fn own_address(block: u8) -> String {
    let pid = std::process::id();
    format!("127.{block}.{}.{}", (pid >> 8) & 0xff, (pid & 0xff).clamp(1, 254))
}

/// A gateway that orders for `hosts`; `tls` is its port for HTTPS.
fn config(address: &str, tls: u16, hosts: &[&str], directory: &str, upstream: &Upstream) -> String {
    let pebble = Pebble::shared();
    let hosts: Vec<String> = hosts.iter().map(|host| format!("\"{host}\"")).collect();
    format!(
        "[server]\nlisten = [\"{address}:{HTTP}\"]\nadmin_listen = \"127.0.0.1:0\"\nthreads = 1\n\
         [[server.tls]]\nlisten = \"{address}:{tls}\"\nacme = true\n\
         [acme]\ncontact = \"ops@example.com\"\ndirectory = \"{directory}\"\nca = \"{}\"\neab = {{ kid = \"{KID}\", hmac = \"{HMAC}\" }}\n\
         [[routes]]\nname = \"app\"\nhosts = [{}]\nupstreams = [\"http://{}\"]\npolicy = \"bypass\"\n\
         [[routes]]\nname = \"elsewhere\"\nupstreams = [\"http://{}\"]\npolicy = \"bypass\"\n",
        pebble.ca.display(),
        hosts.join(", "),
        upstream.address,
        upstream.address
    )
}

const CHALLENGE: &str = "/.well-known/acme-challenge/some-token";

/// What a request for a token that nobody ordered gets, in the clear and over TLS.
fn knows_no_token(gateway: &Gateway, host: &str) {
    for path in [CHALLENGE, "/.well-known/acme-challenge/", "/.well-known//acme-challenge/x", "/.well-known/acme%2dchallenge/x"] {
        let plain = get(gateway.address, host, path, "").unwrap();
        let is_ours = plain.starts_with("HTTP/1.1 404") || plain.starts_with("HTTP/1.1 400");
        assert!(is_ours, "{path}: {plain}");
        let (_, answer) = asks(gateway.tls.unwrap(), host, path, &[]).unwrap();
        assert!(answer.starts_with("HTTP/1.1 404") || answer.starts_with("HTTP/1.1 400"), "{path}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_authority_does_the_gateway_serves_and_loses_no_certificate() {
    let upstream = Upstream::start().await;
    let story = move || {
        let (pebble, address, host) = (Pebble::shared(), own_address(57), "wiki.example");
        let authority = Unreliable::before(pebble);
        pebble.names(host, &address);
        let machine = Machine::new(&config(&address, TLS, &[host, "*.wiki.example"], &authority.directory, &upstream));
        // It hangs: the gateway starts, serves, and stops.
        authority.is(Mood::Hangs);
        let gateway = machine.serves();
        assert!(shown(&gateway, host).is_a_stand_in());
        assert!(gateway.log().contains("no certificate yet") && get(gateway.address, host, "/", "").unwrap().starts_with("HTTP/1.1 308"));
        knows_no_token(&gateway, host);
        assert!(get(gateway.address, "elsewhere.example", CHALLENGE, "").unwrap().starts_with("HTTP/1.1 200"), "not a host of ours");
        assert!(asks(gateway.tls.unwrap(), host, "/", &[b"acme-tls/1"]).is_err(), "no challenge is under way");
        gateway.stops();
        // It does not like the first nonces, and then issues.
        authority.is(Mood::DislikesNonces(2));
        let gateway = machine.serves();
        waits_for(&gateway, "a certificate by the authority", || shown(&gateway, host).is_by_the_authority());
        assert!(authority.has_settled() && gateway.log().contains("by=\"tls-alpn-01\""), "{}", gateway.log());
        // It limits rates when the renewal comes.
        authority.is(Mood::LimitsRates);
        let (before, issued) = (authority.orders(), shown(&gateway, host));
        waits_for(&gateway, "the renewal fails", || gateway.log().contains("too many certificates"));
        let newest = shown(&gateway, host);
        assert!(newest.is_by_the_authority() && gateway.log().contains("the one in force stays"), "{}", gateway.log());
        let failed = format!("vestibule_acme_last_failure_timestamp_seconds{{host=\"{host}\"}} ");
        let metrics = gateway.tells("/metrics");
        assert!(metrics.lines().any(|line| line.strip_prefix(&failed).is_some_and(|at| at != "0")), "{metrics}");
        assert!(authority.orders() > before);
        // A reload asks again only after the pause that the authority wanted.
        let asked = authority.orders();
        machine.does(&["reload"]);
        gateway.stops();
        // Started again while it hangs: the certificate is still there, though it may have expired by now.
        authority.is(Mood::Hangs);
        let gateway = machine.serves();
        assert_eq!(shown(&gateway, host), newest);
        assert_eq!(authority.orders(), asked);
        gateway.stops();
        assert!(issued.is_by_the_authority());
        assert!(upstream.seen().iter().all(|seen| !seen.target().contains("acme") || seen.values("host") == ["elsewhere.example"]));
        // Another authority was configured, which refuses.
        authority.is(Mood::Refuses);
        let other = authority.directory.replace("/dir", "/dir?other");
        machine.configure(&config(&address, TLS, &[host], &other, &upstream));
        let gateway = machine.serves();
        waits_for(&gateway, "the refusal is told", || gateway.log().contains("this account orders nothing"));
        assert_eq!(shown(&gateway, host), newest);
        assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
    };
    tokio::task::spawn_blocking(story).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_proved_over_plain_http_too_and_its_certificate_is_renewed_under_load() {
    let upstream = Upstream::start().await;
    let story = move || {
        let (pebble, address, host) = (Pebble::shared(), own_address(58), "git.example");
        [host, BLOCKED].iter().for_each(|host| pebble.names(host, &address));
        // Nothing listens where the authority looks for TLS.
        let machine = Machine::new(&config(&address, TLS + 10, &[BLOCKED, host], &pebble.directory(), &upstream));
        let gateway = machine.serves();
        let crowd = Crowd::asks(gateway.address, "elsewhere.example", "/");
        waits_for(&gateway, "a certificate by the authority", || shown(&gateway, host).is_by_the_authority());
        assert!(gateway.log().contains("by=\"http-01\"") && !gateway.log().contains("by=\"tls-alpn-01\""), "{}", gateway.log());
        let first = shown(&gateway, host);
        waits_for(&gateway, "another one", || shown(&gateway, host) != first);
        assert!(shown(&gateway, host).is_by_the_authority());
        // One host's trouble is not another's.
        assert!(shown(&gateway, BLOCKED).is_a_stand_in());
        assert!(gateway.log().contains(&format!("host=\"{BLOCKED}\"")), "{}", gateway.log());
        assert_eq!(crowd.leaves(), Vec::<String>::new());
        let metrics = gateway.tells("/metrics");
        assert!(metrics.contains(&format!("vestibule_acme_days_to_expiry{{host=\"{host}\"}} 0")), "{metrics}");
        assert!(metrics.contains(&format!("vestibule_acme_last_failure_timestamp_seconds{{host=\"{host}\"}} 0")), "{metrics}");
        gateway.stops();
        let export = machine.path("store.export");
        machine.does(&["store", "export", export.to_str().unwrap()]);
        let text = std::fs::read_to_string(export).unwrap();
        let values = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let decoded: Vec<Vec<u8>> = values.filter_map(|line| data_encoding::BASE64.decode(line["v"].as_str()?.as_bytes()).ok()).collect();
        let holds = |word: &[u8]| decoded.iter().any(|value| value.windows(word.len()).any(|part| part == word));
        assert!(holds(b"BEGIN CERTIFICATE") && !holds(b"PRIVATE KEY") && !holds(b"key_pkcs8"));
        assert!(!upstream.seen().iter().any(|seen| seen.target().contains("acme-challenge")));
    };
    tokio::task::spawn_blocking(story).await.unwrap();
}
