//! What users change of their own account: password, methods, recovery codes, sessions and browsers, each only after a full and recent
//! sign-in.

use std::sync::Arc;

use crate::account::{Account, MfaPolicy, Verified};
use crate::base::{FlowId, Secret, SessionId};
use crate::factor::Method;
use crate::login::{Flow, News};
use crate::policy::Proof;
use crate::service::accounts::fresh_codes;
use crate::service::audit::{Actor, AuditLog, Event};
use crate::service::client::Client;
use crate::service::context::Context;
use crate::service::enrolment::{Enrolment, tidy};
use crate::service::new_password::Passwords;
use crate::service::notices::Notices;
use crate::service::refused::{EnrolProblem, Refused};
use crate::service::sessions::{LiveSession, Sessions};
use crate::service::sign_in::expired_password::PasswordsAtSource;
use crate::service::sign_in::finish::Finish;
use crate::service::sign_in::password::PasswordSignIn;
use crate::service::sign_in::{Follows, Signed};
use crate::session::EndReason;
use crate::store::{Edit, Store};

/// Why a method cannot be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    Done,
    /// The policy requires a method, and this is the last.
    LastOfRequired,
}

/// What users change of their own account.
pub struct Profile {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) context: Arc<Context>,
    pub(in crate::service) sessions: Arc<Sessions>,
    pub(in crate::service) password: Arc<PasswordSignIn>,
    pub(in crate::service) passwords: Arc<Passwords>,
    pub(in crate::service) at_source: Arc<PasswordsAtSource>,
    pub(in crate::service) enrolment: Arc<Enrolment>,
    pub(in crate::service) finish: Arc<Finish>,
    pub(in crate::service) audit: Arc<AuditLog>,
    pub(in crate::service) notices: Arc<Notices>,
}

impl Profile {
    /// The account behind a session that may change it.
    ///
    /// # Errors
    /// [`EnrolProblem::NotFresh`] if the user must sign in again first.
    pub async fn own_account(&self, session: &LiveSession) -> Result<Account, Refused> {
        let account = self.sessions.account_of(session).await?;
        if self.enrolment.is_fresh(session, &account) { Ok(account) } else { Err(Refused::Enrol(EnrolProblem::NotFresh)) }
    }

    /// The account behind a session.
    ///
    /// # Errors
    /// [`Refused::Gone`] if the session is not good for it any more.
    pub async fn account(&self, session: &LiveSession) -> Result<Account, Refused> {
        self.sessions.account_of(session).await
    }

    /// Changes the password; the current one is asked for (OWASP ASVS 6.2.3). This session goes on under a new id and as
    /// old as it was, all others end.
    pub async fn change_password(
        &self,
        session: &LiveSession,
        current: Secret,
        chosen: Secret,
        client: &Client,
    ) -> Result<Signed, Refused> {
        let account = self.own_account(session).await?;
        if account.source.is_some() {
            return self.at_source.change_own(session, &account, &current, &chosen, client).await;
        }
        // The version whose password was verified is the one that is changed, and the one that the session may change.
        let verified = self.password.check(&account.name, current, client).await?.account;
        if verified.version() != account.version() {
            return Err(Refused::Gone);
        }
        let phc = self.passwords.hash(&account, &chosen).await?;
        let record = session.record();
        let account = self.passwords.set(verified.version(), phc, Actor::User(client)).await?;
        self.notices.notice_password(&account, Actor::User(client));
        self.finish.sign_in(account, record.proof(), client, Follows::Ended(&record), false).await
    }

    /// Changes a password that must be changed before a sign-in goes on, here or at its source. What follows is a new sign-in, with the new one.
    ///
    /// # Errors
    /// [`Refused::WrongPassword`], counted; [`Refused::Weak`] or [`Refused::NewPassword`] if the new one will not do.
    pub async fn change_required(&self, flow: Option<FlowId>, current: Secret, chosen: Secret, client: &Client) -> Result<Flow, Refused> {
        let (account, under_way) = self.at_source.changing(flow).await?;
        if account.source.is_some() {
            return self.at_source.change_expired(flow, &current, &chosen, client).await;
        }
        // The version whose password was verified is the one that is changed, and the one that the flow was begun for.
        let verified = self.password.check(&account.name, current, client).await?.account;
        if verified.version() != account.version() {
            return Err(Refused::Gone);
        }
        let phc = self.passwords.hash(&account, &chosen).await?;
        if !self.store.take_flow(&under_way).await? {
            return Err(Refused::Gone);
        }
        let account = self.passwords.set(verified.version(), phc, Actor::User(client)).await?;
        self.notices.notice_password(&account, Actor::User(client));
        self.at_source.flows.leave_news(&account, News::PasswordSet, client).await
    }

