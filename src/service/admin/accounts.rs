//! Administration of accounts: one set of verbs for the command line and the admin pages.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::account::{Account, PersonId};
use crate::base::Secret;
use crate::factor::Method;
use crate::policy::GuestAddress;
use crate::service::accounts::{AccountError, NewAccount, good_display_name, good_email, good_groups, good_phone, good_subject};
use crate::service::audit::{Actor, AuditLog, Event};
use crate::service::context::Context;
use crate::service::links::{Links, SETUP_LIFETIME};
use crate::service::new_password::Passwords;
use crate::service::notices::Notices;
use crate::store::{Edit, LinkKind, Store};

/// What is to be different. `None`: stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct AccountChange {
    pub email: Option<String>,
    pub phone: Option<String>,
    pub display_name: Option<String>,
    pub groups: Option<Vec<String>>,
    pub disabled: Option<bool>,
    /// Of a service account; an empty one removes it.
    #[serde(default)]
    pub certificate_subject: Option<String>,
}

/// The accounts, as an administrator changes them.
pub struct Accounts {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) context: Arc<Context>,
    pub(in crate::service) passwords: Arc<Passwords>,
    pub(in crate::service) links: Arc<Links>,
    pub(in crate::service) audit: Arc<AuditLog>,
    pub(in crate::service) notices: Arc<Notices>,
}

impl Accounts {
    /// The account with this name or e-mail address.
    pub async fn named(&self, name: &str) -> Result<Account, AccountError> {
        if let Some(account) = self.store.account_by_login(name).await? {
            return Ok(account);
        }
        // A guest has no login.
        let guest = match GuestAddress::parse(name) {
            Some(address) => self.store.account_by_person(&PersonId::guest(address.as_str())).await?,
            None => None,
        };
        guest.ok_or_else(|| AccountError::Unknown(name.to_owned()))
    }

    /// The same of a person: a service account has no password and no factor.
    pub(super) async fn person_named(&self, name: &str) -> Result<Account, AccountError> {
        let account = self.named(name).await?;
        if account.service { Err(AccountError::Service(account.name)) } else { Ok(account) }
    }

    /// Adds an account: with a password, or with the token of a set-up link.
    pub async fn add(&self, new: &NewAccount, password: Option<Secret>, actor: Actor<'_>) -> Result<Option<Secret>, AccountError> {
        let mut account = new.make(self.context.now())?;
        if new.service && (password.is_some() || new.password_hash.is_some()) {
            return Err(AccountError::Service(new.name.clone()));
        }
        if let Some(password) = &password {
            account.password = Some(self.passwords.hash(&account, password).await?);
        }
        self.store.create_account(&account).await??;
        self.audit.record(Event::AccountAdded, Some(&account.name), actor, "").await?;
        self.remove_guest(&account.email).await?;
        if account.password.is_some() || account.service {
            return Ok(None);
        }
        Ok(Some(self.links.make(&account, LinkKind::Setup, actor).await?))
    }

    /// Who has an account by an address is no guest by it any more.
    async fn remove_guest(&self, email: &str) -> Result<(), AccountError> {
        if let Some(address) = GuestAddress::parse(email)
            && let Some(guest) = self.store.account_by_person(&PersonId::guest(address.as_str())).await?
        {
            self.store.delete_account(guest.id).await?;
        }
        Ok(())
    }

    /// A set-up link for an account that exists, shown to who asks; its owner is told. It sets the password and touches no factor.
    pub async fn setup_link(&self, name: &str, actor: Actor<'_>) -> Result<Secret, AccountError> {
        let account = self.person_named(name).await?;
        local_only(&account)?;
        let link = self.links.make(&account, LinkKind::Setup, actor).await?;
        self.notices.notice_link(&account, SETUP_LIFETIME, actor);
        Ok(link)
    }

