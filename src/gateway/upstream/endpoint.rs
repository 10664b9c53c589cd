//! One upstream of a route, and whether it works: whether it could be reached lately, and what its health check found.

use std::net::SocketAddr;
use std::os::unix::net::SocketAddr as SocketPath;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use crate::gateway::upstream::resolver::{DOWN_TIME, Resolver};
use crate::policy::Upstream;

/// Where a connection is made to.
#[derive(Clone, Debug)]
pub enum Address {
    Inet(SocketAddr),
    /// A Unix socket; its path is known to be one.
    Socket(SocketPath),
}

/// Where an endpoint is found.
enum Place {
    Fixed(Address),
    /// Under a host name.
    Named(Arc<Resolver>),
}

/// One upstream and its state.
pub struct Endpoint {
    pub upstream: Upstream,
    pub label: String,
    place: Place,
    /// In milliseconds as [`millis`] counts; zero: never failed.
    down_until: AtomicU64,
    /// Its last health check failed.
    unhealthy: AtomicBool,
    /// Its certificate is one of those that the route trusts themselves, see [`super::trust`].
    pinned: AtomicBool,
    /// It agreed to HTTP/2.
    http2: AtomicBool,
}

impl Endpoint {
    /// # Errors
    /// If the path of a socket cannot be one.
    pub fn new(upstream: Upstream) -> std::io::Result<Self> {
        let place = match (&upstream.socket, upstream.host.parse()) {
            (Some(path), _) => Place::Fixed(Address::Socket(SocketPath::from_pathname(path)?)),
            (None, Ok(ip)) => Place::Fixed(Address::Inet(SocketAddr::new(ip, upstream.port))),
            (None, Err(_)) => Place::Named(Arc::new(Resolver::new(&upstream))),
        };
        let label = if upstream.socket.is_some() { upstream.to_string() } else { upstream.authority() };
        let (unhealthy, pinned, http2) = (AtomicBool::new(false), AtomicBool::new(false), AtomicBool::new(false));
        Ok(Self { upstream, label, place, down_until: AtomicU64::new(0), unhealthy, pinned, http2 })
    }

    pub fn is_up(&self) -> bool {
        let until = self.down_until.load(Ordering::Relaxed);
        (until == 0 || until <= millis()) && !self.unhealthy.load(Ordering::Relaxed)
    }

    pub fn is_pinned(&self) -> bool {
        self.pinned.load(Ordering::Relaxed)
    }

    /// Whether its certificate is compared from now on, and no chain is looked for.
    pub fn pin(&self, pinned: bool) {
        self.pinned.store(pinned, Ordering::Relaxed);
    }

    /// Whether its connections are known to use HTTP/2.
    pub fn speaks_http2(&self) -> bool {
        self.http2.load(Ordering::Relaxed)
    }

    /// A request goes out in this version.
    pub fn note_version(&self, http2: bool) {
        // Compared first: all cores read it for each request.
        if self.speaks_http2() != http2 {
            self.http2.store(http2, Ordering::Relaxed);
        }
    }

    /// Leaves this endpoint out for [`DOWN_TIME`].
    pub fn mark_down(&self) {
        self.down_until.store(millis().saturating_add(u64::try_from(DOWN_TIME.as_millis()).unwrap_or(u64::MAX)), Ordering::Relaxed);
    }

    /// What a health check found. Gives whether that is news.
    pub fn mark_healthy(&self, healthy: bool) -> bool {
        if healthy {
            self.down_until.store(0, Ordering::Relaxed);
        }
        self.unhealthy.swap(!healthy, Ordering::Relaxed) == healthy
    }

    /// Its address, if there is only one and no name to look up.
    pub fn fixed(&self) -> Option<Address> {
        match &self.place {
            Place::Fixed(address) => Some(address.clone()),
            Place::Named(_) => None,
        }
    }

    /// The next of its addresses that was not tried, and whether there is another one after it (RFC 8305 section 4). The caller sets the
    /// deadline, which only the first look-up of a name can miss.
    ///
    /// # Errors
    /// If the name is not known and never was, or all addresses were tried.
    pub async fn address(&self, tried: &[SocketAddr]) -> std::io::Result<(Address, bool)> {
        match &self.place {
            Place::Fixed(address) => Ok((address.clone(), false)),
            Place::Named(name) => name.next(tried).await.map(|(address, another)| (Address::Inet(address), another)),
        }
    }

    /// One of its addresses could not be reached. `true`: there is another one to try; else all of it is left out for a while.
    pub fn failed(&self, address: SocketAddr, tried: &[SocketAddr]) -> bool {
        let another = matches!(&self.place, Place::Named(name) if name.mark_down(address, tried));
        if !another {
            self.mark_down();
        }
        another
    }
}

/// Milliseconds of a monotonic clock.
pub fn millis() -> u64 {
    static EPOCH: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    u64::try_from(EPOCH.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_health_check_brings_an_endpoint_back_that_it_or_a_failure_left_out() {
        let endpoint = Endpoint::new(Upstream::new(false, "127.0.0.1".into(), 9)).unwrap();
        assert!(endpoint.is_up() && !endpoint.mark_healthy(true), "it was taken to be healthy");
        assert!(endpoint.mark_healthy(false) && !endpoint.mark_healthy(false) && !endpoint.is_up());
        endpoint.mark_down();
        assert!(endpoint.mark_healthy(true) && endpoint.is_up());
    }
}
