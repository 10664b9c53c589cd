//! Where requests go: round robin over a route's upstreams, without those that could not be reached lately.
//!
//! An upstream whose connection failed is left out for [`DOWN_TIME`]; if all are out, they are tried all the same. The chain and the
//! name of TLS upstreams are always verified; a connection that was verified against one CA is never used for another.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pingora::protocols::tls::CaType;
use pingora::tls::RootCertStore;
use pingora::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy};
use pingora::utils::tls::{WrappedX509, parse_x509};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::gateway::upstream::resolver::Resolver;
use crate::policy::{HostHeader, ProxyOptions, Route, Upstream};

/// How long an upstream that could not be reached is left out.
pub const DOWN_TIME: Duration = Duration::from_secs(10);
/// How long an unused connection to an upstream is kept.
const POOL_IDLE: Duration = Duration::from_secs(60);

/// A route's CA file cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
#[error("route “{0}”: the CA file holds no certificate that can be used")]
pub struct BadUpstream(pub String);

/// The upstreams of all routes of one configuration.
pub struct Upstreams(Vec<(Arc<str>, Arc<Pool>)>);

/// The upstreams of a route.
pub struct Pool {
    next: AtomicUsize,
    endpoints: Vec<Endpoint>,
    pub trust: Option<Trust>,
    options: ProxyOptions,
}

/// What a route's TLS upstreams are verified against, in the forms of pingora and of rustls.
pub struct Trust {
    ca: Arc<CaType>,
    pub roots: Arc<RootCertStore>,
    /// Keeps connections of different CAs apart in pingora's pool, whose key does not include the CA.
    group: u64,
}

/// One upstream and its state.
pub struct Endpoint {
    pub upstream: Upstream,
    pub label: String,
    /// Its address, if the configuration names an address and not a host name.
    pub fixed: Option<SocketAddr>,
    /// In milliseconds as [`millis`] counts; zero: never failed.
    down_until: AtomicU64,
    name: Arc<Resolver>,
    turn: AtomicUsize,
}

impl Upstreams {
    /// # Errors
    /// If a route's CA file has no certificate, or one that cannot be read.
    pub fn new(routes: &[Route]) -> Result<Self, BadUpstream> {
        routes.iter().map(|route| Ok((Arc::clone(&route.name), Arc::new(Pool::new(route)?)))).collect::<Result<_, _>>().map(Self)
    }

    /// The pool of the route at this place in the configuration.
    pub fn of(&self, at: usize, route: &Route) -> Option<&Arc<Pool>> {
        self.0.get(at).filter(|(name, _)| *name == route.name).map(|(_, pool)| pool)
    }

    /// The upstreams of every route, and whether each is in use rather than left out for a while.
    pub fn health(&self) -> impl Iterator<Item = (&str, &str, bool)> {
        self.0.iter().flat_map(|(route, pool)| pool.endpoints.iter().map(move |endpoint| (&**route, &*endpoint.label, endpoint.is_up())))
    }
}

impl Pool {
    fn new(route: &Route) -> Result<Self, BadUpstream> {
        let trust = route.proxy.ca.as_deref().map(|pem| Trust::new(pem).ok_or_else(|| BadUpstream(route.name.to_string()))).transpose()?;
        let endpoints = route.upstreams.iter().cloned().map(Endpoint::new).collect();
        Ok(Self { next: AtomicUsize::new(0), endpoints, trust, options: route.proxy.clone() })
    }

    /// The next endpoint that was not tried for this request; one that is down only if there is no other.
    pub fn pick(&self, tried: &[usize]) -> Option<(usize, &Endpoint)> {
        let count = self.endpoints.len();
        let start = if count > 1 { self.next.fetch_add(1, Ordering::Relaxed) } else { 0 };
        let turn = || (0..count).map(|i| start.wrapping_add(i) % count).filter(|i| !tried.contains(i));
        let at = turn().find(|i| self.endpoints.get(*i).is_some_and(Endpoint::is_up)).or_else(|| turn().next())?;
        self.endpoints.get(at).map(|endpoint| (at, endpoint))
    }

    pub fn get(&self, at: usize) -> Option<&Endpoint> {
        self.endpoints.get(at)
    }

    /// The Host that requests are sent with.
    pub const fn host(&self) -> &HostHeader {
        &self.options.host
    }

    pub fn len(&self) -> usize {
        self.endpoints.len()
    }

    pub fn is_empty(&self) -> bool {
        self.endpoints.is_empty()
    }

    /// How long connecting to one of them may take.
    pub const fn connect_timeout(&self) -> Duration {
        self.options.connect_timeout
    }

