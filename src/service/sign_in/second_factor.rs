//! The second door: one proof of one method, for a sign-in under way or for a session that steps up.

use std::sync::Arc;
use std::time::Duration;

use crate::account::Account;
use crate::base::{Secret, Time};
use crate::factor::{Method, MethodSet, recovery, totp, webauthn};
use crate::limit;
use crate::login::{Flow, Purpose};
use crate::policy::Proof;
use crate::service::Services;
use crate::service::audit::{Actor, Event};
use crate::service::client::Client;
use crate::service::known_browsers::budget;
use crate::service::refused::{Refused, SecondProblem};
use crate::service::sessions::LiveSession;
use crate::service::sign_in::{Follows, Signed, usable};
use crate::store::Edit;

/// Somebody at the second door.
#[derive(Clone)]
pub struct Pending {
    pub account: Account,
    /// The flow, where there is one already. A step up gets one when it is first needed.
    pub flow: Option<Flow>,
    /// The session that steps up.
    pub session: Option<Arc<LiveSession>>,
}

/// What was typed, or what a key answered.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    pub method: Method,
    pub typed: &'a Secret,
    /// The sealed challenge that a key answers; empty for codes.
    pub challenge: &'a str,
}

impl Pending {
    /// What this user can be asked for where the route accepts `route` (`None`: anything). All of theirs where the route accepts none
    /// of them: the sign-in must have an end, and the route then asks for another method.
    pub fn methods(&self, server: MethodSet, route: Option<MethodSet>) -> MethodSet {
        let own = usable(&self.account, server);
        match route {
            Some(route) if !own.and(route).is_empty() => own.and(route),
            Some(_) | None => own,
        }
    }

    /// Whether a recovery code may be used: only where the route names no factors.
    pub fn may_recover(&self, route: Option<MethodSet>) -> bool {
        route.is_none() && self.account.recovery_left() > 0
    }
}

impl Services {
    /// Who is at the second door: a flow that waits for it, or a session that may step up.
    ///
    /// # Errors
    /// [`Refused::Gone`] where neither is there or good any more.
    pub async fn pending(&self, flow: Option<crate::base::FlowId>, session: Option<Arc<LiveSession>>) -> Result<Pending, Refused> {
        if let Some(id) = flow
            && let Some(flow) = self.store.flow(id).await?
        {
            let account = self.store.account(flow.user).await?.ok_or(Refused::Gone)?;
            let good = flow.is_good(&account, self.now());
            match &flow.purpose {
                Purpose::Second if good => return Ok(Pending { account, flow: Some(flow), session: None }),
                Purpose::StepUp { session: of } if good && session.as_ref().is_some_and(|live| live.id() == *of) => {
                    return Ok(Pending { account, flow: Some(flow), session });
                }
                Purpose::Second | Purpose::StepUp { .. } | Purpose::Enrol { .. } | Purpose::Contact { .. } | Purpose::News(_) => {}
            }
        }
        let session = session.ok_or(Refused::Gone)?;
        let account = self.account_of(&session).await?;
        Ok(Pending { account, flow: None, session: Some(session) })
    }

    /// The flow of a pending step, begun now where a session has none yet.
    pub(in crate::service) async fn flow_of(&self, pending: &Pending, client: &Client) -> Result<Flow, Refused> {
        match (&pending.flow, &pending.session) {
            (Some(flow), _) => Ok(flow.clone()),
            (None, Some(session)) => self.begin(&pending.account, Purpose::StepUp { session: session.id() }, false, client).await,
            (None, None) => Err(Refused::Gone),
        }
    }

