//! Sessions in memory, written through to the store. A request is judged from here alone: no disk, no lock across an await.
//!
//! Every write of an account is seen here before its writer goes on ([`crate::store::Store::observe`]), so that a disabled user or a
//! changed password ends sessions at once; who watches a connection is woken over [`Live::revocations`].

mod others;
mod regular;
mod table;

pub use regular::Regular;
pub use table::PARTS;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use dashmap::DashMap;
use foldhash::fast::RandomState;
use tokio::sync::{mpsc, watch};

use self::table::Table;
use super::former::Former;
use crate::account::Account;
use crate::base::{SessionId, Time, UserId};
use crate::config;
use crate::policy::{Identity, Person};
use crate::session::{EndReason, KeyRing, Purpose, SessionRecord, over};

/// What a person is, from their account and the configuration in force.
pub fn person(account: &Account, mfa: &config::Mfa) -> Person {
    let mut methods = account.enrolled().and(account.may_enrol(mfa.methods));
    if account.recovery_left() > 0 {
        methods = methods.with(crate::factor::Method::Recovery);
    }
    Person {
        name: account.name.clone(),
        display_name: account.display_name.clone(),
        email: account.email.clone(),
        groups: account.groups.clone(),
        mfa: account.mfa_policy.resolve(mfa.policy),
        methods,
    }
}

/// A user with sessions: shared by them.
pub struct Standing {
    person: ArcSwap<Person>,
    epoch: AtomicU32,
    sessions: Mutex<Vec<SessionId>>,
    /// The account's revision that `person` and `epoch` are of.
    revision: Mutex<u64>,
    /// The registry's own.
    stale: Arc<AtomicBool>,
}

impl Standing {
    /// The account's epoch, as far as it is known here.
    pub fn epoch(&self) -> u32 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Takes a state of the account in, unless a later one is here already. Says whether what is open may no longer be admitted.
    fn update(&self, account: &Account, mfa: &config::Mfa) -> bool {
        let mut revision = locked(&self.revision);
        if account.revision < *revision {
            return false;
        }
        *revision = account.revision;
        let now = Arc::new(person(account, mfa));
        let before = self.person.swap(now.clone());
        self.epoch.store(account.epoch, Ordering::Release);
        before.groups != now.groups || before.mfa != now.mfa
    }
}

/// A session in use.
pub struct LiveSession {
    record: SessionRecord,
    last_seen: AtomicI64,
    /// `last_seen` as the store has it.
    written: AtomicI64,
    ended: AtomicBool,
    /// The session that replaced this one at a step up: what this one opened goes on in its name.
    successor: OnceLock<Arc<LiveSession>>,
    standing: Arc<Standing>,
}

impl LiveSession {
    pub fn identity(&self) -> Identity {
        Identity { person: self.standing.person.load_full(), proof: self.record.proof() }
    }

    /// Over, or not to be relied on for now ([`super::shared`]).
    pub fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire) || self.standing.stale.load(Ordering::Acquire)
    }

    /// The last of those that replaced it; itself where none did.
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

    pub fn id(&self) -> SessionId {
        self.record.id
    }

    pub fn user(&self) -> UserId {
        self.record.user
    }

    /// The record with the time of its last use.
    pub fn record(&self) -> SessionRecord {
        SessionRecord { last_seen: self.last_seen(), ..self.record.clone() }
    }

    /// When it was last used.
    pub fn last_seen(&self) -> Time {
        Time::from_millis(self.last_seen.load(Ordering::Relaxed))
    }

    /// The store has this time of its last use.
    fn seen(&self, at: Time) {
        self.last_seen.fetch_max(at.millis(), Ordering::Relaxed);
        self.written.fetch_max(at.millis(), Ordering::Relaxed);
    }
}

/// What a session cookie's value turned out to be.
pub enum Found {
    Live(Arc<LiveSession>),
    /// Signed here, but over.
    Ended,
    /// Malformed, or not signed here.
    Forged,
    /// Signed here, and what is in memory cannot be relied on for now ([`super::shared`]): neither live nor over.
    Unknown,
}

/// Parts of the users, each with a lock of its own.
const USER_PARTS: usize = 64;

/// A use is noted to this precision, so that most requests write nothing, not even memory.
const PRECISION_MILLIS: i64 = 1000;

/// The sessions.
pub struct Live {
    sessions: Table,
    /// Names of browsers, shared by the sessions.
    browsers: Mutex<HashSet<Arc<str>>>,
    former: Mutex<Former>,
    // Ids are random and the gateway's own.
    users: DashMap<UserId, Arc<Standing>, RandomState>,
    keys: ArcSwap<KeyRing>,
    settings: ArcSwap<(config::Session, config::Mfa)>,
    revocations: watch::Sender<u64>,
    /// Ended sessions whose record is still to be deleted. A lost one is void at the next start all the same.
    ended: mpsc::UnboundedSender<SessionId>,
    /// Other gateways may have changed what is in memory here. Nobody is let in from it, and nothing ends by its age.
    stale: Arc<AtomicBool>,
}

