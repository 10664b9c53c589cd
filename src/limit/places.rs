//! How many of a thing there may be at once: of one address, and in all. Addresses share a fixed number of counts, so that strangers cost
//! no memory; two that meet in one share its room, which can only make the gateway stricter.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const COUNTS: usize = 1024;

/// Room for a bounded number.
#[derive(Debug)]
pub struct Places {
    per_address: usize,
    in_all: usize,
    /// The last one counts all.
    counts: Box<[AtomicUsize]>,
    seed: RandomState,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    at: usize,
}

impl Places {
    pub fn new(per_address: usize, in_all: usize) -> Arc<Self> {
        let counts = (0..=COUNTS).map(|_| AtomicUsize::new(0)).collect();
        Arc::new(Self { per_address, in_all, counts, seed: RandomState::new() })
    }

    /// Takes a place for an address, as [`crate::base::ClientAddr::group`] names it; `None` if there is none left.
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let at = (self.seed.hash_one(address) % COUNTS as u64) as usize;
        let place = Place { places: Arc::clone(self), at };
        let [own, all] = place.counts().map(|count| count.fetch_add(1, Ordering::Relaxed));
        (own < self.per_address && all < self.in_all).then_some(place)
    }
}

impl Place {
    fn counts(&self) -> [&AtomicUsize; 2] {
        [self.at, COUNTS].map(|at| &self.places.counts[at])
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for count in self.counts() {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_and_all_have_so_many_and_who_leaves_makes_room() {
        let places = Places::new(2, 5);
        let take = |n: u8| places.take([192, 0, 2, n].into());
        let mut held: Vec<_> = [take(1), take(1)].into_iter().flatten().collect();
        assert_eq!(held.len(), 2);
        assert!(take(1).is_none() && take(1).is_none(), "a refusal takes no place");
        held.pop();
        held.extend(take(1));
        assert_eq!(held.len(), 2);
        // More addresses than there is room; two of them may meet in one count.
        held.extend((2..50).filter_map(take));
        assert_eq!(held.len(), 5);
        held.clear();
        assert_eq!((2..50).filter_map(take).count(), 48, "all left");
    }
}
