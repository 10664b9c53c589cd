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
    counts: Box<[AtomicUsize]>,
    all: AtomicUsize,
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
        let counts = (0..COUNTS).map(|_| AtomicUsize::new(0)).collect();
        Arc::new(Self { per_address, in_all, counts, all: AtomicUsize::new(0), seed: RandomState::new() })
    }

    /// Takes a place for an address, as [`crate::base::ClientAddr::group`] names it; `None` if there is none left.
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let at = (self.seed.hash_one(address) % COUNTS as u64) as usize;
        let place = Place { places: Arc::clone(self), at };
        let counted = place.counts().zip([self.per_address, self.in_all]);
        let refused = counted.filter(|(count, most)| count.fetch_add(1, Ordering::Relaxed) >= *most).count();
        (refused == 0).then_some(place)
    }
}

impl Place {
    fn counts(&self) -> impl Iterator<Item = &AtomicUsize> {
        self.places.counts.get(self.at).into_iter().chain([&self.places.all])
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
