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
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
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
        let mut roots = rustls::RootCertStore::empty();
        for name in ["app.pem", "other.pem"] {
            roots.add(CertificateDer::from_pem_file(self.machine.path(name)).unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
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
}

/// A client's connection, which stays open.
struct Client(StreamOwned<ClientConnection, TcpStream>);

impl Client {
    fn new(gateway: &Gateway, host: &str, config: rustls::ClientConfig) -> Self {
        let connection = ClientConnection::new(Arc::new(config), ServerName::try_from(host.to_owned()).unwrap()).unwrap();
        let stream = TcpStream::connect(gateway.tls.unwrap()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self(StreamOwned::new(connection, stream))
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
        // Signed by nobody who counts here, or over: there is no connection.
        for bad in [house.others.pair("backup"), Authority::new("clients").pair("backup"), house.clients.signs_for("backup", 8, -3600)] {
            assert_eq!(house.asks(&gateway, Some(&bad), "/locked"), "");
        }
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
        assert_eq!(house.connects(&gateway, "other.example", Some(&ours)).get("other.example", "/"), "");
        // A client that would resume.
        let mut config = house.config(Some(&ours));
        config.resumption = Resumption::in_memory_sessions(8);
        for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
            for _ in 0..3 {
                let mut client = Client::new(&gateway, "app.example", config.clone());
                assert_eq!(client.get("app.example", "/"), "200");
                assert_eq!(client.0.conn.handshake_kind(), Some(HandshakeKind::Full), "{version:?}");
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
        assert_eq!(house.asks(&gateway, Some(&lost), "/"), "", "and makes no new one");
        assert_eq!((other.get("app.example", "/"), house.asks(&gateway, Some(&kept), "/")), ("200".into(), "200".into()));
        // A list that cannot be read: none is taken, and what is open is cut.
        house.puts_list("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n");
        assert_eq!(own.answer(), "");
        assert_eq!((other.get("app.example", "/locked"), house.asks(&gateway, Some(&kept), "/")), ("403".into(), String::new()));
        assert_eq!(house.asks(&gateway, None, "/"), "401", "who shows none is served as ever");
        assert!(gateway.log().contains("no client certificate is taken there"), "{}", gateway.log());
        assert!(house.machine.refuses(&["reload"]).contains("clients.crl") && house.machine.refuses(&["check"]).contains("clients.crl"));
        house.puts_list(&house.clients.lists(&[11], 2100));
        waits_for("the list is good again", || house.asks(&gateway, Some(&kept), "/") == "200");
        // One that has expired, and one by somebody else.
        house.puts_list(&house.clients.lists(&[], 2021));
        waits_for("the list has expired", || house.asks(&gateway, Some(&kept), "/").is_empty());
        waits_for("it is told", || gateway.log().contains("a revocation list has expired"));
        house.puts_list(&house.others.lists(&[], 2100));
        waits_for("another list is read", || !gateway.log().is_empty() && gateway.log().matches("revocation lists reloaded").count() >= 4);
        assert_eq!(house.asks(&gateway, Some(&kept), "/"), "");
        gateway.stops();
        // The program starts with an expired list, and takes none.
        house.puts_list(&house.clients.lists(&[], 2021));
        let gateway = house.machine.serves();
        assert_eq!((house.asks(&gateway, Some(&kept), "/"), house.asks(&gateway, None, "/")), (String::new(), "401".into()));
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
