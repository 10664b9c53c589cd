//! One session in use. A request only loads an atomic; the time of its last use is written at most once a second.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use super::user_state::UserState;
use crate::account::Version;
use crate::base::{SessionId, Time, UserId};
use crate::config;
use crate::policy::{Identity, Proof};
use crate::session::{EndReason, SessionRecord, over};

/// A use is noted to this precision, so that most requests write nothing, not even memory.
const PRECISION_MILLIS: i64 = 1000;

/// A session in use.
pub struct LiveSession {
    pub(super) record: SessionRecord,
    last_seen: AtomicI64,
    /// `last_seen` as the store has it.
    written: AtomicI64,
    ended: AtomicBool,
    /// The session that replaced this one at a step up: what this one opened goes on in its name.
    successor: OnceLock<Arc<Self>>,
    pub(super) state: Arc<UserState>,
}

impl LiveSession {
    /// One of an epoch that its user has left behind is over from the start.
    pub(super) fn new(record: SessionRecord, state: Arc<UserState>) -> Self {
        let seen = record.last_seen.millis();
        Self {
            last_seen: AtomicI64::new(seen),
            written: AtomicI64::new(seen),
            ended: AtomicBool::new(state.epoch() != record.epoch),
            successor: OnceLock::new(),
            state,
            record,
        }
    }

    pub fn identity(&self) -> Identity {
        Identity { person: self.state.person.load_full(), proof: self.proof(), token: None }
    }

    /// What its user has proved beyond the password, as far as it counts by now.
    pub fn proof(&self) -> Proof {
        self.state.counts(self.record.proof())
    }

    /// Whether a second factor was shown that counts by now.
    pub fn has_second(&self) -> bool {
        matches!(self.proof(), Proof::Second { .. })
    }

    /// Over, or not to be relied on for now ([`crate::service::sessions::replication`]).
    pub fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire) || self.state.waits()
    }

    /// Which limit it has passed, if any.
    pub(super) fn over(&self, limits: &config::Session, now: Time) -> Option<EndReason> {
        over(self.record.created, self.last_seen(), limits.limits(self.state.is_guest()), now)
    }

    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// What it opened goes on as `by`.
    pub(super) fn go_on_as(&self, by: &Arc<Self>) {
        let _ = self.successor.set(by.clone());
    }

    /// The last of those that replaced it; itself if none did.
    pub fn latest(&self) -> &Self {
        let mut session = self;
        while let Some(next) = session.successor.get() {
            session = next;
        }
        session
    }

    /// It is in use.
    pub fn touch(&self, now: Time) {
        let seen = self.last_seen.load(Ordering::Relaxed);
        if now.millis().saturating_sub(seen) >= PRECISION_MILLIS {
            self.last_seen.store(now.millis(), Ordering::Relaxed);
        }
    }

    /// Whether it is an application's host's, which ends with the portal's.
    pub const fn is_hosts(&self) -> bool {
        self.record.is_hosts()
    }

    pub fn id(&self) -> SessionId {
        self.record.id
    }

    pub fn user(&self) -> UserId {
        self.record.user
    }

    /// The version of its user's account that it was made under.
    pub fn version(&self) -> Version {
        Version::new(self.record.user, self.record.epoch)
    }

    /// The record with the time of its last use.
    pub fn record(&self) -> SessionRecord {
        SessionRecord { last_seen: self.last_seen(), ..self.record.clone() }
    }

    /// When it was last used.
    pub fn last_seen(&self) -> Time {
        Time::from_millis(self.last_seen.load(Ordering::Relaxed))
    }

    /// Its record, if the store does not have its last use. It is the caller's to write.
    pub(super) fn unwritten(&self) -> Option<SessionRecord> {
        let seen = self.last_seen.load(Ordering::Relaxed);
        (self.written.swap(seen, Ordering::Relaxed) != seen).then(|| self.record())
    }

    /// The store has this time of its last use.
    pub(super) fn seen(&self, at: Time) {
        self.last_seen.fetch_max(at.millis(), Ordering::Relaxed);
        self.written.fetch_max(at.millis(), Ordering::Relaxed);
    }
}
