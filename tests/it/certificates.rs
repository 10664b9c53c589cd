//! Certificates that are replaced under a running gateway, over TLS: a good one is loaded, a broken one refuses the reload whole.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};

use crate::harness::Upstream;
use crate::harness::binary::{Gateway, Machine};

const NAME: &str = "app.example";

/// A certificate of its own and its key, both in PEM.
struct Pair {
    cert: String,
    key: String,
}

impl Pair {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
        Self { cert: made.cert.pem(), key: made.signing_key.serialize_pem() }
    }

    fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.cert.as_bytes()).unwrap()
    }
}

fn config(upstream: &Upstream, policy: &str) -> String {
    format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\nadmin_listen = \"127.0.0.1:0\"\nthreads = 1\n\
         [[server.tls]]\nlisten = \"127.0.0.1:0\"\ncertificates = [{{ cert = \"app.pem\", key = \"app.key\" }}]\n\
         [[routes]]\nname = \"app\"\nupstreams = [\"http://{}\"]\npolicy = \"{policy}\"\n",
        upstream.address
    )
}

fn puts(machine: &Machine, cert: &str, key: &str) {
    for (name, text) in [("app.pem", cert), ("app.key", key)] {
        let fresh = machine.path(&format!("{name}.new"));
        std::fs::write(&fresh, text).unwrap();
        std::fs::rename(fresh, machine.path(name)).unwrap();
    }
}

/// One request over TLS to somebody who trusts these: which certificate was shown, and the answer's status.
fn asks(gateway: &Gateway, trusted: &[&Pair]) -> (CertificateDer<'static>, String) {
    let mut roots = rustls::RootCertStore::empty();
    trusted.iter().for_each(|pair| roots.add(pair.der()).unwrap());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let mut connection = rustls::ClientConnection::new(Arc::new(config), ServerName::try_from(NAME).unwrap()).unwrap();
    let mut stream = TcpStream::connect(gateway.tls.unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut wire = rustls::Stream::new(&mut connection, &mut stream);
    wire.write_all(format!("GET / HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = wire.read_to_end(&mut answer);
    let status = String::from_utf8_lossy(&answer).split(' ').nth(1).unwrap_or_default().to_owned();
    (connection.peer_certificates().unwrap()[0].clone().into_owned(), status)
}

#[track_caller]
fn waits_for(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(30), "still not: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What may be found in the place of a certificate and its key, and the words that say so.
fn broken(good: &Pair, other: &Pair) -> [(String, String, &'static [&'static str]); 5] {
    let cut = &good.cert[..good.cert.len() / 2];
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned();
    [
        (cut.to_owned(), good.key.clone(), &["app.pem", "BEGIN CERTIFICATE"]),
        (String::new(), good.key.clone(), &["app.pem", "holds no certificate", "BEGIN CERTIFICATE"]),
        (garbage, good.key.clone(), &["do not belong together", "the key that the certificate was made for"]),
        (good.cert.clone(), "not a key".to_owned(), &["app.key", "holds no private key", "BEGIN PRIVATE KEY"]),
        (good.cert.clone(), other.key.clone(), &["do not belong together", "the key that the certificate was made for"]),
    ]
}

/// Two certificates that clients trust, and a machine on which the first is to be served.
fn with_the_old_one(upstream: &Upstream) -> (Pair, Pair, Machine) {
    let (old, new) = (Pair::new(), Pair::new());
    let machine = Machine::new(&config(upstream, "bypass"));
    puts(&machine, &old.cert, &old.key);
    (old, new, machine)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_with_a_broken_certificate_is_refused_whole_and_a_good_one_holds_at_once() {
    let upstream = Upstream::start().await;
    let story = move || {
        let (old, new, machine) = with_the_old_one(&upstream);
        let (trusted, gateway) = ([&old, &new], machine.serves());
        assert_eq!(asks(&gateway, &trusted), (old.der(), "200".to_owned()));
        let successful = |value: u8| gateway.tells("/metrics").contains(&format!("vestibule_config_last_reload_successful {value}"));
        // With each fault comes a policy that would close everything: none of it may be taken.
        machine.configure(&config(&upstream, "deny"));
        for (cert, key, words) in broken(&new, &old) {
            puts(&machine, &cert, &key);
            let said = machine.refuses(&["reload"]);
            assert!(words.iter().all(|word| said.contains(word)) && said.contains("vestibule.toml:7"), "{words:?}: {said}");
            assert!(successful(0));
            assert_eq!(asks(&gateway, &trusted), (old.der(), "200".to_owned()), "{words:?}");
        }
        assert!(machine.refuses(&["check"]).contains("app.key"));
        std::fs::remove_file(machine.path("app.key")).unwrap();
        let refusals = || gateway.log().matches("not reloaded, the old configuration stays").count();
        let before = refusals();
        assert!(before >= 5 && gateway.log().contains("app.pem"), "{}", gateway.log());
        gateway.hangs_up();
        waits_for("SIGHUP is refused as well", || refusals() > before);
        assert_eq!(asks(&gateway, &trusted), (old.der(), "200".to_owned()));
        // All good: the policy and the certificate, from the moment that the command is back.
        puts(&machine, &new.cert, &new.key);
        machine.does(&["reload"]);
        assert_eq!(asks(&gateway, &trusted), (new.der(), "403".to_owned()));
        assert!(successful(1));
        // Other files for the same listener.
        puts(&machine, &old.cert, &old.key);
        for (from, to) in [("app.pem", "other.pem"), ("app.key", "other.key")] {
            std::fs::rename(machine.path(from), machine.path(to)).unwrap();
        }
        machine.configure(&config(&upstream, "bypass").replace("app.pem", "other.pem").replace("app.key", "other.key"));
        machine.does(&["reload"]);
        assert_eq!(asks(&gateway, &trusted), (old.der(), "200".to_owned()));
        assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
    };
    tokio::task::spawn_blocking(story).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_breaks_without_a_reload_leaves_the_old_one_and_is_logged() {
    let upstream = Upstream::start().await;
    let story = move || {
        let (old, new, machine) = with_the_old_one(&upstream);
        let (trusted, gateway) = ([&old, &new], machine.serves());
        let logged = || gateway.log().matches("new certificates cannot be used; the old ones stay").count();
        let [(cert, key, _), ..] = broken(&new, &old);
        puts(&machine, &cert, &key);
        waits_for("it is logged", || logged() > 0);
        assert!(gateway.log().contains("app.pem"), "{}", gateway.log());
        assert_eq!(asks(&gateway, &trusted), (old.der(), "200".to_owned()));
        let before = logged();
        std::fs::remove_file(machine.path("app.key")).unwrap();
        waits_for("a file that is gone is logged as well", || logged() > before);
        assert_eq!(asks(&gateway, &trusted), (old.der(), "200".to_owned()));
        puts(&machine, &new.cert, &new.key);
        waits_for("the new one is taken up by itself", || asks(&gateway, &trusted).0 == new.der());
    };
    tokio::task::spawn_blocking(story).await.unwrap();
}
