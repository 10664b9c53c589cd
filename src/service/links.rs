//! Set-up and reset links: each works once, by a POST. Neither removes or skips a second factor.

use std::sync::Arc;
use std::time::Duration;

use crate::account::{Account, MfaPolicy, Version};
use crate::base::Secret;
use crate::login::{Flow, News, Purpose};
use crate::service::audit::{Actor, AuditLog, Event};
use crate::service::client::Client;
use crate::service::context::Context;
use crate::service::new_password::Passwords;
use crate::service::notices::Notices;
use crate::service::refused::Refused;
use crate::service::sign_in::failures::FailureLimits;
use crate::service::sign_in::flows::Flows;
use crate::store::{Link, LinkKind, Store, StoreError};

/// How long a set-up link is good (contract, section 3).
pub const SETUP_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// How long a reset link is good.
pub const RESET_LIFETIME: Duration = Duration::from_secs(30 * 60);

/// Set-up and reset links.
pub struct Links {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) context: Arc<Context>,
    pub(in crate::service) failures: Arc<FailureLimits>,
    pub(in crate::service) passwords: Arc<Passwords>,
    pub(in crate::service) flows: Arc<Flows>,
    pub(in crate::service) notices: Arc<Notices>,
    pub(in crate::service) audit: Arc<AuditLog>,
}

impl Links {
    /// Makes a one-time link for an account; only its token's digest is kept.
    pub async fn make(&self, account: &Account, kind: LinkKind, actor: Actor<'_>) -> Result<Secret, Refused> {
        self.make_many(&[account], kind, actor).await?.pop().ok_or(Refused::Store(StoreError::Contended))
    }

    /// The same for many, in their order, as one step of the store and one of the audit log.
    pub async fn make_many(&self, accounts: &[&Account], kind: LinkKind, actor: Actor<'_>) -> Result<Vec<Secret>, Refused> {
        // A link sets a password; theirs is kept elsewhere.
        if accounts.iter().any(|account| account.source.is_some()) {
            return Err(Refused::Managed);
        }
        let lifetime = match kind {
            LinkKind::Setup => SETUP_LIFETIME,
            LinkKind::Reset => RESET_LIFETIME,
            // Made by `Guests`.
            LinkKind::Invitation => return Err(Refused::Managed),
        };
        let expires = self.context.now().plus(lifetime);
        let link = |account: &&Account| Link { kind, user: account.id, epoch: account.epoch, expires, invitation: None };
        let tokens = self.store.create_links(&accounts.iter().map(link).collect::<Vec<_>>()).await?;
        let names: Vec<&str> = accounts.iter().map(|account| account.name.as_str()).collect();
        self.audit.record_each(Event::LinkMade, &names, actor, kind.name()).await?;
        Ok(tokens.into_iter().map(Secret::new).collect())
    }

    /// The account that a link is for, without using the link up.
    pub async fn account(&self, token: &str, kind: LinkKind) -> Result<Account, Refused> {
        let link = self.store.link(token, self.context.now()).await?.filter(|link| link.kind == kind).ok_or(Refused::Gone)?;
        let account = self.store.account(link.user).await?.ok_or(Refused::Gone)?;
        if account.disabled || account.epoch != link.epoch { Err(Refused::Gone) } else { Ok(account) }
    }

    /// Uses a link up and sets the password. What follows: for a set-up link of a user who has no method yet and may have one, the
    /// vouched flow in which the first is enrolled, else word for the sign-in page.
    ///
    /// # Errors
    /// A weak password leaves the link as it is.
    pub async fn use_link(&self, token: &str, kind: LinkKind, chosen: Secret, client: &Client) -> Result<Flow, Refused> {
        let account = self.account_at(token, kind, client).await?;
        let phc = self.passwords.hash(&account, &chosen).await?;
        let version = self.use_up(token, kind, &account, client).await?;
        let account = self.passwords.set(version, phc, Actor::User(client)).await?;
        self.notices.notice_password(&account, Actor::User(client));
        let config = self.context.config();
        let policy = account.mfa_policy.resolve(config.mfa.policy);
        let enrols = kind == LinkKind::Setup
            && policy != MfaPolicy::Off
            && account.enrolled().is_empty()
            && !account.may_enrol(config.mfa.methods).is_empty();
        if enrols {
            self.flows.begin(&account, Purpose::Enrol { session: None }, true, client).await
        } else {
            self.flows.leave_news(&account, News::PasswordSet, client).await
        }
    }

    /// As [`Self::account`], for somebody who is about to use the link: guesses count.
    pub(in crate::service) async fn account_at(&self, token: &str, kind: LinkKind, client: &Client) -> Result<Account, Refused> {
        self.failures.refuse_crowded(None, client).await?;
        match self.account(token, kind).await {
            Err(Refused::Gone) => {
                self.failures.count_at_address(client).await?;
                Err(Refused::Gone)
            }
            other => other,
        }
    }

    /// Uses a link up; of many at once, one succeeds. Says for which version of its account it was made.
    pub(in crate::service) async fn use_up(
        &self,
        token: &str,
        kind: LinkKind,
        account: &Account,
        client: &Client,
    ) -> Result<Version, Refused> {
        let link = self.store.take_link(token, self.context.now()).await?.filter(|link| link.kind == kind).ok_or(Refused::Gone)?;
        self.audit.record(Event::LinkUsed, Some(&account.name), Actor::User(client), kind.name()).await?;
        Ok(Version::new(link.user, link.epoch))
    }

    /// Sends a reset link, if the name or address is somebody's. Says nothing about whether it is; the work is done after the answer.
    pub async fn ask_for_reset(self: &std::sync::Arc<Self>, login: String, client: Client) -> Result<(), Refused> {
        self.failures.refuse_crowded(None, &client).await?;
        self.failures.count_at_address(&client).await?;
        let services = self.clone();
        tokio::spawn(async move {
            if let Err(e) = services.send_reset(&login, &client).await {
                tracing::warn!(error = %e, "a reset link could not be sent");
            }
        });
        Ok(())
    }

    async fn send_reset(&self, login: &str, client: &Client) -> Result<(), Refused> {
        let Some(account) = self.store.account_by_login(login).await?.filter(|account| !account.service) else { return Ok(()) };
        if account.disabled
            || account.source.is_some()
            || account.email.is_empty()
            || self.notices.link_allowed(&account, client).await.is_err()
        {
            return Ok(());
        }
        let config = self.context.config();
        if !config.may_link_to(&client.origin) {
            tracing::warn!(
                origin = client.origin,
                "no reset link: mails lead only to hosts that a route names, on ports that are listened on"
            );
            return Ok(());
        }
        let token = self.make(&account, LinkKind::Reset, Actor::User(client)).await?;
        let link = Secret::new(format!("{}{}/reset?token={}", client.origin, config.portal.prefix, token.expose()));
        self.notices.deliver_link(&account, LinkKind::Reset, link, RESET_LIFETIME, client)
    }
}