    /// One proof. Right: the sign-in is finished, or the session has stepped up. Wrong: counted for the account, whatever the method,
    /// the flow or the browser window.
    pub async fn second(&self, pending: Pending, proof: Given<'_>, trust: bool, client: &Client) -> Result<Signed, Refused> {
        let Given { method, typed, challenge } = proof;
        self.refuse_crowded(Some(&pending.account), client).await?;
        let now = self.now();
        self.refuse_locked(&pending.account, client, now)?;
        let proved = match method {
            Method::Totp => self.prove(&pending, client, |account| self.try_totp(account, typed, now)).await,
            Method::Recovery => self.prove(&pending, client, |account| try_recovery(account, typed, now)).await,
            Method::Email | Method::Sms => self.prove_sent(&pending, method, typed, client).await,
            Method::Webauthn => self.prove_key(&pending, challenge, typed, client).await,
        };
        let account = match proved {
            Ok(account) => account,
            Err(refused) => {
                if matches!(refused, Refused::Second(SecondProblem::Wrong { .. } | SecondProblem::Key)) {
                    self.count_at_address(client).await?;
                    self.audit(Event::SecondWrong, Some(&pending.account.name), Actor::User(client), method.name()).await?;
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
            self.audit(Event::RecoveryUsed, Some(&account.name), Actor::User(client), format!("{} left", account.recovery_left())).await?;
            self.notice_recovery_used(&account, client);
        }
        let old = pending.session.as_ref().map(|session| session.record());
        let trust = trust && method != Method::Recovery;
        self.finish(account, Proof::Second { method, at: now }, client, old.as_ref().map_or(Follows::Nothing, Follows::Live), trust).await
    }

    /// Counts a wrong code that was to vouch for an enrolment, in the same place as all the others and in one of its own.
    pub(in crate::service) async fn count_failure(&self, id: crate::base::UserId, client: &Client) -> Result<(), Refused> {
        let (config, now) = (self.config(), self.now());
        self.count_at_address(client).await?;
        let count = |account: &mut Account| {
            account.vouch_failures = account.vouch_failures.saturating_add(1);
            let locked = limit::record_failure(budget(account, client.device), &config.limits, now);
            Edit::Write(locked.then(|| account.name.clone()))
        };
        if let Some(Ok(Some(name))) = self.store.update_account(id, count).await? {
            self.audit(Event::Locked, Some(&name), Actor::User(client), "").await?;
        }
        Ok(())
    }

    pub(in crate::service) fn refuse_locked(&self, account: &Account, client: &Client, now: Time) -> Result<(), Refused> {
        let mut account = account.clone();
        let failures = budget(&mut account, client.device);
        if limit::is_locked(failures, now) {
            return Err(Refused::Throttled(
                failures.locked_until.map_or(self.config().limits.lockout, |until| until.since(now)).max(Duration::from_secs(1)),
            ));
        }
        Ok(())
    }

    /// Tries a proof against the account as one atomic step: locked is refused, right is used up, wrong is counted.
    pub(in crate::service) async fn prove(
        &self,
        pending: &Pending,
        client: &Client,
        mut attempt: impl FnMut(&mut Account) -> Result<(), SecondProblem>,
    ) -> Result<Account, Refused> {
        let (config, now) = (self.config(), self.now());
        let epoch = pending.account.epoch;
        let mut locked = false;
        let outcome = self
            .store
            .update_account(pending.account.id, |account| {
                if account.disabled || account.epoch != epoch {
                    return Edit::Leave(Err(Refused::Gone));
                }
                if let Err(refused) = self.refuse_locked(account, client, now) {
                    return Edit::Leave(Err(refused));
                }
                match attempt(account) {
                    Ok(()) => Edit::Write(Ok(account.clone())),
                    Err(problem @ (SecondProblem::Wrong { .. } | SecondProblem::Key)) => {
                        locked = limit::record_failure(budget(account, client.device), &config.limits, now);
                        Edit::Write(Err(Refused::Second(problem)))
                    }
                    Err(problem) => Edit::Leave(Err(Refused::Second(problem))),
                }
            })
            .await?;
        if locked {
            self.audit(Event::Locked, Some(&pending.account.name), Actor::User(client), "").await?;
        }
        match outcome {
            Some(Ok(result)) => result,
            Some(Err(_)) | None => Err(Refused::Gone),
        }
    }

    fn try_totp(&self, account: &mut Account, typed: &Secret, now: Time) -> Result<(), SecondProblem> {
        let (owner, skew) = (account.id, self.config().mfa.totp.skew);
        let Some(totp) = &mut account.totp else { return Err(SecondProblem::Wrong { left: None }) };
        let Ok(secret) = self.store.open_sealed(owner, &totp.sealed_secret) else {
            tracing::error!(user = %owner, "a sealed TOTP secret does not open: was keys.json replaced?");
            return Err(SecondProblem::Wrong { left: None });
        };
        let parameters = totp::Parameters { digits: totp.digits, period: totp.period, algorithm: totp.algorithm };
        match totp::verify(&totp::Key::from_bytes(&secret), parameters, skew, totp.last_step, typed.expose(), now) {
            totp::Verdict::Accepted { step } => {
                totp.last_step = step;
                totp.last_used = Some(now);
                account.last_method = Some(Method::Totp);
                Ok(())
            }
            totp::Verdict::Replayed => Err(SecondProblem::Replayed),
            totp::Verdict::Wrong => Err(SecondProblem::Wrong { left: None }),
        }
    }

    /// This gateway as WebAuthn sees it from the page that the user is on.
    pub(in crate::service) fn relying_party(&self, client: &Client) -> Result<webauthn::RelyingParty, Refused> {
        let config = self.config();
        let made = webauthn::rp_id(config.mfa.rp_id.as_deref(), config.session.domain.as_deref(), &client.host)
            .and_then(|id| webauthn::RelyingParty::new(&config.mfa.totp.issuer, &id, &client.origin));
        made.map_err(|e| {
            tracing::debug!(error = %e, "no security key can be used here");
            Refused::NotOffered(Method::Webauthn)
        })
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
