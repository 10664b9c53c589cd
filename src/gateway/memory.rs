//! What a shard remembers of its last requests, since the next are mostly like them. Guarantees nothing but that it was so: whoever uses it checks that
//! it is what a look-up would give. It lies in the shard's own memory, where what all shards share would be taken from core to core; and it is the
//! shard's and not each connection's, so that many connections of one person find it near the processor. Bounded, and soon forgotten.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::fast::RandomState;

use super::edge;
use super::front::Visitor;
use super::headers::{Basis, Prepared};
use crate::base::Host;

/// How many of each kind are remembered.
const MOST: usize = 512;
/// After so many rounds of the patrol in which nobody asked for it, a thing is forgotten.
const ROUNDS: u8 = 4;

/// Of the last requests.
#[derive(Default)]
pub struct Memory {
    /// Hosts that were named, by the authorities that named them.
    places: Recent<Arc<str>, Host>,
    /// Who asked, by their cookies' values, which only their hashes stand for.
    visitors: Recent<u64, Arc<dyn Visitor>>,
    /// What requests were sent on with.
    prepared: Recent<Basis, Prepared>,
    hasher: RandomState,
}

/// The memory of a shard, as its requests hold it.
pub type Shared = Arc<Mutex<Memory>>;

impl Memory {
    /// The patrol comes by.
    pub fn ages(&mut self) {
        self.places.ages();
        self.visitors.ages();
        self.prepared.ages();
    }
}

/// Without anybody's names.
impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

/// Things, and for how many rounds nobody has asked for each.
struct Recent<K, V>(HashMap<K, (V, u8), RandomState>);

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self(HashMap::default())
    }
}

impl<K: Hash + Eq, V> Recent<K, V> {
    fn get<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.0.get_mut(key).map(|(value, idle)| {
            *idle = 0;
            &*value
        })
    }

    fn put(&mut self, key: K, value: V) {
        if self.0.len() >= MOST && !self.0.contains_key(&key) {
            self.0.retain(|_, (_, idle)| *idle == 0);
            if self.0.len() >= MOST {
                self.0.clear();
            }
        }
        self.0.insert(key, (value, 0));
    }

    fn ages(&mut self) {
        if !self.0.is_empty() {
            self.0.retain(|_, (_, idle)| {
                *idle += 1;
                *idle <= ROUNDS
            });
            if self.0.is_empty() {
                self.0.shrink_to_fit();
            }
        }
    }
}

/// Asks the memory of the shard that serves the request, or tells it something. `None` where there is no request.
fn with<T>(work: impl FnOnce(&mut Memory) -> T) -> Option<T> {
    edge::memory(|shared| work(&mut shared.lock().unwrap_or_else(PoisonError::into_inner)))
}

/// The host that an authority names, where it was named in the same words lately.
pub fn place_named_before(authority: &str) -> Option<(Host, Arc<str>)> {
    with(|memory| {
        let host = memory.places.get(authority)?.clone();
        memory.places.0.get_key_value(authority).map(|(known, _)| (host, Arc::clone(known)))
    })?
}

/// Keeps what an authority was read as.
pub fn remember_place(place: &(Host, Arc<str>)) {
    with(|memory| memory.places.put(Arc::clone(&place.1), place.0.clone()));
}

/// Who came with this cookie's value lately, where that is who is looked for.
pub fn last_visitor(token: &str, is_wanted: impl FnOnce(&dyn Visitor) -> bool) -> Option<Arc<dyn Visitor>> {
    let found = with(|memory| {
        let key = memory.hasher.hash_one(token);
        memory.visitors.get(&key).map(Arc::clone)
    })??;
    is_wanted(&*found).then_some(found)
}

/// Keeps who came with this cookie's value.
pub fn remember_visitor(token: &str, visitor: &Arc<dyn Visitor>) {
    with(|memory| {
        let key = memory.hasher.hash_one(token);
        memory.visitors.put(key, Arc::clone(visitor));
    });
}

/// What requests on this basis were sent on with lately, as the caller reads it.
pub fn last_prepared<T>(basis: &Basis, read: impl FnOnce(&Prepared) -> T) -> Option<T> {
    with(|memory| memory.prepared.get(basis).map(read))?
}

/// Keeps it for the next on the same basis.
pub fn remember_prepared(basis: Basis, prepared: Prepared) {
    with(|memory| memory.prepared.put(basis, prepared));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_bounded_and_what_nobody_asks_for_is_forgotten() {
        let mut recent = Recent::<usize, usize>::default();
        (0..10 * MOST).for_each(|n| recent.put(n, n));
        assert!(recent.0.len() <= MOST && recent.get(&(10 * MOST - 1)).is_some());
        recent.put(1, 1);
        for _ in 0..ROUNDS {
            recent.ages();
            assert_eq!(recent.get(&1), Some(&1));
        }
        recent.ages();
        assert_eq!(recent.0.len(), 1, "the one that was asked for");
        (0..=ROUNDS).for_each(|_| recent.ages());
        assert!(recent.0.is_empty());
    }
}
