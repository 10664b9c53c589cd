//! The configuration as the program uses it: checked, with every default filled in.

pub(super) mod acme;
pub(super) mod addresses;
pub(super) mod defaults;
mod portal_url;
mod provider;
pub(super) mod restart_only;

pub use portal_url::PortalUrl;
pub use provider::{ClaimNames, Counts, Create, Provider, Uses};

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::account::MfaPolicy;
use crate::base::Secret;
use crate::factor::MethodSet;
use crate::geo::Geo;
use crate::policy::{Expectation, Route};

pub use acme::{Acme, Eab};

/// A checked configuration. `Config::default()` in tests and `demo` has no listener and no route.
#[derive(Clone, Debug)]
pub struct Config {
    pub server: Server,
    pub portal: Portal,
    pub session: Session,
    pub password: Password,
    pub breached: Breached,
    pub mfa: Mfa,
    pub mail: Option<Mail>,
    pub sms: Option<Sms>,
    pub limits: Limits,
    pub store: StoreUrl,
    /// How often the embedded store is looked at for a snapshot; zero: never.
    pub snapshot_every: Duration,
    /// How long people who are signed in go on while PostgreSQL cannot be reached; zero: not at all.
    pub max_stale: Duration,
    /// How many sessions a gateway over PostgreSQL keeps in memory, about.
    pub sessions_in_memory: usize,
    pub audit: Audit,
    pub telemetry: Telemetry,
    pub acme: Option<Acme>,
    pub admin: Admin,
    pub tokens: Tokens,
    /// In the order in which they are asked.
    pub directories: Vec<super::directory::Directory>,
    /// `None`: no rule asks where a client is.
    pub geo: Option<Arc<Geo>>,
    /// `None`: no other proxy may ask.
    pub forward_auth: Option<ForwardAuth>,
    pub routes: Vec<Route>,
    pub expect: Vec<Expectation>,
    pub providers: Vec<Provider>,
    /// Of what gateways over one store should have in common: [`super::document::fingerprint`]. Empty if nothing is written.
    pub fingerprint: String,
}

#[derive(Clone, Debug)]
pub struct Server {
    pub listen: Vec<SocketAddr>,
    pub data_dir: PathBuf,
    /// `None`: one per core.
    pub threads: Option<usize>,
    pub admin_listen: Option<SocketAddr>,
    pub trusted_proxies: Vec<IpNet>,
    pub tls: Vec<TlsListener>,
    /// Whether a trusted proxy's word on its client's certificate counts (RFC 9440).
    pub client_certificate_header: bool,
    /// Whether plain HTTP for a host that a certificate names is redirected to HTTPS.
    pub redirect_to_https: bool,
    /// Whether the configuration is read again when its file changes.
    pub reload_on_change: bool,
}

/// Other proxies that stay in front and ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardAuth {
    /// Who may ask.
    pub from: Vec<IpNet>,
    /// Whose word on a client's address and scheme counts in a question: theirs, and that of `server.trusted_proxies`.
    pub believed: Vec<IpNet>,
}

#[derive(Clone, Debug)]
pub struct TlsListener {
    pub listen: SocketAddr,
    pub certificates: Vec<Certificate>,
    /// Whether certificates by ACME are used beside these.
    pub acme: bool,
    /// Who signs clients' certificates, for every host whose certificate does not say otherwise.
    pub clients: Option<ClientCa>,
}

/// Who signs clients' certificates, and which of them are no longer valid: files in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCa {
    pub ca: PathBuf,
    /// A revocation list (RFC 5280), or several.
    pub crl: Option<PathBuf>,
}

/// Files in PEM.
#[derive(Clone, Debug)]
pub struct Certificate {
    pub cert: PathBuf,
    pub key: PathBuf,
    /// Of a listener's certificate: who signs the certificates of clients of its hosts.
    pub clients: Option<ClientCa>,
}

#[derive(Clone, Debug)]
pub struct Portal {
    /// Starts with `/`, no trailing slash; lower case.
    pub prefix: String,
    /// The one host where people sign in; `None`: every host has the pages.
    pub url: Option<PortalUrl>,
    pub title: String,
    /// A folder with texts to put over the built-in ones.
    pub templates: Option<PathBuf>,
    /// Whether users change their own address and number, after a second factor and a code to the new one.
    pub change_contact: bool,
    /// Whether our own pages say over HTTPS that browsers never use plain HTTP with the host again (RFC 6797).
    pub hsts: bool,
    /// The operator's own name, pictures, colour and texts.
    pub brand: Arc<super::brand::Brand>,
}

