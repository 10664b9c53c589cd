//! Setting up a second factor. A stolen password is not enough for the first one: somebody must have vouched (`mfa.first_enrolment`).

use std::sync::Arc;

use super::audit::{Actor, Event};
use super::second::{judge_sent, next_code};
use super::sign_in::{Follows, usable};
use super::{Client, LiveSession, Refused, SecondProblem, Services, Signed};
use crate::account::{Account, MfaPolicy, OtpEnrolment, RecoveryCode, TotpAlgorithm, TotpEnrolment, WebauthnEnrolment};
use crate::base::{FlowId, Secret, Time};
use crate::config::FirstEnrolment;
use crate::factor::{Method, MethodSet, recovery, totp};
use crate::login::{Enrolling, Flow, Purpose};
use crate::policy::Proof;
use crate::store::{Conflict, Edit, Store};

/// Why a method was not set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnrolProblem {
    #[error("confirm first that it is you")]
    NotVouched,
    #[error("another account already has this authenticator")]
    TakenFactor,
    #[error("this method is set up already")]
    AlreadyThere,
    #[error("sign in again before you change how you sign in")]
    NotFresh,
}

/// Somebody who sets up a second factor.
#[derive(Clone)]
pub struct EnrolPage {
    pub account: Account,
    pub flow: Option<Flow>,
    pub session: Option<Arc<LiveSession>>,
}

/// A method was set up.
#[derive(Debug, PartialEq, Eq)]
pub enum Confirmed {
    /// The first one: recovery codes are to be read and saved.
    ShowCodes,
    /// A further one: sign in with it.
    Done,
}

/// For how long a full sign-in counts as fresh for changes of how one signs in.
pub const FRESH: std::time::Duration = std::time::Duration::from_secs(15 * 60);

impl EnrolPage {
    /// What this user may set up now.
    pub fn offered(&self, server: MethodSet) -> MethodSet {
        let may = self.account.may_enrol(server);
        let there = |method: Method| method != Method::Webauthn && self.account.has(method);
        may.iter().filter(|method| !there(*method) && (*method != Method::Sms || self.account.phone.is_some())).collect()
    }

    pub fn is_first(&self) -> bool {
        self.account.enrolled().is_empty()
    }

    /// The recovery codes are still to be read and saved.
    pub fn has_codes(&self) -> bool {
        matches!(self.flow.as_ref().and_then(|flow| flow.enrolling.as_ref()), Some(Enrolling::Codes { .. }))
    }
}

impl Services {
    /// Who sets up a second factor: an enrolment flow, or a session.
    pub async fn enrolment(&self, flow: Option<FlowId>, session: Option<Arc<LiveSession>>) -> Result<EnrolPage, Refused> {
        if let Some(id) = flow
            && let Some(flow) = self.store.flow(id).await?
        {
            let account = self.store.account(flow.user).await?.ok_or(Refused::Gone)?;
            let own = match &flow.purpose {
                // After the confirmation the session is gone, and the codes are still to be read.
                Purpose::Enrol { session: Some(of) } => {
                    matches!(flow.enrolling, Some(Enrolling::Codes { .. })) || session.as_ref().is_some_and(|live| live.id() == *of)
                }
                Purpose::Enrol { session: None } => true,
                Purpose::Second | Purpose::StepUp { .. } | Purpose::Contact { .. } | Purpose::News(_) => false,
            };
            if own && flow.is_good(&account, self.now()) {
                return Ok(EnrolPage { account, flow: Some(flow), session });
            }
        }
        let session = session.ok_or(Refused::Gone)?;
        let account = self.account_of(&session).await?;
        Ok(EnrolPage { account, flow: None, session: Some(session) })
    }

    /// Whether the first enrolment still needs somebody's word.
    pub fn needs_vouching(&self, page: &EnrolPage) -> bool {
        // Methods that are set up and no longer allowed vouch for nobody: what cannot be asked for proves nothing.
        usable(&page.account, self.config().mfa.methods).is_empty()
            && self.config().mfa.first_enrolment == FirstEnrolment::Verified
            && !page.flow.as_ref().is_some_and(|flow| flow.vouched)
    }

