//! Verifies that the audit log is complete: a changed, missing or reordered record shows, and so does a cut end. Verification starts at the
//! first record, or at the signed anchor that a removal left behind.
//!
//! It cannot show that somebody who can write the store replaced both the log and its head. Ship the log elsewhere too, or note the
//! head's hash (`audit verify` prints it) in a place that they cannot write.

use std::sync::Arc;

use serde::Serialize;

use crate::store::audit::names::{EntrySum, entries};
use crate::store::{AuditHead, AuditRecord, AuditStart, GENESIS, Store, StoreError};

/// How many faults are named; more of them say nothing new.
const MOST: usize = 50;
/// How often a walk begins again if records were removed behind it.
const WALKS: usize = 3;

/// What became of the walk.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct AuditReport {
    pub whole: bool,
    pub records: u64,
    /// The last record that was kept long enough and is gone; 0: none.
    pub removed: u64,
    /// The last record's number and hash, as the chain has them.
    pub seq: u64,
    pub hash: String,
    /// The first fifty.
    pub faults: Vec<String>,
    /// The number that the first fault stands at; 0: the anchor.
    #[serde(skip)]
    pub broken_at: Option<u64>,
    /// What a search by name goes by is not what the records say.
    #[serde(skip)]
    index_misleads: bool,
}

/// What became of the proof.
#[derive(Debug, PartialEq, Eq)]
pub enum Chain {
    /// So many records, each of which follows from the one before.
    Whole(u64),
    /// Where it breaks.
    Broken(String),
}

/// The walk so far.
struct Walk {
    report: AuditReport,
    /// The hash that the next record must name.
    link: String,
    /// Every record's entries by name.
    entries: EntrySum,
}

/// Proves the audit log whole.
pub struct AuditVerifier {
    pub(in crate::service) store: Arc<Store>,
}

impl AuditVerifier {
    /// Walks the whole log.
    ///
    /// # Errors
    /// The store's; a broken log is not an error but a report with faults.
    pub async fn verify(&self) -> Result<AuditReport, StoreError> {
        let mut begun = 1;
        loop {
            let start = self.store.audit_start().await?;
            let report = self.walk_from(&start).await?;
            // What a trimming removed behind the walk's beginning would look missing.
            if report.whole || begun >= WALKS || self.store.audit_start().await? == start {
                if report.index_misleads {
                    self.store.distrust_audit_index().await?;
                }
                return Ok(report);
            }
            begun += 1;
        }
    }

    async fn walk_from(&self, start: &AuditStart) -> Result<AuditReport, StoreError> {
        let head_before = self.store.audit_head().await;
        let is_indexed = matches!(&head_before, Ok(Some(head)) if head.indexed == head.seq);
        let mut walk = Walk::new(start, EntrySum::new()?);
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = self.store.kv().scan(b"audit/", after.as_deref(), 1000, false).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            page.iter().for_each(|(key, bytes)| walk.step(key, bytes));
            tokio::task::yield_now().await;
        }
        let head_after = self.store.audit_head().await;
        walk.ends_at(head_before, head_after);
        // If a record was changed, its entries may still tell the truth.
        if is_indexed && walk.report.faults.is_empty() {
            self.prove_entries(&mut walk).await?;
        }
        walk.report.whole = walk.report.faults.is_empty();
        Ok(walk.report)
    }

    /// What a search by name goes by must be what the records say.
    async fn prove_entries(&self, walk: &mut Walk) -> Result<(), StoreError> {
        let mut found = walk.entries.another();
        self.store.each_audit_entry(walk.report.removed, walk.report.seq, |entry| found.add(entry)).await?;
        if found != walk.entries {
            let what = "the index by name is not what the records say; it is made anew at the next start or within the hour";
            walk.fault(walk.report.seq, what.to_owned());
            walk.report.index_misleads = true;
        }
        Ok(())
    }

    /// Proves that every record follows from the one before. Reads the whole log: minutes at many millions.
    ///
    /// # Errors
    /// The store's.
    pub async fn prove(&self) -> Result<Chain, StoreError> {
        let report = self.verify().await?;
        Ok(report.broken_at.map_or(Chain::Whole(report.records), |place| Chain::Broken(place.to_string())))
    }
}