    /// Changes what an administrator keeps of a person. A removed group takes effect on the next request.
    pub async fn change(&self, name: &str, change: &AccountChange, actor: Actor<'_>) -> Result<Account, AccountError> {
        let account = self.named(name).await?;
        if change.is_of_the_person() {
            local_only(&account)?;
        }
        if let Some(email) = &change.email {
            good_email(email)?;
        }
        if let Some(groups) = &change.groups {
            good_groups(groups)?;
        }
        if let Some(display_name) = &change.display_name {
            good_display_name(display_name)?;
        }
        let subject =
            change.certificate_subject.as_deref().map(|text| if text.is_empty() { Ok(None) } else { good_subject(text).map(Some) });
        let subject = subject.transpose()?;
        if subject.is_some() && !account.service {
            return Err(AccountError::NoService(account.name));
        }
        let phone =
            change.phone.as_deref().map(|phone| if phone.is_empty() { Ok(None) } else { good_phone(phone).map(Some) }).transpose()?;
        let edit = |account: &mut Account| {
            let before = account.clone();
            // A new address or number receives codes and links in the old one's place: what rests on the old one is invalid.
            let moved = change.email.as_ref().is_some_and(|email| *email != account.email)
                || phone.as_ref().is_some_and(|phone| *phone != account.phone);
            change.email.clone_into_some(&mut account.email);
            change.display_name.clone_into_some(&mut account.display_name);
            change.groups.clone_into_some(&mut account.groups);
            change.disabled.clone_into_some(&mut account.disabled);
            phone.clone_into_some(&mut account.phone);
            subject.clone_into_some(&mut account.certificate_subject);
            if account.phone.is_none() {
                account.take_away(Method::Sms, None);
            }
            if moved || account.disabled {
                account.factors_changed();
            }
            Edit::Write((before, account.clone()))
        };
        let (before, written) =
            self.store.update_account(account.id, edit).await?.ok_or_else(|| AccountError::Unknown(name.to_owned()))??;
        self.audit.record(Event::AccountChanged, Some(&written.name), actor, change.summary()).await?;
        self.notices.notice_changes(&before, &written, actor);
        Ok(written)
    }

    /// Forgets failures, the account's and its browsers'.
    pub async fn unlock(&self, name: &str, actor: Actor<'_>) -> Result<(), AccountError> {
        let account = self.named(name).await?;
        let clear = |account: &mut Account| {
            account.forget_failures();
            Edit::Write(())
        };
        self.store.update_account(account.id, clear).await?;
        Ok(self.audit.record(Event::AccountChanged, Some(&account.name), actor, "unlocked").await?)
    }

    /// Sets a password from the command line. Ends every session.
    pub async fn set_password(&self, name: &str, password: &Secret, actor: Actor<'_>) -> Result<(), AccountError> {
        let account = self.person_named(name).await?;
        local_only(&account)?;
        let phc = self.passwords.hash(&account, password).await?;
        let account = self.passwords.set(account.version(), phc, actor).await?;
        self.notices.notice_password(&account, actor);
        Ok(())
    }

    /// Deletes an account and its sessions.
    pub async fn remove(&self, name: &str, actor: Actor<'_>) -> Result<(), AccountError> {
        let account = self.named(name).await?;
        self.store.delete_account(account.id).await?;
        Ok(self.audit.record(Event::AccountDeleted, Some(&account.name), actor, "").await?)
    }
}

/// # Errors
/// If a source keeps what is to be changed.
fn local_only(account: &Account) -> Result<(), AccountError> {
    match &account.source {
        Some(membership) => Err(AccountError::Managed(membership.person.source.to_string())),
        None => Ok(()),
    }
}

impl AccountChange {
    /// What a source says of its people, and nobody else.
    const fn is_of_the_person(&self) -> bool {
        self.email.is_some() || self.display_name.is_some() || self.groups.is_some()
    }

    /// Which fields, for the audit log; never their values.
    fn summary(&self) -> String {
        let fields = [
            ("email", self.email.is_some()),
            ("phone", self.phone.is_some()),
            ("display name", self.display_name.is_some()),
            ("groups", self.groups.is_some()),
            ("certificate subject", self.certificate_subject.is_some()),
            ("disabled", self.disabled == Some(true)),
            ("enabled", self.disabled == Some(false)),
        ];
        fields.iter().filter(|(_, changed)| *changed).map(|(field, _)| *field).collect::<Vec<_>>().join(", ")
    }
}

/// Puts a value in the place of another if there is one.
trait CloneIntoSome<T> {
    fn clone_into_some(&self, place: &mut T);
}

impl<T: Clone> CloneIntoSome<T> for Option<T> {
    fn clone_into_some(&self, place: &mut T) {
        if let Some(value) = self {
            *place = value.clone();
        }
    }
}
