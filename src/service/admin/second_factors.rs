//! What an administrator changes of somebody's second factors. A change of any factor makes a new epoch, so that every session from
//! before is invalid. An order is carried out completely or not at all.

use serde::{Deserialize, Serialize};

use super::accounts::Accounts;
use crate::account::{Account, OtpEnrolment, TotpEnrolment, UserMfaPolicy};
use crate::base::{Secret, Time};
use crate::factor::{Method, totp};
use crate::service::accounts::{AccountError, Unfit, fresh_codes};
use crate::service::audit::{Actor, Event};
use crate::store::{Edit, Store};

/// What an administrator sets of a user's second factors.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct MfaChange {
    pub policy: Option<UserMfaPolicy>,
    /// Empty: what the server allows.
    pub allow: Option<Vec<Method>>,
    /// E-mail or SMS to set up.
    pub enrol: Vec<Method>,
    /// An `otpauth://` link to set up.
    pub totp_uri: Option<Secret>,
    /// Methods to remove.
    pub reset: Vec<Method>,
}

impl Accounts {
    /// Sets policy and methods; completes or removes enrolments.
    pub async fn change_mfa(&self, name: &str, change: &MfaChange, actor: Actor<'_>) -> Result<Account, AccountError> {
        let account = self.person_named(name).await?;
        let now = self.context.now();
        let totp = change.totp_uri.as_ref().map(|uri| self.provisioned(&account, uri)).transpose()?;
        let edit = |account: &mut Account| {
            let before = account.clone();
            match self.apply_mfa(account, change, totp.as_ref(), now) {
                Ok(()) => Edit::Write(Ok((before, account.clone()))),
                Err(e) => Edit::Leave(Err(e)),
            }
        };
        let (before, written) =
            self.store.update_account(account.id, edit).await?.ok_or_else(|| AccountError::Unknown(name.to_owned()))???;
        for method in &change.reset {
            self.audit.record(Event::FactorRemoved, Some(&written.name), actor, method.name()).await?;
        }
        let added = change.enrol.iter().copied().chain(change.totp_uri.as_ref().map(|_| Method::Totp));
        for method in added {
            self.audit.record(Event::FactorAdded, Some(&written.name), actor, method.name()).await?;
        }
        if change.policy.is_some() || change.allow.is_some() {
            self.audit.record(Event::AccountChanged, Some(&written.name), actor, "second-factor policy").await?;
        }
        self.notices.notice_changes(&before, &written, actor);
        Ok(written)
    }

    fn apply_mfa(&self, account: &mut Account, change: &MfaChange, totp: Option<&TotpEnrolment>, now: Time) -> Result<(), AccountError> {
        let before = account.epoch;
        if let Some(policy) = change.policy {
            account.mfa_policy = policy;
        }
        if let Some(allow) = &change.allow {
            account.allowed = if allow.is_empty() { None } else { Some(allow.clone()) };
        }
        for method in &change.reset {
            if account.take_away(*method, None) && account.epoch == before {
                account.factors_changed();
            }
        }
        for method in &change.enrol {
            self.enrol_for(account, *method, now)?;
            account.factors_changed();
        }
        if let Some(totp) = totp {
            if account.totp.is_some() {
                return Err(AccountError::AlreadyEnrolled(Method::Totp));
            }
            account.totp = Some(totp.clone());
            account.factors_changed();
        }
        Ok(())
    }

    fn enrol_for(&self, account: &mut Account, method: Method, now: Time) -> Result<(), AccountError> {
        let otp = Some(OtpEnrolment { added: now, last_used: None });
        if account.has(method) {
            return Err(AccountError::AlreadyEnrolled(method));
        }
        match method {
            Method::Email => account.email_otp = otp,
            Method::Sms if account.phone.is_none() => {
                return Err(AccountError::CannotEnrol(method, Unfit::NoPhone));
            }
            Method::Sms => account.sms_otp = otp,
            Method::Totp | Method::Webauthn | Method::External | Method::Recovery => {
                return Err(AccountError::CannotEnrol(method, Unfit::NotSent));
            }
        }
        Ok(())
    }

    fn provisioned(&self, account: &Account, uri: &Secret) -> Result<TotpEnrolment, AccountError> {
        let totp::Provisioned { key, parameters } = totp::parse_otpauth(uri.expose())?;
        Ok(TotpEnrolment {
            sealed_secret: self.store.seal(account.id, key.as_bytes())?,
            fingerprint: Store::totp_fingerprint(key.as_bytes()),
            digits: parameters.digits,
            period: parameters.period,
            algorithm: parameters.algorithm,
            last_step: 0,
            name: String::new(),
            added: self.context.now(),
            last_used: None,
        })
    }

    /// Ten fresh recovery codes for a user who has a method.
    pub async fn recovery_codes(&self, name: &str, actor: Actor<'_>) -> Result<Vec<Secret>, AccountError> {
        let account = self.named(name).await?;
        if account.enrolled().is_empty() {
            return Err(AccountError::NoMethods);
        }
        let codes = fresh_codes(&self.store, &account).await?;
        self.audit.record(Event::RecoveryRenewed, Some(&account.name), actor, "").await?;
        self.notices.notice_recovery_renewed(&account, actor);
        Ok(codes)
    }
}
