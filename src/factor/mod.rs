//! The second factors: their names, and one file for each that verifies one proof. Nothing here does I/O.

pub mod blocklist;
pub mod breached;
pub mod code;
pub mod otp;
pub mod password;
pub mod qr;
pub mod recovery;
pub mod totp;
pub mod webauthn;
mod workspace;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A second factor. The order is the one in which a choice lists them where the last one used does not decide.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A time-based one-time password from an authenticator app (RFC 6238).
    Totp,
    /// A security key or passkey (W3C WebAuthn level 3).
    Webauthn,
    /// A code by e-mail. Not an AAL2 authenticator (NIST SP 800-63B-4 section 3.1.3.1).
    Email,
    /// A code by SMS. A restricted authenticator (NIST SP 800-63B-4 section 3.1.3.3).
    Sms,
    /// The second factor of an OpenID Connect provider, which the person holds there.
    External,
    /// One of the look-up secrets given out with the first method (NIST SP 800-63B-4 section 3.1.2).
    Recovery,
}

impl Method {
    /// Every method that a user enrols; recovery codes come with the first of them.
    pub const ENROLLABLE: [Self; 5] = [Self::Totp, Self::Webauthn, Self::Email, Self::Sms, Self::External];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Webauthn => "webauthn",
            Self::Email => "email",
            Self::Sms => "sms",
            Self::External => "external",
            Self::Recovery => "recovery",
        }
    }

    /// Whether the gateway sends the code, so that there is something to resend and to wait for.
    pub const fn is_sent(self) -> bool {
        matches!(self, Self::Email | Self::Sms)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no method.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("“{0}” is no second factor; there are totp, webauthn, email, sms, external")]
pub struct UnknownMethod(pub String);

impl FromStr for Method {
    type Err = UnknownMethod;
    fn from_str(text: &str) -> Result<Self, UnknownMethod> {
        [Self::Totp, Self::Webauthn, Self::Email, Self::Sms, Self::External, Self::Recovery]
            .into_iter()
            .find(|m| m.name() == text)
            .ok_or_else(|| UnknownMethod(text.to_owned()))
    }
}

/// A set of methods, one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct MethodSet(u8);

impl MethodSet {
    pub const EMPTY: Self = Self(0);

    pub fn contains(self, method: Method) -> bool {
        self.0 & (1 << method as u8) != 0
    }

    #[must_use]
    pub fn with(self, method: Method) -> Self {
        Self(self.0 | (1 << method as u8))
    }

    #[must_use]
    pub fn without(self, method: Method) -> Self {
        Self(self.0 & !(1 << method as u8))
    }

    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = Method> {
        [Method::Totp, Method::Webauthn, Method::Email, Method::Sms, Method::External, Method::Recovery]
            .into_iter()
            .filter(move |m| self.contains(*m))
    }
}

impl FromIterator<Method> for MethodSet {
    fn from_iter<I: IntoIterator<Item = Method>>(methods: I) -> Self {
        methods.into_iter().fold(Self::EMPTY, Self::with)
    }
}

impl fmt::Debug for MethodSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
