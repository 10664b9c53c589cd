//! Which records of the audit log name whom, so that one person's are found without a look at all the others'.
//!
//! Keys: `audit-of/DIGEST SEQUENCE` (16 bytes of the SHA-256 of the folded name, 8 of the record's number), the value the record's
//! event. An entry is written in the same step as its record and deleted in the same step. `audit-head` says up to which number
//! every record has its entries; where that is not the end (a log of an earlier version), [`Store::index_audit`] completes them, and
//! until then the log itself is read. Whoever reads by name reads the record too: an entry proves nothing.

use sha2::{Digest, Sha256};

use super::record::{AuditHead, AuditRecord};
use crate::store::backend::kv::{Batch, Pair, decode, encode, key};
use crate::store::{Store, StoreError, fold};

/// What every entry's key begins with.
pub const ENTRIES: &[u8] = b"audit-of/";

const DIGEST: usize = 16;

/// How many records one step gives their entries, and how many entries one step removes.
const AT_ONCE: usize = 250;

fn of_name(folded: &str) -> Vec<u8> {
    let digest: [u8; 32] = Sha256::digest(folded.as_bytes()).into();
    key("audit-of", digest.get(..DIGEST).unwrap_or_default())
}

fn entry(prefix: &[u8], seq: u64) -> Vec<u8> {
    [prefix, &seq.to_be_bytes()].concat()
}

/// The number of the record that an entry is of.
fn number(entry: &[u8]) -> Option<u64> {
    entry.get(ENTRIES.len() + DIGEST..)?.try_into().ok().map(u64::from_be_bytes)
}

/// A record's entries: one for each name in it.
pub fn entries(record: &AuditRecord) -> Vec<Pair> {
    let mut names: Vec<String> = [&record.user, &record.by].into_iter().flatten().map(|name| fold(name)).collect();
    names.dedup();
    names.iter().map(|name| (entry(&of_name(name), record.seq), record.event.clone().into_bytes())).collect()
}

/// What a store of these pairs must hold besides: every entry, and an `audit-head` that says so.
///
/// # Errors
/// Where the head cannot be read.
pub fn complete(pairs: &mut Vec<Pair>) -> Result<(), StoreError> {
    pairs.retain(|(key, _)| !key.starts_with(ENTRIES));
    for (_, bytes) in pairs.iter_mut().filter(|(key, _)| key == b"audit-head") {
        let head: AuditHead = decode(bytes)?;
        *bytes = encode(&AuditHead { indexed: head.seq, ..head })?;
    }
    let records = pairs.iter().filter(|(key, _)| key.starts_with(b"audit/"));
    let all: Vec<Pair> = records.filter_map(|(_, bytes)| decode(bytes).ok()).flat_map(|record| entries(&record)).collect();
    pairs.extend(all);
    Ok(())
}

/// A set of entries as one number, under a secret of this proof: nobody can make another set with the same.
pub struct EntrySum {
    seed: [u8; 16],
    sum: u128,
}

impl EntrySum {
    /// # Errors
    /// Where the system has no randomness.
    pub fn new() -> Result<Self, StoreError> {
        let seed = crate::base::random::bytes().map_err(|_| StoreError::NoEntropy)?;
        Ok(Self { seed, sum: 0 })
    }

    /// Takes an entry in.
    pub fn add(&mut self, (key, event): &Pair) {
        let digest: [u8; 32] = Sha256::new().chain_update(self.seed).chain_update(key).chain_update(event).finalize().into();
        let (half, _) = digest.split_at(16);
        self.sum = self.sum.wrapping_add(half.try_into().map_or(0, u128::from_be_bytes));
    }

    /// None yet, to be compared with this one.
    #[must_use]
    pub fn another(&self) -> Self {
        Self { seed: self.seed, sum: 0 }
    }
}

impl PartialEq for EntrySum {
    fn eq(&self, other: &Self) -> bool {
        (self.seed, self.sum) == (other.seed, other.sum)
    }
}

impl Store {
    /// Whether every record has its entries.
    pub async fn audit_is_indexed(&self) -> Result<bool, StoreError> {
        Ok(self.audit_head().await?.is_none_or(|head| head.indexed == head.seq))
    }

