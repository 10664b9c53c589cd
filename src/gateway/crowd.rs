//! How many connections there are, over all and per client (IPv6 per /64). Counted when accepted, given back when closed;
//! who finds no seat is closed at once, before a byte is read.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashMap;

use crate::base::ClientAddr;

/// The connections of all shards.
#[derive(Debug)]
pub struct Crowd {
    limit: usize,
    per_client: usize,
    total: AtomicUsize,
    clients: DashMap<IpAddr, usize>,
}

/// One connection's place, given back when dropped.
#[derive(Debug)]
pub struct Seat {
    crowd: Arc<Crowd>,
    client: IpAddr,
}

impl Crowd {
    pub fn new(limit: usize, per_client: usize) -> Arc<Self> {
        Arc::new(Self { limit, per_client, total: AtomicUsize::new(0), clients: DashMap::new() })
    }

    /// A seat, where there is one. `exempt`: the peer is a trusted proxy that brings many clients, only the total counts.
    pub fn enter(self: &Arc<Self>, peer: IpAddr, exempt: bool) -> Option<Seat> {
        if self.total.fetch_add(1, Ordering::AcqRel) >= self.limit {
            self.total.fetch_sub(1, Ordering::AcqRel);
            return None;
        }
        let client = ClientAddr::new(peer).group();
        // From here on dropping the seat gives both counts back.
        let seat = Seat { crowd: Arc::clone(self), client };
        let mut count = self.clients.entry(client).or_insert(0);
        *count += 1;
        let fits = exempt || *count <= self.per_client;
        drop(count);
        fits.then_some(seat)
    }

    /// Connections just now.
    pub fn count(&self) -> usize {
        self.total.load(Ordering::Acquire)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.crowd.total.fetch_sub(1, Ordering::AcqRel);
        self.crowd.clients.entry(self.client).and_modify(|c| *c = c.saturating_sub(1));
        self.crowd.clients.remove_if(&self.client, |_, count| *count == 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_are_bounded_and_given_back() {
        let crowd = Crowd::new(3, 2);
        let (a, b): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let first = crowd.enter(a, false).unwrap();
        let _second = crowd.enter(a, false).unwrap();
        assert!(crowd.enter(a, false).is_none(), "two for one client");
        let third = crowd.enter(b, false).unwrap();
        assert!(crowd.enter(b, false).is_none(), "three in all");
        drop(third);
        assert!(crowd.enter(a, true).is_some(), "a trusted proxy counts in all only");
        drop(first);
        assert!(crowd.enter(a, false).is_some());
        assert_eq!(crowd.count(), 1);
    }
}
