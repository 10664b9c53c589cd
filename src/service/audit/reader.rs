//! Reads the audit log, a page at a time. A page costs the same with a million records as with ten.
//!
//! The records of a user are found by name ([`crate::store::audit::names`]). Any other filter looks through a bounded number of records for
//! each page and says if it stopped. Records are in the order of time, so a day is found by halving.

use std::sync::Arc;

use crate::base::Time;
use crate::store::{AuditRecord, AuditStart, Store, StoreError, fold};

/// How many records a page looks through at most.
pub const LOOKED_THROUGH: usize = 5_000;
/// How many are read at a time.
const BATCH: usize = 500;

/// What a list is narrowed to. Empty: everything.
#[derive(Clone, Debug, Default)]
pub struct RecordFilter {
    /// To whom it happened or who did it, as a whole name.
    pub user: String,
    pub event: String,
    pub since: Option<Time>,
    /// Not counted in.
    pub until: Option<Time>,
}

/// Where a page starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageStart {
    /// With the newest.
    End,
    /// Older than this record.
    Before(u64),
    /// Newer than this record.
    After(u64),
}

/// A page, the newest first.
#[derive(Debug, Default)]
pub struct AuditPage {
    pub records: Vec<AuditRecord>,
    /// Where the next older page starts: [`PageStart::Before`] it.
    pub older: Option<u64>,
    /// Where the next newer page starts: [`PageStart::After`] it.
    pub newer: Option<u64>,
    /// The bound was met before the page was full.
    pub bounded: bool,
}

/// What one walk through the log found.
#[derive(Default)]
struct Walk {
    hits: Vec<AuditRecord>,
    /// The last record that was looked at.
    last: Option<u64>,
    ended: bool,
}

struct Sieve<'a> {
    filter: &'a RecordFilter,
    user: String,
    /// As it is in a record.
    event: String,
}

impl<'a> Sieve<'a> {
    fn new(filter: &'a RecordFilter) -> Self {
        let event = format!("\"event\":\"{}\"", filter.event);
        Self { filter, user: fold(&filter.user), event }
    }

    /// Whether a record with these bytes may be let through: a quick look, which never misses one. A name that is written in other letters than
    /// these, or with an escape, is left to [`Self::lets_through`].
    fn may(&self, bytes: &[u8]) -> bool {
        let Ok(text) = std::str::from_utf8(bytes) else { return true };
        let plain = || self.user.is_ascii() && text.is_ascii() && !text.contains('\\');
        (self.filter.event.is_empty() || text.contains(&self.event))
            && (self.user.is_empty() || !plain() || text.to_ascii_lowercase().contains(&self.user))
    }

    fn is_event(&self, event: &[u8]) -> bool {
        self.filter.event.is_empty() || event == self.filter.event.as_bytes()
    }

    fn lets_through(&self, record: &AuditRecord) -> bool {
        let names = [&record.user, &record.by];
        (self.filter.event.is_empty() || self.filter.event == record.event)
            && (self.user.is_empty() || names.into_iter().flatten().any(|name| fold(name) == self.user))
    }
}

/// Reads the audit log, a page at a time.
pub struct AuditReader {
    pub(in crate::service) store: Arc<Store>,
}

impl AuditReader {
    /// A page of `size` records.
    ///
    /// # Errors
    /// The store's.
    pub async fn page(&self, filter: &RecordFilter, from: PageStart, size: usize) -> Result<AuditPage, StoreError> {
        if let PageStart::After(seq) = from {
            let walk = self.walk(filter, seq, size + 1, false).await?;
            // At the newest end a short page is shown full, from the end.
            if walk.hits.len() > size || !walk.ended {
                return Ok(newer_page(walk, size));
            }
        }
        let end = match filter.until {
            Some(until) => self.first_at(until).await?,
            None => u64::MAX,
        };
        let start = if let PageStart::Before(seq) = from { seq.min(end) } else { end };
        let walk = self.walk(filter, start, size + 1, true).await?;
        Ok(older_page(walk, size, start < end))
    }

    /// Looks at records below `seq` (`back`) or above it until `most` were found, the bound is met or nothing is left.
    async fn walk(&self, filter: &RecordFilter, seq: u64, most: usize, back: bool) -> Result<Walk, StoreError> {
        let sieve = Sieve::new(filter);
        // Records are in the order of time, so that a moment is a number.
        let end = match (filter.since, filter.until) {
            (Some(since), _) if back => Some(self.first_at(since).await?),
            (_, Some(until)) if !back => Some(self.first_at(until).await?),
            _ => None,
        };
        let is_out = |seq: u64| end.is_some_and(|end| if back { seq < end } else { seq >= end });
        let is_named = !sieve.user.is_empty() && self.store.audit_is_indexed().await?;
        let (mut walk, mut at, mut looked) = (Walk::default(), seq, 0);
        while looked < LOOKED_THROUGH {
            // Each of somebody's records is read by itself: no more of them than are shown.
            let want = if looked == 0 || is_named { most } else { BATCH };
            let batch = if is_named {
                self.store.audit_of(&sieve.user, at, want, back, |event| sieve.is_event(event)).await?
            } else {
                self.store.audit_sifted(at, want, back, |bytes| sieve.may(bytes)).await?
            };
            walk.ended = batch.len() < want;
            looked += batch.len();
            for (number, record) in batch {
                if is_out(number) {
                    walk.ended = true;
                    return Ok(walk);
                }
                at = number;
                walk.last = Some(at);
                walk.hits.extend(record.filter(|record| sieve.lets_through(record)));
                if walk.hits.len() == most {
                    walk.ended = false;
                    return Ok(walk);
                }
            }
            if walk.ended {
                return Ok(walk);
            }
        }
        Ok(walk)
    }

    /// The number of the first record at `time` or later; one past the last if there is none.
    pub(crate) async fn first_at(&self, time: Time) -> Result<u64, StoreError> {
        let start = match self.store.audit_start().await? {
            AuditStart::At(seq, _) => seq.saturating_add(1),
            AuditStart::Forged => 1,
        };
        let (mut low, mut high) = (start, self.store.audit_head().await?.map_or(start, |head| head.seq.saturating_add(1)));
        while low < high {
            let middle = low + (high - low) / 2;
            let found = self.store.audit_after(middle.saturating_sub(1), 1).await?;
            if found.first().is_some_and(|record| record.at < time) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }
}

fn older_page(mut walk: Walk, size: usize, has_newer: bool) -> AuditPage {
    let more = walk.hits.len() > size;
    walk.hits.truncate(size);
    let older = if more { walk.hits.last().map(|record| record.seq) } else { walk.last.filter(|_| !walk.ended) };
    let newest = walk.hits.first().map(|record| record.seq).or(walk.last);
    let newer = newest.filter(|_| has_newer);
    AuditPage { older, newer, bounded: !more && !walk.ended, records: walk.hits }
}

fn newer_page(mut walk: Walk, size: usize) -> AuditPage {
    let more = walk.hits.len() > size;
    walk.hits.truncate(size);
    let newer = if more { walk.hits.last().map(|record| record.seq) } else { walk.last };
    let older = walk.hits.first().map(|record| record.seq).or(walk.last);
    walk.hits.reverse();
    AuditPage { older, newer, bounded: !more, records: walk.hits }
}