    /// Until when a required enrolment may still be put off (`mfa.grace`), for a user whose sign-in is stopped by it. The time
    /// runs from the first sign-in that was; to ask starts nothing.
    pub fn grace(&self, page: &EnrolPage) -> Option<Time> {
        let (grace, now) = (self.config().mfa.grace?, self.now());
        let stopped = page.flow.as_ref().is_some_and(|flow| {
            flow.purpose == Purpose::Enrol { session: None } && flow.enrolling.is_none() && flow.by_password && !flow.vouched
        });
        if !stopped || !page.is_first() {
            return None;
        }
        Some(page.account.grace_started.unwrap_or(now).plus(grace)).filter(|until| now < *until)
    }

    /// A sign-in was stopped by a required enrolment: from the first time on its grace runs.
    pub(super) async fn start_grace(&self, account: &Account) -> Result<(), Refused> {
        if self.config().mfa.grace.is_none() || account.grace_started.is_some() || !account.enrolled().is_empty() {
            return Ok(());
        }
        let now = self.now();
        let start = |account: &mut Account| match account.grace_started {
            Some(_) => Edit::Leave(()),
            None => {
                account.grace_started = Some(now);
                Edit::Write(())
            }
        };
        self.store.update_account(account.id, start).await?;
        Ok(())
    }

    /// Puts a required enrolment off: the sign-in is finished with the password alone.
    pub async fn put_off(&self, page: &EnrolPage, client: &Client) -> Result<Signed, Refused> {
        if self.grace(page).is_none() {
            return Err(Refused::Gone);
        }
        self.start_grace(&page.account).await?;
        let flow = page.flow.as_ref().ok_or(Refused::Gone)?;
        if !self.store.take_flow(flow).await? {
            return Err(Refused::Gone);
        }
        self.finish(page.account.clone(), Proof::Password, client, Follows::Nothing, false).await
    }

    /// Whether a session may change how its user signs in: signed in lately, with everything that the user has.
    pub fn is_fresh(&self, session: &LiveSession, account: &Account) -> bool {
        let record = session.record();
        let config = self.config();
        let off = account.mfa_policy.resolve(config.mfa.policy) == MfaPolicy::Off;
        let in_full = record.second.is_some() || off || usable(account, config.mfa.methods).is_empty();
        in_full && !record.trusted_browser && record.full_auth.is_fresh(FRESH, self.now())
    }

    async fn enrol_flow(&self, page: &EnrolPage, client: &Client) -> Result<Flow, Refused> {
        match (&page.flow, &page.session) {
            (Some(flow), _) => Ok(flow.clone()),
            (None, Some(session)) => {
                if !self.is_fresh(session, &page.account) {
                    return Err(Refused::Enrol(EnrolProblem::NotFresh));
                }
                // A second factor that was shown in this session vouches for the next one.
                let vouched = session.record().second.is_some();
                self.begin(&page.account, Purpose::Enrol { session: Some(session.id()) }, vouched, client).await
            }
            (None, None) => Err(Refused::Gone),
        }
    }

    /// Sends the code that vouches for a first enrolment to the registered address. It vouches for nothing else.
    pub async fn send_vouching(&self, page: &EnrolPage, client: &Client) -> Result<Flow, Refused> {
        let flow = self.enrol_flow(page, client).await?;
        self.send_enrol_code(page, &flow, Method::Email, None, client).await
    }

    /// Takes the vouching code.
    pub async fn vouch(&self, page: &EnrolPage, typed: &Secret, client: &Client) -> Result<(), Refused> {
        let flow = page.flow.as_ref().ok_or(Refused::Gone)?;
        self.check_enrol_code(page, flow, Method::Email, typed, client, |flow| {
            flow.vouched = true;
            flow.sent = None;
        })
        .await?;
        self.audit(Event::EnrolmentVouched, Some(&page.account.name), Actor::User(client), "code to the registered address").await
    }

    /// A code could not be sent: the page must not say that one is on its way.
    pub(super) async fn unsend(&self, flow: FlowId) -> Result<(), Refused> {
        self.store
            .update_flow(flow, |flow| {
                let _: () = flow.sent = None;
                Edit::Write(())
            })
            .await?;
        Ok(())
    }

