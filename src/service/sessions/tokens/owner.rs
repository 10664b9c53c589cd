//! A token's owner as the memory knows them, shared by their tokens. Two writes of the account that are told in the wrong order
//! leave the later one.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};

use crate::account::Account;
use crate::base::{Time, TokenId};
use crate::config;
use crate::policy::Person;
use crate::service::sessions::live::{Hold, person};

/// Somebody who has tokens.
pub struct Owner {
    person: ArcSwap<Person>,
    state: Mutex<State>,
    tokens: Mutex<Vec<TokenId>>,
    /// Of somebody of a directory or provider.
    hold: ArcSwapOption<Hold>,
}

#[derive(Clone, Copy)]
struct State {
    revision: u64,
    epoch: u32,
    /// Neither disabled nor deleted.
    active: bool,
}

/// What a change of the account means for what its tokens carry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Change {
    Nothing,
    /// Groups are others: what is under way is judged again.
    Rights,
}

impl Owner {
    pub(super) fn new(account: &Account, mfa: &config::Mfa) -> Self {
        let state = State { revision: account.revision, epoch: account.epoch, active: !account.is_closed() };
        Self {
            person: ArcSwap::from_pointee(person(account, mfa)),
            state: Mutex::new(state),
            tokens: Mutex::default(),
            hold: ArcSwapOption::empty(),
        }
    }

    pub(super) fn tokens(&self) -> Vec<TokenId> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn join(&self, id: TokenId) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if !tokens.contains(&id) {
            tokens.push(id);
        }
    }

    pub(super) fn leave(&self, id: TokenId) {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).retain(|other| *other != id);
    }

    /// What an owner from a source is held to.
    pub(super) fn held(&self, hold: Option<Arc<Hold>>) {
        self.hold.store(hold);
    }

    /// Whether the source of the owner was heard of lately enough; local users have none.
    pub fn is_relied_on(&self, now: Time) -> bool {
        self.hold.load().as_ref().is_none_or(|hold| hold.is_relied_on(now))
    }

    /// Whether what is known of the owner cannot be relied on for now.
    pub fn waits(&self) -> bool {
        self.hold.load().as_ref().is_some_and(|hold| hold.waits())
    }

    pub fn person(&self) -> Arc<Person> {
        self.person.load_full()
    }

    /// Whether tokens of this epoch may be used.
    pub(super) fn stands_for(&self, epoch: u32) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.active && state.epoch == epoch
    }

    /// Neither disabled nor deleted.
    pub(super) fn is_active(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).active
    }

    /// Takes a state of the account in, unless a later one is here already. `None`: it was deleted.
    pub(super) fn update(&self, account: Option<&Account>, mfa: &config::Mfa) -> Change {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(account) = account else {
            state.active = false;
            return Change::Nothing;
        };
        if account.revision < state.revision {
            return Change::Nothing;
        }
        *state = State { revision: account.revision, epoch: account.epoch, active: !account.is_closed() };
        let now = Arc::new(person(account, mfa));
        let before = self.person.swap(Arc::clone(&now));
        if before.groups == now.groups { Change::Nothing } else { Change::Rights }
    }
}
