//! What a ceremony leaves behind and brings back: a state type for each, its results and its faults.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use webauthn_rs_core::error::WebauthnError;
use webauthn_rs_core::proto::{AuthenticationState, RegistrationState};

use crate::base::UserId;

/// Why a ceremony failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("security keys and passkeys need a host name; an IP address cannot be a WebAuthn RP id")]
    Address,
    #[error("the host is not “{0}” nor below it, which is the WebAuthn RP id")]
    NotCovered(String),
    #[error("not a WebAuthn credential in JSON")]
    Malformed,
    #[error("this key is set up already")]
    AlreadyRegistered,
    #[error("this key is not set up here")]
    Unknown,
    #[error("the key did not verify its user with a PIN or biometrics")]
    NotVerified,
    #[error("the signature counter went back: there may be a copy of this key")]
    Cloned,
    /// The reason is for the log, not for the user.
    #[error("the key's answer was refused: {0}")]
    Refused(String),
}

impl From<WebauthnError> for Error {
    fn from(error: WebauthnError) -> Self {
        match error {
            WebauthnError::UserNotVerified => Self::NotVerified,
            WebauthnError::CredentialPossibleCompromise => Self::Cloned,
            WebauthnError::CredentialNotFound => Self::Unknown,
            other => Self::Refused(format!("{other:?}")),
        }
    }
}

/// A registration under way. Kept on the server, used once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Registration {
    pub(super) ceremony: RegistrationMark,
    pub(super) inner: RegistrationState,
}

/// A second factor under way. Kept on the server, used once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SecondFactor {
    pub(super) ceremony: SecondFactorMark,
    pub(super) user: UserId,
    pub(super) allowed: Vec<String>,
    pub(super) inner: AuthenticationState,
}

/// A passwordless sign-in under way. Kept on the server, used once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Passwordless {
    pub(super) ceremony: PasswordlessMark,
    pub(super) inner: AuthenticationState,
}

// What keeps one ceremony's stored state from being read as another's.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum RegistrationMark {
    Registration,
}
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum SecondFactorMark {
    SecondFactor,
}
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum PasswordlessMark {
    Passwordless,
}

/// A key that has just been set up: the `id` and `passkey` of a [`crate::account::WebauthnEnrolment`]. The caller makes sure that no other account
/// has this id.
#[derive(Clone, Debug)]
pub struct Registered {
    pub id: String,
    pub passkey: Value,
    /// Whether it verified its user, so that it may do for a passwordless sign-in.
    pub user_verified: bool,
}

/// A key that was used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Used {
    pub id: String,
    /// Whether it verified its user, not only found one present.
    pub user_verified: bool,
}
