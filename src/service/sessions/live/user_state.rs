//! What is known of a user who has sessions, once for all of them: who they are by now, and under which epoch. Two writes of the account that are
//! told in the wrong order leave the later one.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use crate::account::Account;
use crate::base::SessionId;
use crate::config;
use crate::factor::Method;
use crate::policy::Person;

/// What a person is, from their account and the configuration in force.
pub fn person(account: &Account, mfa: &config::Mfa) -> Person {
    let mut methods = account.enrolled().and(account.may_enrol(mfa.methods));
    if account.recovery_left() > 0 {
        methods = methods.with(Method::Recovery);
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
pub struct UserState {
    pub(super) person: ArcSwap<Person>,
    epoch: AtomicU32,
    sessions: Mutex<Vec<SessionId>>,
    /// The account's revision that `person` and `epoch` are of.
    revision: Mutex<u64>,
    /// The registry's own.
    pub(super) stale: Arc<AtomicBool>,
}

impl UserState {
    /// Of a user with no session yet; `stale` is the registry's.
    pub(super) fn new(account: &Account, mfa: &config::Mfa, stale: &Arc<AtomicBool>) -> Self {
        Self {
            person: ArcSwap::from_pointee(person(account, mfa)),
            epoch: AtomicU32::new(account.epoch),
            sessions: Mutex::default(),
            revision: Mutex::new(account.revision),
            stale: stale.clone(),
        }
    }

    /// The account's epoch, as far as it is known here.
    pub fn epoch(&self) -> u32 {
        self.epoch.load(Ordering::Acquire)
    }

    pub(super) fn sessions(&self) -> Vec<SessionId> {
        locked(&self.sessions).clone()
    }

    pub(super) fn has_sessions(&self) -> bool {
        !locked(&self.sessions).is_empty()
    }

    pub(super) fn join(&self, id: SessionId) {
        locked(&self.sessions).push(id);
    }

    pub(super) fn leave(&self, id: SessionId) {
        locked(&self.sessions).retain(|other| *other != id);
    }

    /// Takes a state of the account in, unless a later one is here already. Says whether what is open may no longer be admitted.
    pub(super) fn update(&self, account: &Account, mfa: &config::Mfa) -> bool {
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

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
