//! Administration of accounts: one set of verbs for the command line and the admin pages.

use serde::{Deserialize, Serialize};

use super::audit::{Actor, Event};
use super::{Refused, Services};
use crate::account::{Account, Failures, OtpEnrolment, TotpEnrolment, UserMfaPolicy};
use crate::base::{Secret, UserId};
use crate::factor::{Method, totp};
use crate::limit;
use crate::session::EndReason;
use crate::store::{Conflict, Edit, LinkKind, Store};

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

/// Why an account cannot be as asked for; says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    #[error("there is no user “{0}”; `vestibule user list` shows all")]
    Unknown(String),
    #[error("{0}; choose another, or change that account first")]
    Taken(#[from] Conflict),
    #[error("“{0}” cannot be a user name: 1 to 64 characters, no spaces, commas, “@”, control or invisible characters")]
    BadName(String),
    #[error("“{0}” cannot be a user name: the administration has a page at that address; choose another")]
    ReservedName(String),
    #[error("“{0}” is not an e-mail address")]
    BadEmail(String),
    #[error("“{0}” is not a telephone number in international form, as +491701234567")]
    BadPhone(String),
    #[error("“{0}” cannot be a group: 1 to 64 characters, no commas or control characters")]
    BadGroup(String),
    #[error("a display name has at most 128 characters, and no commas or control characters")]
    BadDisplayName,
    #[error("{0}")]
    BadTotp(#[from] totp::BadUri),
    #[error("{0} is already set up; remove it first with --reset {0}")]
    AlreadyEnrolled(Method),
    #[error("{0} cannot be set up for this user: {1}")]
    CannotEnrol(Method, Unfit),
    #[error("recovery codes come with the first method; set one up first")]
    NoMethods,
    #[error("{0}")]
    Weak(crate::factor::blocklist::Weak),
    #[error("{0}")]
    Refused(String),
}

/// Why a method cannot be set up for somebody else.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unfit {
    #[error("the account has no phone; set one with `user set NAME --phone`")]
    NoPhone,
    #[error("only email and sms can be set up this way")]
    NotSent,
}

impl From<Refused> for AccountError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Weak(weak) => Self::Weak(weak),
            other => Self::Refused(other.to_string()),
        }
    }
}

impl From<crate::store::StoreError> for AccountError {
    fn from(e: crate::store::StoreError) -> Self {
        Self::Refused(e.to_string())
    }
}

/// An account as the listings show it (contract, section 1).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AccountView {
    pub name: String,
    pub email: String,
    pub phone: Option<String>,
    pub display_name: String,
    pub groups: Vec<String>,
    pub disabled: bool,
    pub locked_until: Option<String>,
    pub mfa_policy: UserMfaPolicy,
    pub methods: Vec<Method>,
    pub recovery_codes_left: usize,
    pub has_password: bool,
    pub created: String,
}

fn one_line(text: &str, most: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= most && !text.chars().any(|c| c.is_control() || c == ',')
}

/// Characters that show nothing, or turn the order of what stands around them (Unicode Bidi_Control, Default_Ignorable_Code_Point): `alice` with
/// one of them looks like `alice`.
const fn is_unseen(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}')
}

/// A name that can stand in a header and a log without any escaping rule to get wrong.
pub fn good_name(name: &str) -> Result<(), AccountError> {
    let good =
        one_line(name, 64) && !name.chars().any(|c| c.is_whitespace() || c == '@' || c == '"' || c == '<' || c == '>' || is_unseen(c));
    if !good {
        return Err(AccountError::BadName(name.to_owned()));
    }
    // `admin/users/new` is a form, and no honest path has dots for a segment.
    if matches!(crate::store::fold(name).as_str(), "new" | "." | "..") {
        return Err(AccountError::ReservedName(name.to_owned()));
    }
    Ok(())
}

pub(super) fn good_email(email: &str) -> Result<(), AccountError> {
    let good = email.len() <= 254 && one_line(email, 254) && email.parse::<lettre::Address>().is_ok();
    if good { Ok(()) } else { Err(AccountError::BadEmail(email.to_owned())) }
}

