//! What a user of a directory or provider is held to: until when what is known of them may be relied on. Plain values; nothing here asks.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use crate::account::{PersonId, SourceId};
use crate::base::Time;

/// What the configuration says of a source, and when it answered last.
#[derive(Debug)]
pub struct SourceTimes {
    pub refresh: Duration,
    pub max_stale: Duration,
    pub(super) answered: AtomicI64,
    pub(super) written: AtomicI64,
}

impl SourceTimes {
    /// `answered`: as it was written down before the start.
    pub fn new(refresh: Duration, max_stale: Duration, answered: Option<Time>) -> Self {
        let answered = answered.unwrap_or_default().millis();
        Self { refresh, max_stale, answered: AtomicI64::new(answered), written: AtomicI64::new(answered) }
    }
}

/// The sources in force.
pub type TimesOfSources = HashMap<SourceId, SourceTimes>;

/// What a user of a source is held to.
pub struct Hold {
    pub(super) person: PersonId,
    /// Milliseconds.
    pub(super) relied_until: AtomicI64,
    pub(super) due: AtomicI64,
    /// The sessions wait: their source was not heard of for too long.
    pub(super) waits: AtomicBool,
}

impl Hold {
    pub(in crate::service::sessions) fn is_relied_on(&self, now: Time) -> bool {
        now.millis() < self.relied_until.load(Ordering::Acquire)
    }

    pub(in crate::service::sessions) fn waits(&self) -> bool {
        self.waits.load(Ordering::Acquire)
    }
}
