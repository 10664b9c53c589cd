//! The second factor: one proof of one method, for a sign-in under way or a session that steps up.

use std::sync::Arc;

use super::expired_password::PasswordsAtSource;
use super::failures::FailureLimits;
use super::finish::{Finish, Follows};
use super::guest::Guests;
use super::one_time_code::OneTimeCodes;
use super::pending::{Given, Pending, Shown};
use super::security_key::SecurityKeys;
use crate::account::Account;
use crate::base::{Secret, SessionId, Time};
use crate::factor::{Method, recovery, totp};
use crate::login::Purpose;
use crate::policy::{GuestAddress, Proof};
use crate::service::audit::{Actor, AuditLog, Event};
use crate::service::client::Client;
use crate::service::context::Context;
use crate::service::notices::Notices;
use crate::service::refused::{Refused, SecondProblem};
use crate::service::sessions::{LiveSession, Sessions};
use crate::source::provider::linked::{ExternalFactor, external_factors};
use crate::store::Store;

/// The second factor of a sign-in or a step-up.
pub struct SecondFactor {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) context: Arc<Context>,
    pub(in crate::service) failures: Arc<FailureLimits>,
    pub(in crate::service) sessions: Arc<Sessions>,
    pub(in crate::service) one_time_codes: Arc<OneTimeCodes>,
    pub(in crate::service) security_keys: Arc<SecurityKeys>,
    pub(in crate::service) finish: Arc<Finish>,
    pub(in crate::service) at_source: Arc<PasswordsAtSource>,
    pub(in crate::service) guests: Arc<Guests>,
    pub(in crate::service) audit: Arc<AuditLog>,
    pub(in crate::service) notices: Arc<Notices>,
}

impl SecondFactor {
    /// Who is at the second factor: a flow that waits for it, or a session that may step up.
    ///
    /// # Errors
    /// [`Refused::Gone`] if neither is there or good any more.
    pub async fn pending(&self, flow: Option<crate::base::FlowId>, session: Option<Arc<LiveSession>>) -> Result<Pending, Refused> {
        if let Some(id) = flow
            && let Some(flow) = self.store.flow(id).await?
        {
            if let Purpose::Guest { address, .. } = &flow.purpose {
                let account = self.guests.stand_in(&GuestAddress::parse(address).ok_or(Refused::Gone)?)?;
                let good = flow.is_good(&account, self.context.now());
                return if good {
                    Ok(Pending { account, flow: Some(flow), session: None, external: Vec::new() })
                } else {
                    Err(Refused::Gone)
                };
            }
            let account = self.store.account(flow.user).await?.ok_or(Refused::Gone)?;
            let good = flow.is_good(&account, self.context.now());
            match &flow.purpose {
                Purpose::Second if good => {
                    let by = flow.provider.as_ref().map(|half| half.provider.as_str());
                    let external = external_factors(&self.context.config(), &account, by);
                    return Ok(Pending { account, flow: Some(flow), session: None, external });
                }
                Purpose::StepUp { session: of } if good && session.as_ref().is_some_and(|live| live.id() == *of) => {
                    let external = self.external(&account, *of).await?;
                    return Ok(Pending { account, flow: Some(flow), session, external });
                }
                Purpose::Second
                | Purpose::StepUp { .. }
                | Purpose::Enrol { .. }
                | Purpose::Contact { .. }
                | Purpose::Guest { .. }
                | Purpose::ChangePassword
                | Purpose::News(_) => {}
            }
        }
        let session = session.ok_or(Refused::Gone)?;
        let account = self.sessions.account_of(&session).await?;
        let external = self.external(&account, session.id()).await?;
        Ok(Pending { account, flow: None, session: Some(session), external })
    }

    /// The providers that can confirm somebody who has a session.
    async fn external(&self, account: &Account, session: SessionId) -> Result<Vec<ExternalFactor>, Refused> {
        let by = self.store.provider_session(session).await?.map(|half| half.provider);
        Ok(external_factors(&self.context.config(), account, by.as_deref()))
    }