    /// The user chose a method: its secret, challenge or code is made, and kept in the flow until it is confirmed.
    pub async fn choose(&self, page: &EnrolPage, method: Method, client: &Client) -> Result<Flow, Refused> {
        if self.needs_vouching(page) {
            return Err(Refused::Enrol(EnrolProblem::NotVouched));
        }
        if page.account.has(method) && method != Method::Webauthn {
            return Err(Refused::Enrol(EnrolProblem::AlreadyThere));
        }
        let config = self.config();
        let off = page.account.mfa_policy.resolve(config.mfa.policy) == MfaPolicy::Off;
        if off || !page.offered(config.mfa.methods).contains(method) {
            return Err(Refused::NotOffered(method));
        }
        let flow = self.enrol_flow(page, client).await?;
        let enrolling = match method {
            Method::Totp => {
                let key = totp::Key::generate()?;
                Enrolling::Totp { sealed_secret: self.store.seal(page.account.id, key.as_bytes())? }
            }
            Method::Webauthn => {
                let account = &page.account;
                let (options, state) = self
                    .relying_party(client)?
                    .start_registration(account.id, &account.name, &account.display_name, &account.webauthn)
                    .map_err(|_| Refused::NotOffered(method))?;
                Enrolling::Webauthn { state: Box::new(state), options }
            }
            Method::Email | Method::Sms => {
                return self.send_enrol_code(page, &flow, method, Some(Enrolling::Sent { method }), client).await;
            }
            Method::Recovery => return Err(Refused::NotOffered(method)),
        };
        let kept = self.store.update_flow(flow.id, |flow| {
            flow.enrolling = Some(enrolling.clone());
            Edit::Write(flow.clone())
        });
        kept.await?.ok_or(Refused::Gone)
    }

    async fn send_enrol_code(
        &self,
        page: &EnrolPage,
        flow: &Flow,
        method: Method,
        step: Option<Enrolling>,
        client: &Client,
    ) -> Result<Flow, Refused> {
        let (config, now) = (self.config(), self.now());
        let rules = config.mfa.otp;
        self.send_allowed(&page.account, client)?;
        let made = self.store.update_flow(flow.id, |flow| match next_code(flow, method, &rules, now) {
            Ok(code) => {
                flow.enrolling = step.clone().or(flow.enrolling.take());
                Edit::Write(Ok((code, flow.clone())))
            }
            Err(problem) => Edit::Leave(Err(problem)),
        });
        let (code, flow) = made.await?.ok_or(Refused::Gone)??;
        if let Err(refused) = self.deliver_code(&page.account, method, &code, true, client) {
            self.unsend(flow.id).await?;
            return Err(refused);
        }
        self.audit(Event::CodeSent, Some(&page.account.name), Actor::User(client), format!("{method}, enrolment")).await?;
        Ok(flow)
    }

    /// Another code for the e-mail or SMS method that is being set up.
    pub async fn resend_enrolment(&self, page: &EnrolPage, method: Method, client: &Client) -> Result<Flow, Refused> {
        let flow = page.flow.as_ref().ok_or(Refused::Gone)?;
        if !matches!(&flow.enrolling, Some(Enrolling::Sent { method: chosen }) if *chosen == method) {
            return Err(Refused::Gone);
        }
        self.send_enrol_code(page, flow, method, None, client).await
    }

    pub(super) async fn check_enrol_code(
        &self,
        page: &EnrolPage,
        flow: &Flow,
        method: Method,
        typed: &Secret,
        client: &Client,
        mut then: impl FnMut(&mut Flow),
    ) -> Result<(), Refused> {
        let (config, now) = (self.config(), self.now());
        self.refuse_crowded(Some(&page.account), client).await?;
        self.refuse_locked(&page.account, client, now)?;
        if page.account.vouch_failures >= MOST_VOUCH_FAILURES {
            return Err(Refused::Second(SecondProblem::Exhausted));
        }
        let judged = self.store.update_flow(flow.id, |flow| match judge_sent(flow, method, typed, &config.mfa.otp, now) {
            Edit::Write(Ok(())) => {
                then(flow);
                Edit::Write(Ok(()))
            }
            other => other,
        });
        let Err(problem) = judged.await?.ok_or(Refused::Gone)? else { return Ok(()) };
        if matches!(problem, SecondProblem::Wrong { .. }) {
            self.count_failure(page.account.id, client).await?;
            self.audit(Event::SecondWrong, Some(&page.account.name), Actor::User(client), format!("{method}, enrolment")).await?;
        }
        Err(Refused::Second(problem))
    }

