//! Where requests go: round robin over a route's upstreams, without those that could not be reached lately.
//!
//! An upstream whose connection failed is left out for [`DOWN_TIME`](super::resolver::DOWN_TIME), one whose health check failed until a
//! check succeeds; if all are out, they are tried all the same. The chain and the name of TLS upstreams are always verified; a connection
//! that was verified against one CA, or made with one client certificate, is never used for another.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use pingora::protocols::TcpKeepalive;
use pingora::protocols::l4::socket::SocketAddr as PeerAddress;
use pingora::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy};
use pingora::utils::tls::CertKey;

use crate::gateway::upstream::endpoint::{Address, Endpoint};
use crate::gateway::upstream::reuse::Reuse;
use crate::gateway::upstream::trust::{self, Trust};
use crate::policy::{ClientCertificate, HealthCheck, HostHeader, ProxyOptions, Route, Upstream};

/// How long an unused connection to an upstream on another machine is kept, unless `proxy.idle_timeout` says otherwise.
const POOL_IDLE: Duration = Duration::from_secs(60);

/// How long one address of several may take to accept a connection before the next one is tried (RFC 8305 section 5).
pub const NEXT_ADDRESS: Duration = Duration::from_millis(250);

/// An upstream that is silently gone, or a firewall that forgot the connection, is noticed within half a minute; data that nobody
/// acknowledges, within 30 seconds (RFC 5482).
const PROBES: TcpKeepalive =
    TcpKeepalive { idle: Duration::from_secs(15), interval: Duration::from_secs(5), count: 3, user_timeout: Duration::from_secs(30) };

/// Requests at the same time over one HTTP/2 connection to an upstream; what most servers allow (RFC 9113 section 6.5.2).
const STREAMS: usize = 100;

/// What of a route's upstreams cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
#[error("route “{route}”: {what}")]
pub struct BadUpstream {
    pub route: String,
    pub what: &'static str,
}

/// The upstreams of all routes of one configuration.
pub struct Upstreams(Vec<(Arc<str>, Arc<Pool>)>);

/// The upstreams of a route.
pub struct Pool {
    next: AtomicUsize,
    endpoints: Vec<Endpoint>,
    pub trust: Option<Trust>,
    /// What the gateway shows upstreams that ask who it is, in pingora's form.
    certificate: Option<Arc<CertKey>>,
    /// Keeps connections apart in pingora's pool that were made with other certificates on either side: its key does not include them all.
    group: u64,
    options: ProxyOptions,
    /// One of them asked for authentication of the connection (NTLM, Negotiate).
    authenticates: AtomicBool,
}

impl Upstreams {
    /// # Errors
    /// If a route's CA file has no certificate, one that cannot be read, or a client certificate or a socket cannot be used.
    pub fn new(routes: &[Route]) -> Result<Self, BadUpstream> {
        routes.iter().map(|route| Ok((Arc::clone(&route.name), Arc::new(Pool::new(route)?)))).collect::<Result<_, _>>().map(Self)
    }

    /// The pool of the route at this place in the configuration.
    pub fn of(&self, at: usize, route: &Route) -> Option<&Arc<Pool>> {
        self.0.get(at).filter(|(name, _)| *name == route.name).map(|(_, pool)| pool)
    }

    /// The pool of each route.
    pub fn pools(&self) -> impl Iterator<Item = &(Arc<str>, Arc<Pool>)> {
        self.0.iter()
    }

    /// An upstream of this pool authenticates connections: every route to it learns that.
    pub fn connection_auth_demanded(&self, by: &Pool) {
        let is_same = |pool: &Pool| pool.endpoints.iter().any(|one| by.endpoints.iter().any(|other| other.label == one.label));
        for (_, pool) in self.0.iter().filter(|(_, pool)| is_same(pool)) {
            pool.authenticates.store(true, Ordering::Relaxed);
        }
    }

    /// The upstreams of every route, and whether each is in use rather than left out for a while.
    pub fn health(&self) -> impl Iterator<Item = (&str, &str, bool)> {
        self.0.iter().flat_map(|(route, pool)| pool.endpoints.iter().map(move |endpoint| (&**route, &*endpoint.label, endpoint.is_up())))
    }
}

