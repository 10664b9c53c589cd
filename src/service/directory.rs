//! Who there is: a compact row of every account in memory, in the order of names, so that any page of the list and any search costs
//! milliseconds at 100,000 users. The store scans by id only.
//!
//! Filled once, in the background of the start or at the first use, and kept current by the store's observer. A row is about 200
//! bytes: one text, its folded form, and a few words. Groups are shared by all who are in the same ones.
//! Several gateways on one store each see the others' writes at their next start only.

mod row;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::OnceCell;

pub use row::{Groups, Kind, Locked, Row, last_sign_in};

use crate::account::Account;
use crate::base::{Time, UserId};
use crate::store::{Store, StoreError, fold};

/// How many accounts are read at a time.
const BATCH: usize = 1000;
/// What is looked at of a search.
const LONGEST_QUERY: usize = 256;

#[derive(Default)]
struct Rows {
    by_id: HashMap<UserId, Arc<Row>>,
    /// By folded name.
    sorted: Vec<Arc<Row>>,
    groups: HashSet<Groups>,
    /// Beside `sorted`: which letters stand together in each row, see [`mask`].
    masks: Vec<u128>,
    /// How many there are of each kind: what the overview asks.
    kinds: HashMap<Kind, u64>,
    locked: HashMap<UserId, Locked>,
    /// While the rows are read: what was written meanwhile, and is newer than what was read. Nothing is sorted until the end.
    written: Option<HashSet<UserId>>,
}

impl Rows {
    fn place(&self, row: &Row) -> Result<usize, usize> {
        self.sorted.binary_search_by(|other| other.key().cmp(&row.key()))
    }

