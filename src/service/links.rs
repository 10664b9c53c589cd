//! Set-up and reset links: one use each, by a POST. Neither removes or skips a second factor.

use std::time::Duration;

use crate::account::{Account, Failures, MfaPolicy};
use crate::base::Secret;
use crate::factor::{blocklist, password};
use crate::login::{Flow, News, Purpose};
use crate::service::Services;
use crate::service::audit::{Actor, Event};
use crate::service::client::Client;
use crate::service::refused::Refused;
use crate::store::{Edit, Link, LinkKind, StoreError};

/// How long a set-up link is good (contract, section 3).
pub const SETUP_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// How long a reset link is good.
pub const RESET_LIFETIME: Duration = Duration::from_secs(30 * 60);

impl Services {
    /// Makes a one-time link for an account; only its token's digest is kept.
    pub async fn make_link(&self, account: &Account, kind: LinkKind, actor: Actor<'_>) -> Result<Secret, Refused> {
        self.make_links(&[account], kind, actor).await?.pop().ok_or(Refused::Store(StoreError::Contended))
    }

    /// The same for many, in their order, as one step of the store and one of the audit log.
    pub async fn make_links(&self, accounts: &[&Account], kind: LinkKind, actor: Actor<'_>) -> Result<Vec<Secret>, Refused> {
        let lifetime = match kind {
            LinkKind::Setup => SETUP_LIFETIME,
            LinkKind::Reset => RESET_LIFETIME,
        };
        let expires = self.now().plus(lifetime);
        let link = |account: &&Account| Link { kind, user: account.id, epoch: account.epoch, expires };
        let tokens = self.store.create_links(&accounts.iter().map(link).collect::<Vec<_>>()).await?;
        let names: Vec<&str> = accounts.iter().map(|account| account.name.as_str()).collect();
        self.audit_each(Event::LinkMade, &names, actor, kind.name()).await?;
        Ok(tokens.into_iter().map(Secret::new).collect())
    }

    /// The account that a link is for, without using the link up.
    pub async fn link_account(&self, token: &str, kind: LinkKind) -> Result<Account, Refused> {
        let link = self.store.link(token, self.now()).await?.filter(|link| link.kind == kind).ok_or(Refused::Gone)?;
        let account = self.store.account(link.user).await?.ok_or(Refused::Gone)?;
        if account.disabled || account.epoch != link.epoch { Err(Refused::Gone) } else { Ok(account) }
    }

    /// Uses a link up and sets the password. What follows: for a set-up link of a user who has no method yet and may have one, the
    /// vouched flow in which the first is enrolled, else word for the sign-in page.
    ///
    /// # Errors
    /// A weak password leaves the link as it is.
    pub async fn use_link(&self, token: &str, kind: LinkKind, chosen: Secret, client: &Client) -> Result<Flow, Refused> {
        self.refuse_crowded(None, client).await?;
        let account = match self.link_account(token, kind).await {
            Err(Refused::Gone) => {
                self.count_at_address(client).await?;
                return Err(Refused::Gone);
            }
            other => other?,
        };
        let phc = self.hash_new(&account, &chosen).await?;
        let link = self.store.take_link(token, self.now()).await?.filter(|link| link.kind == kind).ok_or(Refused::Gone)?;
        self.audit(Event::LinkUsed, Some(&account.name), Actor::User(client), kind.name()).await?;
        let account = self.set_password(&account, phc, link.epoch, Actor::User(client)).await?;
        self.notice_password(&account, Actor::User(client));
        let config = self.config();
        let policy = account.mfa_policy.resolve(config.mfa.policy);
        let enrols = kind == LinkKind::Setup
            && policy != MfaPolicy::Off
            && account.enrolled().is_empty()
            && !account.may_enrol(config.mfa.methods).is_empty();
        if enrols {
            self.begin(&account, Purpose::Enrol { session: None }, true, client).await
        } else {
            self.leave_news(&account, News::PasswordSet, client).await
        }
    }

    /// A new password's hash, if the password will do.
    pub async fn hash_new(&self, account: &Account, chosen: &Secret) -> Result<String, Refused> {
        let config = self.config();
        let context = [account.name.as_str(), account.email.as_str(), account.display_name.as_str(), config.mfa.totp.issuer.as_str()];
        blocklist::acceptable(chosen, config.password.min_length, &context).map_err(Refused::Weak)?;
        let (chosen, parameters) = (chosen.clone(), config.password);
        let hashed = self.hasher.run(move |memory| password::hash(&chosen, &parameters, memory)).await?;
        hashed.map_err(|e| Refused::Store(crate::store::StoreError::Backend(e.to_string())))
    }

    /// Writes a password where the account is still as it was at `epoch`. Every session, flow and trusted browser from before is void.
    pub(in crate::service) async fn set_password(
        &self,
        account: &Account,
        phc: String,
        epoch: u32,
        actor: Actor<'_>,
    ) -> Result<Account, Refused> {
        let now = self.now();
        let written = self
            .store
            .update_account(account.id, |account| {
                if account.epoch != epoch {
                    return Edit::Leave(None);
                }
                account.password = Some(phc.clone());
                account.password_changed = Some(now);
                // A link proves a mailbox, not a factor: only who administers forgets failures without a finished sign-in.
                if matches!(actor, Actor::Admin(..) | Actor::CommandLine) {
                    account.failures = Failures::default();
                }
                account.factors_changed();
                Edit::Write(Some(account.clone()))
            })
            .await?;
        let Some(Ok(Some(account))) = written else { return Err(Refused::Gone) };
        self.audit(Event::PasswordChanged, Some(&account.name), actor, "").await?;
        Ok(account)
    }

    /// Sends a reset link, if the name or address is somebody's. Says nothing about whether it is; the work is done after the answer.
    pub async fn ask_for_reset(self: &std::sync::Arc<Self>, login: String, client: Client) -> Result<(), Refused> {
        self.refuse_crowded(None, &client).await?;
        self.count_at_address(&client).await?;
        let services = self.clone();
        tokio::spawn(async move {
            if let Err(e) = services.send_reset(&login, &client).await {
                tracing::warn!(error = %e, "a reset link could not be sent");
            }
        });
        Ok(())
    }

    async fn send_reset(&self, login: &str, client: &Client) -> Result<(), Refused> {
        let Some(account) = self.store.account_by_login(login).await? else { return Ok(()) };
        if account.disabled || account.email.is_empty() || self.link_allowed(&account, client).is_err() {
            return Ok(());
        }
        let config = self.config();
        if !config.may_link_to(&client.origin) {
            tracing::warn!(
                origin = client.origin,
                "no reset link: mails lead only to hosts that a route names, on ports that are listened on"
            );
            return Ok(());
        }
        let token = self.make_link(&account, LinkKind::Reset, Actor::User(client)).await?;
        let link = Secret::new(format!("{}{}/reset?token={}", client.origin, config.portal.prefix, token.expose()));
        self.deliver_link(&account, LinkKind::Reset, link, RESET_LIFETIME, client)
    }
}