    /// Removes a method (for security keys: the one with this id). Every session of the user ends but this one, which goes on
    /// under a new id and as old as it was.
    pub async fn remove_method(
        &self,
        session: &LiveSession,
        method: Method,
        key: Option<&str>,
        client: &Client,
    ) -> Result<(Removal, Option<Signed>), Refused> {
        let before = self.own_account(session).await?;
        let config = self.context.config();
        let policy = before.mfa_policy.resolve(config.mfa.policy);
        let outcome = self.store.update_verified(before.version(), |account| {
            if !account.take_away(method, key) {
                return Edit::Leave(Err(Refused::NotOffered(method)));
            }
            if policy == MfaPolicy::Required && account.usable(config.mfa.methods).is_empty() {
                return Edit::Leave(Ok(None));
            }
            account.factors_changed();
            Edit::Write(Ok(Some(account.clone())))
        });
        let Some(Ok(written)) = outcome.await? else { return Err(Refused::Gone) };
        let Some(account) = written? else { return Ok((Removal::LastOfRequired, None)) };
        self.audit.record(Event::FactorRemoved, Some(&account.name), Actor::User(client), method.name()).await?;
        self.notices.notice_factor(&account, method, before.name_of(method, key), false, client);
        let record = session.record();
        // What is gone proves nothing any more: who has other methods shows one of them, and for all others the password is enough.
        let proof = match record.second {
            Some((shown, _)) if shown == Method::Recovery || !account.has(shown) => {
                if !account.usable(config.mfa.methods).is_empty() {
                    return Ok((Removal::Done, None));
                }
                Proof::Password
            }
            _ => record.proof(),
        };
        let signed = self.finish.sign_in(Verified::new(account), proof, client, Follows::Ended(&record), false).await?;
        Ok((Removal::Done, Some(signed)))
    }

    /// Names a security key or the authenticator app.
    pub async fn rename_method(
        &self,
        session: &LiveSession,
        method: Method,
        key: Option<&str>,
        name: &str,
        client: &Client,
    ) -> Result<(), Refused> {
        let account = self.own_account(session).await?;
        let name = tidy(name);
        let outcome = self.store.update_verified(account.version(), |account| {
            let slot = match method {
                Method::Totp => account.totp.as_mut().map(|totp| &mut totp.name),
                Method::Webauthn => account.webauthn.iter_mut().find(|one| Some(one.id.as_str()) == key).map(|one| &mut one.name),
                Method::Email | Method::Sms | Method::External | Method::Recovery => None,
            };
            match slot {
                Some(slot) if !name.is_empty() => {
                    slot.clone_from(&name);
                    Edit::Write(true)
                }
                _ => Edit::Leave(false),
            }
        });
        match outcome.await? {
            Some(Ok(true)) => self.audit.record(Event::FactorRenamed, Some(&account.name), Actor::User(client), method.name()).await,
            _ => Err(Refused::NotOffered(method)),
        }
    }

    /// Ten fresh recovery codes; the old ones are invalid.
    pub async fn renew_codes(&self, session: &LiveSession, client: &Client) -> Result<Vec<Secret>, Refused> {
        let account = self.own_account(session).await?;
        if account.enrolled().is_empty() {
            return Err(Refused::NotOffered(Method::Recovery));
        }
        let codes = fresh_codes(&self.store, &account).await?;
        self.audit.record(Event::RecoveryRenewed, Some(&account.name), Actor::User(client), "").await?;
        self.notices.notice_recovery_renewed(&account, Actor::User(client));
        Ok(codes)
    }

    /// Ends one other session of the user's own.
    pub async fn end_own(&self, session: &LiveSession, other: SessionId, client: &Client) -> Result<(), Refused> {
        let own = self.sessions.find(other).await?.filter(|other| other.user() == session.user()).ok_or(Refused::Gone)?;
        self.sessions.end(own.id(), EndReason::Revoked).await?;
        self.audit.record(Event::SessionRevoked, Some(&own.identity().person.name), Actor::User(client), "").await
    }

    /// Ends all other sessions of the user's own; how many.
    pub async fn end_others(&self, session: &LiveSession, client: &Client) -> Result<usize, Refused> {
        let account = self.sessions.account_of(session).await?;
        let mut others = self.sessions.signed_in(&account).await?;
        others.retain(|other| other.id != session.id());
        for other in &others {
            self.sessions.end(other.id, EndReason::Revoked).await?;
        }
        self.audit.record(Event::SessionRevoked, Some(&session.identity().person.name), Actor::User(client), "all others").await?;
        Ok(others.len())
    }

    /// Forgets a browser, or all: no longer trusted, nor known.
    pub async fn forget_browser(&self, session: &LiveSession, browser: Option<&str>, client: &Client) -> Result<(), Refused> {
        let outcome = self.store.update_verified(session.version(), |account| {
            account.browsers.retain(|known| browser.is_some_and(|id| known.id != id));
            Edit::Write(account.name.clone())
        });
        let Some(Ok(name)) = outcome.await? else { return Err(Refused::Gone) };
        self.audit.record(Event::BrowserForgotten, Some(&name), Actor::User(client), "").await
    }
}
