//! The beginning of an enrolment: who may set up which second factor, and its secret, challenge or code. A stolen password is not enough
//! for the first factor: somebody must have vouched (`mfa.first_enrolment`).

use std::sync::Arc;

use crate::account::{Account, MfaPolicy, TotpAlgorithm};
use crate::base::FlowId;
use crate::config::FirstEnrolment;
use crate::factor::{Method, MethodSet, totp};
use crate::login::{Enrolling, Flow, Purpose};
use crate::service::audit::AuditLog;
use crate::service::client::Client;
use crate::service::context::Context;
use crate::service::notices::Notices;
use crate::service::refused::{EnrolProblem, Refused};
use crate::service::relying_party::relying_party;
use crate::service::sessions::{LiveSession, Sessions};
use crate::service::sign_in::Signed;
use crate::service::sign_in::failures::FailureLimits;
use crate::service::sign_in::finish::Finish;
use crate::service::sign_in::flows::Flows;
use crate::store::{Edit, Store};

/// Somebody who sets up a second factor.
#[derive(Clone)]
pub struct EnrolPage {
    pub account: Account,
    pub flow: Option<Flow>,
    pub session: Option<Arc<LiveSession>>,
}

/// A method was set up.
#[derive(Debug)]
pub enum Confirmed {
    /// The first one: recovery codes are to be read and saved.
    ShowCodes,
    /// A further one: sign in with it.
    Done,
    /// A further one, vouched for by what the session has shown, which goes on.
    Kept(Signed),
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

/// Setting up a second factor.
pub struct Enrolment {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) context: Arc<Context>,
    pub(in crate::service) sessions: Arc<Sessions>,
    pub(in crate::service) flows: Arc<Flows>,
    pub(in crate::service) failures: Arc<FailureLimits>,
    pub(in crate::service) finish: Arc<Finish>,
    pub(in crate::service) audit: Arc<AuditLog>,
    pub(in crate::service) notices: Arc<Notices>,
}

impl Enrolment {
    /// Who sets up a second factor: an enrolment flow, or a session.
    pub async fn page(&self, flow: Option<FlowId>, session: Option<Arc<LiveSession>>) -> Result<EnrolPage, Refused> {
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
                Purpose::Second
                | Purpose::StepUp { .. }
                | Purpose::Contact { .. }
                | Purpose::ChangePassword
                | Purpose::Guest { .. }
                | Purpose::News(_) => false,
            };
            if own && flow.is_good(&account, self.context.now()) {
                return Ok(EnrolPage { account, flow: Some(flow), session });
            }
        }
        let session = session.ok_or(Refused::Gone)?;
        let account = self.sessions.account_of(&session).await?;
        Ok(EnrolPage { account, flow: None, session: Some(session) })
    }

    /// Whether the first enrolment still needs somebody's word.
    pub fn needs_vouching(&self, page: &EnrolPage) -> bool {
        // Methods that are set up and no longer allowed vouch for nobody: what cannot be asked for proves nothing.
        page.account.usable(self.context.config().mfa.methods).is_empty()
            && self.context.config().mfa.first_enrolment == FirstEnrolment::Verified
            && !page.flow.as_ref().is_some_and(|flow| flow.vouched)
    }

    /// Whether a session may change how its user signs in: signed in lately, with everything that the user has.
    pub fn is_fresh(&self, session: &LiveSession, account: &Account) -> bool {
        let record = session.record();
        let config = self.context.config();
        let off = account.mfa_policy.resolve(config.mfa.policy) == MfaPolicy::Off;
        let in_full = session.has_second() || off || account.usable(config.mfa.methods).is_empty();
        in_full && !record.trusted_browser && record.full_auth.is_fresh(FRESH, self.context.now())
    }

    pub(super) async fn enrol_flow(&self, page: &EnrolPage, client: &Client) -> Result<Flow, Refused> {
        match (&page.flow, &page.session) {
            (Some(flow), _) => Ok(flow.clone()),
            (None, Some(session)) => {
                if !self.is_fresh(session, &page.account) {
                    return Err(Refused::Enrol(EnrolProblem::NotFresh));
                }
                // A second factor that was shown in this session vouches for the next one.
                let vouched = session.has_second();
                self.flows.begin(&page.account, Purpose::Enrol { session: Some(session.id()) }, vouched, client).await
            }
            (None, None) => Err(Refused::Gone),
        }
    }

    /// The user chose a method: its secret, challenge or code is made, and kept in the flow until it is confirmed.
    pub async fn choose(&self, page: &EnrolPage, method: Method, client: &Client) -> Result<Flow, Refused> {
        if self.needs_vouching(page) {
            return Err(Refused::Enrol(EnrolProblem::NotVouched));
        }
        if page.account.has(method) && method != Method::Webauthn {
            return Err(Refused::Enrol(EnrolProblem::AlreadyThere));
        }
        let config = self.context.config();
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
                let (options, state) = relying_party(&self.context, client)?
                    .start_registration(account.id, &account.name, &account.display_name, &account.webauthn)
                    .map_err(|_| Refused::NotOffered(method))?;
                Enrolling::Webauthn { state: Box::new(state), options }
            }
            Method::Email | Method::Sms => {
                return self.send_enrol_code(page, &flow, method, Some(Enrolling::Sent { method }), client).await;
            }
            Method::External => Enrolling::External,
            Method::Recovery => return Err(Refused::NotOffered(method)),
        };
        let kept = self.store.update_flow(flow.id, |flow| {
            flow.enrolling = Some(enrolling.clone());
            Edit::Write(flow.clone())
        });
        kept.await?.ok_or(Refused::Gone)
    }

    /// What the set-up page of an authenticator app shows: key and link.
    pub fn totp_setup(&self, page: &EnrolPage) -> Result<(zeroize::Zeroizing<String>, zeroize::Zeroizing<String>), Refused> {
        let Some(Enrolling::Totp { sealed_secret }) = page.flow.as_ref().and_then(|flow| flow.enrolling.as_ref()) else {
            return Err(Refused::Gone);
        };
        let key = totp::Key::from_bytes(&self.store.open_sealed(page.account.id, sealed_secret)?);
        let link = totp::otpauth_url(&key, self.totp_parameters(), &self.context.config().mfa.totp.issuer, &page.account.name)
            .ok_or(Refused::Gone)?;
        Ok((key.base32(), link))
    }

    pub(in crate::service) fn totp_parameters(&self) -> totp::Parameters {
        let config = self.context.config();
        let period = u32::try_from(config.mfa.totp.period.as_secs()).unwrap_or(30);
        totp::Parameters { digits: config.mfa.totp.digits, period, algorithm: TotpAlgorithm::Sha1 }
    }
}

/// A name that a user gave to something: one line, not too long.
pub(in crate::service) fn tidy(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(60).collect::<String>().trim().to_owned()
}
