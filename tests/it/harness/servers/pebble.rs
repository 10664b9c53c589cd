//! Pebble, the test authority of Let's Encrypt, with a name server of its own. Its certificates live for a few seconds, so that they are
//! renewed before a test ends; it takes no account without an external binding.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Child;
use std::sync::OnceLock;

use super::{authority, own_address, tied, wait_for};

/// What the authority knows an account by, and the key that goes with it.
pub const KID: &str = "kid-1";
pub const HMAC: &str = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";

/// The host that it issues nothing for.
pub const BLOCKED: &str = "blocked.example";

/// Where it comes to look, on whatever address a host has.
pub const HTTP: u16 = 5002;
pub const TLS: u16 = 5001;

const PORT: u16 = 14000;

/// The authority, and what it has.
pub struct Pebble {
    folder: tempfile::TempDir,
    pub address: String,
    pub ca: PathBuf,
    _servers: [Child; 2],
}

impl Pebble {
    /// The one that all tests share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Pebble> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = own_address(56);
        let certificates = authority::issue(folder.path(), &address, true);
        let config = serde_json::json!({ "pebble": {
            "listenAddress": format!("{address}:{PORT}"),
            "managementListenAddress": format!("{address}:15000"),
            "certificate": certificates.cert,
            "privateKey": certificates.key,
            "httpPort": HTTP,
            "tlsPort": TLS,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": true,
            "externalAccountMACKeys": { KID: HMAC },
            "domainBlocklist": [BLOCKED],
            "certificateValidityPeriod": 20,
        }});
        let file = folder.path().join("pebble.json");
        std::fs::write(&file, config.to_string()).unwrap();
        let names = format!(
            "exec pebble-challtestsrv -dns01 {address}:8053 -management {address}:8055 -http01 '' -https01 '' -tlsalpn01 '' -defaultIPv6 ''"
        );
        let names = tied(&names, &folder.path().join("names.log"));
        wait_for(&address, 8055, &folder.path().join("names.log"));
        // Faults are made by the tests, not by dice.
        let variables = "PEBBLE_VA_NOSLEEP=1 PEBBLE_WFE_NONCEREJECT=0 PEBBLE_AUTHZREUSE=0";
        let server = format!("export {variables}; exec pebble -config {} -dnsserver {address}:8053", file.display());
        let log = folder.path().join("log");
        let server = tied(&server, &log);
        wait_for(&address, PORT, &log);
        Self { ca: certificates.ca, folder, address, _servers: [names, server] }
    }

    pub fn directory(&self) -> String {
        format!("https://{}:{PORT}/dir", self.address)
    }

    /// Where its HTTP is.
    pub fn socket(&self) -> (&str, u16) {
        (&self.address, PORT)
    }

    /// The certificate and key that its HTTP uses.
    pub fn certificate(&self) -> (PathBuf, PathBuf) {
        (self.folder.path().join("cert.pem"), self.folder.path().join("key.pem"))
    }

    /// From now on this name leads to this address.
    pub fn names(&self, host: &str, address: &str) {
        let body = serde_json::json!({ "host": host, "addresses": [address] }).to_string();
        let mut stream = TcpStream::connect((self.address.as_str(), 8055)).unwrap();
        let head = format!("POST /add-a HTTP/1.1\r\nHost: names\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}
