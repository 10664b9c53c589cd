//! Sign-ins and failed attempts over time, counted from the audit log by the hour. The work is bounded: the log is looked at once a minute at most, and each
//! look reads so many records: first what is new, then further back, until the whole month was read.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::Time;
use crate::service::audit::Event;
use crate::store::{AuditRecord, Store, StoreError};

const HOUR: i64 = 3_600_000;
const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * HOUR;
/// How many hours are counted, the current one included: a month of 30 days, whatever the zone.
const HOURS: i64 = 31 * 24;
/// How many records one look at the log reads.
const LOOKED_THROUGH: usize = 20_000;
/// How long a look holds.
const HOLDS: Duration = Duration::from_secs(60);

/// How much of the past is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Period {
    /// 24 hours, one by one.
    #[default]
    Day,
    /// 7 days.
    Week,
    /// 30 days.
    Month,
}

/// Sign-ins and failures of one hour or day.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    pub sign_ins: u64,
    pub failures: u64,
}

impl Tally {
    const fn add(&mut self, other: Self) {
        self.sign_ins += other.sign_ins;
        self.failures += other.failures;
    }
}

#[derive(Default)]
struct Seen {
    at: Option<Time>,
    /// The newest record that is counted, and the oldest; 0: none is.
    newest: u64,
    oldest: u64,
    /// The hour of the oldest one, which is counted in part.
    reached: i64,
    /// All of the month was read.
    whole: bool,
    /// By the hour since the epoch.
    hours: BTreeMap<i64, Tally>,
}

/// What the log says, kept between looks.
#[derive(Default)]
pub struct Activity(tokio::sync::Mutex<Seen>);

/// A stretch of the log, read backwards.
#[derive(Default)]
struct Stretch {
    hours: BTreeMap<i64, Tally>,
    newest: u64,
    oldest: u64,
    reached: i64,
    looked: usize,
    /// It met what was counted before.
    joined: bool,
    /// It met the month's beginning, or the log's.
    whole: bool,
}

impl Activity {
    /// The tallies of a period, the oldest first, by when each hour or day began. Days begin at midnight in a zone that is so many minutes ahead of UTC. What was
    /// not yet read in full is left out.
    ///
    /// # Errors
    /// The store's.
    pub async fn over(&self, store: &Store, now: Time, period: Period, ahead: i64) -> Result<Vec<(Time, Tally)>, StoreError> {
        let mut seen = self.0.lock().await;
        if seen.at.is_none_or(|at| now.since(at) >= HOLDS || now < at) {
            look(&mut seen, store, now).await?;
        }
        let this = now.millis().div_euclid(HOUR);
        let full_from = if seen.whole { i64::MIN } else { (seen.reached + 1) * HOUR };
        let (length, count, shift) = match period {
            Period::Day => (HOUR, 24, 0),
            Period::Week => (DAY, 7, ahead * MINUTE),
            Period::Month => (DAY, 30, ahead * MINUTE),
        };
        let current = (now.millis() + shift).div_euclid(length);
        let mut all: BTreeMap<i64, Tally> = (current - count + 1..=current).map(|place| (place, Tally::default())).collect();
        for (hour, tally) in seen.hours.range(..=this) {
            // An hour belongs to the day that it begins in.
            if let Some(sum) = all.get_mut(&(hour * HOUR + shift).div_euclid(length)) {
                sum.add(*tally);
            }
        }
        let began = |place: i64| place * length - shift;
        let shown = all.into_iter().filter(|(place, _)| *place == current || began(*place) >= full_from);
        Ok(shown.map(|(place, tally)| (Time::from_millis(began(place)), tally)).collect())
    }
}

/// Reads what is new, and then further back; each to what was counted before, to the month's beginning, or to the bound.
async fn look(seen: &mut Seen, store: &Store, now: Time) -> Result<(), StoreError> {
    let first = now.millis().div_euclid(HOUR) - HOURS + 1;
    let fresh = read_back(store, None, seen.newest, first, LOOKED_THROUGH).await?;
    let looked = fresh.looked;
    if fresh.newest > 0 {
        seen.newest = fresh.newest;
    }
    if fresh.joined {
        merge(&mut seen.hours, fresh.hours);
    } else {
        // Between this and what was counted before lies more than the bound.
        (seen.hours, seen.oldest, seen.reached, seen.whole) = (fresh.hours, fresh.oldest, fresh.reached, fresh.whole);
    }
    if !seen.whole && seen.oldest > 0 && looked < LOOKED_THROUGH {
        let back = read_back(store, Some(seen.oldest), 0, first, LOOKED_THROUGH - looked).await?;
        merge(&mut seen.hours, back.hours);
        seen.whole = back.whole;
        if back.oldest > 0 {
            (seen.oldest, seen.reached) = (back.oldest, back.reached);
        }
    }
    seen.hours = seen.hours.split_off(&first);
    seen.at = Some(now);
    Ok(())
}

fn merge(into: &mut BTreeMap<i64, Tally>, from: BTreeMap<i64, Tally>) {
    for (hour, tally) in from {
        into.entry(hour).or_default().add(tally);
    }
}

/// From `before` (the log's end if it is `None`) backwards, at most `most` records.
async fn read_back(store: &Store, before: Option<u64>, known: u64, first: i64, most: usize) -> Result<Stretch, StoreError> {
    let (mut read, mut before) = (Stretch::default(), before);
    while read.looked < most {
        let batch = store.audit_before(before, 1000.min(most - read.looked)).await?;
        if batch.is_empty() {
            // A log that has only what is known already was met by its end.
            (read.whole, read.joined) = (true, read.joined || known > 0);
            return Ok(read);
        }
        for record in &batch {
            let hour = record.at.millis().div_euclid(HOUR);
            (read.joined, read.whole) = (record.seq <= known, hour < first);
            if read.joined || read.whole {
                return Ok(read);
            }
            (read.newest, read.oldest, read.reached) = (read.newest.max(record.seq), record.seq, hour);
            count(&mut read.hours, hour, record);
            before = Some(record.seq);
        }
        read.looked += batch.len();
    }
    Ok(read)
}

fn count(hours: &mut BTreeMap<i64, Tally>, hour: i64, record: &AuditRecord) {
    let tally = hours.entry(hour).or_default();
    if record.event == Event::SignedIn.name() {
        tally.sign_ins += 1;
    } else if record.event == Event::PasswordWrong.name() || record.event == Event::SecondWrong.name() {
        tally.failures += 1;
    }
}
