//! Why an account cannot be as asked for. Every message says what to do next: the command line prints it, and the admin pages
//! say it in their own words.

use crate::factor::blocklist::Weak;
use crate::factor::{Method, totp};
use crate::service::refused::Refused;
use crate::store::{Conflict, StoreError};

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
    #[error("“{0}” is not the subject of a certificate: {1}; `openssl x509 -noout -subject -nameopt RFC2253 -in FILE` prints it")]
    BadSubject(String, String),
    #[error("“{0}” is no service account: only the certificate of a machine stands for an account; see `vestibule user add --service`")]
    NoService(String),
    #[error("{0}")]
    BadTotp(#[from] totp::BadUri),
    #[error("{0} is already set up; remove it first with --reset {0}")]
    AlreadyEnrolled(Method),
    #[error("{0} cannot be set up for this user: {1}")]
    CannotEnrol(Method, Unfit),
    #[error("recovery codes come with the first method; set one up first")]
    NoMethods,
    #[error("the source “{0}” keeps this; change it there")]
    Managed(String),
    #[error("{0}")]
    Link(#[from] BadLink),
    #[error("{0}")]
    Weak(Weak),
    /// As [`Refused::EndPending`].
    #[error("{}", Refused::EndPending)]
    EndPending,
    #[error("“{0}” is a service account: it has no password, no second factor and no pages; use `vestibule token create {0}`")]
    Service(String),
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

/// Why an account cannot be linked to a person at a provider, or a link not be taken away.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadLink {
    #[error("there is no provider “{0}” in the configuration")]
    NoProvider(String),
    #[error("a subject has 1 to 255 characters and no control characters")]
    Subject,
    #[error("the account is linked to {subject} of {provider} already; unlink it first")]
    There { provider: String, subject: String },
    #[error("another account is linked to that person of {0}")]
    Taken(String),
    #[error("the account is not linked to {0}")]
    NotThere(String),
}

impl From<Refused> for AccountError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Weak(weak) => Self::Weak(weak),
            Refused::EndPending => Self::EndPending,
            other => Self::Refused(other.to_string()),
        }
    }
}

impl From<StoreError> for AccountError {
    fn from(e: StoreError) -> Self {
        Self::Refused(e.to_string())
    }
}
