//! One account as the list shows it, as small as it can be.

use std::sync::Arc;

use crate::account::{Account, MfaPolicy, UserMfaPolicy};
use crate::base::{Time, UserId};
use crate::config;
use crate::factor::MethodSet;
use crate::limit;
use crate::store::fold;

/// The groups of a user, shared with everybody in the same ones.
pub type Groups = Arc<[Box<str>]>;

/// An account in the list.
#[derive(Debug)]
pub struct Row {
    pub id: UserId,
    /// Name, display name and address, one after the other.
    text: Box<str>,
    display_at: u32,
    email_at: u32,
    /// The three folded, with a line's end between; where it begins with the name, which the list is sorted by.
    folded: Box<str>,
    pub disabled: bool,
    pub locked: Option<Locked>,
    pub policy: UserMfaPolicy,
    /// What is set up, recovery codes not counted.
    pub enrolled: MethodSet,
    allowed: Option<MethodSet>,
    pub last_sign_in: Option<Time>,
    /// It signs in with a password of this gateway's.
    pub has_password: bool,
    /// It must be changed at the next sign-in.
    pub must_change_password: bool,
    pub groups: Groups,
}

/// What the overview asks of an account: those of one kind are counted together.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Kind {
    pub groups: Groups,
    pub disabled: bool,
    /// Recovery codes not counted.
    pub enrolled: MethodSet,
    policy: UserMfaPolicy,
    allowed: Option<MethodSet>,
}

impl Kind {
    /// The methods that count under this configuration; none if the policy in force is `off`.
    pub fn usable(&self, mfa: &config::Mfa) -> MethodSet {
        if self.policy.resolve(mfa.policy) == MfaPolicy::Off {
            return MethodSet::EMPTY;
        }
        self.enrolled.and(mfa.methods).and(self.allowed.unwrap_or(mfa.methods))
    }
}

/// How long an account is locked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Locked {
    Until(Time),
    /// Until an administrator unlocks it.
    ForGood,
}

impl Locked {
    /// The lock of an account, over or not.
    pub fn of(account: &Account) -> Option<Self> {
        if account.failures.count >= limit::HARD_LIMIT { Some(Self::ForGood) } else { account.failures.locked_until.map(Self::Until) }
    }

    pub fn holds(self, now: Time) -> bool {
        match self {
            Self::Until(until) => now < until,
            Self::ForGood => true,
        }
    }
}

/// When a user last signed in, as far as the browsers that are remembered tell.
pub fn last_sign_in(account: &Account) -> Option<Time> {
    account.browsers.iter().map(|browser| browser.last_seen).max()
}

impl Row {
    pub(super) fn new(account: &Account, groups: Groups) -> Self {
        let at = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let parts = [account.name.as_str(), &account.display_name, &account.email];
        Self {
            id: account.id,
            text: parts.concat().into(),
            display_at: at(account.name.len()),
            email_at: at(account.name.len().saturating_add(account.display_name.len())),
            folded: parts.map(fold).join("\n").into(),
            disabled: account.disabled,
            locked: Locked::of(account),
            policy: account.mfa_policy,
            enrolled: account.enrolled(),
            allowed: account.allowed.as_ref().map(|allowed| allowed.iter().copied().collect()),
            last_sign_in: last_sign_in(account),
            has_password: account.source.is_none() && account.password.is_some(),
            must_change_password: account.must_change_password,
            groups,
        }
    }

    /// Whether every one of these folded words occurs in it.
    pub(super) fn matches(&self, words: &[String]) -> bool {
        words.iter().all(|word| self.folded.contains(word.as_str()))
    }

    fn part(&self, from: u32, to: usize) -> &str {
        usize::try_from(from).ok().and_then(|from| self.text.get(from..to)).unwrap_or_default()
    }

    pub fn name(&self) -> &str {
        self.part(0, self.display_at as usize)
    }

    pub fn display_name(&self) -> &str {
        self.part(self.display_at, self.email_at as usize)
    }

    pub fn email(&self) -> &str {
        self.part(self.email_at, self.text.len())
    }

    pub fn is_locked(&self, now: Time) -> bool {
        self.locked.is_some_and(|locked| locked.holds(now))
    }

    pub fn kind(&self) -> Kind {
        Kind { groups: self.groups.clone(), disabled: self.disabled, enrolled: self.enrolled, policy: self.policy, allowed: self.allowed }
    }

    /// What a search looks in, folded.
    pub(super) fn searched(&self) -> &str {
        &self.folded
    }

    /// What the list is sorted by.
    pub(super) fn key(&self) -> (&str, UserId) {
        (self.folded.split('\n').next().unwrap_or_default(), self.id)
    }
}
