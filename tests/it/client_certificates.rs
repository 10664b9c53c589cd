//! Client certificates over TLS, by a real client against the program as it is installed: whom they stand for, where they count, and how
//! soon they are over.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyIdMethod,
    KeyPair, RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls::client::{ClientSessionMemoryCache, ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConnection, HandshakeKind, StreamOwned};

use crate::harness::Upstream;
use crate::harness::binary::{Gateway, Machine, get};

/// Who signs clients' certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A client's certificate and key.
struct Pair {
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut ca = CertificateParams::new(Vec::<String>::new()).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.distinguished_name = DistinguishedName::new();
        ca.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap())
    }

    /// `CN=NAME,O=Example`, valid for so long from now; a negative time: until so long ago.
    fn signs_for(&self, name: &str, serial: u64, seconds: i64) -> Pair {
        let mut own = CertificateParams::new(Vec::<String>::new()).unwrap();
        own.distinguished_name = DistinguishedName::new();
        own.distinguished_name.push(DnType::OrganizationName, "Example");
        own.distinguished_name.push(DnType::CommonName, name);
        own.serial_number = Some(SerialNumber::from(serial));
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        own.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(now.saturating_add_signed(seconds));
        let key = KeyPair::generate().unwrap();
        let certificate = own.signed_by(&key, &self.0).unwrap();
        Pair { certificate: certificate.der().clone(), key: key.serialize_der() }
    }

    fn pair(&self, name: &str) -> Pair {
        self.signs_for(name, 7, 3600)
    }

    /// A list with these numbers on it that counts until the year.
    fn lists(&self, revoked: &[u64], until: i32) -> String {
        let one = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(until, 1, 1),
            crl_number: SerialNumber::from(1u64),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(one).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.0).unwrap().pem().unwrap()
    }
}

/// A gateway with certificates for two hosts, whose clients two authorities sign for.
struct House {
    machine: Machine,
    upstream: Upstream,
    clients: Authority,
    others: Authority,
}

const ROUTES: &str = r#"
[[routes]]
name = "machines"
hosts = ["app.example"]
upstreams = ["UPSTREAM"]
policy = "one_factor"
client_certificate = "accept"
  [[routes.rules]]
  paths = ["/locked"]
  policy = "bypass"
  client_certificate = "require"
  [[routes.rules]]
  paths = ["/staff"]
  groups = ["staff"]
  [[routes.rules]]
  paths = ["/two"]
  policy = "two_factor"
  [[routes.rules]]
  paths = ["/unseen"]
  client_certificate = "none"
[[routes]]
name = "other"
hosts = ["other.example"]
upstreams = ["UPSTREAM"]
policy = "one_factor"
client_certificate = "accept"
"#;

impl House {
    async fn new() -> Self {
        let upstream = Upstream::start().await;
        let (clients, others) = (Authority::new("clients"), Authority::new("others"));
        let routes = ROUTES.replace("UPSTREAM", &format!("http://{}", upstream.address));
        let machine = Machine::new(&format!(
            "[server]\nlisten = [\"127.0.0.1:0\"]\nthreads = 1\n[[server.tls]]\nlisten = \"127.0.0.1:0\"\n\
             client_ca = \"clients.pem\"\nclient_crl = \"clients.crl\"\n\
             certificates = [{{ cert = \"app.pem\", key = \"app.key\" }}, \
             {{ cert = \"other.pem\", key = \"other.key\", client_ca = \"others.pem\" }}]\n{routes}"
        ));
        for name in ["app", "other"] {
            let made = rcgen::generate_simple_self_signed([format!("{name}.example")]).unwrap();
            std::fs::write(machine.path(&format!("{name}.pem")), made.cert.pem()).unwrap();
            std::fs::write(machine.path(&format!("{name}.key")), made.signing_key.serialize_pem()).unwrap();
        }
        std::fs::write(machine.path("clients.pem"), clients.0.pem()).unwrap();
        std::fs::write(machine.path("others.pem"), others.0.pem()).unwrap();
        let house = Self { machine, upstream, clients, others };
        house.puts_list(&house.clients.lists(&[], 2100));
        house.machine.does(&["user", "add", "backup", "--service", "--certificate-subject", "cn = backup, O=Example"]);
        house
    }

