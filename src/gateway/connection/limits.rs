//! Limits on the number of connections, in all and per client (IPv6 per /64). A connection counts from accept to close; one over a
//! limit is closed at once, before a byte is read.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashMap;

use crate::base::ClientAddr;

/// The number of connections of all shards, and how many there may be.
#[derive(Debug)]
pub struct ConnectionLimits {
    limit: usize,
    per_client: usize,
    total: AtomicUsize,
    clients: DashMap<IpAddr, usize>,
}

/// One connection, counted until this is dropped.
#[derive(Debug)]
pub struct Permit {
    connections: Arc<ConnectionLimits>,
    client: IpAddr,
}

impl ConnectionLimits {
    pub fn new(limit: usize, per_client: usize) -> Arc<Self> {
        Arc::new(Self { limit, per_client, total: AtomicUsize::new(0), clients: DashMap::new() })
    }

    /// Counts a connection; `None` if that is over a limit. `exempt`: the peer is a trusted proxy that brings many clients, for which only
    /// the total counts.
    pub fn enter(self: &Arc<Self>, peer: IpAddr, exempt: bool) -> Option<Permit> {
        if self.total.fetch_add(1, Ordering::AcqRel) >= self.limit {
            self.total.fetch_sub(1, Ordering::AcqRel);
            return None;
        }
        let client = ClientAddr::new(peer).group();
        // From here on, dropping the permit gives both counts back.
        let permit = Permit { connections: Arc::clone(self), client };
        let mut count = self.clients.entry(client).or_insert(0);
        *count += 1;
        let fits = exempt || *count <= self.per_client;
        drop(count);
        fits.then_some(permit)
    }

    /// Connections at the moment.
    pub fn count(&self) -> usize {
        self.total.load(Ordering::Acquire)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.connections.total.fetch_sub(1, Ordering::AcqRel);
        self.connections.clients.entry(self.client).and_modify(|c| *c = c.saturating_sub(1));
        self.connections.clients.remove_if(&self.client, |_, count| *count == 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_are_bounded_and_given_back() {
        let connections = ConnectionLimits::new(3, 2);
        let (a, b): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let first = connections.enter(a, false).unwrap();
        let _second = connections.enter(a, false).unwrap();
        assert!(connections.enter(a, false).is_none(), "two for one client");
        let third = connections.enter(b, false).unwrap();
        assert!(connections.enter(b, false).is_none(), "three in all");
        drop(third);
        assert!(connections.enter(a, true).is_some(), "a trusted proxy counts in all only");
        drop(first);
        assert!(connections.enter(a, false).is_some());
        assert_eq!(connections.count(), 1);
    }
}
