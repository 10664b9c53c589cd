//! Proves the audit log whole: a changed, missing or reordered record shows, and so does a cut end.
//!
//! What it cannot show: a log and its head that were both removed or written anew by somebody who can write the store. Ship the log
//! elsewhere too, or note the head's hash (`audit verify` prints it) where they cannot write.

use serde::Serialize;

use super::Services;
use crate::store::{AuditHead, AuditRecord, GENESIS, StoreError};

/// How many faults are named; more of them say nothing new.
const MOST: usize = 50;

/// What became of the walk.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct AuditReport {
    pub whole: bool,
    pub records: u64,
    /// The last record's number and hash, as the chain has them.
    pub seq: u64,
    pub hash: String,
    /// The first fifty.
    pub faults: Vec<String>,
}

/// The walk so far.
struct Walk {
    report: AuditReport,
    /// The hash that the next record must name.
    link: String,
}

impl Services {
    /// Walks the whole log.
    ///
    /// # Errors
    /// The store's; a broken log is not an error but a report with faults.
    pub async fn verify_audit(&self) -> Result<AuditReport, StoreError> {
        let head_before = self.store.audit_head().await;
        let mut walk = Walk {
            report: AuditReport { whole: false, records: 0, seq: 0, hash: GENESIS.to_owned(), faults: Vec::new() },
            link: GENESIS.to_owned(),
        };
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = self.store.kv().scan(b"audit/", after.as_deref(), 1000, false).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            page.iter().for_each(|(key, bytes)| walk.step(key, bytes));
        }
        let head_after = self.store.audit_head().await;
        walk.ends_at(head_before, head_after);
        walk.report.whole = walk.report.faults.is_empty();
        Ok(walk.report)
    }
}

impl Walk {
    fn fault(&mut self, what: String) {
        if self.report.faults.len() < MOST {
            self.report.faults.push(what);
        }
    }

    fn step(&mut self, key: &[u8], bytes: &[u8]) {
        let place = key.strip_prefix(b"audit/").and_then(|seq| seq.try_into().ok()).map(u64::from_be_bytes);
        let Some(place) = place else {
            self.fault("something that is no record stands in the log".to_owned());
            return;
        };
        let wanted = self.report.seq.saturating_add(1);
        if place != wanted {
            let last = place.saturating_sub(1);
            self.fault(if last == wanted {
                format!("record {wanted} is missing")
            } else {
                format!("records {wanted} to {last} are missing")
            });
        }
        self.report.seq = place;
        self.report.records += 1;
        let Ok(record) = serde_json::from_slice::<AuditRecord>(bytes) else {
            self.fault(format!("record {place} cannot be read"));
            return;
        };
        if record.seq != place {
            self.fault(format!("record {} stands in the place of record {place}", record.seq));
        }
        // A record that was written with further fields would lose them in the reading, so the bytes themselves are compared.
        let as_written = serde_json::to_vec(&record).is_ok_and(|again| again == bytes);
        if !as_written || record.digest().ok().as_deref() != Some(record.hash.as_str()) {
            self.fault(format!("record {place} was changed"));
        } else if record.previous != self.link && place == wanted {
            self.fault(format!("record {place} does not follow the record before it"));
        }
        self.link.clone_from(&record.hash);
        self.report.hash = record.hash;
    }

    /// The gateway may have appended while the walk was under way: the end must lie between both heads.
    fn ends_at(&mut self, before: Result<Option<AuditHead>, StoreError>, after: Result<Option<AuditHead>, StoreError>) {
        let (seq, hash) = (self.report.seq, self.report.hash.clone());
        match (before, after) {
            (Ok(before), Ok(Some(after))) => {
                if seq < before.map_or(0, |head| head.seq) {
                    self.fault(format!("the log ends at record {seq} and should go on to {}", after.seq));
                } else if seq > after.seq {
                    self.fault(format!("record {seq} stands behind the end of the log, {}", after.seq));
                } else if seq == after.seq && hash != after.hash {
                    self.fault(format!("the last record, {seq}, is not the one that was written last"));
                }
            }
            (_, Ok(None)) if seq == 0 => {}
            (_, Ok(None)) => self.fault("the mark of the log's end is missing".to_owned()),
            _ => self.fault("the mark of the log's end cannot be read".to_owned()),
        }
    }
}
