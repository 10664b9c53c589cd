//! Where a route's requests go, and how they travel there. Checked before: names, files and durations are usable.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

/// Where to send a route's requests.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Upstream {
    pub tls: bool,
    /// Host name or address, IPv6 without brackets. Of a socket, `localhost`.
    pub host: String,
    pub port: u16,
    /// A Unix socket of this machine, in place of host and port.
    pub socket: Option<Arc<Path>>,
}

impl Upstream {
    pub const fn new(tls: bool, host: String, port: u16) -> Self {
        Self { tls, host, port, socket: None }
    }

    /// Plain HTTP over a Unix socket.
    pub fn socket(path: &Path) -> Self {
        Self { tls: false, host: "localhost".to_owned(), port: 80, socket: Some(path.into()) }
    }

    /// Its own authority, without its scheme's default port.
    pub fn authority(&self) -> String {
        let host = self.bracketed();
        if self.port == if self.tls { 443 } else { 80 } { host } else { format!("{host}:{}", self.port) }
    }

    fn bracketed(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }
}

/// As in the configuration, the port always written.
impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.socket {
            Some(path) => write!(f, "unix:{}", path.display()),
            None => write!(f, "{}://{}:{}", if self.tls { "https" } else { "http" }, self.bracketed(), self.port),
        }
    }
}

/// Which Host the upstream gets.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum HostHeader {
    /// The client's, in the form in which it was compared, with its port.
    #[default]
    Preserve,
    /// The upstream's own authority.
    Upstream,
    Name(String),
}

/// A certificate with which the gateway shows upstreams who it is.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// In DER, the gateway's own first.
    pub chain: Vec<Vec<u8>>,
    /// In DER.
    pub key: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientCertificate({} in the chain)", self.chain.len())
    }
}

/// Requests that find out whether an upstream works, beside those of clients.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HealthCheck {
    /// A target in origin-form.
    pub path: String,
    pub interval: Duration,
}

/// How a route's requests travel.
#[derive(Clone, Debug)]
pub struct ProxyOptions {
    pub host: HostHeader,
    /// PEM certificates that an upstream's chain must end in; absent: the public ones.
    pub ca: Option<Arc<Vec<u8>>>,
    /// The name that the upstream's certificate must be for; absent: the upstream's host.
    pub certificate_name: Option<String>,
    pub client_certificate: Option<Arc<ClientCertificate>>,
    /// HTTP/2: on `http://` and sockets from the first byte, on `https://` if the upstream agrees.
    pub http2: bool,
    /// What is cut off the path of every request: a prefix of the route's own path.
    pub strip_prefix: Option<String>,
    pub connect_timeout: Duration,
    pub read_timeout: Duration,
    /// How long an unused connection to an upstream is kept; `None`: the default.
    pub idle_timeout: Option<Duration>,
    /// Whether an upstream's own address in `Location` and in cookies' `Domain` is rewritten; `None`: if `host` is `upstream`.
    pub rewrite_location: Option<bool>,
    /// Whether a browser goes to the same upstream each time.
    pub sticky: bool,
    pub health: Option<HealthCheck>,
}

impl ProxyOptions {
    /// Whether the upstream's own address in its answers becomes the address that the client uses.
    pub fn rewrites_location(&self) -> bool {
        self.rewrite_location.unwrap_or(matches!(self.host, HostHeader::Upstream))
    }
}

impl Default for ProxyOptions {
    fn default() -> Self {
        Self {
            host: HostHeader::Preserve,
            ca: None,
            certificate_name: None,
            client_certificate: None,
            http2: false,
            strip_prefix: None,
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(60),
            idle_timeout: None,
            rewrite_location: None,
            sticky: false,
            health: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_written_as_it_was_configured() {
        let shown = |upstream: &Upstream| (upstream.to_string(), upstream.authority());
        assert_eq!(shown(&Upstream::new(true, "::1".into(), 443)), ("https://[::1]:443".into(), "[::1]".into()));
        assert_eq!(shown(&Upstream::new(false, "app".into(), 8080)), ("http://app:8080".into(), "app:8080".into()));
        assert_eq!(shown(&Upstream::socket(Path::new("/run/a.sock"))), ("unix:/run/a.sock".into(), "localhost".into()));
    }
}
