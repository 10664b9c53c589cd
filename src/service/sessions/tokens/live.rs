//! The tokens in memory, found by their digests. Guarantees that what ended is out of memory before anybody who watches is woken,
//! and that the use of a token writes nothing but, once a minute, its own place in memory.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use dashmap::DashMap;
use foldhash::fast::RandomState;

use super::owner::{Change, Owner};
use crate::account::Account;
use crate::base::{Time, TokenId, UserId};
use crate::config;
use crate::service::sessions::live::Hold;
use crate::token::{Digest, LastUse, Token};

const MINUTE: i64 = 60_000;

/// A token that may be used.
pub struct LiveToken {
    pub record: Token,
    pub owner: Arc<Owner>,
    ended: AtomicBool,
    /// The minute of the last use.
    minute: AtomicI64,
    /// The last use, and whether the store knows of it.
    last: Mutex<(Option<LastUse>, bool)>,
}

impl LiveToken {
    fn new(record: Token, owner: Arc<Owner>) -> Self {
        let minute = record.last_used.map_or(0, |last| last.at.millis() / MINUTE);
        let last = Mutex::new((record.last_used, true));
        Self { record, owner, ended: AtomicBool::new(false), minute: AtomicI64::new(minute), last }
    }

    pub fn id(&self) -> TokenId {
        self.record.id
    }

    pub fn is_usable(&self, now: Time) -> bool {
        !self.is_ended() && self.record.is_current(now)
    }

    /// Revoked, expired and swept, or its owner is no longer who it was made for.
    pub fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire) || !self.owner.stands_for(self.record.epoch)
    }

    /// Notes a use, to the minute.
    pub fn touch(&self, from: IpAddr, now: Time) {
        let minute = now.millis() / MINUTE;
        if self.minute.load(Ordering::Relaxed) < minute && self.minute.fetch_max(minute, Ordering::Relaxed) < minute {
            *self.last() = (Some(LastUse { at: Time::from_millis(minute * MINUTE), from }), false);
        }
    }

    fn last(&self) -> MutexGuard<'_, (Option<LastUse>, bool)> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unwritten(&self) -> Option<LastUse> {
        let (last, written) = *self.last();
        last.filter(|_| !written)
    }

    fn written(&self, this: LastUse) {
        let mut last = self.last();
        if last.0 == Some(this) {
            last.1 = true;
        }
    }

    /// The record with its last use.
    pub fn record(&self) -> Token {
        Token { last_used: self.last().0, ..self.record.clone() }
    }
}

/// All tokens.
pub struct LiveTokens {
    // The ids are digests of random bits: nobody can make them collide.
    tokens: DashMap<TokenId, Arc<LiveToken>, RandomState>,
    owners: DashMap<UserId, Arc<Owner>, RandomState>,
    mfa: ArcSwap<config::Mfa>,
    /// Ended, and the store may still have them: nobody takes them in again, and the sweep deletes them.
    ended: Mutex<BTreeSet<TokenId>>,
}

impl LiveTokens {
    pub fn new(mfa: config::Mfa) -> Self {
        Self { tokens: DashMap::default(), owners: DashMap::default(), mfa: ArcSwap::from_pointee(mfa), ended: Mutex::default() }
    }

    /// The token with this digest, if it may be used.
    pub fn find(&self, digest: &Digest, now: Time) -> Option<Arc<LiveToken>> {
        let token = self.tokens.get(&digest.id()).map(|entry| Arc::clone(entry.value()))?;
        (token.record.digest.matches(digest) && token.is_usable(now)).then_some(token)
    }

    pub fn get(&self, id: TokenId) -> Option<Arc<LiveToken>> {
        self.tokens.get(&id).map(|entry| Arc::clone(entry.value()))
    }

    /// Takes a token in. The caller reads the account once more afterwards, so that no change of it is missed.
    /// `hold` gives what an owner from a source is held to; asked once the owner is known to have a token.
    pub fn insert(&self, record: Token, account: &Account, hold: impl FnOnce() -> Option<Arc<Hold>>) {
        let owner = self.owners.entry(account.id).or_insert_with(|| Arc::new(Owner::new(account, &self.mfa.load()))).clone();
        owner.update(Some(account), &self.mfa.load());
        if self.awaits_deletion().contains(&record.id) {
            return;
        }
        owner.join(record.id);
        owner.held(hold());
        self.tokens.entry(record.id).or_insert_with(|| Arc::new(LiveToken::new(record, owner)));
    }

    /// Ends a token; `true` for the one caller that ended it. Whoever watches connections is to be woken afterwards.
    pub fn end(&self, id: TokenId) -> bool {
        let Some((_, token)) = self.tokens.remove(&id) else { return false };
        token.ended.store(true, Ordering::Release);
        token.owner.leave(id);
        self.awaits_deletion().insert(id);
        true
    }

    /// Tokens that ended here and that the store may still have.
    pub fn undeleted(&self) -> Vec<TokenId> {
        self.awaits_deletion().iter().copied().collect()
    }

    /// The store does not have them any more.
    pub fn deleted(&self, ids: &[TokenId]) {
        let mut ended = self.awaits_deletion();
        for id in ids {
            ended.remove(id);
        }
    }

    fn awaits_deletion(&self) -> MutexGuard<'_, BTreeSet<TokenId>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An account was written or deleted: its tokens follow. Says whether what they carry is to be judged again.
    pub fn account_changed(&self, user: UserId, account: Option<&Account>) -> bool {
        let Some(owner) = self.owner(user) else { return false };
        let change = owner.update(account, &self.mfa.load());
        let ended = self.of(user).iter().filter(|token| token.is_ended()).filter(|token| self.end(token.id())).count();
        if account.is_none() {
            self.owners.remove(&user);
        }
        change == Change::Rights || ended > 0
    }

    fn owner(&self, user: UserId) -> Option<Arc<Owner>> {
        self.owners.get(&user).map(|entry| Arc::clone(entry.value()))
    }

    /// The tokens of a user.
    pub fn of(&self, user: UserId) -> Vec<Arc<LiveToken>> {
        self.owner(user).map(|owner| owner.tokens()).unwrap_or_default().into_iter().filter_map(|id| self.get(id)).collect()
    }

    pub fn has_tokens(&self, user: UserId) -> bool {
        self.owner(user).is_some_and(|owner| !owner.tokens().is_empty())
    }

    pub fn all(&self) -> Vec<Arc<LiveToken>> {
        self.tokens.iter().map(|entry| Arc::clone(entry.value())).collect()
    }

    /// Users who have tokens.
    pub fn users(&self) -> Vec<UserId> {
        self.owners.iter().map(|entry| *entry.key()).collect()
    }

    /// Other policies from now on; the persons are made again from their accounts.
    pub fn reconfigure(&self, mfa: config::Mfa) {
        self.mfa.store(Arc::new(mfa));
    }

    /// Ends what has expired. Returns how many, and the uses that the store does not know yet.
    pub fn sweep(&self, now: Time) -> (usize, Vec<(TokenId, LastUse)>) {
        let (mut ended, mut used) = (0, Vec::new());
        for token in self.all() {
            if token.is_usable(now) {
                used.extend(token.unwritten().map(|last| (token.id(), last)));
            } else {
                ended += usize::from(self.end(token.id()));
            }
        }
        (ended, used)
    }

    /// The store knows of these uses.
    pub fn written(&self, uses: &[(TokenId, LastUse)]) {
        for (id, last) in uses {
            if let Some(token) = self.get(*id) {
                token.written(*last);
            }
        }
    }
}