    /// The peer that pingora connects to.
    pub fn peer(&self, endpoint: &Endpoint, address: SocketAddr) -> HttpPeer {
        let name = if endpoint.upstream.tls { endpoint.upstream.host.clone() } else { String::new() };
        let mut peer = HttpPeer::new(address, endpoint.upstream.tls, name);
        let options = &mut peer.options;
        options.connection_timeout = Some(self.options.connect_timeout);
        options.total_connection_timeout = Some(self.options.connect_timeout);
        options.read_timeout = Some(self.options.read_timeout);
        options.write_timeout = Some(self.options.read_timeout);
        // What stands between this machine and another may silently forget a connection; within this machine nothing does.
        options.idle_timeout = Some(POOL_IDLE).filter(|_| !address.ip().is_loopback());
        options.http_upstream_request_policy = HttpUpstreamRequestPolicy::deny_upgrades();
        if let Some(trust) = self.trust.as_ref().filter(|_| endpoint.upstream.tls) {
            options.ca = Some(Arc::clone(&trust.ca));
            peer.group_key = trust.group;
        }
        peer
    }
}

impl Trust {
    fn new(pem: &[u8]) -> Option<Self> {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()?;
        let mut roots = RootCertStore::empty();
        certificates.iter().try_for_each(|c| roots.add(c.clone())).ok()?;
        let wrap = |c: &CertificateDer<'_>| WrappedX509::new(c.to_vec(), parse_x509);
        // pingora's reader panics on what it cannot read; that must come up here, not on a request.
        let ca: Vec<_> = std::panic::catch_unwind(|| certificates.iter().map(wrap).collect()).ok()?;
        if ca.is_empty() {
            return None;
        }
        let mut hasher = DefaultHasher::new();
        pem.hash(&mut hasher);
        Some(Self { ca: ca.into(), roots: Arc::new(roots), group: hasher.finish() })
    }
}

impl Endpoint {
    fn new(upstream: Upstream) -> Self {
        let label = authority(&upstream);
        let name = Arc::new(Resolver::new(&upstream));
        let fixed = upstream.host.parse().ok().map(|ip| SocketAddr::new(ip, upstream.port));
        Self { upstream, label, fixed, down_until: AtomicU64::new(0), name, turn: AtomicUsize::new(0) }
    }

    fn is_up(&self) -> bool {
        let until = self.down_until.load(Ordering::Relaxed);
        until == 0 || until <= millis()
    }

    /// Leaves this endpoint out for [`DOWN_TIME`].
    pub fn mark_down(&self) {
        self.down_until.store(millis().saturating_add(u64::try_from(DOWN_TIME.as_millis()).unwrap_or(u64::MAX)), Ordering::Relaxed);
    }

    /// One of its addresses, in turn. The caller sets the deadline, which only the first look-up of a name can miss.
    ///
    /// # Errors
    /// If the name is not known and never was.
    pub async fn address(&self) -> std::io::Result<SocketAddr> {
        if let Some(address) = self.fixed {
            return Ok(address);
        }
        self.choose(&self.name.addresses().await?)
    }

    fn choose(&self, addresses: &[SocketAddr]) -> std::io::Result<SocketAddr> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        turn.checked_rem(addresses.len()).and_then(|i| addresses.get(i)).copied().ok_or_else(|| std::io::ErrorKind::NotFound.into())
    }
}

/// An upstream's own authority, its scheme's default port left out.
pub fn authority(upstream: &Upstream) -> String {
    let host = if upstream.host.contains(':') { format!("[{}]", upstream.host) } else { upstream.host.clone() };
    if upstream.port == if upstream.tls { 443 } else { 80 } { host } else { format!("{host}:{}", upstream.port) }
}

/// Milliseconds of a monotonic clock.
fn millis() -> u64 {
    static EPOCH: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    u64::try_from(EPOCH.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(count: u16) -> Pool {
        let upstream = |port| Upstream { tls: false, host: "127.0.0.1".into(), port };
        let endpoints = (0..count).map(|i| Endpoint::new(upstream(9000 + i))).collect();
        Pool { next: AtomicUsize::new(0), endpoints, trust: None, options: ProxyOptions::default() }
    }

    #[test]
    fn turns_go_round_and_skip_what_rests() {
        let pool = pool(3);
        let picked: Vec<usize> = (0..6).map(|_| pool.pick(&[]).unwrap().0).collect();
        assert_eq!(picked, [0, 1, 2, 0, 1, 2]);
        pool.get(1).unwrap().mark_down();
        assert!((0..6).all(|_| pool.pick(&[]).unwrap().0 != 1));
        assert_eq!(pool.pick(&[0, 2]).unwrap().0, 1, "a resting one is better than none");
        assert!(pool.pick(&[0, 1, 2]).is_none());
    }

    #[test]
    fn a_ca_that_is_none_is_refused() {
        assert!(Trust::new(b"").is_none());
        assert!(Trust::new(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").is_none());
    }
}
