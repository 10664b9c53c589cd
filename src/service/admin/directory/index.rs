//! Every account's row, in the order of names. Guarantees that any page of the list and any search takes milliseconds with 100,000
//! users; the store itself can scan by id only.
//!
//! The rows are read once, in the background at the start or at the first use, and kept current by the store's observer. A row takes
//! about 200 bytes. Users in the same groups share one list of them. Gateways that share a store follow each other's writes.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::OnceCell;

use super::page::page_of;
use super::row::{Kind, Row};
use super::rows::Rows;
use crate::account::Account;
use crate::base::{Time, UserId};
use crate::factor::password;
use crate::store::{Store, StoreError, fold};

/// How many accounts are read at a time.
const BATCH: usize = 1000;
/// What is looked at of a search.
const LONGEST_QUERY: usize = 256;

/// Every account's row.
#[derive(Default)]
pub struct Directory {
    rows: RwLock<Rows>,
    loaded: OnceCell<()>,
    /// The highest cost of an imported bcrypt hash that was seen; 0: none.
    bcrypt_cost: AtomicU32,
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

impl Directory {
    fn read(&self) -> RwLockReadGuard<'_, Rows> {
        self.rows.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Rows> {
        self.rows.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until every account is here; reads them if nobody has yet.
    ///
    /// # Errors
    /// The store's; the next caller tries again.
    pub async fn ready(&self, store: &Store) -> Result<&Self, StoreError> {
        self.loaded.get_or_try_init(|| self.load(store)).await?;
        Ok(self)
    }

    async fn load(&self, store: &Store) -> Result<(), StoreError> {
        {
            let mut rows = self.write();
            rows.is_unread = false;
            rows.written.get_or_insert_default();
        }
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

    /// Notes what the password hashes of all accounts cost, and keeps nothing else.
    ///
    /// # Errors
    /// The store's.
    pub async fn learn_hashes(&self, store: &Store) -> Result<(), StoreError> {
        self.write().is_unread = self.loaded.get().is_none();
        let mut after = None;
        loop {
            let batch = store.accounts(after, BATCH).await?;
            let Some(last) = batch.last() else { return Ok(()) };
            after = Some(last.id);
            batch.iter().for_each(|account| self.note_hash(account));
        }
    }

    /// Reads every account again: news of other gateways' changes may have been missed. Lists stay as they are until the end.
    ///
    /// # Errors
    /// The store's; then some rows may be old until the next time.
    pub async fn refresh(&self, store: &Store) -> Result<(), StoreError> {
        if self.loaded.get().is_none() {
            return Ok(());
        }
        self.write().written.get_or_insert_default();
        let (mut there, mut after) = (HashSet::new(), None);
        let read = loop {
            match store.accounts(after, BATCH).await {
                Ok(batch) if batch.is_empty() => break Ok(()),
                Ok(batch) => {
                    after = batch.last().map(|account| account.id);
                    there.extend(batch.iter().map(|account| account.id));
                    self.take_in(&batch);
                }
                Err(e) => break Err(e),
            }
        };
        let mut rows = self.write();
        if read.is_ok() {
            rows.retain(&there);
        }
        rows.settle();
        read
    }

    /// Takes in what was read, except if something newer was written meanwhile.
    fn take_in(&self, batch: &[Account]) {
        let mut rows = self.write();
        for account in batch {
            self.note_hash(account);
            if !rows.written.as_ref().is_some_and(|written| written.contains(&account.id)) {
                rows.put(account);
            }
        }
    }

    /// An account was written or deleted.
    pub fn account_changed(&self, id: UserId, account: Option<&Account>) {
        let mut rows = self.write();
        if rows.is_unread {
            account.into_iter().for_each(|account| self.note_hash(account));
            return;
        }
        if let Some(written) = &mut rows.written {
            written.insert(id);
        }
        match account {
            Some(account) => {
                self.note_hash(account);
                rows.put(account);
            }
            None => rows.remove(id),
        }
    }

    fn note_hash(&self, account: &Account) {
        if let Some(cost) = account.password.as_deref().and_then(password::bcrypt_cost) {
            self.bcrypt_cost.fetch_max(cost, Ordering::Relaxed);
        }
    }

    /// The highest cost of an imported bcrypt hash that any account has or had.
    pub fn costliest_bcrypt(&self) -> Option<u32> {
        Some(self.bcrypt_cost.load(Ordering::Relaxed)).filter(|cost| *cost > 0)
    }

    pub fn len(&self) -> usize {
        self.read().sorted.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether anybody signs in with a password of this gateway's.
    pub fn has_passwords(&self) -> bool {
        self.read().sorted.iter().any(|row| row.has_password)
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

    /// The row of an account.
    pub fn row(&self, id: UserId) -> Option<Arc<Row>> {
        self.read().by_id.get(&id).cloned()
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
