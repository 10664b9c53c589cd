//! The end of an enrolment: the proof that the new method works, then the method in the account, with recovery codes if it is the first.
//! What was not proved is never in the account.

use super::choose::{Confirmed, EnrolPage, Enrolment, tidy};
use crate::account::{Account, OtpEnrolment, PersonId, RecoveryCode, TotpEnrolment, Version, WebauthnEnrolment};
use crate::base::Secret;
use crate::factor::{Method, recovery, totp};
use crate::login::{Enrolling, Flow, Purpose};
use crate::service::audit::{Actor, Event};
use crate::service::client::Client;
use crate::service::refused::{EnrolProblem, Refused, SecondProblem};
use crate::service::relying_party::relying_party;
use crate::service::sessions::LiveSession;
use crate::service::sign_in::Signed;
use crate::store::{Conflict, Edit, Store};

/// Security keys and passkeys of one user.
const MOST_KEYS: usize = 20;

impl Enrolment {
    /// The proof that the new method works. Right: it is set up, every session of the user ends but one that
    /// vouches for a further factor, and it is asked for from now on.
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
        let now = self.context.now();
        let add = match (method, &flow.enrolling) {
            (Method::Totp, Some(Enrolling::Totp { sealed_secret })) => self.confirm_totp(page, sealed_secret, typed, name, client).await?,
            (Method::Webauthn, Some(Enrolling::Webauthn { state, .. })) => {
                let answer = relying_party(&self.context, client)?.finish_registration(
                    state.as_ref().clone(),
                    typed.expose(),
                    &page.account.webauthn,
                );
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
        self.failures.refuse_crowded(Some(&page.account), client).await?;
        let (now, parameters) = (self.context.now(), self.totp_parameters());
        let secret = self.store.open_sealed(page.account.id, sealed)?;
        let totp::Verdict::Accepted { step } =
            totp::verify(&totp::Key::from_bytes(&secret), parameters, self.context.config().mfa.totp.skew, 0, typed.expose(), now)
        else {
            self.failures.count_at_address(client).await?;
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

    /// Puts the factor into the account, with recovery codes if it is the first; the flow goes on under the new epoch.
    pub(in crate::service) async fn store_factor(
        &self,
        page: &EnrolPage,
        flow: &Flow,
        method: Method,
        add: Added,
        client: &Client,
    ) -> Result<Confirmed, Refused> {
        let fresh = recovery::generate()?;
        let (first, account, kept) = match self.vouching_session(page, flow) {
            Some(session) => {
                let (account, signed) = self.put_further_factor(session, flow, &add, client).await?;
                (false, account, Some(signed))
            }
            None => {
                let (first, account) = self.put_factor(page, flow, &add, &fresh).await?;
                (first, account, None)
            }
        };
        self.audit.record(Event::FactorAdded, Some(&account.name), Actor::User(client), method.name()).await?;
        let key = account.webauthn.last().map(|key| key.id.clone());
        self.notices.notice_factor(&account, method, account.name_of(method, key.as_deref()), true, client);
        if !first {
            self.store.take_flow(flow).await?;
            return Ok(kept.map_or(Confirmed::Done, Confirmed::Kept));
        }
        let plain: Vec<&str> = fresh.iter().map(|(code, _)| code.expose()).collect();
        let sealed = self.store.seal(account.id, plain.join(" ").as_bytes())?;
        let now = self.context.now();
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

    /// The session that a further factor is set up in, if a second factor that it has shown vouches for this one.
    fn vouching_session<'p>(&self, page: &'p EnrolPage, flow: &Flow) -> Option<&'p LiveSession> {
        let session = page.session.as_deref().filter(|session| flow.purpose == Purpose::Enrol { session: Some(session.id()) })?;
        let vouches = !page.is_first() && session.has_second() && self.is_fresh(session, &page.account);
        vouches.then_some(session)
    }

    /// The factor, and the session that goes on under the new epoch: one step.
    async fn put_further_factor(
        &self,
        session: &LiveSession,
        flow: &Flow,
        add: &Added,
        client: &Client,
    ) -> Result<(Account, Signed), Refused> {
        let (version, proof) = (Version::new(session.user(), flow.epoch), session.record().proof());
        let put = |account: &mut Account| {
            // Somebody took the others away meanwhile: then it is a first one, and begins anew.
            if account.enrolled().is_empty() {
                return Edit::Leave(Err(Refused::Gone));
            }
            if !add.put(account) {
                return Edit::Leave(Err(Refused::Enrol(EnrolProblem::AlreadyThere)));
            }
            account.vouch_failures = 0;
            account.factors_changed();
            Edit::Write(Ok(account.clone()))
        };
        match self.finish.change_in_session(session, version, proof, client, put).await? {
            Ok((account, Some(signed))) => Ok((account?, signed)),
            Ok((account, None)) => account.and(Err(Refused::Gone)),
            Err(Conflict::Factor) => Err(Refused::Enrol(EnrolProblem::TakenFactor)),
            Err(Conflict::Login(_)) => Err(Refused::Gone),
        }
    }

    /// One atomic step: whether it was the first factor, and the account with it.
    async fn put_factor(
        &self,
        page: &EnrolPage,
        flow: &Flow,
        add: &Added,
        fresh: &[(Secret, RecoveryCode)],
    ) -> Result<(bool, Account), Refused> {
        let codes: Vec<RecoveryCode> = fresh.iter().map(|(_, kept)| kept.clone()).collect();
        let outcome = self
            .store
            .update_verified(Version::new(page.account.id, flow.epoch), |account| {
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
        match outcome {
            Some(Ok(result)) => result,
            Some(Err(Conflict::Factor)) => Err(Refused::Enrol(EnrolProblem::TakenFactor)),
            Some(Err(Conflict::Login(_))) | None => Err(Refused::Gone),
        }
    }

    /// The recovery codes that are still to be saved.
    pub fn recovery_codes(&self, page: &EnrolPage) -> Result<Vec<Secret>, Refused> {
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
pub(in crate::service) enum Added {
    Totp(TotpEnrolment),
    Webauthn(WebauthnEnrolment),
    Sent(Method, OtpEnrolment),
    /// And who the owner is at the provider.
    External(PersonId, OtpEnrolment),
}

impl Added {
    /// `false` if there is one already.
    fn put(&self, account: &mut Account) -> bool {
        let slot_free = match self {
            Self::Totp(_) => account.totp.is_none(),
            Self::Webauthn(new) => account.webauthn.len() < MOST_KEYS && account.webauthn.iter().all(|key| key.id != new.id),
            Self::Sent(Method::Sms, _) => account.sms_otp.is_none(),
            Self::Sent(..) => account.email_otp.is_none(),
            Self::External(..) => account.external.is_none(),
        };
        if slot_free {
            match self {
                Self::Totp(new) => account.totp = Some(new.clone()),
                Self::Webauthn(new) => account.webauthn.push(new.clone()),
                Self::Sent(Method::Sms, new) => account.sms_otp = Some(new.clone()),
                Self::Sent(_, new) => account.email_otp = Some(new.clone()),
                Self::External(person, new) => {
                    let own = account.source.as_ref().is_some_and(|membership| membership.person == *person);
                    if !own && !account.linked.contains(person) {
                        account.linked.push(person.clone());
                    }
                    account.external = Some(new.clone());
                }
            }
        }
        slot_free
    }
}