impl Walk {
    fn new(start: &AuditStart, entries: EntrySum) -> Self {
        let (seq, hash) = match start {
            AuditStart::At(seq, hash) => (*seq, hash.clone()),
            AuditStart::Forged => (0, GENESIS.to_owned()),
        };
        let report = AuditReport {
            whole: false,
            records: 0,
            removed: seq,
            seq,
            hash: hash.clone(),
            faults: Vec::new(),
            broken_at: None,
            index_misleads: false,
        };
        let mut walk = Self { report, link: hash, entries };
        if *start == AuditStart::Forged {
            walk.fault(0, "the mark of the log's beginning is not the gateway's: it was changed, or keys.json is another one".to_owned());
        }
        walk
    }

    fn fault(&mut self, place: u64, what: String) {
        self.report.broken_at.get_or_insert(place);
        if self.report.faults.len() < MOST {
            self.report.faults.push(what);
        }
    }

    fn step(&mut self, key: &[u8], bytes: &[u8]) {
        let place = key.strip_prefix(b"audit/").and_then(|seq| seq.try_into().ok()).map(u64::from_be_bytes);
        let Some(place) = place else {
            self.fault(self.report.seq.saturating_add(1), "something that is no record stands in the log".to_owned());
            return;
        };
        let wanted = self.report.seq.saturating_add(1);
        if place != wanted {
            let last = place.saturating_sub(1);
            self.fault(
                wanted,
                if place < wanted {
                    format!("record {place} stands before the log's beginning")
                } else if last == wanted {
                    format!("record {wanted} is missing")
                } else {
                    format!("records {wanted} to {last} are missing")
                },
            );
        }
        self.report.seq = place;
        self.report.records += 1;
        let Ok(record) = serde_json::from_slice::<AuditRecord>(bytes) else {
            self.fault(place, format!("record {place} cannot be read"));
            return;
        };
        if record.seq != place {
            self.fault(place, format!("record {} stands in the place of record {place}", record.seq));
        }
        // A record that was written with further fields would lose them in the reading, so the bytes themselves are compared.
        let as_written = serde_json::to_vec(&record).is_ok_and(|again| again == bytes);
        if !as_written || record.digest().ok().as_deref() != Some(record.hash.as_str()) {
            self.fault(place, format!("record {place} was changed"));
        } else if record.previous != self.link && place == wanted {
            self.fault(place, format!("record {place} does not follow the record before it"));
        }
        entries(&record).iter().for_each(|entry| self.entries.add(entry));
        self.link.clone_from(&record.hash);
        self.report.hash = record.hash;
    }

    /// The gateway may have appended while the walk was under way: the end must lie between both heads.
    fn ends_at(&mut self, before: Result<Option<AuditHead>, StoreError>, after: Result<Option<AuditHead>, StoreError>) {
        let (seq, hash) = (self.report.seq, self.report.hash.clone());
        match (before, after) {
            (Ok(before), Ok(Some(after))) => {
                if seq < before.map_or(0, |head| head.seq) {
                    self.fault(seq, format!("the log ends at record {seq} and should go on to {}", after.seq));
                } else if seq > after.seq {
                    self.fault(seq, format!("record {seq} stands behind the end of the log, {}", after.seq));
                } else if seq == after.seq && hash != after.hash {
                    self.fault(seq, format!("the last record, {seq}, is not the one that was written last"));
                }
            }
            (_, Ok(None)) if seq == 0 && self.report.faults.is_empty() => {}
            (_, Ok(None)) => self.fault(seq, "the mark of the log's end is missing".to_owned()),
            _ => self.fault(seq, "the mark of the log's end cannot be read".to_owned()),
        }
    }
}