    /// As [`Store::audit_sifted`], of the records that name somebody (folded) and whose event `may` be wanted. Says nothing of records
    /// without entries.
    pub async fn audit_of(
        &self,
        folded: &str,
        seq: u64,
        limit: usize,
        back: bool,
        may: impl Fn(&[u8]) -> bool,
    ) -> Result<Vec<(u64, Option<AuditRecord>)>, StoreError> {
        let prefix = of_name(folded);
        let page = self.kv.scan(&prefix, Some(&entry(&prefix, seq)), limit, back).await?;
        let mut found = Vec::with_capacity(page.len());
        for (place, event) in page {
            let number = number(&place).ok_or_else(|| StoreError::Record("something that is no entry stands in audit-of".to_owned()))?;
            let bytes = if may(&event) { self.kv.get(&key("audit", number.to_be_bytes())).await? } else { None };
            found.push((number, bytes.map(|bytes| decode(&bytes)).transpose()?));
        }
        Ok(found)
    }

    /// Completes the entries of records that have none; returns how many records were gone through. Others write meanwhile.
    ///
    /// # Errors
    /// The store's; what was done stays done.
    pub async fn index_audit(&self) -> Result<u64, StoreError> {
        let mut through = 0;
        while let Some(count) = self.index_some().await? {
            through += count;
            tokio::task::yield_now().await;
        }
        Ok(through)
    }

    /// One step; `None` if nothing is left to do.
    async fn index_some(&self) -> Result<Option<u64>, StoreError> {
        let _turn = self.audit_turn.lock().await;
        let Some(before) = self.kv.get(b"audit-head").await? else { return Ok(None) };
        let head: AuditHead = decode(&before)?;
        if head.indexed == head.seq {
            return Ok(None);
        }
        let mut batch = Batch::default().expect("audit-head", Some(before));
        if head.indexed == 0 {
            // From nothing: what stands there may be anything.
            let old = self.kv.scan(ENTRIES, None, AT_ONCE, false).await?;
            if !old.is_empty() {
                batch = old.into_iter().fold(batch, |batch, (key, _)| batch.delete(key));
                self.kv.commit(batch).await?;
                return Ok(Some(0));
            }
        }
        // A trimming in between would take records away whose entries are written here.
        batch = self.expect_anchor(batch).await?;
        let after = key("audit", head.indexed.to_be_bytes());
        let page = self.kv.scan(b"audit/", Some(&after), AT_ONCE, false).await?;
        let last = page.last().and_then(|(place, _)| place.strip_prefix(b"audit/")?.try_into().ok()).map_or(head.seq, u64::from_be_bytes);
        let count = page.len();
        // One that cannot be read names nobody; `audit verify` finds it.
        for (key, event) in page.iter().filter_map(|(_, bytes)| decode(bytes).ok()).flat_map(|record| entries(&record)) {
            batch = batch.put(key, event);
        }
        batch = batch.put("audit-head", encode(&AuditHead { indexed: last.min(head.seq), ..head })?);
        self.kv.commit(batch).await?;
        Ok(Some(u64::try_from(count).unwrap_or(u64::MAX)))
    }

    /// The log itself is read from now on, until [`Store::index_audit`] has made every entry again.
    ///
    /// # Errors
    /// The store's.
    pub async fn distrust_audit_index(&self) -> Result<(), StoreError> {
        let _turn = self.audit_turn.lock().await;
        let Some(before) = self.kv.get(b"audit-head").await? else { return Ok(()) };
        let head: AuditHead = decode(&before)?;
        let batch = Batch::durable().expect("audit-head", Some(before)).put("audit-head", encode(&AuditHead { indexed: 0, ..head })?);
        // Where another gateway was quicker, the next proof says the same again.
        self.kv.commit(batch).await.map(drop)
    }

    /// Shows `see` every entry of a record after number `from` and up to `to`.
    ///
    /// # Errors
    /// The store's.
    pub async fn each_audit_entry(&self, from: u64, to: u64, mut see: impl FnMut(&Pair)) -> Result<(), StoreError> {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = self.kv.scan(ENTRIES, after.as_deref(), 2000, false).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            // What is no entry is of no record, and shows as well.
            page.iter().filter(|(key, _)| number(key).is_none_or(|seq| from < seq && seq <= to)).for_each(&mut see);
            tokio::task::yield_now().await;
        }
    }
}