impl Live {
    /// The registry, and the ended sessions that somebody must delete from the store.
    pub fn new(keys: Arc<KeyRing>, session: config::Session, mfa: config::Mfa) -> (Self, mpsc::UnboundedReceiver<SessionId>) {
        let (ended, to_delete) = mpsc::unbounded_channel();
        let live = Self {
            sessions: Table::default(),
            browsers: Mutex::default(),
            former: Mutex::default(),
            users: DashMap::with_capacity_and_hasher_and_shard_amount(0, RandomState::default(), USER_PARTS),
            keys: ArcSwap::new(keys),
            settings: ArcSwap::from_pointee((session, mfa)),
            revocations: watch::Sender::new(0),
            ended,
            stale: Arc::default(),
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
            None if self.is_stale() => Found::Unknown,
            None => Found::Ended,
        }
    }

    /// The id in a cookie's value that was signed here, whether there is such a session or not.
    pub fn signed(&self, token: &str) -> Option<SessionId> {
        signed_under(&self.keys.load(), token)
    }

    /// Whose session a well-signed token names or named. `None` for any other token, and where the session ended too long ago.
    pub fn owner(&self, token: &str) -> Option<UserId> {
        let id = self.signed(token)?;
        let live = self.sessions.get(id).map(|session| session.user());
        live.or_else(|| locked(&self.former).owner(id))
    }

    fn in_use(&self, id: SessionId, now: Time) -> Option<Arc<LiveSession>> {
        self.sessions.get(id).filter(|session| self.is_in_use(session, now))
    }

    /// Whether a session may be relied on; ends it where its time is over, and notes its use where it is not.
    fn is_in_use(&self, session: &LiveSession, now: Time) -> bool {
        if self.is_stale() {
            return false;
        }
        if let Some(reason) = over(session.record.created, session.last_seen(), &self.settings.load().0, now) {
            self.end(session.id(), reason);
            return false;
        }
        if session.is_ended() {
            return false;
        }
        session.touch(now);
        true
    }

    /// The keys in force.
    pub fn keys(&self) -> Arc<KeyRing> {
        self.keys.load_full()
    }

    /// The cookie's value for a session.
    pub fn token(&self, id: SessionId) -> String {
        self.keys.load().sign(Purpose::Session, id.as_bytes())
    }

    /// Takes a session in; one that is there already is only told when it was last used. The caller reads the account once more
    /// afterwards, so that no change of it is missed.
    pub fn insert(&self, record: SessionRecord, account: &Account) -> Arc<LiveSession> {
        self.insert_under(record, self.standing(account))
    }

    /// A user's standing: the one that their sessions share, or where they have none one for [`Live::insert_under`].
    pub fn standing(&self, account: &Account) -> Arc<Standing> {
        if let Some(known) = self.users.get(&account.id) {
            return known.value().clone();
        }
        let settings = self.settings.load();
        Arc::new(Standing {
            person: ArcSwap::from_pointee(person(account, &settings.1)),
            epoch: AtomicU32::new(account.epoch),
            sessions: Mutex::new(Vec::new()),
            revision: Mutex::new(account.revision),
            stale: self.stale.clone(),
        })
    }

    /// As [`Live::insert`], for many sessions of one user.
    pub fn insert_under(&self, mut record: SessionRecord, standing: Arc<Standing>) -> Arc<LiveSession> {
        record.browser = self.browser(record.browser);
        self.insert_named(record, standing)
    }

    /// The browser's name is a shared one.
    fn insert_named(&self, record: SessionRecord, standing: Arc<Standing>) -> Arc<LiveSession> {
        let entry = self.users.entry(record.user).or_insert(standing);
        let standing = entry.value().clone();
        if let Some(known) = self.get(record.id) {
            known.seen(record.last_seen);
            return known;
        }
        locked(&standing.sessions).push(record.id);
        let seen = record.last_seen.millis();
        let session = Arc::new(LiveSession {
            last_seen: AtomicI64::new(seen),
            written: AtomicI64::new(seen),
            ended: AtomicBool::new(standing.epoch.load(Ordering::Acquire) != record.epoch),
            successor: OnceLock::new(),
            standing,
            record,
        });
        self.sessions.insert(session.clone());
        drop(entry);
        session
    }

    /// The same name, shared.
    fn browser(&self, name: Arc<str>) -> Arc<str> {
        let mut browsers = locked(&self.browsers);
        if let Some(known) = browsers.get(&name) {
            return known.clone();
        }
        // There are some seventy. Should there be many more, those that nobody has any more go.
        if browsers.len() >= 1024 {
            browsers.retain(|known| Arc::strong_count(known) > 1);
        }
        browsers.insert(name.clone());
        name
    }

