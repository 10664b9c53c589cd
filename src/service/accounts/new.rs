//! A new account: its fields are checked here, whoever adds it. Nothing is written.

use serde::{Deserialize, Serialize};

use super::error::AccountError;
use super::fields::{good_display_name, good_email, good_groups, good_name, good_phone, good_subject};
use crate::account::{Account, Failures, UserMfaPolicy};
use crate::base::{Time, UserId};

/// A new account, as it was typed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct NewAccount {
    pub name: String,
    pub email: String,
    #[serde(default)]
    pub phone: Option<String>,
    #[serde(default)]
    pub display_name: Option<String>,
    #[serde(default)]
    pub groups: Vec<String>,
    /// A machine's: no password, no set-up link, no pages.
    #[serde(default)]
    pub service: bool,
    /// The subject of the client certificate that stands for a service account, as RFC 4514 writes it.
    #[serde(default)]
    pub certificate_subject: Option<String>,
    /// A PHC string, if the password is already there in that form.
    #[serde(default)]
    pub password_hash: Option<String>,
}

impl NewAccount {
    /// A checked account, not yet in the store.
    pub fn make(&self, now: Time) -> Result<Account, AccountError> {
        good_name(&self.name)?;
        if !(self.service && self.email.is_empty()) {
            good_email(&self.email)?;
        }
        good_groups(&self.groups)?;
        let display_name = self.display_name.clone().filter(|name| !name.trim().is_empty()).unwrap_or_else(|| self.name.clone());
        good_display_name(&display_name)?;
        let phone = self.phone.as_deref().filter(|phone| !phone.trim().is_empty()).map(good_phone).transpose()?;
        let certificate_subject = self.certificate_subject.as_deref().map(good_subject).transpose()?;
        if certificate_subject.is_some() && !self.service {
            return Err(AccountError::NoService(self.name.clone()));
        }
        let mut groups = self.groups.clone();
        groups.dedup();
        Ok(Account {
            email: self.email.clone(),
            phone,
            groups,
            service: self.service,
            certificate_subject,
            password: self.password_hash.clone(),
            ..blank(&self.name, &display_name, now)?
        })
    }
}

/// An account of this name with nothing in it; the fields are the caller's to check.
pub(in crate::service) fn blank(name: &str, display_name: &str, now: Time) -> Result<Account, AccountError> {
    Ok(Account {
        id: UserId::random().map_err(|_| AccountError::Refused("the operating system gave no random bytes".into()))?,
        name: name.to_owned(),
        email: String::new(),
        phone: None,
        display_name: display_name.to_owned(),
        groups: Vec::new(),
        disabled: false,
        service: false,
        certificate_subject: None,
        password: None,
        must_change_password: false,
        mfa_policy: UserMfaPolicy::Inherit,
        allowed: None,
        totp: None,
        webauthn: Vec::new(),
        email_otp: None,
        sms_otp: None,
        external: None,
        recovery: Vec::new(),
        last_method: None,
        failures: Failures::default(),
        vouch_failures: 0,
        browsers: Vec::new(),
        epoch: 0,
        revision: 0,
        created: now,
        password_changed: None,
        grace_started: None,
        source: None,
        applications: Vec::new(),
        linked: Vec::new(),
    })
}
