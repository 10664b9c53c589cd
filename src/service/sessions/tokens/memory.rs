//! The tokens in memory follow the store: at the start, at every change of an account, and at the news of other gateways.

use std::collections::HashMap;
use std::sync::Arc;

use super::holders::CertificateHolders;
use super::live::LiveTokens;
use crate::account::Account;
use crate::base::{TokenId, UserId};
use crate::service::context::Context;
use crate::service::sessions::live::LiveSessions;
use crate::store::{Store, StoreError};
use crate::token::Token;

/// The tokens of this gateway, in step with the store.
pub struct TokenMemory {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) context: Arc<Context>,
    pub(in crate::service) live: Arc<LiveSessions>,
    /// Shared with the store's observer, which must not hold the store.
    pub(in crate::service) tokens: Arc<LiveTokens>,
    /// The service accounts that client certificates stand for.
    pub(in crate::service) holders: Arc<CertificateHolders>,
}

impl TokenMemory {
    /// Those that may be used.
    pub const fn table(&self) -> &Arc<LiveTokens> {
        &self.tokens
    }

    /// The service accounts that client certificates stand for.
    pub const fn holders(&self) -> &Arc<CertificateHolders> {
        &self.holders
    }

    /// Takes a token in. The account is read after the token is there, so that no change in between is missed.
    ///
    /// # Errors
    /// The store's.
    pub async fn take_in(&self, token: Token) -> Result<(), StoreError> {
        let user = token.user;
        let Some(account) = self.store.account(user).await? else { return Ok(()) };
        self.tokens.insert(token, &account, || self.live.token_hold(&account));
        let again = self.store.account(user).await?;
        self.follow(user, again.as_ref());
        Ok(())
    }

    /// Ends a token; what it carries is cut at once.
    pub fn end(&self, id: TokenId) {
        if self.tokens.end(id) {
            self.live.recheck();
        }
    }

    /// Takes the stored tokens in, and ends those in memory that are gone from the store. One whose owner is gone, disabled or of
    /// another epoch is deleted.
    ///
    /// # Errors
    /// The store's; then the memory may have been changed in part.
    pub async fn restore(&self) -> Result<(), StoreError> {
        let known: Vec<TokenId> = self.tokens.all().iter().map(|token| token.id()).collect();
        let stored = self.store.all_tokens().await?;
        let mut accounts: HashMap<UserId, Option<Account>> = HashMap::new();
        let mut void = Vec::new();
        for token in stored.iter().cloned() {
            let account = match accounts.get(&token.user) {
                Some(account) => account.clone(),
                None => accounts.entry(token.user).or_insert(self.store.account(token.user).await?).clone(),
            };
            let id = token.id;
            match account.filter(|account| !account.is_closed() && account.epoch == token.epoch) {
                Some(account) => self.tokens.insert(token, &account, || self.live.token_hold(&account)),
                None => void.push(id),
            }
        }
        for id in known.iter().filter(|id| !stored.iter().any(|token| token.id == **id)) {
            self.tokens.end(*id);
        }
        for id in &void {
            self.tokens.end(*id);
        }
        self.store.delete_tokens(&void).await?;
        for user in self.tokens.users() {
            self.follow(user, self.store.account(user).await?.as_ref());
        }
        self.restore_holders().await?;
        self.live.recheck();
        Ok(())
    }

    /// Those that the store no longer knows are forgotten.
    async fn restore_holders(&self) -> Result<(), StoreError> {
        let known = self.holders.users();
        self.holders.restored(&self.store.accounts_with_certificates().await?);
        // Read once more, so that no change in between is missed.
        for user in known.into_iter().chain(self.holders.users()) {
            self.holders.account_changed(user, self.store.account(user).await?.as_ref());
        }
        Ok(())
    }

    /// An account was written or deleted.
    pub fn follow(&self, user: UserId, account: Option<&Account>) {
        if self.tokens.account_changed(user, account) | self.holders.account_changed(user, account) {
            self.live.recheck();
        }
    }

    /// Another gateway wrote or deleted a token.
    ///
    /// # Errors
    /// The store's.
    pub async fn again(&self, id: TokenId) -> Result<(), StoreError> {
        match self.store.token(id).await? {
            Some(token) => self.take_in(token).await,
            None => {
                if self.tokens.end(id) {
                    self.tokens.deleted(&[id]);
                    self.live.recheck();
                }
                Ok(())
            }
        }
    }

    /// Ends what has expired, deletes what ended and notes last uses.
    ///
    /// # Errors
    /// The store's; what was not written is written next time.
    pub async fn sweep(&self) -> Result<(), StoreError> {
        let (ended, used) = self.tokens.sweep(self.context.now());
        self.live.keep_token_holds(|user| self.tokens.has_tokens(user));
        if ended > 0 {
            self.live.recheck();
        }
        let undeleted = self.tokens.undeleted();
        self.store.delete_tokens(&undeleted).await?;
        self.tokens.deleted(&undeleted);
        self.store.touch_tokens(&used).await?;
        self.tokens.written(&used);
        Ok(())
    }
}
