//! An account as one document: whatever must change together is in one record, so that a check and its use are one
//! compare-and-swap of the store. Pure data and the questions one asks of it.

mod application;
mod bulk;
mod seen;
mod source;
mod version;

use serde::{Deserialize, Serialize};

pub use self::application::ApplicationPassword;
pub use self::bulk::BulkAction;
pub use self::seen::Seen;
pub use self::source::{Closed, Membership, PersonId, SourceId};
pub use self::version::{Verified, Version};

use crate::base::{Subject, Time, UserId};
use crate::factor::{Method, MethodSet};

/// What a user's second factor must be: the server's default, or an administrator's word for this user.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserMfaPolicy {
    #[default]
    Inherit,
    Off,
    Optional,
    Required,
}

/// The policy in force for a user (contract, "Which user").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MfaPolicy {
    /// Never asked; two-factor routes are closed.
    Off,
    /// Asked once the user has a method.
    #[default]
    Optional,
    /// Sent to enrol at the next sign-in.
    Required,
}

impl MfaPolicy {
    /// How much it asks for, the least first.
    pub const fn rank(self) -> u8 {
        match self {
            Self::Off => 0,
            Self::Optional => 1,
            Self::Required => 2,
        }
    }
}

impl UserMfaPolicy {
    /// The policy in force where the server's default is `default`.
    pub const fn resolve(self, default: MfaPolicy) -> MfaPolicy {
        match self {
            Self::Inherit => default,
            Self::Off => MfaPolicy::Off,
            Self::Optional => MfaPolicy::Optional,
            Self::Required => MfaPolicy::Required,
        }
    }
}

/// An authenticator app. The secret is sealed and bound to the account ([`crate::store::Store::seal`]).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TotpEnrolment {
    pub sealed_secret: String,
    /// What tells the secret apart from others' ([`crate::store::Store::totp_fingerprint`]).
    pub fingerprint: String,
    pub digits: u8,
    /// Seconds.
    pub period: u32,
    #[serde(default)]
    pub algorithm: TotpAlgorithm,
    /// The last time step that was accepted; nothing at or before it is accepted again (RFC 6238 section 5.2).
    pub last_step: u64,
    pub name: String,
    pub added: Time,
    pub last_used: Option<Time>,
}

/// The hash of a TOTP (RFC 6238 section 1.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TotpAlgorithm {
    #[default]
    Sha1,
    Sha256,
    Sha512,
}

/// A security key or passkey.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WebauthnEnrolment {
    /// The credential id, base64url without padding.
    pub id: String,
    pub name: String,
    /// What the WebAuthn library keeps of it: public key, counter, flags.
    pub passkey: serde_json::Value,
    pub added: Time,
    pub last_used: Option<Time>,
}

/// E-mail or SMS as a second factor; the address or number is the account's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OtpEnrolment {
    pub added: Time,
    pub last_used: Option<Time>,
}

/// A recovery code: salted SHA-256, which suffices for 80 random bits (NIST SP 800-63B-4 section 3.1.2.2).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RecoveryCode {
    pub salt: String,
    pub hash: String,
    pub used: Option<Time>,
}

/// Wrong passwords and codes in a row, over every way in (NIST SP 800-63B-4 section 3.2.2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failures {
    pub count: u32,
    pub locked_until: Option<Time>,
}

/// A browser that finished a sign-in of this user before: told apart at the next one, and perhaps trusted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KnownBrowser {
    /// The id in the browser's signed device cookie.
    pub id: String,
    /// What a person would call it: "Firefox on Linux".
    pub name: String,
    pub first_seen: Time,
    pub last_seen: Time,
    /// Until when it skips the second factor, if it does.
    pub trusted_until: Option<Time>,
    /// Its own failure budget, so that a stranger's failures do not lock the owner out of it.
    #[serde(default)]
    pub failures: Failures,
    /// The language that it asked for last: what others do to the account is told in the first browser's.
    #[serde(default)]
    pub language: String,
}

/// An account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Account {
    pub id: UserId,
    pub name: String,
    pub email: String,
    #[serde(default)]
    pub phone: Option<String>,
    pub display_name: String,
    #[serde(default)]
    pub groups: Vec<String>,
    #[serde(default)]
    pub disabled: bool,
    /// A machine's: no password and no pages, API tokens or a client certificate only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub service: bool,
    /// Of a service account: the subject of the client certificate that stands for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_subject: Option<Subject>,
    /// A PHC string; absent until the set-up link is used.
    #[serde(default)]
    pub password: Option<String>,
    /// An administrator wants another password: the next sign-in with this one leads to choosing it, and to nothing else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub must_change_password: bool,
    #[serde(default)]
    pub mfa_policy: UserMfaPolicy,
    /// The methods an administrator allows this user; absent: the server's.
    #[serde(default)]
    pub allowed: Option<Vec<Method>>,
    #[serde(default)]
    pub totp: Option<TotpEnrolment>,
    #[serde(default)]
    pub webauthn: Vec<WebauthnEnrolment>,
    #[serde(default)]
    pub email_otp: Option<OtpEnrolment>,
    #[serde(default)]
    pub sms_otp: Option<OtpEnrolment>,
    /// The second factor of a provider that the account is linked to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<OtpEnrolment>,
    #[serde(default)]
    pub recovery: Vec<RecoveryCode>,
    #[serde(default)]
    pub last_method: Option<Method>,
    #[serde(default)]
    pub failures: Failures,
    /// Wrong codes that were to vouch for a first enrolment.
    #[serde(default)]
    pub vouch_failures: u32,
    #[serde(default)]
    pub browsers: Vec<KnownBrowser>,
    /// Grows whenever the password or a factor changes: sessions, flows and trusted browsers of an earlier epoch are void.
    #[serde(default)]
    pub epoch: u32,
    /// Grows with every write, so that who is told of two writes in the wrong order can tell.
    #[serde(default)]
    pub revision: u64,
    pub created: Time,
    #[serde(default)]
    pub password_changed: Option<Time>,
    /// When the user was first told to enrol, for `mfa.grace`.
    #[serde(default)]
    pub grace_started: Option<Time>,
    /// The directory or provider that owns name, address, groups and password; `None`: this gateway does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Membership>,
    /// The user's own passwords at applications.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub applications: Vec<ApplicationPassword>,
    /// Who this is at providers that may sign the person in besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub linked: Vec<PersonId>,
}