    /// What the set-up page of an authenticator app shows: key and link.
    pub fn totp_setup(&self, page: &EnrolPage) -> Result<(zeroize::Zeroizing<String>, zeroize::Zeroizing<String>), Refused> {
        let Some(Enrolling::Totp { sealed_secret }) = page.flow.as_ref().and_then(|flow| flow.enrolling.as_ref()) else {
            return Err(Refused::Gone);
        };
        let key = totp::Key::from_bytes(&self.store.open_sealed(page.account.id, sealed_secret)?);
        let link =
            totp::otpauth_url(&key, self.totp_parameters(), &self.config().mfa.totp.issuer, &page.account.name).ok_or(Refused::Gone)?;
        Ok((key.base32(), link))
    }

    pub(super) fn totp_parameters(&self) -> totp::Parameters {
        let config = self.config();
        let period = u32::try_from(config.mfa.totp.period.as_secs()).unwrap_or(30);
        totp::Parameters { digits: config.mfa.totp.digits, period, algorithm: TotpAlgorithm::Sha1 }
    }

    /// The proof that the new method works. Right: it is set up, every session of the user ends, and it is asked for from now on.
    pub async fn confirm(
        &self,
        page: &EnrolPage,
        method: Method,
        typed: &Secret,
        name: &str,
        client: &Client,
    ) -> Result<Confirmed, Refused> {
        if self.needs_vouching(page) {
            return Err(Refused::Enrol(EnrolProblem::NotVouched));
        }
        let flow = page.flow.as_ref().ok_or(Refused::Gone)?;
        let now = self.now();
        let add = match (method, &flow.enrolling) {
            (Method::Totp, Some(Enrolling::Totp { sealed_secret })) => self.confirm_totp(page, sealed_secret, typed, name, client).await?,
            (Method::Webauthn, Some(Enrolling::Webauthn { state, .. })) => {
                let answer =
                    self.relying_party(client)?.finish_registration(state.as_ref().clone(), typed.expose(), &page.account.webauthn);
                let made = answer.map_err(|e| {
                    tracing::debug!(error = %e, "a key could not be registered");
                    Refused::Second(SecondProblem::Key)
                })?;
                let name = if name.trim().is_empty() { format!("{}", page.account.webauthn.len() + 1) } else { tidy(name) };
                Added::Webauthn(WebauthnEnrolment { id: made.id, name, passkey: made.passkey, added: now, last_used: None })
            }
            (Method::Email | Method::Sms, Some(Enrolling::Sent { method: chosen })) if *chosen == method => {
                self.check_enrol_code(page, flow, method, typed, client, |flow| flow.sent = None).await?;
                Added::Sent(method, OtpEnrolment { added: now, last_used: None })
            }
            _ => return Err(Refused::Gone),
        };
        self.store_factor(page, flow, method, add, client).await
    }

    async fn confirm_totp(&self, page: &EnrolPage, sealed: &str, typed: &Secret, name: &str, client: &Client) -> Result<Added, Refused> {
        self.refuse_crowded(Some(&page.account), client).await?;
        let (now, parameters) = (self.now(), self.totp_parameters());
        let secret = self.store.open_sealed(page.account.id, sealed)?;
        let totp::Verdict::Accepted { step } =
            totp::verify(&totp::Key::from_bytes(&secret), parameters, self.config().mfa.totp.skew, 0, typed.expose(), now)
        else {
            self.count_at_address(client).await?;
            return Err(Refused::Second(SecondProblem::Wrong { left: None }));
        };
        Ok(Added::Totp(TotpEnrolment {
            sealed_secret: sealed.to_owned(),
            fingerprint: Store::totp_fingerprint(&secret),
            digits: parameters.digits,
            period: parameters.period,
            algorithm: parameters.algorithm,
            last_step: step,
            name: tidy(name),
            added: now,
            last_used: None,
        }))
    }

