//! Administration of accounts: one set of verbs for the command line and the admin pages.

mod error;
mod fields;
mod mfa;
mod view;

use serde::{Deserialize, Serialize};

pub use self::error::{AccountError, Unfit};
pub(super) use self::fields::{good_email, good_phone};
pub use self::mfa::MfaChange;
pub use self::view::AccountView;

use self::fields::{good_display_name, good_groups, good_name};
use super::Services;
use super::audit::{Actor, Event};
use crate::account::{Account, Failures, UserMfaPolicy};
use crate::base::{Secret, UserId};
use crate::factor::Method;
use crate::session::EndReason;
use crate::store::{Edit, LinkKind};

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
    /// A PHC string, where the password is already there in that form.
    #[serde(default)]
    pub password_hash: Option<String>,
}

/// What is to be different. `None`: stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct AccountChange {
    pub email: Option<String>,
    pub phone: Option<String>,
    pub display_name: Option<String>,
    pub groups: Option<Vec<String>>,
    pub disabled: Option<bool>,
}

impl Services {
    /// The account with this name or e-mail address.
    pub async fn named(&self, name: &str) -> Result<Account, AccountError> {
        self.store.account_by_login(name).await?.ok_or_else(|| AccountError::Unknown(name.to_owned()))
    }

    /// A checked account, not yet in the store.
    pub fn make_account(&self, new: &NewAccount) -> Result<Account, AccountError> {
        good_name(&new.name)?;
        good_email(&new.email)?;
        good_groups(&new.groups)?;
        let display_name = new.display_name.clone().filter(|name| !name.trim().is_empty()).unwrap_or_else(|| new.name.clone());
        good_display_name(&display_name)?;
        let phone = new.phone.as_deref().filter(|phone| !phone.trim().is_empty()).map(good_phone).transpose()?;
        let mut groups = new.groups.clone();
        groups.dedup();
        Ok(Account {
            id: UserId::random().map_err(|_| AccountError::Refused("the operating system gave no random bytes".into()))?,
            name: new.name.clone(),
            email: new.email.clone(),
            phone,
            display_name,
            groups,
            disabled: false,
            password: new.password_hash.clone(),
            mfa_policy: UserMfaPolicy::Inherit,
            allowed: None,
            totp: None,
            webauthn: Vec::new(),
            email_otp: None,
            sms_otp: None,
            recovery: Vec::new(),
            last_method: None,
            failures: Failures::default(),
            vouch_failures: 0,
            browsers: Vec::new(),
            epoch: 0,
            revision: 0,
            created: self.now(),
            password_changed: None,
            grace_started: None,
            source: None,
            linked: Vec::new(),
        })
    }

    /// Adds an account: with a password, or with the token of a set-up link.
    pub async fn add_account(&self, new: &NewAccount, password: Option<Secret>, actor: Actor<'_>) -> Result<Option<Secret>, AccountError> {
        let mut account = self.make_account(new)?;
        if let Some(password) = &password {
            account.password = Some(self.hash_new(&account, password).await?);
        }
        self.store.create_account(&account).await??;
        self.audit(Event::AccountAdded, Some(&account.name), actor, "").await?;
        if account.password.is_some() {
            return Ok(None);
        }
        Ok(Some(self.make_link(&account, LinkKind::Setup, actor).await?))
    }

    /// A set-up link for an account that exists, shown to who asks; its owner is told. It sets the password and touches no factor.
    pub async fn setup_link(&self, name: &str, actor: Actor<'_>) -> Result<Secret, AccountError> {
        let account = self.named(name).await?;
        let link = self.make_link(&account, LinkKind::Setup, actor).await?;
        self.notice_link(&account, actor);
        Ok(link)
    }