impl Account {
    /// The name of the source that owns the person: `local`, or a section's name.
    pub fn source_name(&self) -> &str {
        self.source.as_ref().map_or(SourceId::LOCAL, |membership| membership.person.source.as_str())
    }

    /// Somebody who was let in by an address. There is a record so that sessions can be seen, ended and refused like everybody's.
    pub fn is_guest(&self) -> bool {
        self.source_name() == SourceId::GUEST
    }

    /// Everything in it that is sealed.
    pub fn sealed(&self) -> impl Iterator<Item = &str> {
        let totp = self.totp.iter().map(|totp| totp.sealed_secret.as_str());
        totp.chain(self.applications.iter().map(|application| application.sealed.as_str()))
    }

    /// The same, to be sealed again.
    pub fn sealed_mut(&mut self) -> impl Iterator<Item = &mut String> {
        let totp = self.totp.iter_mut().map(|totp| &mut totp.sealed_secret);
        totp.chain(self.applications.iter_mut().map(|application| &mut application.sealed))
    }

    /// Nobody gets in: an administrator disabled the account, or its source closed it.
    pub fn is_closed(&self) -> bool {
        self.disabled || self.source.as_ref().is_some_and(|membership| membership.closed.is_some())
    }

    /// The methods that are set up, recovery codes not counted.
    pub fn enrolled(&self) -> MethodSet {
        Method::ENROLLABLE.into_iter().filter(|m| self.has(*m)).collect()
    }

    /// Whether a method is set up (for recovery: whether an unused code is left).
    pub fn has(&self, method: Method) -> bool {
        match method {
            Method::Totp => self.totp.is_some(),
            Method::Webauthn => !self.webauthn.is_empty(),
            Method::Email => self.email_otp.is_some(),
            Method::Sms => self.sms_otp.is_some() && self.phone.is_some(),
            Method::External => self.external.is_some(),
            Method::Recovery => self.recovery_left() > 0,
        }
    }

    /// Takes a method out of the account (for security keys: the one with this id, or all of them); `false` where it was not there.
    /// Recovery codes go with the last method.
    pub fn take_away(&mut self, method: Method, key: Option<&str>) -> bool {
        let before = self.webauthn.len();
        let there = match method {
            Method::Totp => self.totp.take().is_some(),
            Method::Webauthn => {
                self.webauthn.retain(|one| key.is_some_and(|key| one.id != key));
                self.webauthn.len() < before
            }
            Method::Email => self.email_otp.take().is_some(),
            Method::Sms => self.sms_otp.take().is_some(),
            Method::External => self.external.take().is_some(),
            Method::Recovery => !std::mem::take(&mut self.recovery).is_empty(),
        };
        if self.enrolled().is_empty() {
            self.recovery.clear();
        }
        there
    }

    /// What its owner calls a method (for security keys: the one with this id); empty where it has no name.
    pub fn name_of(&self, method: Method, key: Option<&str>) -> &str {
        match method {
            Method::Totp => self.totp.as_ref().map(|totp| totp.name.as_str()),
            Method::Webauthn => self.webauthn.iter().find(|one| key == Some(one.id.as_str())).map(|one| one.name.as_str()),
            Method::Email | Method::Sms | Method::External | Method::Recovery => None,
        }
        .unwrap_or_default()
    }

    /// What holds after every change of a password or factor: sessions, flows and links from before are void, no browser is trusted.
    pub fn factors_changed(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
        self.browsers.iter_mut().for_each(|browser| browser.trusted_until = None);
    }

    /// No failure is remembered any more, the account's or its browsers'.
    pub fn forget_failures(&mut self) {
        self.failures = Failures::default();
        self.vouch_failures = 0;
        self.browsers.iter_mut().for_each(|browser| browser.failures = Failures::default());
    }

    /// Unused recovery codes.
    pub fn recovery_left(&self) -> usize {
        self.recovery.iter().filter(|code| code.used.is_none()).count()
    }

    /// The methods that this user can be asked for: set up, and allowed by the server and for this user.
    pub fn usable(&self, server: MethodSet) -> MethodSet {
        self.enrolled().and(self.may_enrol(server))
    }

    /// The methods that this user may set up where the server allows `server`.
    pub fn may_enrol(&self, server: MethodSet) -> MethodSet {
        match &self.allowed {
            Some(own) => own.iter().copied().collect::<MethodSet>().and(server),
            None => server,
        }
    }
}
