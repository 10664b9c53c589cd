//! All rows in order, and the counts of the overview. A write of an account costs one search and one move; a search reads the text of
//! only those rows in which its words may occur.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::row::{Groups, Kind, Locked, Row};
use crate::account::Account;
use crate::base::UserId;

#[derive(Default)]
pub(super) struct Rows {
    pub(super) by_id: HashMap<UserId, Arc<Row>>,
    /// By folded name.
    pub(super) sorted: Vec<Arc<Row>>,
    pub(super) groups: HashSet<Groups>,
    /// Beside `sorted`: which letters stand together in each row, see [`mask`].
    pub(super) masks: Vec<u128>,
    /// How many there are of each kind: what the overview asks.
    pub(super) kinds: HashMap<Kind, u64>,
    pub(super) locked: HashMap<UserId, Locked>,
    /// Nobody has asked for the list yet, and nothing is kept for it.
    pub(super) is_unread: bool,
    /// While the rows are read: what was written meanwhile, and is newer than what was read. Nothing is sorted until the end.
    pub(super) written: Option<HashSet<UserId>>,
}

impl Rows {
    fn place(&self, row: &Row) -> Result<usize, usize> {
        self.sorted.binary_search_by(|other| other.key().cmp(&row.key()))
    }

    pub(super) fn remove(&mut self, id: UserId) {
        let Some(old) = self.by_id.remove(&id) else { return };
        self.uncount(&old);
        if self.written.is_some() {
            return;
        }
        if let Ok(at) = self.place(&old) {
            self.sorted.remove(at);
            self.masks.remove(at);
        }
    }

    pub(super) fn put(&mut self, account: &Account) {
        let row = Arc::new(Row::new(account, self.shared(&account.groups)));
        if self.written.is_none() {
            if self.by_id.get(&row.id).is_some_and(|old| old.key() != row.key()) {
                self.remove(row.id);
            }
            let mask = mask(row.searched());
            match self.place(&row) {
                Ok(at) => {
                    if let (Some(slot), Some(old)) = (self.sorted.get_mut(at), self.masks.get_mut(at)) {
                        slot.clone_from(&row);
                        *old = mask;
                    }
                }
                Err(at) => {
                    self.sorted.insert(at, row.clone());
                    self.masks.insert(at, mask);
                }
            }
        }
        if let Some(old) = self.by_id.insert(row.id, row.clone()) {
            self.uncount(&old);
        }
        *self.kinds.entry(row.kind()).or_default() += 1;
        self.locked.extend(row.locked.map(|locked| (row.id, locked)));
    }

    fn uncount(&mut self, row: &Row) {
        self.locked.remove(&row.id);
        let kind = row.kind();
        if let Some(count) = self.kinds.get_mut(&kind) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.kinds.remove(&kind);
            }
        }
    }

    /// Removes those that are not there any more, and were not written while the others were read.
    pub(super) fn retain(&mut self, there: &HashSet<UserId>) {
        let written = self.written.clone().unwrap_or_default();
        let gone: Vec<_> = self.by_id.keys().filter(|id| !there.contains(id) && !written.contains(id)).copied().collect();
        gone.into_iter().for_each(|id| self.remove(id));
    }

    /// The end of the reading: from here on the order is kept.
    pub(super) fn settle(&mut self) {
        self.written = None;
        self.sorted = self.by_id.values().cloned().collect();
        self.sorted.sort_unstable_by(|a, b| a.key().cmp(&b.key()));
        self.masks = self.sorted.iter().map(|row| mask(row.searched())).collect();
    }

    /// Those in whom every word occurs, by name. Most rows are passed over without a look at their text.
    pub(super) fn hits<'r>(&'r self, words: &'r [String]) -> impl Iterator<Item = &'r Arc<Row>> {
        let wanted = words.iter().fold(0, |wanted, word| wanted | mask(word));
        // One plain loop over what lies together in memory; everything else is for the few that are left.
        let mut likely = Vec::new();
        for (at, mask) in self.masks.iter().enumerate() {
            if *mask & wanted == wanted {
                likely.push(at);
            }
        }
        likely.into_iter().filter_map(|at| self.sorted.get(at)).filter(|row| row.matches(words))
    }

    fn shared(&mut self, groups: &[String]) -> Groups {
        let groups: Groups = groups.iter().map(|group| group.as_str().into()).collect();
        match self.groups.get(&groups) {
            Some(known) => known.clone(),
            None => {
                // Sets that nobody is in any more go once there are many.
                if self.groups.len() >= 1024 {
                    self.groups.retain(|groups| Arc::strong_count(groups) > 1);
                }
                self.groups.insert(groups.clone());
                groups
            }
        }
    }
}

/// A bit for each three bytes that stand together. If a bit of a word's is missing, the word does not occur.
pub(super) fn mask(text: &str) -> u128 {
    let bit = |three: &[u8]| {
        three.iter().fold(0u32, |hash, byte| hash.wrapping_mul(0x0100_0193) ^ u32::from(*byte)).wrapping_mul(0x9e37_79b1) >> 25
    };
    text.as_bytes().windows(3).fold(0, |mask, three| mask | 1 << bit(three))
}
