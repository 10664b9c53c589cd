//! The table of live sessions, written through to the store. A request is decided from here alone: no disk access, no lock across an await.
//!
//! Every write of an account is seen here before its writer goes on ([`crate::store::Store::observe`]), so a disabled user or a changed
//! password ends sessions at once. Whoever watches a connection is woken over [`LiveSessions::revocations`].

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use dashmap::DashMap;
use foldhash::fast::RandomState;
use tokio::sync::{mpsc, watch};

use super::super::flights::Flights;
use super::super::recently_ended::{KnownOver, RecentlyEnded};
use super::hold::{Hold, TimesOfSources};
use super::session::LiveSession;
use super::table::Table;
use super::user_state::UserState;
use crate::base::{BindingId, SessionId, Time, UserId};
use crate::config;
use crate::session::{EndReason, KeyRing, Purpose, SessionRecord};

/// What a session cookie's value turned out to be.
pub enum Found {
    Live(Arc<LiveSession>),
    /// Signed here, but over.
    Ended,
    /// Signed here, and not in memory: only the store knows.
    Elsewhere,
    /// Malformed, or not signed here.
    Forged,
    /// Signed here, and what is in memory cannot be relied on for now ([`crate::service::sessions::replication`]): neither live nor over.
    Unknown,
}

/// Parts of the users, each with a lock of its own.
const USER_PARTS: usize = 64;

/// The sessions.
pub struct LiveSessions {
    pub(super) sessions: Table,
    /// Names of browsers, shared by the sessions.
    pub(super) browsers: Mutex<HashSet<Arc<str>>>,
    pub(super) recently_ended: Mutex<RecentlyEnded>,
    /// Ended here, and perhaps still in the store.
    pub(super) unwritten: Mutex<HashSet<SessionId>>,
    // Ids are random and the gateway's own.
    pub(super) users: DashMap<UserId, Arc<UserState>, RandomState>,
    /// Sessions by what browsers call their bindings; those names are random and the gateway's own.
    pub(super) bindings: DashMap<BindingId, SessionId, RandomState>,
    pub(super) keys: ArcSwap<KeyRing>,
    pub(super) settings: ArcSwap<(config::Session, config::Mfa)>,
    revocations: watch::Sender<u64>,
    /// Ended sessions whose record is still to be deleted.
    pub(super) ended: mpsc::UnboundedSender<SessionId>,
    /// Nobody is let in from memory: other gateways may have changed what is in it, for longer than `store.max_stale`.
    pub(super) stale: Arc<AtomicBool>,
    /// Since when other gateways may have changed what is in memory, in milliseconds; zero: they cannot. Nothing ends by its age meanwhile.
    pub(super) behind: AtomicI64,
    pub(super) sources: ArcSwap<TimesOfSources>,
    /// People of sources who have API tokens.
    pub(super) token_holds: DashMap<UserId, Arc<Hold>, RandomState>,
    /// Something open has to show its device by now, or has not for too long.
    pub(super) has_due: AtomicBool,
    /// There is or was a session or token of somebody of a source.
    pub(super) has_people: AtomicBool,
    /// There is or was a host's session under a portal's.
    pub(super) has_families: AtomicBool,
    /// How many sessions stay in memory; zero: all that there are.
    pub(super) room: AtomicUsize,
    /// Not in memory, and known to be over.
    pub(super) known_over: Mutex<KnownOver>,
    /// Last uses of sessions that left memory before they were written down.
    pub(super) left: Mutex<Vec<SessionRecord>>,
    /// Sessions on their way into memory.
    pub(in crate::service::sessions) flights: Flights,
}

impl LiveSessions {
    /// The registry, and the ended sessions that somebody must delete from the store.
    pub fn new(keys: Arc<KeyRing>, session: config::Session, mfa: config::Mfa) -> (Self, mpsc::UnboundedReceiver<SessionId>) {
        let (ended, to_delete) = mpsc::unbounded_channel();
        let live = Self {
            sessions: Table::default(),
            browsers: Mutex::default(),
            recently_ended: Mutex::default(),
            unwritten: Mutex::default(),
            users: DashMap::with_capacity_and_hasher_and_shard_amount(0, RandomState::default(), USER_PARTS),
            bindings: DashMap::with_capacity_and_hasher_and_shard_amount(0, RandomState::default(), USER_PARTS),
            keys: ArcSwap::new(keys),
            settings: ArcSwap::from_pointee((session, mfa)),
            revocations: watch::Sender::new(0),
            ended,
            stale: Arc::default(),
            behind: AtomicI64::default(),
            sources: ArcSwap::default(),
            token_holds: DashMap::default(),
            has_due: AtomicBool::default(),
            has_people: AtomicBool::default(),
            has_families: AtomicBool::default(),
            room: AtomicUsize::default(),
            known_over: Mutex::default(),
            left: Mutex::default(),
            flights: Flights::default(),
        };
        (live, to_delete)
    }

    /// The session that a cookie's value names: signature first, then the memory, then the limits.
    pub fn lookup(&self, token: &str, now: Time) -> Found {
        self.lookup_under(&self.keys.load(), token, now)
    }