pub(super) fn good_phone(phone: &str) -> Result<String, AccountError> {
    let plain: String = phone.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '.' | '/')).collect();
    let digits = plain.strip_prefix('+').unwrap_or_default();
    if (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) {
        Ok(plain)
    } else {
        Err(AccountError::BadPhone(phone.to_owned()))
    }
}

fn good_groups(groups: &[String]) -> Result<(), AccountError> {
    match groups.iter().find(|group| !one_line(group, 64)) {
        Some(bad) => Err(AccountError::BadGroup(bad.clone())),
        None => Ok(()),
    }
}

fn good_display_name(name: &str) -> Result<(), AccountError> {
    if one_line(name, 128) { Ok(()) } else { Err(AccountError::BadDisplayName) }
}

impl Services {
    /// The account with this name or e-mail address.
    pub async fn named(&self, name: &str) -> Result<Account, AccountError> {
        self.store.account_by_login(name).await?.ok_or_else(|| AccountError::Unknown(name.to_owned()))
    }

    /// As the listings show it.
    pub fn view(&self, account: &Account) -> AccountView {
        let now = self.now();
        let locked = limit::is_locked(&account.failures, now);
        AccountView {
            name: account.name.clone(),
            email: account.email.clone(),
            phone: account.phone.clone(),
            display_name: account.display_name.clone(),
            groups: account.groups.clone(),
            disabled: account.disabled,
            locked_until: account.failures.locked_until.filter(|_| locked).map(crate::base::Time::rfc3339),
            mfa_policy: account.mfa_policy,
            methods: account.enrolled().iter().collect(),
            recovery_codes_left: account.recovery_left(),
            has_password: account.password.is_some(),
            created: account.created.rfc3339(),
        }
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

    /// Sets policy and methods; completes or removes enrolments.
    pub async fn change_mfa(&self, name: &str, change: &MfaChange, actor: Actor<'_>) -> Result<Account, AccountError> {
        let account = self.named(name).await?;
        let now = self.now();
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
            self.audit(Event::FactorRemoved, Some(&written.name), actor, method.name()).await?;
        }
        let added = change.enrol.iter().copied().chain(change.totp_uri.as_ref().map(|_| Method::Totp));
        for method in added {
            self.audit(Event::FactorAdded, Some(&written.name), actor, method.name()).await?;
        }
        if change.policy.is_some() || change.allow.is_some() {
            self.audit(Event::AccountChanged, Some(&written.name), actor, "second-factor policy").await?;
        }
        self.notice_changes(&before, &written, actor);
        Ok(written)
    }

    fn apply_mfa(
        &self,
        account: &mut Account,
        change: &MfaChange,
        totp: Option<&TotpEnrolment>,
        now: crate::base::Time,
    ) -> Result<(), AccountError> {
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

    fn enrol_for(&self, account: &mut Account, method: Method, now: crate::base::Time) -> Result<(), AccountError> {
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
            Method::Totp | Method::Webauthn | Method::Recovery => {
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
            added: self.now(),
            last_used: None,
        })
    }

    /// Ten fresh recovery codes for a user who has a method.
    pub async fn recovery_codes_for(&self, name: &str, actor: Actor<'_>) -> Result<Vec<Secret>, AccountError> {
        let account = self.named(name).await?;
        if account.enrolled().is_empty() {
            return Err(AccountError::NoMethods);
        }
        let codes = self.fresh_codes(&account).await?;
        self.audit(Event::RecoveryRenewed, Some(&account.name), actor, "").await?;
        self.notice_recovery_renewed(&account, actor);
        Ok(codes)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_in_a_header_a_log_and_an_address() {
        for name in ["alice", "al.ice", "ÄÖÜ", "new1", "renew", "a-b_c"] {
            assert_eq!(good_name(name), Ok(()), "{name}");
        }
        for name in ["", "a b", "a,b", "a@b", "a\nb", "<a>", "new", "New", "ＮＥＷ", ".", "..", "alice\u{200b}", "a\u{202e}ecila"] {
            assert!(good_name(name).is_err(), "{name:?}");
        }
    }
}
