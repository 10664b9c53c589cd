//! The audit log: each record carries the hash of the one before, so that a changed, missing or reordered one shows.
//!
//! Keys: `audit/SEQUENCE` (big endian) the record, `audit-head` the last sequence number and hash.

use super::names::entries;
use super::record::{AuditHead, AuditRecord, GENESIS};
use crate::store::backend::kv::{Batch, decode, encode, key};
use crate::store::{Store, StoreError};

const TRIES: usize = 256;

impl Store {
    /// Appends a record; its number, and both hashes, are filled in here.
    pub async fn append_audit(&self, record: AuditRecord) -> Result<AuditRecord, StoreError> {
        self.append_audits(vec![record]).await?.pop().ok_or(StoreError::Contended)
    }

    /// Appends records in their order, as one step.
    pub async fn append_audits(&self, mut records: Vec<AuditRecord>) -> Result<Vec<AuditRecord>, StoreError> {
        let _turn = self.audit_turn.lock().await;
        for _ in 0..TRIES {
            if self.kv.commit(self.with_audits(Batch::durable(), &mut records).await?).await? {
                return Ok(records);
            }
        }
        Err(StoreError::Contended)
    }

    /// A batch that also appends these records, whose numbers and hashes are filled in; it holds only as long as the log ends where it does
    /// now. The caller has the turn.
    pub(in crate::store) async fn with_audits(&self, batch: Batch, records: &mut [AuditRecord]) -> Result<Batch, StoreError> {
        if records.is_empty() {
            return Ok(batch);
        }
        let before = self.kv.get(b"audit-head").await?;
        let mut head = match &before {
            Some(bytes) => decode(bytes)?,
            None => AuditHead { seq: 0, hash: GENESIS.to_owned(), indexed: 0 },
        };
        let is_indexed = head.indexed == head.seq;
        let mut batch = batch.expect("audit-head", before);
        for record in records {
            record.seq = head.seq + 1;
            record.previous = head.hash;
            record.hash = record.digest()?;
            batch = batch.put(key("audit", record.seq.to_be_bytes()), encode(record)?);
            batch = entries(record).into_iter().fold(batch, |batch, (key, event)| batch.put(key, event));
            let indexed = if is_indexed { record.seq } else { head.indexed };
            head = AuditHead { seq: record.seq, hash: record.hash.clone(), indexed };
        }
        Ok(batch.put("audit-head", encode(&head)?))
    }

    /// Where the chain ends; `None` if nothing was written yet.
    pub async fn audit_head(&self) -> Result<Option<AuditHead>, StoreError> {
        self.kv.get(b"audit-head").await?.map(|bytes| decode(&bytes)).transpose()
    }

    /// Up to `limit` records after a sequence number.
    pub async fn audit_after(&self, seq: u64, limit: usize) -> Result<Vec<AuditRecord>, StoreError> {
        let after = key("audit", seq.to_be_bytes());
        self.kv.scan(b"audit/", Some(&after), limit, false).await?.iter().map(|(_, bytes)| decode(bytes)).collect()
    }

    /// Up to `limit` records before a sequence number, newest first; `None`: from the end.
    pub async fn audit_before(&self, seq: Option<u64>, limit: usize) -> Result<Vec<AuditRecord>, StoreError> {
        let before = seq.map(|seq| key("audit", seq.to_be_bytes()));
        self.kv.scan(b"audit/", before.as_deref(), limit, true).await?.iter().map(|(_, bytes)| decode(bytes)).collect()
    }

    /// Up to `limit` records before (`back`) or after a sequence number, in that order, each with its number. One whose bytes `may` not
    /// be wanted is not read: reading is what costs.
    pub async fn audit_sifted(
        &self,
        seq: u64,
        limit: usize,
        back: bool,
        may: impl Fn(&[u8]) -> bool,
    ) -> Result<Vec<(u64, Option<AuditRecord>)>, StoreError> {
        let page = self.kv.scan(b"audit/", Some(&key("audit", seq.to_be_bytes())), limit, back).await?;
        let read = |(place, bytes): &(Vec<u8>, Vec<u8>)| {
            let number = place.strip_prefix(b"audit/").and_then(|number| number.try_into().ok()).map(u64::from_be_bytes);
            let number = number.ok_or_else(|| StoreError::Record("something that is no record stands in the audit log".to_owned()))?;
            Ok((number, if may(bytes) { Some(decode(bytes)?) } else { None }))
        };
        page.iter().map(read).collect()
    }
}
