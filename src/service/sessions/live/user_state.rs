//! What is known of a user with sessions, once for all of them: the person, the epoch, and which proofs count. If two writes of the account
//! arrive in the wrong order, the later one stays.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use super::hold::Hold;
use crate::account::{Account, MfaPolicy};
use crate::base::{SessionId, Time};
use crate::config;
use crate::factor::{Method, MethodSet};
use crate::policy::{GuestAddress, Person, Proof};
use crate::source::provider::linked::is_vouched_for;

/// What a person is, from their account and the configuration in force.
pub fn person(account: &Account, mfa: &config::Mfa) -> Person {
    if account.is_guest() {
        return guest(account);
    }
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
        applications: account.applications.clone(),
        guest: None,
    }
}

/// A guest is the address and nothing else, whatever the record says.
fn guest(account: &Account) -> Person {
    Person {
        name: account.name.clone(),
        display_name: account.name.clone(),
        email: account.name.clone(),
        groups: Vec::new(),
        mfa: MfaPolicy::Off,
        methods: MethodSet::EMPTY,
        guest: GuestAddress::parse(&account.name),
        applications: Vec::new(),
    }
}

/// A user with sessions: shared by them.
pub struct UserState {
    pub(super) person: ArcSwap<Person>,
    epoch: AtomicU32,
    sessions: Mutex<Vec<SessionId>>,
    /// The account's revision that `person` and `epoch` are of.
    revision: Mutex<u64>,
    /// Browsers may be trusted, by the configuration in force.
    trusts_browsers: AtomicBool,
    /// A provider's second factor counts, though it is no method that was set up here.
    is_vouched_for: AtomicBool,
    /// The registry's own.
    pub(super) stale: Arc<AtomicBool>,
    /// Of somebody of a directory or provider.
    pub(super) hold: Option<Hold>,
}

impl UserState {
    /// Of a user with no session yet; `stale` is the registry's.
    pub(super) fn new(account: &Account, mfa: &config::Mfa, stale: &Arc<AtomicBool>, hold: Option<Hold>) -> Self {
        Self {
            person: ArcSwap::from_pointee(person(account, mfa)),
            epoch: AtomicU32::new(account.epoch),
            sessions: Mutex::default(),
            revision: Mutex::new(account.revision),
            trusts_browsers: AtomicBool::new(!mfa.trusted_device.is_zero()),
            is_vouched_for: AtomicBool::new(is_vouched_for(account, mfa)),
            stale: stale.clone(),
            hold,
        }
    }

    /// Whether the source of the user was heard of lately enough; local users have none.
    pub(super) fn is_relied_on(&self, now: Time) -> bool {
        self.hold.as_ref().is_none_or(|hold| hold.is_relied_on(now))
    }

    /// Whether what is in memory cannot be relied on for now.
    pub(super) fn waits(&self) -> bool {
        self.stale.load(Ordering::Acquire) || self.hold.as_ref().is_some_and(Hold::waits)
    }

    /// Whether the user is a guest.
    pub(super) fn is_guest(&self) -> bool {
        self.person.load().guest.is_some()
    }

    /// The account's epoch, as far as it is known here.
    pub fn epoch(&self) -> u32 {
        self.epoch.load(Ordering::Acquire)
    }

    /// What a proof counts for by now. A method that was withdrawn since is no second factor; nor is a browser, once none is trusted.
    pub(super) fn counts(&self, proof: Proof) -> Proof {
        let methods = self.person.load().methods;
        match proof {
            // Recovery codes stand in for the other methods, and the last one may be the one that was shown.
            Proof::Second { method: Method::Recovery, .. } if methods.iter().all(|method| method == Method::Recovery) => Proof::Password,
            Proof::Second { method: Method::External, .. } if self.is_vouched_for.load(Ordering::Acquire) => proof,
            Proof::Second { method, .. } if method != Method::Recovery && !methods.contains(method) => Proof::Password,
            Proof::TrustedBrowser if !self.trusts_browsers.load(Ordering::Acquire) => Proof::Password,
            proof => proof,
        }
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
        let trusts = !mfa.trusted_device.is_zero();
        let distrusts = self.trusts_browsers.swap(trusts, Ordering::AcqRel) && !trusts;
        let vouched = is_vouched_for(account, mfa);
        let distrusts = (self.is_vouched_for.swap(vouched, Ordering::AcqRel) && !vouched) | distrusts;
        before.groups != now.groups || before.mfa != now.mfa || before.methods != now.methods || distrusts
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