    /// One proof. Right: the sign-in is finished, or the session has stepped up. Wrong: counted for the account, whatever the method,
    /// the flow or the browser window.
    pub async fn verify(&self, pending: Pending, proof: Given<'_>, trust: bool, client: &Client) -> Result<Shown, Refused> {
        let Given { method, typed, challenge } = proof;
        if pending.is_guest() {
            return self.guests.verify(&pending, method, typed, client).await.map(Shown::SignedIn);
        }
        self.failures.refuse_crowded(Some(&pending.account), client).await?;
        let now = self.context.now();
        self.failures.refuse_locked(&pending.account, client, now)?;
        let proved = match method {
            Method::Totp => self.failures.attempt(&pending, client, |account| self.try_totp(account, typed, now)).await,
            Method::Recovery => self.failures.attempt(&pending, client, |account| Ok(try_recovery(account, typed, now)?)).await,
            Method::Email | Method::Sms => self.one_time_codes.verify(&pending, method, typed, client).await,
            Method::Webauthn => self.security_keys.verify(&pending, challenge, typed, client).await,
            // Nothing that is typed here shows it.
            Method::External => Err(Refused::NotOffered(method)),
        };
        let account = match proved {
            Ok(account) => account,
            Err(refused) => {
                if matches!(refused, Refused::Second(SecondProblem::Wrong { .. } | SecondProblem::Key)) {
                    self.failures.count_at_address(client).await?;
                    self.audit.record(Event::SecondWrong, Some(&pending.account.name), Actor::User(client), method.name()).await?;
                }
                return Err(refused);
            }
        };
        if let Some(flow) = &pending.flow
            && !self.store.take_flow(flow).await?
        {
            return Err(Refused::Gone);
        }
        if method == Method::Recovery {
            self.audit
                .record(Event::RecoveryUsed, Some(&account.name), Actor::User(client), format!("{} left", account.recovery_left()))
                .await?;
            self.notices.notice_recovery_used(&account, client);
        }
        if pending.flow.as_ref().is_some_and(|flow| flow.must_change_password) {
            let flow = self.at_source.begin(&account, Purpose::ChangePassword, client).await?;
            return Ok(Shown::MustChangePassword(Box::new(flow)));
        }
        let old = pending.session.as_ref().map(|session| session.record());
        let trust = trust && method != Method::Recovery;
        self.finish
            .sign_in(account, Proof::Second { method, at: now }, client, Follows::of(old.as_ref(), pending.flow.as_ref()), trust)
            .await
            .map(Shown::SignedIn)
    }

    /// # Errors
    /// [`Refused::Second`] for a code that is not right; [`Refused::Store`] if the secret does not open: the code may be right, and
    /// nothing is counted.
    fn try_totp(&self, account: &mut Account, typed: &Secret, now: Time) -> Result<(), Refused> {
        let (owner, skew) = (account.id, self.context.config().mfa.totp.skew);
        let Some(totp) = &mut account.totp else { return Err(SecondProblem::Wrong { left: None }.into()) };
        let secret = self.store.open_sealed(owner, &totp.sealed_secret)?;
        let parameters = totp::Parameters { digits: totp.digits, period: totp.period, algorithm: totp.algorithm };
        match totp::verify(&totp::Key::from_bytes(&secret), parameters, skew, totp.last_step, typed.expose(), now) {
            totp::Verdict::Accepted { step } => {
                totp.last_step = step;
                totp.last_used = Some(now);
                account.last_method = Some(Method::Totp);
                Ok(())
            }
            totp::Verdict::Replayed => Err(SecondProblem::Replayed.into()),
            totp::Verdict::Wrong => Err(SecondProblem::Wrong { left: None }.into()),
        }
    }
}

fn try_recovery(account: &mut Account, typed: &Secret, now: Time) -> Result<(), SecondProblem> {
    let found = recovery::find(&account.recovery, typed.expose());
    match found.and_then(|at| account.recovery.get_mut(at)) {
        Some(code) => {
            code.used = Some(now);
            Ok(())
        }
        None => Err(SecondProblem::Wrong { left: None }),
    }
}