impl Pool {
    fn new(route: &Route) -> Result<Self, BadUpstream> {
        let bad = |what| BadUpstream { route: route.name.to_string(), what };
        let options = &route.proxy;
        let ca = options.ca.as_deref().map(|pem| Trust::new(pem).ok_or_else(|| bad("the CA file holds no certificate that can be used")));
        let shown = options.client_certificate.as_deref();
        let certificate = shown.map(|shown| trust::shown(shown).ok_or_else(|| bad("the client certificate cannot be used")));
        let endpoints = route.upstreams.iter().cloned().map(Endpoint::new).collect::<Result<Vec<_>, _>>();
        Ok(Self {
            next: AtomicUsize::new(0),
            endpoints: endpoints.map_err(|_| bad("the path of a socket cannot be used"))?,
            trust: ca.transpose()?,
            certificate: certificate.transpose()?,
            group: group(options),
            options: options.clone(),
            authenticates: AtomicBool::new(false),
        })
    }

    /// The next endpoint that was not tried for this request; one that is down only if there is no other. `preferred` comes before its
    /// turn, unless it is down.
    pub fn pick(&self, tried: &[usize], preferred: Option<usize>) -> Option<(usize, &Endpoint)> {
        let wanted = preferred.filter(|at| !tried.contains(at)).and_then(|at| Some((at, self.endpoints.get(at)?)));
        if let Some(found) = wanted.filter(|(_, endpoint)| endpoint.is_up()) {
            return Some(found);
        }
        let count = self.endpoints.len();
        let start = if count > 1 { self.next.fetch_add(1, Ordering::Relaxed) } else { 0 };
        let turn = || (0..count).map(|i| start.wrapping_add(i) % count).filter(|i| !tried.contains(i));
        let at = turn().find(|i| self.endpoints.get(*i).is_some_and(Endpoint::is_up)).or_else(|| turn().next())?;
        self.endpoints.get(at).map(|endpoint| (at, endpoint))
    }

    /// Whether connections to its upstreams are shared by nobody, since an upstream takes a connection for a user.
    pub fn authenticates_connections(&self) -> bool {
        self.authenticates.load(Ordering::Relaxed)
    }

    pub fn get(&self, at: usize) -> Option<&Endpoint> {
        self.endpoints.get(at)
    }

    /// The Host that requests are sent with.
    pub const fn host(&self) -> &HostHeader {
        &self.options.host
    }

    /// Whether its upstreams' own addresses are rewritten in their answers.
    pub fn rewrites_location(&self) -> bool {
        self.options.rewrites_location()
    }

    /// Whether requests may go to them over HTTP/2.
    pub const fn http2(&self) -> bool {
        self.options.http2
    }

    /// Whether requests go to them over HTTP/1 and TCP, without TLS.
    pub fn is_plain(&self) -> bool {
        !self.options.http2 && self.endpoints.iter().all(|endpoint| !endpoint.upstream.tls && endpoint.upstream.socket.is_none())
    }

    /// How long an unused connection to this address is kept; `None`: for as long as the upstream keeps it. What stands between this machine and
    /// another may silently forget a connection; within this machine nothing does.
    pub fn idle_timeout(&self, address: IpAddr) -> Option<Duration> {
        self.options.idle_timeout.or(Some(POOL_IDLE).filter(|_| !address.is_loopback()))
    }

    /// Whether a browser goes to the same one each time.
    pub fn is_sticky(&self) -> bool {
        self.options.sticky && self.endpoints.len() > 1
    }

    pub const fn health(&self) -> Option<&HealthCheck> {
        self.options.health.as_ref()
    }

    /// How long one of them may keep silent.
    pub const fn read_timeout(&self) -> Duration {
        self.options.read_timeout
    }

    pub fn client_certificate(&self) -> Option<&ClientCertificate> {
        self.options.client_certificate.as_deref()
    }

