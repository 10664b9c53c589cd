//! An administrator's word that the person who now has an account's name at its source is the one whom the account is for. Nothing that the former
//! person has set up goes over to them.

use std::sync::Arc;

use crate::account::{Account, Failures};
use crate::service::accounts::AccountError;
use crate::service::audit::{Actor, AuditLog, Event};
use crate::service::sources::SourcesInForce;
use crate::source::{PasswordSource, WhoIs};
use crate::store::{Edit, Store};

/// Gives an account to another person of its source.
pub struct Rebind {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) sources: Arc<SourcesInForce>,
    pub(in crate::service) audit: Arc<AuditLog>,
}

impl Rebind {
    /// Accepts the entry that has the account's name now. Factors, browsers, sessions and failures go.
    ///
    /// # Errors
    /// If the account is local, its source cannot be asked, or has nobody of this name.
    pub async fn rebind(&self, name: &str, actor: Actor<'_>) -> Result<Account, AccountError> {
        let account = self.store.account_by_login(name).await?.ok_or_else(|| AccountError::Unknown(name.to_owned()))?;
        let refused = |why: &str| AccountError::Refused(why.to_owned());
        let membership = account.source.clone().ok_or_else(|| refused("a local account has no entry elsewhere"))?;
        let sources = self.sources.get();
        let directory =
            sources.directory(&membership.person.source).ok_or_else(|| refused("the account's directory is not in the configuration"))?;
        let found = match directory.find(&account.name).await {
            Ok(WhoIs::One(found)) => found,
            Ok(WhoIs::Nobody | WhoIs::Ambiguous) => return Err(refused("the directory has not exactly one entry of this name")),
            Err(e) => return Err(AccountError::Refused(e.to_string())),
        };
        let bind = |account: &mut Account| {
            let Some(membership) = &mut account.source else { return Edit::Leave(None) };
            membership.person.id.clone_from(&found.id);
            membership.closed = None;
            membership.password_mark = None;
            forget_person(account);
            Edit::Write(Some(account.clone()))
        };
        let written = self.store.update_account(account.id, bind).await?.transpose()?.flatten();
        let account = written.ok_or_else(|| AccountError::Unknown(name.to_owned()))?;
        self.audit.record(Event::AccountChanged, Some(&account.name), actor, "rebound to the entry of this name").await?;
        Ok(account)
    }
}

/// Takes away what the former person had set up.
fn forget_person(account: &mut Account) {
    account.totp = None;
    account.webauthn.clear();
    (account.email_otp, account.sms_otp) = (None, None);
    account.recovery.clear();
    account.browsers.clear();
    account.linked.clear();
    account.applications.clear();
    (account.failures, account.vouch_failures) = (Failures::default(), 0);
    (account.last_method, account.grace_started, account.phone) = (None, None, None);
    account.factors_changed();
}