    fn puts_list(&self, text: &str) {
        std::fs::write(self.machine.path("crl.new"), text).unwrap();
        std::fs::rename(self.machine.path("crl.new"), self.machine.path("clients.crl")).unwrap();
    }

    fn config(&self, shown: Option<&Pair>) -> rustls::ClientConfig {
        self.config_of(shown, rustls::DEFAULT_VERSIONS)
    }

    fn config_of(&self, shown: Option<&Pair>, versions: &[&'static rustls::SupportedProtocolVersion]) -> rustls::ClientConfig {
        let mut roots = rustls::RootCertStore::empty();
        for name in ["app.pem", "other.pem"] {
            roots.add(CertificateDer::from_pem_file(self.machine.path(name)).unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let config = config.with_root_certificates(roots);
        match shown {
            None => config.with_no_client_auth(),
            Some(pair) => {
                let key = PrivateKeyDer::try_from(pair.key.clone()).unwrap();
                config.with_client_auth_cert(vec![pair.certificate.clone()], key).unwrap()
            }
        }
    }

    /// A connection to a host, with a certificate or without.
    fn connects(&self, gateway: &Gateway, host: &str, shown: Option<&Pair>) -> Client {
        Client::new(gateway, host, self.config(shown))
    }

    /// The status of one request on a connection of its own; "" if there is no connection.
    fn asks(&self, gateway: &Gateway, shown: Option<&Pair>, path: &str) -> String {
        self.connects(gateway, "app.example", shown).get("app.example", path)
    }

    /// The status and the reason of a refusal.
    fn is_refused(&self, gateway: &Gateway, shown: Option<&Pair>, path: &str) -> (String, String) {
        let mut client = self.connects(gateway, "app.example", shown);
        let status = client.get("app.example", path);
        let told: serde_json::Value = serde_json::from_str(&client.1).unwrap_or_default();
        (status, told["reason"].as_str().unwrap_or_default().to_owned())
    }
}

/// A client's connection, which stays open, and the body of its last answer.
struct Client(StreamOwned<ClientConnection, TcpStream>, String);

impl Client {
    fn new(gateway: &Gateway, host: &str, config: rustls::ClientConfig) -> Self {
        let connection = ClientConnection::new(Arc::new(config), ServerName::try_from(host.to_owned()).unwrap()).unwrap();
        let stream = TcpStream::connect(gateway.tls.unwrap()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self(StreamOwned::new(connection, stream), String::new())
    }

    /// The answer's status and head; "" if the connection is at its end.
    fn answer(&mut self) -> String {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            match self.0.read(&mut byte) {
                Ok(1) => head.push(byte[0]),
                _ => return String::new(),
            }
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        let _ = self.0.read_exact(&mut body);
        self.1 = String::from_utf8_lossy(&body).into_owned();
        head.split(' ').nth(1).unwrap_or_default().to_owned()
    }

    fn sends(&mut self, host: &str, path: &str, lines: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n");
        if self.0.write_all(request.as_bytes()).and_then(|()| self.0.flush()).is_err() {
            return String::new();
        }
        self.answer()
    }

    fn get(&mut self, host: &str, path: &str) -> String {
        self.sends(host, path, "")
    }

    fn opens_tunnel(&mut self, path: &str) -> String {
        let lines = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                     Origin: https://app.example\r\n";
        self.sends("app.example", path, lines)
    }
}

/// A client's memory of sessions that takes every host for the same.
#[derive(Debug)]
struct OneSession(ClientSessionMemoryCache);

impl ClientSessionStore for OneSession {
    fn set_kx_hint(&self, _: ServerName<'static>, _: rustls::NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<rustls::NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.0.set_tls12_session(ServerName::try_from("any.example").unwrap(), value);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.0.tls12_session(&ServerName::try_from("any.example").unwrap())
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.0.insert_tls13_ticket(ServerName::try_from("any.example").unwrap(), value);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.0.take_tls13_ticket(&ServerName::try_from("any.example").unwrap())
    }
}

/// A client that shows this chain and signs with this key, whether they go together or not.
fn shows(chain: Vec<CertificateDer<'static>>, key: &[u8]) -> Arc<SingleCertAndKey> {
    let key = rustls::crypto::ring::sign::any_supported_type(&PrivateKeyDer::try_from(key.to_vec()).unwrap()).unwrap();
    Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, key)))
}

#[track_caller]
fn waits_for(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(60), "still not: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

async fn story(tell: impl FnOnce(House) + Send + 'static) {
    let house = House::new().await;
    tokio::task::spawn_blocking(move || tell(house)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_stands_for_its_service_account_and_for_nothing_else() {
    story(|house| {
        let gateway = house.machine.serves();
        let (backup, stranger) = (house.clients.pair("backup"), house.clients.pair("stranger"));
        let user = || house.upstream.last().values("remote-user").join(",");
        assert_eq!(house.asks(&gateway, Some(&backup), "/"), "200");
        assert_eq!(user(), "backup");
        for (shown, path, status) in [
            (None, "/", "401"),
            (Some(&stranger), "/", "401"),
            (Some(&backup), "/unseen", "401"),
            (Some(&backup), "/two", "403"),
            (Some(&backup), "/staff", "403"),
            (None, "/locked", "403"),
            (Some(&stranger), "/%6cocked/../locked", "400"),
        ] {
            let before = house.upstream.count();
            assert_eq!(house.asks(&gateway, shown, path), status, "{path}");
            assert_eq!(house.upstream.count(), before);
        }
        assert_eq!(house.asks(&gateway, Some(&stranger), "/locked"), "200");
        assert_eq!(user(), "", "nobody's, and admitted");
        // A browser sends it whoever makes it ask: another site's wish is nobody's.
        for (lines, status) in [
            ("Sec-Fetch-Site: cross-site\r\n", "401"),
            ("Sec-Fetch-Site: same-site\r\n", "401"),
            ("Origin: https://evil.example\r\n", "401"),
            ("Sec-Fetch-Site: same-origin\r\nOrigin: https://app.example\r\n", "200"),
        ] {
            let sent = house.connects(&gateway, "app.example", Some(&backup)).sends("app.example", "/", lines);
            assert_eq!(sent, status, "{lines}");
        }
        let lines =
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let mut elsewhere = house.connects(&gateway, "app.example", Some(&backup));
        assert_eq!(elsewhere.sends("app.example", "/locked/ws", &format!("{lines}Origin: https://evil.example\r\n")), "403");
        // Signed by nobody who counts here, or over.
        let refused = |reason: &str| ("403".to_owned(), reason.to_owned());
        for (bad, fault) in [
            (house.others.pair("backup"), "unknown"),
            (Authority::new("clients").pair("backup"), "unknown"),
            (house.clients.signs_for("backup", 8, -3600), "expired"),
        ] {
            assert_eq!(house.asks(&gateway, Some(&bad), "/"), "401", "it stands for nobody");
            assert_eq!(house.is_refused(&gateway, Some(&bad), "/locked"), refused(&format!("client_certificate_{fault}")));
            assert!(gateway.log().contains(&format!("certificate_fault=\"{fault}\"")), "{}", gateway.log());
        }
        assert_eq!(house.is_refused(&gateway, None, "/locked"), refused("client_certificate"));
        // A certificate of somebody else's key, and a chain that is too long to be kept.
        let theirs = house.others.pair("backup");
        for (chain, key) in [(vec![backup.certificate.clone()], &stranger.key), (vec![theirs.certificate.clone(); 60], &theirs.key)] {
            let mut config = house.config(None);
            config.client_auth_cert_resolver = shows(chain, key);
            assert_eq!(Client::new(&gateway, "app.example", config).get("app.example", "/"), "");
        }
        // A person reads what to do, in their language.
        let mut browser = house.connects(&gateway, "app.example", Some(&theirs));
        assert_eq!(browser.sends("app.example", "/locked", "Accept: text/html\r\nAccept-Language: de\r\n"), "403");
        assert!(browser.1.contains("wird hier nicht angenommen"), "{}", browser.1);
        // On a connection that stays: the account's rights of the moment.
        let mut live = house.connects(&gateway, "app.example", Some(&backup));
        assert_eq!(live.get("app.example", "/staff"), "403");
        house.machine.does(&["user", "set", "backup", "--group", "staff"]);
        assert_eq!(live.get("app.example", "/staff"), "200");
        house.machine.does(&["user", "set", "backup", "--certificate-subject", "CN=Backup,O=Example"]);
        assert_eq!(live.get("app.example", "/"), "401", "letter case counts");
        house.machine.does(&["user", "set", "backup", "--certificate-subject", "CN=backup,O=Example"]);
        let mut tunnel = house.connects(&gateway, "app.example", Some(&backup));
        assert_eq!((live.get("app.example", "/"), tunnel.opens_tunnel("/ws")), ("200".into(), "101".into()));
        house.machine.does(&["user", "disable", "backup", "--yes"]);
        assert_eq!((live.get("app.example", "/"), tunnel.answer()), ("401".into(), String::new()), "and the tunnel is cut");
        house.machine.does(&["user", "enable", "backup"]);
        assert_eq!(live.get("app.example", "/"), "200");
        assert!(gateway.log().contains("certificate=\"CN=backup,O=Example\""), "{}", gateway.log());
        // What the listings say of it.
        let shown = house.machine.json(&["user", "show", "backup"]);
        assert_eq!(shown["certificate_subject"], "CN=backup,O=Example");
        let print: Vec<_> =
            ring::digest::digest(&ring::digest::SHA256, &backup.certificate).as_ref().iter().map(|b| format!("{b:02X}")).collect();
        assert_eq!(shown["certificate_seen"]["fingerprint"], print.join(":"));
        let renewed = house.clients.signs_for("backup", 70, 7200);
        assert_eq!(house.asks(&gateway, Some(&renewed), "/"), "200");
        let later = house.machine.json(&["user", "show", "backup"]);
        assert_ne!(later["certificate_seen"], shown["certificate_seen"], "the last that came");
        assert!(house.machine.does(&["user", "list"]).contains("CN=backup,O=Example"));
        // One subject, one account; and no person has one.
        let taken = house.machine.refuses(&["user", "add", "two", "--service", "--certificate-subject", "CN=backup,O=Example"]);
        assert!(taken.contains("certificate"), "{taken}");
        house.machine.refuses(&["user", "add", "three", "--service", "--certificate-subject", "backup"]);
        // What would be decided.
        let told = |more: &[&str]| house.machine.json(&[&["explain", "https://app.example/"], more].concat());
        assert_eq!(told(&["--user", "backup", "--certificate"])["outcome"], "allow");
        let refused = house.machine.json(&["explain", "https://app.example/locked"]);
        assert_eq!((&refused["reason"], &refused["client_certificate"]), (&"client_certificate".into(), &"require".into()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_counts_on_its_own_host_and_nothing_is_resumed() {
    story(|house| {
        let gateway = house.machine.serves();
        let (ours, theirs) = (house.clients.pair("backup"), house.others.pair("backup"));
        let mut client = house.connects(&gateway, "app.example", Some(&ours));
        assert_eq!(client.get("app.example", "/"), "200");
        let before = house.upstream.count();
        for host in ["other.example", "OTHER.example.", "other.example:443"] {
            assert_eq!(client.get(host, "/"), "421", "{host}");
        }
        assert_eq!(house.connects(&gateway, "app.example", None).get("other.example", "/"), "421", "without a certificate too");
        assert_eq!(house.upstream.count(), before);
        assert_eq!(client.get("APP.example:443", "/"), "200", "the connection is as good as before");
        assert_eq!(house.connects(&gateway, "other.example", Some(&theirs)).get("other.example", "/"), "200");
        assert_eq!(house.connects(&gateway, "other.example", Some(&ours)).get("other.example", "/"), "401");
        // A client that would resume, on either host, what it has from either.
        for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
            let resumption = Resumption::store(Arc::new(OneSession(ClientSessionMemoryCache::new(8))));
            for (host, shown) in [("app.example", &ours), ("app.example", &ours), ("other.example", &theirs), ("app.example", &ours)] {
                let mut config = house.config_of(Some(shown), &[version]);
                config.resumption = resumption.clone();
                let mut client = Client::new(&gateway, host, config);
                assert_eq!(client.get(host, "/"), "200");
                assert_eq!(client.0.conn.handshake_kind(), Some(HandshakeKind::Full), "{host} {version:?}");
                assert_eq!(client.0.conn.protocol_version(), Some(version.version));
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_certificate_ends_what_it_carries_and_a_broken_list_lets_none_through() {
    story(|house| {
        let gateway = house.machine.serves();
        let (lost, kept) = (house.clients.signs_for("backup", 11, 3600), house.clients.signs_for("backup", 12, 3600));
        let mut live = house.connects(&gateway, "app.example", Some(&lost));
        let mut tunnel = house.connects(&gateway, "app.example", Some(&lost));
        let mut other = house.connects(&gateway, "app.example", Some(&kept));
        let mut own = house.connects(&gateway, "app.example", Some(&kept));
        assert_eq!((live.get("app.example", "/"), other.get("app.example", "/")), ("200".into(), "200".into()));
        assert_eq!((tunnel.opens_tunnel("/ws"), own.opens_tunnel("/locked/ws")), ("101".into(), "101".into()));
        house.puts_list(&house.clients.lists(&[11], 2100));
        assert_eq!(tunnel.answer(), "", "the tunnel is cut when the list is read");
        assert_eq!(live.get("app.example", "/"), "401", "the connection's certificate is nobody's any more");
        let refused = |reason: &str| ("403".to_owned(), reason.to_owned());
        assert_eq!(house.is_refused(&gateway, Some(&lost), "/locked"), refused("client_certificate_revoked"), "on a new one as well");
        assert_eq!((other.get("app.example", "/"), house.asks(&gateway, Some(&kept), "/")), ("200".into(), "200".into()));
        // A list that cannot be read: none is taken, and what is open is cut.
        house.puts_list("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n");
        assert_eq!(own.answer(), "");
        assert_eq!(other.get("app.example", "/locked"), "403");
        assert_eq!(house.is_refused(&gateway, Some(&kept), "/locked"), refused("client_certificate_unchecked"));
        assert_eq!(house.asks(&gateway, None, "/"), "401", "who shows none is served as ever");
        assert!(gateway.log().contains("no client certificate is taken there"), "{}", gateway.log());
        assert!(house.machine.refuses(&["reload"]).contains("clients.crl") && house.machine.refuses(&["check"]).contains("clients.crl"));
        house.puts_list(&house.clients.lists(&[11], 2100));
        waits_for("the list is good again", || house.asks(&gateway, Some(&kept), "/") == "200");
        // One that has expired, and one by somebody else.
        house.puts_list(&house.clients.lists(&[], 2021));
        waits_for("the list has expired", || house.asks(&gateway, Some(&kept), "/") == "401");
        assert_eq!(house.is_refused(&gateway, Some(&kept), "/locked"), refused("client_certificate_unchecked"));
        waits_for("it is told", || gateway.log().contains("a revocation list has expired"));
        house.puts_list(&house.others.lists(&[], 2100));
        waits_for("another list is read", || !gateway.log().is_empty() && gateway.log().matches("revocation lists reloaded").count() >= 4);
        assert_eq!(house.is_refused(&gateway, Some(&kept), "/locked"), refused("client_certificate_unchecked"));
        gateway.stops();
        // The program starts with an expired list, and takes none.
        house.puts_list(&house.clients.lists(&[], 2021));
        let gateway = house.machine.serves();
        assert_eq!((house.asks(&gateway, Some(&kept), "/"), house.asks(&gateway, None, "/")), ("401".into(), "401".into()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_expires_on_a_live_connection_counts_no_more() {
    story(|house| {
        let gateway = house.machine.serves();
        let brief = house.clients.signs_for("backup", 9, 8);
        let mut live = house.connects(&gateway, "app.example", Some(&brief));
        let mut tunnel = house.connects(&gateway, "app.example", Some(&brief));
        assert_eq!((live.get("app.example", "/locked"), tunnel.opens_tunnel("/locked/ws")), ("200".into(), "101".into()));
        waits_for("it has expired", || live.get("app.example", "/") == "401");
        assert_eq!(live.get("app.example", "/locked"), "403");
        assert_eq!(live.get("app.example", "/locked"), "", "the connection is closed, so that another can show one");
        assert_eq!(tunnel.answer(), "", "and the tunnel is cut");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_trusted_proxys_header_counts_and_no_application_sees_one() {
    story(|house| {
        let header = |pair: &Pair| format!("Client-Cert: :{}:\r\n", data_encoding::BASE64.encode(&pair.certificate));
        let routes = ROUTES.replace("UPSTREAM", &format!("http://{}", house.upstream.address));
        let config = |server: &str| format!("[server]\nlisten = [\"127.0.0.1:0\"]\nthreads = 1\n{server}\n{routes}");
        let backup = house.clients.pair("backup");
        let (good, over) = (header(&backup), header(&house.clients.signs_for("backup", 8, -60)));
        let status = |gateway: &Gateway, path: &str, lines: &str| {
            let answer = get(gateway.address, "app.example", path, lines).unwrap();
            answer.split(' ').nth(1).unwrap_or_default().to_owned()
        };
        house.machine.configure(&config("trusted_proxies = [\"127.0.0.1\"]\nclient_certificate_header = true"));
        {
            let gateway = house.machine.serves();
            for _ in 0..2 {
                assert_eq!(status(&gateway, "/", &good), "200");
                let seen = house.upstream.last();
                assert_eq!((seen.values("remote-user"), seen.values("client-cert")), (vec!["backup"], vec![]));
            }
            for (lines, expected) in [
                (String::new(), "401"),
                (over, "401"),
                (format!("{good}{good}"), "400"),
                (good.replace("::", ":"), "200"),
                ("Client-Cert: :AAAA:\r\n".to_owned(), "400"),
                (good.replace("Client-Cert", "Client_Cert"), "401"),
                (good.replace(":\r\n", "\r\n"), "400"),
            ] {
                assert_eq!(status(&gateway, "/", &lines), expected, "{lines}");
            }
        }
        // Somebody else's word; and a proxy whose word was not asked for.
        for server in ["trusted_proxies = [\"192.0.2.1\"]\nclient_certificate_header = true", "trusted_proxies = [\"127.0.0.1\"]"] {
            let with_tls = server.contains("192.0.2.1");
            let tls = "[[server.tls]]\nlisten = \"127.0.0.1:0\"\nclient_ca = \"clients.pem\"\ncertificates = [{ cert = \"app.pem\", key = \"app.key\" }]";
            house.machine.configure(&config(&if with_tls { server.to_owned() } else { format!("{server}\nredirect_to_https = false\n{tls}") }));
            let gateway = house.machine.serves();
            assert_eq!(status(&gateway, "/", &good), "401", "{server}");
            assert_eq!(status(&gateway, "/locked", &good), "403", "{server}");
            if !with_tls {
                assert_eq!(house.asks(&gateway, Some(&backup), "/"), "401", "a proxy's own certificate is no client's");
            }
        }
        house.machine.configure(&config("").replace("client_certificate", "#"));
        let gateway = house.machine.serves();
        assert_eq!(status(&gateway, "/locked", &format!("{good}client_cert: x\r\nClient-Cert-Chain: x\r\n")), "200");
        assert!(!house.upstream.last().head.to_ascii_lowercase().replace('_', "-").contains("client-cert"));
        // A demand that nobody could meet, and a word that nobody could give.
        house.machine.configure(&config(""));
        assert!(house.machine.refuses(&["check"]).contains("no client can show a certificate here"));
        house.machine.configure(&config("client_certificate_header = true"));
        assert!(house.machine.refuses(&["check"]).contains("there are no trusted proxies"));
    })
    .await;
}

/// One HTTP/2 connection.
struct Http2 {
    send: h2::client::SendRequest<bytes::Bytes>,
    connection: tokio::task::JoinHandle<Result<(), h2::Error>>,
}

impl Http2 {
    async fn new(gateway: &Gateway, host: &'static str, mut config: rustls::ClientConfig) -> Self {
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = tokio::net::TcpStream::connect(gateway.tls.unwrap()).await.unwrap();
        let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(host).unwrap(), stream).await.unwrap();
        let (send, connection) = h2::client::handshake(stream).await.unwrap();
        Self { send, connection: tokio::spawn(connection) }
    }

    async fn asks(&mut self, method: &str, host: &str, path: &str) -> u16 {
        let request = http::Request::builder().method(method).uri(format!("https://{host}{path}")).body(()).unwrap();
        let mut send = self.send.clone().ready().await.unwrap();
        let (answer, mut body) = send.send_request(request, method == "GET").unwrap();
        if method != "GET" {
            let _ = body.send_data("a=b".into(), true);
        }
        answer.await.unwrap().status().as_u16()
    }
}

const COALESCED: &str = r#"
[[routes]]
name = "plain"
hosts = ["plain.apps.example", "second.apps.example"]
upstreams = ["UPSTREAM"]
policy = "bypass"
[[routes]]
name = "machines"
hosts = ["machines.apps.example"]
upstreams = ["UPSTREAM"]
policy = "one_factor"
client_certificate = "accept"
  [[routes.rules]]
  paths = ["/locked"]
  policy = "bypass"
  client_certificate = "require"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_over_http_2_is_not_taken_for_a_host_that_asks_for_certificates() {
    let house = House::new().await;
    let routes = COALESCED.replace("UPSTREAM", &format!("http://{}", house.upstream.address));
    // The first certificate is for every host, as browsers need it to use one connection for several.
    for (file, name) in [("app", "*.apps.example"), ("other", "machines.apps.example")] {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        std::fs::write(house.machine.path(&format!("{file}.pem")), made.cert.pem()).unwrap();
        std::fs::write(house.machine.path(&format!("{file}.key")), made.signing_key.serialize_pem()).unwrap();
    }
    house.machine.configure(&format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\nthreads = 1\n[[server.tls]]\nlisten = \"127.0.0.1:0\"\n\
         certificates = [{{ cert = \"app.pem\", key = \"app.key\" }}, \
         {{ cert = \"other.pem\", key = \"other.key\", client_ca = \"clients.pem\" }}]\n{routes}"
    ));
    let (gateway, house) = tokio::task::spawn_blocking(move || (house.machine.serves(), house)).await.unwrap();
    let backup = house.clients.pair("backup");

    let mut plain = Http2::new(&gateway, "plain.apps.example", house.config(Some(&backup))).await;
    assert_eq!(plain.asks("GET", "plain.apps.example", "/").await, 200);
    assert_eq!(plain.asks("GET", "second.apps.example", "/").await, 200, "no certificate matters to either");
    let before = house.upstream.count();
    for (method, host) in [("GET", "machines.apps.example"), ("POST", "machines.apps.example"), ("GET", "MACHINES.apps.example:443")] {
        assert_eq!(plain.asks(method, host, "/").await, 421, "{method} {host}");
        assert_eq!(plain.asks(method, host, "/.vestibule/login").await, 421, "its pages too");
    }
    assert_eq!(house.upstream.count(), before);
    assert_eq!(plain.asks("GET", "plain.apps.example", "/").await, 200, "the connection is as good as before");

    let mut machines = Http2::new(&gateway, "machines.apps.example", house.config(Some(&backup))).await;
    for _ in 0..2 {
        assert_eq!(machines.asks("GET", "machines.apps.example", "/").await, 200);
        assert_eq!(house.upstream.last().values("remote-user"), ["backup"]);
        assert_eq!(machines.asks("GET", "plain.apps.example", "/").await, 421);
    }
    assert_eq!(machines.asks("GET", "machines.apps.example", "/locked").await, 200);

    // Who has none is told, and then the connection ends: a certificate can only be shown over another.
    let mut without = Http2::new(&gateway, "machines.apps.example", house.config(None)).await;
    assert_eq!(without.asks("GET", "machines.apps.example", "/").await, 401);
    assert_eq!(without.asks("GET", "machines.apps.example", "/locked").await, 403);
    tokio::time::timeout(Duration::from_secs(60), without.connection).await.expect("it ends").unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn authorities_and_lists_are_compared_by_what_is_in_them() {
    story(|house| {
        let machine = &house.machine;
        let compared = |change: &[(&str, &str)]| {
            let mut text = std::fs::read_to_string(machine.path("vestibule.toml")).unwrap();
            change.iter().for_each(|(old, new)| text = text.replacen(old, new, 1));
            std::fs::write(machine.path("new.toml"), text).unwrap();
            let output = machine.run(&["diff", "--json", "new.toml"]);
            let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            (output.status.code().unwrap(), said["authorities"].clone())
        };
        let copy = |text: String, name: &str| std::fs::write(machine.path(name), text).unwrap();
        copy(house.clients.0.pem(), "copy.pem");
        copy(house.clients.lists(&[], 2101), "copy.crl");
        assert_eq!(compared(&[("\"clients.pem\"", "\"copy.pem\""), ("\"clients.crl\"", "\"copy.crl\"")]), (0, serde_json::json!([])));
        // One more authority, one fewer, another.
        copy(house.clients.0.pem() + &house.others.0.pem(), "both.pem");
        let (code, said) = compared(&[("\"clients.pem\"", "\"both.pem\"")]);
        assert_eq!((code, &said[0]["direction"], &said[0]["trusted"]), (4, &"laxer".into(), &serde_json::json!(["CN=others"])), "{said}");
        assert_eq!(said.as_array().unwrap().len(), 2, "for the first certificate's hosts and for hosts without one: {said}");
        let (code, said) = compared(&[("\"clients.pem\"", "\"others.pem\"")]);
        assert_eq!((code, &said[0]["direction"]), (4, &"different".into()), "{said}");
        // One more certificate is revoked; or there is no list any more.
        copy(house.clients.lists(&[11], 2100), "more.crl");
        let (code, said) = compared(&[("\"clients.crl\"", "\"more.crl\"")]);
        assert_eq!((code, &said[0]["revoked"]), (3, &serde_json::json!(["0b of CN=clients"])), "{said}");
        let (code, said) = compared(&[("client_crl = \"clients.crl\"\n", "")]);
        assert_eq!((code, &said[0]["direction"]), (4, &"laxer".into()), "{said}");
        let (code, said) = compared(&[(", client_ca = \"others.pem\"", "")]);
        assert_eq!((code, &said[0]["hosts"]), (4, &serde_json::json!(["other.example"])), "{said}");
        let words = String::from_utf8(machine.run(&["diff", "new.toml"]).stdout).unwrap();
        assert!(words.contains("Client certificates:") && words.contains("no longer issued by CN=others"), "{words}");
    })
    .await;
}