    /// Changes what an administrator keeps of a person. A removed group takes effect on the next request.
    pub async fn change_account(&self, name: &str, change: &AccountChange, actor: Actor<'_>) -> Result<Account, AccountError> {
        let account = self.named(name).await?;
        if let Some(email) = &change.email {
            good_email(email)?;
        }
        if let Some(groups) = &change.groups {
            good_groups(groups)?;
        }
        if let Some(display_name) = &change.display_name {
            good_display_name(display_name)?;
        }
        let phone =
            change.phone.as_deref().map(|phone| if phone.is_empty() { Ok(None) } else { good_phone(phone).map(Some) }).transpose()?;
        let edit = |account: &mut Account| {
            let before = account.clone();
            // A new address or number receives codes and links in the old one's place: what rests on the old one is void.
            let moved = change.email.as_ref().is_some_and(|email| *email != account.email)
                || phone.as_ref().is_some_and(|phone| *phone != account.phone);
            change.email.clone_into_some(&mut account.email);
            change.display_name.clone_into_some(&mut account.display_name);
            change.groups.clone_into_some(&mut account.groups);
            change.disabled.clone_into_some(&mut account.disabled);
            phone.clone_into_some(&mut account.phone);
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
        self.audit(Event::AccountChanged, Some(&written.name), actor, change.summary()).await?;
        self.notice_changes(&before, &written, actor);
        Ok(written)
    }

    /// Forgets failures, the account's and its browsers'.
    pub async fn unlock(&self, name: &str, actor: Actor<'_>) -> Result<(), AccountError> {
        let account = self.named(name).await?;
        let clear = |account: &mut Account| {
            account.failures = Failures::default();
            account.browsers.iter_mut().for_each(|browser| browser.failures = Failures::default());
            Edit::Write(())
        };
        self.store.update_account(account.id, clear).await?;
        Ok(self.audit(Event::AccountChanged, Some(&account.name), actor, "unlocked").await?)
    }

    /// Sets a password from the command line. Ends every session.
    pub async fn set_password_for(&self, name: &str, password: &Secret, actor: Actor<'_>) -> Result<(), AccountError> {
        let account = self.named(name).await?;
        let phc = self.hash_new(&account, password).await?;
        let account = self.set_password(&account, phc, account.epoch, actor).await?;
        self.notice_password(&account, actor);
        Ok(())
    }

    /// Deletes an account and its sessions.
    pub async fn remove_account(&self, name: &str, actor: Actor<'_>) -> Result<(), AccountError> {
        let account = self.named(name).await?;
        self.store.delete_account(account.id).await?;
        Ok(self.audit(Event::AccountDeleted, Some(&account.name), actor, "").await?)
    }

    /// Ends a user's sessions, or everybody's; how many.
    pub async fn revoke_sessions(&self, name: Option<&str>, actor: Actor<'_>) -> Result<usize, AccountError> {
        let owner = match name {
            Some(name) => Some(self.named(name).await?),
            None => None,
        };
        let ids: Vec<_> =
            self.store.all_sessions().await?.into_iter().filter(|s| owner.as_ref().is_none_or(|a| a.id == s.user)).map(|s| s.id).collect();
        for id in &ids {
            self.live.end(*id, EndReason::Revoked);
        }
        self.store.delete_sessions(&ids).await?;
        self.audit(Event::SessionRevoked, owner.as_ref().map(|a| a.name.as_str()), actor, format!("{} sessions", ids.len())).await?;
        Ok(ids.len())
    }
}

impl AccountChange {
    /// Which fields, for the audit log; never their values.
    fn summary(&self) -> String {
        let fields = [
            ("email", self.email.is_some()),
            ("phone", self.phone.is_some()),
            ("display name", self.display_name.is_some()),
            ("groups", self.groups.is_some()),
            ("disabled", self.disabled == Some(true)),
            ("enabled", self.disabled == Some(false)),
        ];
        fields.iter().filter(|(_, changed)| *changed).map(|(field, _)| *field).collect::<Vec<_>>().join(", ")
    }
}

/// Puts a value in the place of another where there is one.
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
