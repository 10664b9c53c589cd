//! Tokens made, listed and revoked, by their owners and by administrators.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::base::{Secret, Time, TokenId, UserId};
use crate::service::audit::{Actor, AuditLog, Event};
use crate::service::client::Client;
use crate::service::context::Context;
use crate::service::notices::Notices;
use crate::service::profile::Profile;
use crate::service::refused::Refused;
use crate::service::sessions::{LiveSession, TokenMemory};
use crate::store::{Store, StoreError};
use crate::token::{Scope, Token, generate};

/// How many tokens one account may have.
const MOST: usize = 100;
const LONGEST_NAME: usize = 64;

/// A token to be made, as it was typed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct NewToken {
    pub name: String,
    /// How long it is valid, at most `tokens.max_lifetime`.
    pub lifetime: Duration,
    #[serde(default)]
    pub routes: Vec<String>,
    #[serde(default)]
    pub methods: Vec<String>,
    #[serde(default)]
    pub networks: Vec<IpNet>,
}

/// A token as the listings show it (contract, section 5).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TokenView {
    pub id: String,
    pub user: String,
    pub name: String,
    pub routes: Vec<String>,
    pub methods: Vec<String>,
    pub networks: Vec<IpNet>,
    pub created: String,
    pub expires: String,
    pub last_used: Option<String>,
    /// Where it was last used from.
    pub last_used_from: Option<String>,
}

/// Why no token was made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("a token needs a name of 1 to 64 characters on one line")]
    BadName,
    #[error("a token must expire, at most {0} days from now (tokens.max_lifetime)")]
    BadLifetime(u64),
    #[error("no route is called “{0}”; `vestibule check` lists them")]
    UnknownRoute(String),
    #[error("“{0}” is no method; write it in upper case: GET, POST …")]
    BadMethod(String),
    #[error("this account has {MOST} tokens, which is the most; revoke one first")]
    TooMany,
    #[error("the account is disabled or changed meanwhile; try again")]
    Changed,
    #[error("{0}")]
    Refused(#[from] Refused),
}

impl From<StoreError> for TokenError {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<crate::base::random::NoEntropy> for TokenError {
    fn from(error: crate::base::random::NoEntropy) -> Self {
        Self::Refused(error.into())
    }
}

/// The tokens, as owners and administrators manage them.
pub struct Tokens {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) context: Arc<Context>,
    pub(in crate::service) memory: Arc<TokenMemory>,
    pub(in crate::service) profile: Arc<Profile>,
    pub(in crate::service) audit: Arc<AuditLog>,
    pub(in crate::service) notices: Arc<Notices>,
}

impl Tokens {
    /// Makes a token for an account as it was read. The text is returned once and is nowhere else.
    ///
    /// # Errors
    /// [`TokenError`]: what was typed, or the account changed since it was read.
    pub async fn make(&self, account: &Account, new: &NewToken, actor: Actor<'_>) -> Result<(Secret, TokenView), TokenError> {
        self.check(new)?;
        if self.memory.table().of(account.id).len() >= MOST {
            return Err(TokenError::TooMany);
        }
        let (text, digest) = generate()?;
        let now = self.context.now();
        let scope = Scope { routes: new.routes.clone(), methods: new.methods.clone(), networks: new.networks.clone() };
        let token = Token {
            id: digest.id(),
            user: account.id,
            name: new.name.trim().to_owned(),
            digest,
            epoch: account.epoch,
            scope,
            created: now,
            expires: now.plus(new.lifetime),
            last_used: None,
        };
        // On record before it can be used.
        self.audit.record(Event::TokenMade, Some(&account.name), actor, format!("{} {}", token.id, token.name)).await?;
        if !self.store.create_token(&token).await? {
            return Err(TokenError::Changed);
        }
        self.notices.notice_token(account, &token, actor);
        self.memory.take_in(token.clone()).await?;
        Ok((text, view(&token, &account.name)))
    }

