//! Which sessions ended recently, and whose they were: a form that meets one is saved for its owner, and none of them comes back into memory.
//! Bounded; the end of an older one has long been in the store.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::base::{SessionId, UserId};

/// Ended sessions and their users, the oldest first to go.
#[derive(Default)]
pub struct RecentlyEnded {
    users: HashMap<SessionId, UserId>,
    order: VecDeque<SessionId>,
}

impl RecentlyEnded {
    /// A few megabytes, whatever happens.
    const MOST: usize = 50_000;

    pub fn add(&mut self, id: SessionId, user: UserId) {
        if self.users.insert(id, user).is_none() {
            self.order.push_back(id);
        }
        while self.order.len() > Self::MOST {
            if let Some(oldest) = self.order.pop_front() {
                self.users.remove(&oldest);
            }
        }
    }

    pub fn owner(&self, id: SessionId) -> Option<UserId> {
        self.users.get(&id).copied()
    }
}

/// Sessions that are known to be over, though they were never here: ids are never used again, so that what is over stays so. Bounded: of an
/// older one the store is asked again.
#[derive(Default)]
pub struct KnownOver {
    ids: HashSet<SessionId>,
    order: VecDeque<SessionId>,
}

impl KnownOver {
    /// Three megabytes.
    const MOST: usize = 50_000;

    pub fn add(&mut self, id: SessionId) {
        if self.ids.insert(id) {
            self.order.push_back(id);
        }
        while self.order.len() > Self::MOST {
            if let Some(oldest) = self.order.pop_front() {
                self.ids.remove(&oldest);
            }
        }
    }

    pub fn has(&self, id: SessionId) -> bool {
        self.ids.contains(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_those_known_to_be_over_the_oldest_are_forgotten() {
        let id = |n: u32| SessionId::from_bytes(u128::from(n).to_be_bytes());
        let mut over = KnownOver::default();
        (0..50_010).for_each(|n| over.add(id(n)));
        assert!(!over.has(id(9)) && over.has(id(10)) && over.has(id(50_009)));
        assert_eq!((over.ids.len(), over.order.len()), (KnownOver::MOST, KnownOver::MOST));
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let id = |n: u32| SessionId::from_bytes(u128::from(n).to_be_bytes());
        let user = UserId::from_bytes([1; 16]);
        let mut recently_ended = RecentlyEnded::default();
        for n in (0..50_010).chain(50_000..50_010) {
            recently_ended.add(id(n), user);
        }
        assert_eq!((recently_ended.users.len(), recently_ended.order.len()), (RecentlyEnded::MOST, RecentlyEnded::MOST));
        assert_eq!((recently_ended.owner(id(9)), recently_ended.owner(id(10))), (None, Some(user)));
    }
}