    /// The name that an endpoint is asked for in TLS, and that its certificate must be for.
    pub fn server_name<'p>(&'p self, endpoint: &'p Endpoint) -> &'p str {
        self.options.certificate_name.as_deref().unwrap_or(&endpoint.upstream.host)
    }

    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    pub fn upstreams(&self) -> impl Iterator<Item = &Upstream> {
        self.endpoints.iter().map(|endpoint| &endpoint.upstream)
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

    /// The peer that pingora connects to. `another`: the endpoint has another address to try if this one does not answer soon.
    pub fn peer(&self, endpoint: &Endpoint, (address, another): (Address, bool), reuse: Reuse) -> HttpPeer {
        let idle_timeout = match &address {
            Address::Inet(inet) => self.idle_timeout(inet.ip()),
            Address::Socket(_) => self.options.idle_timeout,
        };
        let mut peer = self.blank(endpoint, address);
        let options = &mut peer.options;
        let connect_timeout = if another { self.options.connect_timeout.min(NEXT_ADDRESS) } else { self.options.connect_timeout };
        options.connection_timeout = Some(connect_timeout);
        options.total_connection_timeout = Some(connect_timeout);
        options.read_timeout = Some(self.options.read_timeout);
        options.write_timeout = Some(self.options.read_timeout);
        options.idle_timeout = idle_timeout;
        options.tcp_keepalive = Some(PROBES);
        options.http_upstream_request_policy = HttpUpstreamRequestPolicy::deny_upgrades();
        if self.options.http2 {
            // Without TLS nothing is negotiated: prior knowledge (RFC 9113 section 3.3).
            options.set_http_version(2, if endpoint.upstream.tls { 1 } else { 2 });
            options.max_h2_streams = STREAMS;
        }
        if endpoint.upstream.tls {
            self.secure(endpoint, &mut peer);
        }
        reuse.apply(&mut peer);
        peer
    }

    fn blank(&self, endpoint: &Endpoint, address: Address) -> HttpPeer {
        let name = if endpoint.upstream.tls { self.server_name(endpoint).to_owned() } else { String::new() };
        match address {
            Address::Inet(address) => HttpPeer::new(address, endpoint.upstream.tls, name),
            Address::Socket(path) => {
                let mut peer = HttpPeer::new(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0), false, name);
                peer._address = PeerAddress::Unix(path);
                peer
            }
        }
    }

    fn secure(&self, endpoint: &Endpoint, peer: &mut HttpPeer) {
        peer.group_key = self.group;
        peer.client_cert_key.clone_from(&self.certificate);
        if let Some(trust) = &self.trust {
            peer.options.ca = Some(Arc::clone(&trust.ca));
            // Then `selection` compares the certificate before anything is sent.
            peer.options.verify_cert = !endpoint.is_pinned();
        }
    }
}

/// Zero if nothing of it is special.
fn group(options: &ProxyOptions) -> u64 {
    if options.ca.is_none() && options.client_certificate.is_none() {
        return 0;
    }
    let mut hasher = DefaultHasher::new();
    options.ca.hash(&mut hasher);
    if let Some(shown) = &options.client_certificate {
        (&shown.chain, &*shown.key).hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(count: u16) -> Pool {
        let upstream = |port| Upstream::new(false, "127.0.0.1".into(), port);
        let endpoints = (0..count).map(|i| Endpoint::new(upstream(9000 + i)).unwrap()).collect();
        Pool {
            next: AtomicUsize::new(0),
            endpoints,
            trust: None,
            certificate: None,
            group: 0,
            options: ProxyOptions::default(),
            authenticates: AtomicBool::new(false),
        }
    }

    #[test]
    fn turns_go_round_and_skip_what_rests() {
        let pool = pool(3);
        let picked: Vec<usize> = (0..6).map(|_| pool.pick(&[], None).unwrap().0).collect();
        assert_eq!(picked, [0, 1, 2, 0, 1, 2]);
        pool.get(1).unwrap().mark_down();
        assert!((0..6).all(|_| pool.pick(&[], None).unwrap().0 != 1));
        assert_eq!(pool.pick(&[0, 2], None).unwrap().0, 1, "a resting one is better than none");
        assert!(pool.pick(&[0, 1, 2], None).is_none());
    }

    #[test]
    fn what_is_preferred_comes_before_its_turn_while_it_is_up() {
        let pool = pool(3);
        let picked = |tried: &[usize], at| pool.pick(tried, Some(at)).unwrap().0;
        assert!((0..6).all(|_| picked(&[], 2) == 2));
        assert_ne!(picked(&[2], 2), 2, "it was tried already");
        pool.get(2).unwrap().mark_healthy(false);
        assert!((0..6).all(|_| picked(&[], 2) != 2));
        assert!(picked(&[], 17) < 3, "there is no such one");
    }

    #[test]
    fn connections_of_other_certificates_are_nobody_elses() {
        let certificate = |serial: u8| ClientCertificate { chain: vec![vec![serial]], key: vec![1].into() };
        let of = |ca: Option<&[u8]>, shown: Option<u8>| {
            let (ca, shown) = (ca.map(|pem| Arc::new(pem.to_vec())), shown.map(|serial| Arc::new(certificate(serial))));
            group(&ProxyOptions { ca, client_certificate: shown, ..ProxyOptions::default() })
        };
        let groups =
            [of(None, None), of(Some(b"a"), None), of(Some(b"b"), None), of(None, Some(1)), of(None, Some(2)), of(Some(b"a"), Some(1))];
        let distinct: std::collections::HashSet<_> = groups.iter().collect();
        assert_eq!(distinct.len(), groups.len());
    }
}