#[derive(Clone, Debug)]
pub struct Session {
    /// The base name; over HTTPS it gets `__Host-` or `__Secure-`.
    pub cookie: String,
    pub domain: Option<String>,
    pub lifetime: Duration,
    pub idle_timeout: Duration,
    /// Of guests; never longer than `lifetime`.
    pub guest_lifetime: Duration,
    /// `None`: sessions are bound to no device.
    pub device_bound: Option<DeviceBound>,
}

/// Sessions that are bound to a key of the browser's device (W3C Device Bound Session Credentials).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeviceBound {
    /// Of the bound cookie.
    pub lifetime: Duration,
}

impl Session {
    /// How long a session may last, and how long it may be unused.
    pub fn limits(&self, is_guest: bool) -> (Duration, Duration) {
        (if is_guest { self.lifetime.min(self.guest_lifetime) } else { self.lifetime }, self.idle_timeout)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Password {
    pub memory_kib: u32,
    pub iterations: u32,
    pub parallelism: u32,
    /// Code points.
    pub min_length: usize,
}

/// Lists of passwords that became known.
#[derive(Clone, Debug, Default)]
pub struct Breached {
    /// SHA-1 digests in upper case, sorted, one a line.
    pub file: Option<PathBuf>,
    /// A range API: five characters of a digest are put behind it.
    pub url: Option<String>,
    /// Its authorities beside the system's store, in PEM.
    pub ca: Option<Arc<Vec<u8>>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FirstEnrolment {
    /// A code sent to the registered address, or a set-up link, comes first.
    Verified,
    /// The password is enough.
    Password,
}

#[derive(Clone, Debug)]
pub struct Mfa {
    pub policy: MfaPolicy,
    /// What users may enrol.
    pub methods: MethodSet,
    pub first_enrolment: FirstEnrolment,
    /// Zero: not offered.
    pub trusted_device: Duration,
    pub grace: Option<Duration>,
    pub otp: Otp,
    pub totp: Totp,
    /// The RP id; `None`: the session's domain, else the host.
    pub rp_id: Option<String>,
    /// The providers whose sign-in may count as a second factor, by name and issuer.
    pub vouching: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug)]
pub struct Otp {
    pub digits: u8,
    pub lifetime: Duration,
    pub resend_after: Duration,
    pub max_attempts: u32,
    pub max_sends: u32,
}

#[derive(Clone, Debug)]
pub struct Totp {
    pub issuer: String,
    pub digits: u8,
    pub period: Duration,
    /// Steps either way.
    pub skew: u16,
}

#[derive(Clone, Debug)]
pub struct Mail {
    /// `smtp://`, `smtp+starttls://`, `smtps://`, with credentials where needed.
    pub url: Secret,
    pub from: String,
    /// The name in EHLO; `None`: the host's own, or an address literal.
    pub hello: Option<String>,
    /// Authorities beside the system's store, in PEM.
    pub ca: Option<Arc<Vec<u8>>>,
}

#[derive(Clone, Debug)]
pub struct Sms {
    pub url: String,
    /// Names and values; values may be secret.
    pub headers: Vec<(String, Secret)>,
    /// A template with `{{ phone | tojson }}`, `{{ text | tojson }}`, and `urlencode` for forms.
    pub body: String,
}

/// So many in so long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    pub count: u32,
    pub per: Duration,
}

#[derive(Clone, Debug)]
pub struct Limits {
    pub login_per_ip: Rate,
    pub login_per_account: Rate,
    pub lockout_after: u32,
    pub lockout: Duration,
    pub max_hashes: usize,
    pub header_timeout: Duration,
    /// How long a client may leave a piece of an answer unread.
    pub write_timeout: Duration,
    /// How long a client's connection is kept between requests.
    pub idle_timeout: Duration,
    pub connections: usize,
    pub connections_per_ip: usize,
}

#[derive(Clone, Debug)]
pub enum StoreUrl {
    /// A folder.
    Sled(PathBuf),
    Postgres(Secret),
    /// From a file, which is read again for each new connection: its password may change.
    PostgresIn {
        file: PathBuf,
        /// As it was in the file.
        url: Secret,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// How long records are kept; zero: for good.
    pub retention: Duration,
    /// Where records are written as lines of JSON besides the store.
    pub file: Option<AuditFile>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditFile {
    Stdout,
    Path(PathBuf),
}

impl std::fmt::Display for AuditFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stdout => f.write_str("standard output"),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

/// OpenTelemetry traces.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// The collector's base URL; `None`: no traces.
    pub otlp: Option<String>,
    /// Names and values; values may be secret.
    pub headers: Vec<(String, Secret)>,
    /// From 0 to 1: of the traces that begin here.
    pub sample_ratio: f64,
}

#[derive(Clone, Copy, Debug)]
pub struct Tokens {
    /// How long a token may be valid.
    pub max_lifetime: Duration,
}

#[derive(Clone, Debug)]
pub struct Admin {
    pub groups: Vec<String>,
    pub max_age: Duration,
}