    /// The same with the keys at hand.
    pub fn lookup_under(&self, keys: &KeyRing, token: &str, now: Time) -> Found {
        let Some(id) = signed_under(keys, token) else { return Found::Forged };
        match self.in_use(id, now) {
            Some(session) => Found::Live(session),
            None if self.is_stale() || self.waits_for_source(id, now) => Found::Unknown,
            // Another gateway may know better, unless it ended here.
            None if self.has_ended(id) => Found::Ended,
            None if self.is_behind() => Found::Unknown,
            None if self.is_partial() && self.sessions.get(id).is_none() => Found::Elsewhere,
            None => Found::Ended,
        }
    }

    /// The id in a cookie's value that was signed here, whether there is such a session or not.
    pub fn signed(&self, token: &str) -> Option<SessionId> {
        signed_under(&self.keys.load(), token)
    }

    /// Whether memory holds some of the store's sessions only.
    pub fn is_partial(&self) -> bool {
        self.room.load(Ordering::Relaxed) > 0
    }

    /// Whose session a well-signed token names or named. `None` for any other token, and if the session ended too long ago.
    pub fn owner(&self, token: &str) -> Option<UserId> {
        let id = self.signed(token)?;
        let live = self.sessions.get(id).map(|session| session.user());
        live.or_else(|| locked(&self.recently_ended).owner(id))
    }

    fn in_use(&self, id: SessionId, now: Time) -> Option<Arc<LiveSession>> {
        self.sessions.get(id).filter(|session| self.is_in_use(session, now))
    }

    /// Whether a session may be relied on; ends it where its time is over, and notes its use if it is not.
    pub(super) fn is_in_use(&self, session: &LiveSession, now: Time) -> bool {
        if self.is_stale() {
            return false;
        }
        if let Some(reason) = session.over(&self.settings.load().0, now) {
            // It may have been used at another gateway that is not heard at the moment.
            let is_used = reason == EndReason::Idle && self.is_used_by_hosts(session, now);
            if !is_used && !self.is_behind() {
                self.end(session.id(), reason);
            }
            if !is_used {
                return false;
            }
        }
        if session.is_ended() || !session.state.is_relied_on(now) {
            return false;
        }
        session.touch(now);
        true
    }

    /// The session is there, and its user's source was not heard of for too long.
    fn waits_for_source(&self, id: SessionId, now: Time) -> bool {
        self.sessions.get(id).is_some_and(|session| !session.state.is_relied_on(now) || session.state.waits())
    }

    /// The keys in force.
    pub fn keys(&self) -> Arc<KeyRing> {
        self.keys.load_full()
    }

    /// The cookie's value for a session.
    pub fn token(&self, id: SessionId) -> String {
        self.keys.load().sign(Purpose::Session, id.as_bytes())
    }

    /// The live sessions of a user; those of hosts, which belong to one of the portal's, aside.
    pub fn signed_in(&self, user: UserId) -> Vec<Arc<LiveSession>> {
        let mut sessions = self.of(user);
        sessions.retain(|session| !session.is_hosts());
        sessions
    }

    /// The live sessions of a user, those of hosts too.
    pub fn of(&self, user: UserId) -> Vec<Arc<LiveSession>> {
        let Some(state) = self.users.get(&user).map(|entry| entry.value().clone()) else { return Vec::new() };
        state.sessions().iter().filter_map(|id| self.sessions.get(*id)).collect()
    }

    pub fn get(&self, id: SessionId) -> Option<Arc<LiveSession>> {
        self.sessions.get(id)
    }

    pub fn all(&self) -> Vec<Arc<LiveSession>> {
        let mut all = Vec::with_capacity(self.sessions.len());
        self.sessions.each(|session| all.push(session.clone()));
        all
    }

    /// Shows every session, a part of them at a time.
    pub fn each(&self, see: impl FnMut(&Arc<LiveSession>)) {
        self.sessions.each(see);
    }

    /// How many there are; those of hosts belong to one of the portal's and are not counted.
    pub fn count(&self) -> usize {
        self.sessions.signed_in()
    }

    /// Other limits or policies from now on; persons are made again from `accounts`.
    pub fn reconfigure(&self, session: config::Session, mfa: config::Mfa) {
        self.settings.store(Arc::new((session, mfa)));
    }

    /// Users with sessions.
    pub fn users(&self) -> Vec<UserId> {
        self.users.iter().map(|entry| *entry.key()).collect()
    }

    /// Other keys from now on.
    pub fn rekey(&self, keys: Arc<KeyRing>) {
        self.keys.store(keys);
    }

    /// Wakes those who watch a connection, to ask whether it may go on.
    pub fn recheck(&self) {
        self.revocations.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Changes whenever a session ends, a person's groups or policy change, or the routes do.
    pub fn revocations(&self) -> watch::Receiver<u64> {
        self.revocations.subscribe()
    }
}

fn signed_under(keys: &KeyRing, token: &str) -> Option<SessionId> {
    let mut buffer = [0u8; 256];
    let payload = keys.verify(Purpose::Session, token, &mut buffer)?;
    payload.try_into().ok().map(SessionId::from_bytes)
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
