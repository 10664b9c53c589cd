//! Where requests go: round robin over a route's upstreams, without those that could not be reached lately.
//!
//! An upstream whose connection failed is left out for [`DOWN_TIME`](super::resolver::DOWN_TIME); if all are out, they are tried all the
//! same. The chain and the name of TLS upstreams are always verified; a connection that was verified against one CA is never used for
//! another.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pingora::protocols::TcpKeepalive;
use pingora::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy};

use crate::gateway::upstream::endpoint::Endpoint;
use crate::gateway::upstream::reuse::Reuse;
use crate::gateway::upstream::trust::Trust;
use crate::policy::{HostHeader, ProxyOptions, Route, Upstream};

/// How long an unused connection to an upstream on another machine is kept, unless `proxy.idle_timeout` says otherwise.
const POOL_IDLE: Duration = Duration::from_secs(60);

/// How long one address of several may take to accept a connection before the next one is tried (RFC 8305 section 5).
pub const NEXT_ADDRESS: Duration = Duration::from_millis(250);

/// An upstream that is silently gone, or a firewall that forgot the connection, is noticed within half a minute; data that nobody
/// acknowledges, within 30 seconds (RFC 5482).
const PROBES: TcpKeepalive =
    TcpKeepalive { idle: Duration::from_secs(15), interval: Duration::from_secs(5), count: 3, user_timeout: Duration::from_secs(30) };

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

    /// Whether its upstreams' own addresses are rewritten in their answers.
    pub fn rewrites_location(&self) -> bool {
        self.options.rewrites_location()
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
    pub fn peer(&self, endpoint: &Endpoint, (address, another): (SocketAddr, bool), reuse: Reuse) -> HttpPeer {
        let name = if endpoint.upstream.tls { endpoint.upstream.host.clone() } else { String::new() };
        let mut peer = HttpPeer::new(address, endpoint.upstream.tls, name);
        let options = &mut peer.options;
        let connect_timeout = if another { self.options.connect_timeout.min(NEXT_ADDRESS) } else { self.options.connect_timeout };
        options.connection_timeout = Some(connect_timeout);
        options.total_connection_timeout = Some(connect_timeout);
        options.read_timeout = Some(self.options.read_timeout);
        options.write_timeout = Some(self.options.read_timeout);
        // What stands between this machine and another may silently forget a connection; within this machine nothing does.
        options.idle_timeout = self.options.idle_timeout.or(Some(POOL_IDLE).filter(|_| !address.ip().is_loopback()));
        options.tcp_keepalive = Some(PROBES);
        options.http_upstream_request_policy = HttpUpstreamRequestPolicy::deny_upgrades();
        if let Some(trust) = self.trust.as_ref().filter(|_| endpoint.upstream.tls) {
            options.ca = Some(Arc::clone(&trust.ca));
            // Then `selection` compares the certificate before anything is sent.
            options.verify_cert = !endpoint.is_pinned();
            peer.group_key = trust.group;
        }
        reuse.apply(&mut peer);
        peer
    }
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
}
