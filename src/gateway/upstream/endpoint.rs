//! One upstream of a route, and whether it could be reached lately.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use crate::gateway::upstream::resolver::{DOWN_TIME, Resolver};
use crate::policy::Upstream;

/// One upstream and its state.
pub struct Endpoint {
    pub upstream: Upstream,
    pub label: String,
    /// Its address, if the configuration names an address and not a host name.
    pub fixed: Option<SocketAddr>,
    /// In milliseconds as [`millis`] counts; zero: never failed.
    down_until: AtomicU64,
    /// Its certificate is one of those that the route trusts themselves, see [`super::trust`].
    pinned: AtomicBool,
    name: Arc<Resolver>,
}

impl Endpoint {
    pub fn new(upstream: Upstream) -> Self {
        let label = authority(&upstream);
        let name = Arc::new(Resolver::new(&upstream));
        let fixed = upstream.host.parse().ok().map(|ip| SocketAddr::new(ip, upstream.port));
        Self { upstream, label, fixed, down_until: AtomicU64::new(0), pinned: AtomicBool::new(false), name }
    }

    pub fn is_up(&self) -> bool {
        let until = self.down_until.load(Ordering::Relaxed);
        until == 0 || until <= millis()
    }

    pub fn is_pinned(&self) -> bool {
        self.pinned.load(Ordering::Relaxed)
    }

    /// Whether its certificate is compared from now on, and no chain is looked for.
    pub fn pin(&self, pinned: bool) {
        self.pinned.store(pinned, Ordering::Relaxed);
    }

    /// Leaves this endpoint out for [`DOWN_TIME`].
    pub fn mark_down(&self) {
        self.down_until.store(millis().saturating_add(u64::try_from(DOWN_TIME.as_millis()).unwrap_or(u64::MAX)), Ordering::Relaxed);
    }

    /// The next of its addresses that was not tried, and whether there is another one after it (RFC 8305 section 4). The caller sets the
    /// deadline, which only the first look-up of a name can miss.
    ///
    /// # Errors
    /// If the name is not known and never was, or all addresses were tried.
    pub async fn address(&self, tried: &[SocketAddr]) -> std::io::Result<(SocketAddr, bool)> {
        match self.fixed {
            Some(address) => Ok((address, false)),
            None => self.name.next(tried).await,
        }
    }

    /// One of its addresses could not be reached. `true`: there is another one to try; else all of it is left out for a while.
    pub fn failed(&self, address: SocketAddr, tried: &[SocketAddr]) -> bool {
        let another = self.fixed.is_none() && self.name.mark_down(address, tried);
        if !another {
            self.mark_down();
        }
        another
    }
}

/// An upstream's own authority, its scheme's default port left out.
pub fn authority(upstream: &Upstream) -> String {
    let host = if upstream.host.contains(':') { format!("[{}]", upstream.host) } else { upstream.host.clone() };
    if upstream.port == if upstream.tls { 443 } else { 80 } { host } else { format!("{host}:{}", upstream.port) }
}

/// Milliseconds of a monotonic clock.
pub fn millis() -> u64 {
    static EPOCH: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    u64::try_from(EPOCH.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(u64::MAX)
}