    fn check(&self, new: &NewToken) -> Result<(), TokenError> {
        let config = self.context.config();
        let name = new.name.trim();
        if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
            return Err(TokenError::BadName);
        }
        let most = config.tokens.max_lifetime;
        if new.lifetime.is_zero() || new.lifetime > most {
            return Err(TokenError::BadLifetime(most.as_secs() / 86_400));
        }
        if let Some(unknown) = new.routes.iter().find(|name| !config.routes.iter().any(|route| *route.name == ***name)) {
            return Err(TokenError::UnknownRoute(unknown.clone()));
        }
        let is_method = |name: &String| http::Method::from_bytes(name.as_bytes()).is_ok() && !name.bytes().any(|b| b.is_ascii_lowercase());
        match new.methods.iter().find(|name| !is_method(name)) {
            Some(bad) => Err(TokenError::BadMethod(bad.clone())),
            None => Ok(()),
        }
    }

    /// Makes a token for oneself, after a fresh second factor.
    ///
    /// # Errors
    /// As [`Self::make`], and where the sign-in is not fresh.
    pub async fn make_own(&self, session: &LiveSession, new: &NewToken, client: &Client) -> Result<(Secret, TokenView), TokenError> {
        let account = self.profile.own_account(session).await?;
        self.make(&account, new, Actor::User(client)).await
    }

    /// The tokens of an account, or all, the newest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(&self, owner: Option<&Account>) -> Result<Vec<TokenView>, StoreError> {
        let mut tokens: Vec<Token> = self.memory.table().all().iter().map(|token| token.record()).collect();
        tokens.retain(|token| token.is_current(self.context.now()) && owner.is_none_or(|account| account.id == token.user));
        tokens.sort_by_key(|token| (std::cmp::Reverse(token.created), token.id));
        let mut names: HashMap<UserId, String> = owner.map(|account| (account.id, account.name.clone())).into_iter().collect();
        let mut views = Vec::with_capacity(tokens.len());
        for token in tokens {
            if let Entry::Vacant(unknown) = names.entry(token.user) {
                let name = self.store.account(token.user).await?.map(|account| account.name);
                unknown.insert(name.unwrap_or_default());
            }
            views.push(view(&token, names.get(&token.user).map_or("", String::as_str)));
        }
        Ok(views)
    }

    /// The tokens of an account, the newest first. From memory.
    pub fn of(&self, account: &Account) -> Vec<TokenView> {
        let mut tokens: Vec<Token> = self.memory.table().of(account.id).iter().map(|token| token.record()).collect();
        tokens.retain(|token| token.is_current(self.context.now()));
        tokens.sort_by_key(|token| (std::cmp::Reverse(token.created), token.id));
        tokens.iter().map(|token| view(token, &account.name)).collect()
    }

    /// Ends a token, of `owner` only if one is given; what it carries is cut at once. `false` if there is none.
    ///
    /// # Errors
    /// The store's: then the token is over here and is deleted as soon as the store can be written.
    pub async fn revoke(&self, id: TokenId, owner: Option<UserId>, actor: Actor<'_>) -> Result<bool, Refused> {
        let Some(token) = self.store.token(id).await?.filter(|token| owner.is_none_or(|owner| owner == token.user)) else {
            return Ok(false);
        };
        self.memory.end(id);
        // If this fails, the token stays ended here and the sweep deletes it as soon as the store can be written.
        self.store.delete_tokens(&[id]).await?;
        self.memory.table().deleted(&[id]);
        let name = self.store.account(token.user).await?.map(|account| account.name);
        self.audit.record(Event::TokenRevoked, name.as_deref(), actor, format!("{id} {}", token.name)).await?;
        Ok(true)
    }
}

fn view(token: &Token, user: &str) -> TokenView {
    TokenView {
        id: token.id.to_string(),
        user: user.to_owned(),
        name: token.name.clone(),
        routes: token.scope.routes.clone(),
        methods: token.scope.methods.clone(),
        networks: token.scope.networks.clone(),
        created: token.created.rfc3339(),
        expires: token.expires.rfc3339(),
        last_used: token.last_used.map(|last| Time::rfc3339(last.at)),
        last_used_from: token.last_used.map(|last| last.from.to_string()),
    }
}