    fn remove(&mut self, id: UserId) {
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

    fn put(&mut self, account: &Account) {
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

    /// The end of the reading: from here on the order is kept.
    fn settle(&mut self) {
        self.written = None;
        self.sorted = self.by_id.values().cloned().collect();
        self.sorted.sort_unstable_by(|a, b| a.key().cmp(&b.key()));
        self.masks = self.sorted.iter().map(|row| mask(row.searched())).collect();
    }

    /// Those in whom every word occurs, by name. Most rows are passed over without a look at their text.
    fn hits<'r>(&'r self, words: &'r [String]) -> impl Iterator<Item = &'r Arc<Row>> {
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

/// Every account's row.
#[derive(Default)]
pub struct Directory {
    rows: RwLock<Rows>,
    loaded: OnceCell<()>,
}

/// A page of a list.
#[derive(Debug, Default)]
pub struct Found {
    pub rows: Vec<Arc<Row>>,
    /// From one, and never past the last page.
    pub page: usize,
    /// All that were found.
    pub total: usize,
}

/// The page nearest to `page` that a list of so many has: from one.
pub fn page_within(page: usize, total: usize, size: usize) -> usize {
    page.clamp(1, total.div_ceil(size.max(1)).max(1))
}

/// The part of a list that is page `page` of `size` rows; the page is moved to where there is one.
pub fn page_of<T: Clone>(all: &[T], page: usize, size: usize) -> (Vec<T>, usize) {
    let page = page_within(page, all.len(), size);
    (all.iter().skip((page - 1).saturating_mul(size)).take(size).cloned().collect(), page)
}

/// The page of a list that is in no order yet: what is offered is kept only as far as that page goes, and only that is sorted.
pub struct Selection<T> {
    best: Vec<T>,
    /// How many are wanted.
    wanted: usize,
    /// Everything beyond it is not among them.
    bound: Option<T>,
}

impl<T: Ord + Copy> Selection<T> {
    /// # Arguments
    /// How far the list is shown: the last row of the page.
    pub const fn new(wanted: usize) -> Self {
        Self { best: Vec::new(), wanted, bound: None }
    }

    pub fn offer(&mut self, one: T) {
        if self.bound.is_some_and(|bound| one > bound) {
            return;
        }
        self.best.push(one);
        if self.best.len() >= self.wanted.saturating_mul(2).max(128) {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if self.best.len() > self.wanted {
            let (_, bound, _) = self.best.select_nth_unstable(self.wanted);
            self.bound = Some(*bound);
            self.best.truncate(self.wanted);
        }
    }

    /// The first of all that were offered, in order, without those before row `from`.
    pub fn into_page(mut self, from: usize) -> Vec<T> {
        self.cut();
        self.best.sort_unstable();
        self.best.split_off(from.min(self.best.len()))
    }
}

/// A bit for each three bytes that stand together. Where a bit of a word's is missing, the word does not occur.
fn mask(text: &str) -> u128 {
    let bit = |three: &[u8]| {
        three.iter().fold(0u32, |hash, byte| hash.wrapping_mul(0x0100_0193) ^ u32::from(*byte)).wrapping_mul(0x9e37_79b1) >> 25
    };
    text.as_bytes().windows(3).fold(0, |mask, three| mask | 1 << bit(three))
}

impl Directory {
    fn read(&self) -> RwLockReadGuard<'_, Rows> {
        self.rows.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Rows> {
        self.rows.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until every account is here; reads them where nobody has yet.
    ///
    /// # Errors
    /// The store's; the next caller tries again.
    pub async fn ready(&self, store: &Store) -> Result<&Self, StoreError> {
        self.loaded.get_or_try_init(|| self.load(store)).await?;
        Ok(self)
    }

    async fn load(&self, store: &Store) -> Result<(), StoreError> {
        self.write().written.get_or_insert_default();
        let mut after = None;
        loop {
            let batch = store.accounts(after, BATCH).await?;
            let Some(last) = batch.last() else { break };
            after = Some(last.id);
            self.take_in(&batch);
        }
        self.write().settle();
        Ok(())
    }

    /// Takes in what was read, except where something newer was written meanwhile.
    fn take_in(&self, batch: &[Account]) {
        let mut rows = self.write();
        for account in batch {
            if !rows.written.as_ref().is_some_and(|written| written.contains(&account.id)) {
                rows.put(account);
            }
        }
    }

    /// An account was written or deleted.
    pub fn account_changed(&self, id: UserId, account: Option<&Account>) {
        let mut rows = self.write();
        if let Some(written) = &mut rows.written {
            written.insert(id);
        }
        match account {
            Some(account) => rows.put(account),
            None => rows.remove(id),
        }
    }

    pub fn len(&self) -> usize {
        self.read().sorted.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A page of those in whose name, display name or address every word of `query` occurs and of whom `also` is true, by name.
    pub fn find(&self, query: &str, page: usize, size: usize, also: Option<&dyn Fn(&Row) -> bool>) -> Found {
        let words = words(query);
        let rows = self.read();
        if words.is_empty() && also.is_none() {
            let (shown, page) = page_of(&rows.sorted, page, size);
            return Found { rows: shown, page, total: rows.sorted.len() };
        }
        let hits: Vec<&Arc<Row>> = rows.hits(&words).filter(|row| also.is_none_or(|also| also(row))).collect();
        let (shown, page) = page_of(&hits, page, size);
        Found { rows: shown.into_iter().cloned().collect(), page, total: hits.len() }
    }

    /// The ids of all whom a search finds.
    pub fn ids(&self, query: &str) -> Vec<UserId> {
        let words = words(query);
        self.read().hits(&words).map(|row| row.id).collect()
    }

    /// How many there are of each kind, and how many of all are locked at this moment. Costs what there are of kinds, not of users.
    pub fn kinds(&self, now: Time) -> (Vec<(Kind, u64)>, usize) {
        let rows = self.read();
        let kinds = rows.kinds.iter().map(|(kind, count)| (kind.clone(), *count)).collect();
        (kinds, rows.locked.values().filter(|locked| locked.holds(now)).count())
    }
}

fn words(query: &str) -> Vec<String> {
    let query: String = query.chars().take(LONGEST_QUERY).collect();
    fold(&query).split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
