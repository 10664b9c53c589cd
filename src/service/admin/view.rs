//! An account as listings show it: without hash, secret or code.

use serde::{Deserialize, Serialize};

use super::accounts::Accounts;
use crate::account::{Account, PersonId, UserMfaPolicy};
use crate::base::Time;
use crate::factor::Method;
use crate::limit;
use crate::source::provider::linked::subject_of;

/// An account as the listings show it (contract, section 1).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AccountView {
    pub name: String,
    pub email: String,
    pub phone: Option<String>,
    pub display_name: String,
    pub groups: Vec<String>,
    pub disabled: bool,
    pub service: bool,
    /// Of a service account: the subject of its client certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_subject: Option<String>,
    /// The last certificate with which it came to the gateway that is asked, since that started. Not known here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_seen: Option<SeenView>,
    pub locked_until: Option<String>,
    pub mfa_policy: UserMfaPolicy,
    pub methods: Vec<Method>,
    pub recovery_codes_left: usize,
    pub has_password: bool,
    /// The next sign-in leads to choosing another one.
    #[serde(default)]
    pub must_change_password: bool,
    pub linked: Vec<LinkView>,
    pub created: String,
    /// `local`, or the name of the directory or provider.
    pub source: String,
    /// Why the source lets the person in no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_closed: Option<String>,
}

/// A client certificate that came.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SeenView {
    /// SHA-256, as `openssl x509 -fingerprint -sha256` prints it.
    pub fingerprint: String,
    pub expires: String,
    pub last_used: String,
}

/// Who the owner is at a provider.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LinkView {
    pub provider: String,
    pub subject: String,
}

impl LinkView {
    fn of(person: &PersonId) -> Self {
        Self { provider: person.source.to_string(), subject: subject_of(person).to_owned() }
    }
}

impl Accounts {
    /// As the listings show it.
    pub fn view(&self, account: &Account) -> AccountView {
        let now = self.context.now();
        let locked = limit::is_locked(&account.failures, now);
        AccountView {
            name: account.name.clone(),
            email: account.email.clone(),
            phone: account.phone.clone(),
            display_name: account.display_name.clone(),
            groups: account.groups.clone(),
            disabled: account.disabled,
            service: account.service,
            certificate_subject: account.certificate_subject.as_ref().map(ToString::to_string),
            certificate_seen: None,
            locked_until: account.failures.locked_until.filter(|_| locked).map(Time::rfc3339),
            mfa_policy: account.mfa_policy,
            methods: account.enrolled().iter().collect(),
            recovery_codes_left: account.recovery_left(),
            has_password: account.password.is_some(),
            must_change_password: account.must_change_password,
            linked: account.linked.iter().map(LinkView::of).collect(),
            created: account.created.rfc3339(),
            source: account.source_name().to_owned(),
            source_closed: account.source.as_ref().and_then(|membership| membership.closed).map(|closed| closed.to_string()),
        }
    }
}
