//! The sessions by id, in many small parts with a lock each. Whoever goes through all of them holds one part at a time, so nobody waits for
//! longer than a part takes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use foldhash::fast::FixedState;

use super::session::LiveSession;
use crate::base::SessionId;

/// How many parts there are: with a million sessions some four thousand in each.
pub const PARTS: usize = 256;

// The ids are random and the gateway's own: nobody can choose them, so nobody can make them collide.
type Part = HashMap<SessionId, Arc<LiveSession>, FixedState>;

pub(super) struct Table {
    parts: Box<[RwLock<Part>]>,
    count: AtomicUsize,
    /// Those of hosts among them.
    hosts: AtomicUsize,
}

impl Default for Table {
    fn default() -> Self {
        Self { parts: (0..PARTS).map(|_| RwLock::default()).collect(), count: AtomicUsize::new(0), hosts: AtomicUsize::new(0) }
    }
}

impl Table {
    fn part(&self, id: SessionId) -> Option<&RwLock<Part>> {
        let [first, ..] = id.as_bytes();
        self.parts.get(usize::from(*first) % PARTS)
    }

    pub fn get(&self, id: SessionId) -> Option<Arc<LiveSession>> {
        read(self.part(id)?).get(&id).cloned()
    }

    pub fn insert(&self, session: Arc<LiveSession>) {
        let Some(part) = self.part(session.id()) else { return };
        let hosts = usize::from(session.is_hosts());
        if write(part).insert(session.id(), session).is_none() {
            self.count.fetch_add(1, Ordering::Relaxed);
            self.hosts.fetch_add(hosts, Ordering::Relaxed);
        }
    }

    /// Makes room for these at once, instead of over and over while they come.
    pub fn reserve(&self, ids: impl Iterator<Item = SessionId>) {
        let mut more = [0usize; PARTS];
        for id in ids {
            let [first, ..] = id.as_bytes();
            if let Some(count) = more.get_mut(usize::from(*first) % PARTS) {
                *count += 1;
            }
        }
        for (part, more) in self.parts.iter().zip(more).filter(|(_, more)| *more > 0) {
            write(part).reserve(more);
        }
    }

    pub fn remove(&self, id: SessionId) -> Option<Arc<LiveSession>> {
        self.remove_if(id, |_| true)
    }

    /// Removes it if this holds while nobody can take it out.
    pub fn remove_if(&self, id: SessionId, holds: impl FnOnce(&Arc<LiveSession>) -> bool) -> Option<Arc<LiveSession>> {
        let mut part = write(self.part(id)?);
        if !part.get(&id).is_some_and(holds) {
            return None;
        }
        let gone = part.remove(&id)?;
        // What a rush left behind is given back, once it is mostly empty.
        if part.capacity() > 64 && part.len() < part.capacity() / 8 {
            let room = part.len() * 2;
            part.shrink_to(room);
        }
        self.count.fetch_sub(1, Ordering::Relaxed);
        self.hosts.fetch_sub(usize::from(gone.is_hosts()), Ordering::Relaxed);
        Some(gone)
    }

    /// How many there are in the part in which ids with this first byte are.
    pub fn len_like(&self, first: u8) -> usize {
        self.parts.get(usize::from(first) % PARTS).map_or(0, |part| read(part).len())
    }

    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Without those of hosts.
    pub fn signed_in(&self) -> usize {
        self.len().saturating_sub(self.hosts.load(Ordering::Relaxed))
    }

    /// Shows `see` the sessions of one part, which is locked for reading meanwhile.
    pub fn each_of(&self, part: usize, see: impl FnMut(&Arc<LiveSession>)) {
        if let Some(part) = self.parts.get(part) {
            read(part).values().for_each(see);
        }
    }

    /// As [`Table::each_of`], of the part in which ids with this first byte are.
    pub fn each_like(&self, first: u8, see: impl FnMut(&Arc<LiveSession>)) {
        self.each_of(usize::from(first) % PARTS, see);
    }

    pub fn each(&self, mut see: impl FnMut(&Arc<LiveSession>)) {
        (0..PARTS).for_each(|part| self.each_of(part, &mut see));
    }
}

fn read(part: &RwLock<Part>) -> RwLockReadGuard<'_, Part> {
    part.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(part: &RwLock<Part>) -> RwLockWriteGuard<'_, Part> {
    part.write().unwrap_or_else(PoisonError::into_inner)
}