    /// Ends a session; `true` for the one caller that ended it.
    pub fn end(&self, id: SessionId, reason: EndReason) -> bool {
        let ended = self.end_unheard(id, reason);
        if ended {
            self.recheck();
        }
        ended
    }

    /// Ends a session; who watches a connection is to be woken afterwards.
    fn end_unheard(&self, id: SessionId, reason: EndReason) -> bool {
        let Some(session) = self.sessions.remove(id) else { return false };
        session.ended.store(true, Ordering::Release);
        let user = session.user();
        locked(&self.former).add(id, user);
        locked(&session.standing.sessions).retain(|other| *other != id);
        self.users.remove_if(&user, |_, standing| locked(&standing.sessions).is_empty());
        let _ = self.ended.send(id);
        tracing::debug!(reason = reason.name(), "session ended");
        true
    }

    /// Ends a session whose place `by` takes. Its cookie opens nothing any more; its downloads and tunnels go on until `by` ends.
    pub fn replace(&self, old: SessionId, by: &Arc<LiveSession>) -> bool {
        if let Some(old) = self.get(old).filter(|old| old.id() != by.id()) {
            let _ = old.successor.set(by.clone());
        }
        self.end(old, EndReason::Replaced)
    }

    /// The live sessions of a user.
    pub fn of(&self, user: UserId) -> Vec<Arc<LiveSession>> {
        let Some(standing) = self.users.get(&user).map(|entry| entry.value().clone()) else { return Vec::new() };
        let ids = locked(&standing.sessions).clone();
        ids.iter().filter_map(|id| self.sessions.get(*id)).collect()
    }

    pub fn get(&self, id: SessionId) -> Option<Arc<LiveSession>> {
        self.sessions.get(id)
    }

    pub fn all(&self) -> Vec<Arc<LiveSession>> {
        let mut all = Vec::with_capacity(self.count());
        self.sessions.each(|session| all.push(session.clone()));
        all
    }

    /// Shows every session, a part of them at a time.
    pub fn each(&self, see: impl FnMut(&Arc<LiveSession>)) {
        self.sessions.each(see);
    }

    pub fn count(&self) -> usize {
        self.sessions.len()
    }

    /// An account was written or deleted: its sessions follow.
    pub fn account_changed(&self, id: UserId, account: Option<&Account>) {
        let Some(standing) = self.users.get(&id).map(|entry| entry.value().clone()) else { return };
        let alive = account.filter(|account| !account.disabled);
        if alive.is_some_and(|account| standing.update(account, &self.settings.load().1)) {
            self.recheck();
        }
        let current = alive.map(|_| standing.epoch.load(Ordering::Acquire));
        for session in self.of(id) {
            if current != Some(session.record.epoch) {
                self.end(session.id(), EndReason::AccountChanged);
            }
        }
    }

    /// Other limits or policies from now on; persons are made anew from `accounts`.
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

    /// Wakes whoever watches a connection, to ask whether it may go on.
    pub fn recheck(&self) {
        self.revocations.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Changes whenever a session ends, a person's groups or policy change, or the routes do.
    pub fn revocations(&self) -> watch::Receiver<u64> {
        self.revocations.subscribe()
    }

    /// Ends what is over, and returns the sessions whose last use the store does not know yet.
    pub fn sweep(&self, now: Time) -> Vec<SessionRecord> {
        (0..PARTS).flat_map(|part| self.sweep_part(part, now)).collect()
    }

    /// The same for one of [`PARTS`] parts: some microseconds of work, and no lock that is held longer.
    pub fn sweep_part(&self, part: usize, now: Time) -> Vec<SessionRecord> {
        let settings = self.settings.load_full();
        let (mut dead, mut used) = (Vec::new(), Vec::new());
        self.sessions.each_of(part, |session| match over(session.record.created, session.last_seen(), &settings.0, now) {
            Some(_) if self.is_stale() => {}
            Some(reason) => dead.push((session.id(), reason)),
            None => {
                let seen = session.last_seen.load(Ordering::Relaxed);
                if session.written.swap(seen, Ordering::Relaxed) != seen {
                    used.push(session.record());
                }
            }
        });
        let ended = dead.into_iter().filter(|(id, reason)| self.end_unheard(*id, *reason)).count();
        if ended > 0 {
            self.recheck();
        }
        used
    }
}

fn signed_under(keys: &KeyRing, token: &str) -> Option<SessionId> {
    let mut buffer = [0u8; 256];
    let payload = keys.verify(Purpose::Session, token, &mut buffer)?;
    payload.try_into().ok().map(SessionId::from_bytes)
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
