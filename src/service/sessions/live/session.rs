//! One session in use. A request only loads an atomic; the time of its last use is written at most once a second.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;

use super::user_state::UserState;
use crate::account::Version;
use crate::base::{BindingId, SessionId, Time, UserId};
use crate::config;
use crate::policy::{DeviceState, Identity, Proof};
use crate::session::device::{BoundCookie, DeviceBinding};
use crate::session::{EndReason, SessionRecord, over};

/// A use is noted to this precision, so that most requests write nothing, not even memory.
const PRECISION_MILLIS: i64 = 1000;

/// A session in use.
pub struct LiveSession {
    pub(super) record: SessionRecord,
    /// The device that it is bound to: once, for as long as it has this id.
    device: ArcSwapOption<DeviceBinding>,
    last_seen: AtomicI64,
    /// `last_seen` as the store has it.
    written: AtomicI64,
    ended: AtomicBool,
    /// The session that replaced this one at a step up: what this one opened goes on in its name.
    successor: OnceLock<Arc<Self>>,
    pub(super) state: Arc<UserState>,
    /// It was noted that the session is used without its device.
    missed: AtomicBool,
    /// What is open was last looked at because of the key's use in this second; 1: because the session is held from then on.
    looked_at: AtomicU32,
}

/// How long after a sign-in the browser may take to bind the session, before it counts as one that cannot.
const BINDING: Duration = Duration::from_secs(10);

impl LiveSession {
    /// One of an epoch that its user has left behind is over from the start.
    pub(super) fn new(mut record: SessionRecord, state: Arc<UserState>) -> Self {
        let seen = record.last_seen.millis();
        Self {
            device: ArcSwapOption::new(record.device.take()),
            last_seen: AtomicI64::new(seen),
            written: AtomicI64::new(seen),
            ended: AtomicBool::new(state.epoch() != record.epoch),
            successor: OnceLock::new(),
            missed: AtomicBool::new(false),
            looked_at: AtomicU32::new(0),
            state,
            record,
        }
    }

    pub fn identity(&self) -> Identity {
        Identity { person: self.state.person.load_full(), proof: self.proof(), token: None, device: DeviceState::Unbound }
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

    /// The device that it is bound to.
    pub fn device(&self) -> Option<Arc<DeviceBinding>> {
        self.device.load_full()
    }

    /// Whether it is bound to a device.
    pub fn is_bound(&self) -> bool {
        self.device.load().is_some()
    }

    /// It is bound from now on, or its key was used again; of two states of the binding the later one stays. `true` if it was bound to nothing.
    pub(super) fn bind(&self, device: &Arc<DeviceBinding>) -> bool {
        let before = self.device.rcu(|known| match known {
            Some(known) if known.id != device.id || device.seq <= known.seq => Some(Arc::clone(known)),
            _ => Some(Arc::clone(device)),
        });
        before.is_none()
    }

    /// Its key was used again.
    pub fn proved(&self, device: &Arc<DeviceBinding>) {
        self.bind(device);
        self.missed.store(false, Ordering::Relaxed);
    }

    /// What a request shows of the device, by the bound cookie that came with it.
    pub fn device_state(&self, shown: Option<BoundCookie>, now: Time) -> DeviceState {
        self.shows(shown, now).0
    }

    /// The same, with the binding.
    pub fn shows(&self, shown: Option<BoundCookie>, now: Time) -> (DeviceState, Option<BindingId>) {
        let device = self.device.load();
        let Some(device) = device.as_ref() else {
            let is_new = now.since(self.authenticated()) < BINDING;
            return (if is_new { DeviceState::Binding } else { DeviceState::Unbound }, None);
        };
        let counts = |cookie: &BoundCookie| cookie.session == self.id() && cookie.binding == device.id && now < cookie.expires;
        let state = match shown.filter(counts) {
            Some(cookie) => DeviceState::Proved(cookie.proved_at),
            None if now < device.holds_from(self.authenticated()) => DeviceState::Settling,
            None => DeviceState::Missing,
        };
        (state, Some(device.id))
    }

    /// Whether what is open has to be looked at: since the last look the time came from which on the device must be shown, or it was not shown for too
    /// long. `true` once for each.
    pub(super) fn is_due(&self, lifetime: Duration, now: Time) -> bool {
        let device = self.device.load();
        let Some(device) = device.as_ref() else { return false };
        let due = if DeviceBinding::lapses(device.proved_at, lifetime) <= now {
            u32::try_from(device.proved_at.unix()).unwrap_or(u32::MAX).max(2)
        } else if device.holds_from(self.authenticated()) <= now {
            1
        } else {
            return false;
        };
        self.looked_at.fetch_max(due, Ordering::Relaxed) < due
    }

    /// It was used without its device; `true` the first time since the device was shown.
    pub fn misses_device(&self) -> bool {
        !self.missed.swap(true, Ordering::Relaxed)
    }

    /// When somebody last authenticated in it.
    pub fn authenticated(&self) -> Time {
        self.record.authenticated()
    }

    /// The record with the time of its last use.
    pub fn record(&self) -> SessionRecord {
        SessionRecord { last_seen: self.last_seen(), device: self.device(), ..self.record.clone() }
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