    /// Puts the factor into the account, with recovery codes where it is the first; the flow goes on under the new epoch.
    async fn store_factor(&self, page: &EnrolPage, flow: &Flow, method: Method, add: Added, client: &Client) -> Result<Confirmed, Refused> {
        let now = self.now();
        let fresh = recovery::generate()?;
        let codes: Vec<RecoveryCode> = fresh.iter().map(|(_, kept)| kept.clone()).collect();
        let outcome = self
            .store
            .update_account(page.account.id, |account| {
                if account.disabled || account.epoch != flow.epoch {
                    return Edit::Leave(Err(Refused::Gone));
                }
                let first = account.enrolled().is_empty();
                if !add.put(account) {
                    return Edit::Leave(Err(Refused::Enrol(EnrolProblem::AlreadyThere)));
                }
                if first {
                    account.recovery.clone_from(&codes);
                }
                account.vouch_failures = 0;
                account.factors_changed();
                Edit::Write(Ok((first, account.clone())))
            })
            .await?;
        let (first, account) = match outcome {
            Some(Ok(result)) => result?,
            Some(Err(Conflict::Factor)) => return Err(Refused::Enrol(EnrolProblem::TakenFactor)),
            Some(Err(Conflict::Login(_))) | None => return Err(Refused::Gone),
        };
        self.audit(Event::FactorAdded, Some(&account.name), Actor::User(client), method.name()).await?;
        let key = account.webauthn.last().map(|key| key.id.clone());
        self.notice_factor(&account, method, account.name_of(method, key.as_deref()), true, client);
        if !first {
            self.store.take_flow(flow).await?;
            return Ok(Confirmed::Done);
        }
        let plain: Vec<&str> = fresh.iter().map(|(code, _)| code.expose()).collect();
        let sealed = self.store.seal(account.id, plain.join(" ").as_bytes())?;
        let kept = self.store.update_flow(flow.id, |flow| {
            flow.epoch = account.epoch;
            // Writing ten codes down takes its time.
            flow.expires = now.plus(Flow::LIFETIME);
            flow.enrolling = Some(Enrolling::Codes { sealed: sealed.clone() });
            Edit::Write(())
        });
        kept.await?.ok_or(Refused::Gone)?;
        Ok(Confirmed::ShowCodes)
    }

    /// The recovery codes that are still to be saved.
    pub fn codes(&self, page: &EnrolPage) -> Result<Vec<Secret>, Refused> {
        let Some(Enrolling::Codes { sealed }) = page.flow.as_ref().and_then(|flow| flow.enrolling.as_ref()) else {
            return Err(Refused::Gone);
        };
        let plain = self.store.open_sealed(page.account.id, sealed)?;
        Ok(String::from_utf8_lossy(&plain).split(' ').map(Secret::new).collect())
    }

    /// The user saved the codes: the enrolment is over.
    pub async fn codes_saved(&self, page: &EnrolPage) -> Result<(), Refused> {
        if let Some(flow) = &page.flow {
            self.store.take_flow(flow).await?;
        }
        Ok(())
    }
}

/// A confirmed factor on its way into the account.
enum Added {
    Totp(TotpEnrolment),
    Webauthn(WebauthnEnrolment),
    Sent(Method, OtpEnrolment),
}

impl Added {
    /// `false` where there is one already.
    fn put(&self, account: &mut Account) -> bool {
        let slot_free = match self {
            Self::Totp(_) => account.totp.is_none(),
            Self::Webauthn(new) => account.webauthn.len() < MOST_KEYS && account.webauthn.iter().all(|key| key.id != new.id),
            Self::Sent(Method::Sms, _) => account.sms_otp.is_none(),
            Self::Sent(..) => account.email_otp.is_none(),
        };
        if slot_free {
            match self {
                Self::Totp(new) => account.totp = Some(new.clone()),
                Self::Webauthn(new) => account.webauthn.push(new.clone()),
                Self::Sent(Method::Sms, new) => account.sms_otp = Some(new.clone()),
                Self::Sent(_, new) => account.email_otp = Some(new.clone()),
            }
        }
        slot_free
    }
}

/// Wrong codes to the registered address, over all sign-ins, until somebody must vouch in person: unlike the other failures these
/// are not forgotten by a finished sign-in, which a thief of the password alone could reach.
const MOST_VOUCH_FAILURES: u32 = 20;

/// Security keys and passkeys of one user.
const MOST_KEYS: usize = 20;

/// A name that a user gave to something: one line, not too long.
pub(super) fn tidy(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(60).collect::<String>().trim().to_owned()
}
