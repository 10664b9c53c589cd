//! What can be said, and to whom. Each message carries exactly the values that its text may use.

use std::time::Duration;

use serde::Serialize;

use crate::account::MfaPolicy;
use crate::base::{Secret, Time};
use crate::factor::Method;

/// Where a message goes: the address or number that the account has on record, never one from a form.
#[derive(Clone, PartialEq, Eq)]
pub enum Recipient {
    Email(String),
    Phone(String),
}

/// Addresses belong in the access and audit logs only.
impl std::fmt::Debug for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Email(_) => "Email(…)",
            Self::Phone(_) => "Phone(…)",
        })
    }
}

/// A message to one person.
#[derive(Clone, Debug)]
pub struct Message {
    pub to: Recipient,
    /// A BCP 47 tag; one without texts falls back to English.
    pub lang: String,
    /// How the person is addressed: the display name.
    pub user: String,
    /// What the place is called: the portal's title or the host.
    pub site: String,
    /// The host that a browser fills a code in on (the last line of an SMS, by the WebOTP convention).
    pub host: String,
    pub at: Time,
    /// An administrator did what it tells of.
    pub by_admin: bool,
    pub content: Content,
}

/// What is said.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Content {
    SignInCode {
        code: Secret,
        minutes: u64,
    },
    EnrolmentCode {
        code: Secret,
        minutes: u64,
    },
    /// To an address or number that is to be the account's.
    ContactCode {
        code: Secret,
        minutes: u64,
    },
    FactorAdded {
        method: Method,
        name: String,
    },
    FactorRemoved {
        method: Method,
        name: String,
    },
    RecoveryUsed {
        left: usize,
    },
    RecoveryRenewed {},
    PasswordChanged {},
    /// What the second factor must be from now on: less than before.
    PolicyWeakened {
        policy: MfaPolicy,
    },
    /// Sent to the old address; `new` is masked.
    AddressChanged {
        new: String,
    },
    /// Sent to the new address.
    AddressSet {},
    /// `new` is masked; empty where the number was removed.
    PhoneChanged {
        new: String,
    },
    /// A set-up link that was handed out otherwise than by mail.
    LinkMade {
        hours: u64,
    },
    /// An API token, which opens what its owner may open.
    TokenMade {
        name: String,
        expires: String,
    },
    NewBrowser {
        browser: String,
        address: String,
    },
    SetupLink {
        link: Secret,
        hours: u64,
    },
    ResetLink {
        link: Secret,
        minutes: u64,
    },
    Locked {
        minutes: u64,
    },
    /// Whether mail works at all.
    MailTest {},
}

/// The kinds, as the text files name them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MessageKind {
    SignInCode,
    EnrolmentCode,
    ContactCode,
    FactorAdded,
    FactorRemoved,
    RecoveryUsed,
    RecoveryRenewed,
    PasswordChanged,
    PolicyWeakened,
    AddressChanged,
    AddressSet,
    PhoneChanged,
    LinkMade,
    TokenMade,
    NewBrowser,
    SetupLink,
    ResetLink,
    Locked,
    MailTest,
}

impl MessageKind {
    pub const ALL: [Self; 19] = [
        Self::SignInCode,
        Self::EnrolmentCode,
        Self::ContactCode,
        Self::FactorAdded,
        Self::FactorRemoved,
        Self::RecoveryUsed,
        Self::RecoveryRenewed,
        Self::PasswordChanged,
        Self::PolicyWeakened,
        Self::AddressChanged,
        Self::AddressSet,
        Self::PhoneChanged,
        Self::LinkMade,
        Self::TokenMade,
        Self::NewBrowser,
        Self::SetupLink,
        Self::ResetLink,
        Self::Locked,
        Self::MailTest,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::SignInCode => "sign_in_code",
            Self::EnrolmentCode => "enrolment_code",
            Self::ContactCode => "contact_code",
            Self::FactorAdded => "factor_added",
            Self::FactorRemoved => "factor_removed",
            Self::RecoveryUsed => "recovery_used",
            Self::RecoveryRenewed => "recovery_renewed",
            Self::PasswordChanged => "password_changed",
            Self::PolicyWeakened => "policy_weakened",
            Self::AddressChanged => "address_changed",
            Self::AddressSet => "address_set",
            Self::PhoneChanged => "phone_changed",
            Self::LinkMade => "link_made",
            Self::TokenMade => "token_made",
            Self::NewBrowser => "new_browser",
            Self::SetupLink => "setup_link",
            Self::ResetLink => "reset_link",
            Self::Locked => "locked",
            Self::MailTest => "mail_test",
        }
    }

    /// Whether it also goes by SMS: the codes.
    pub const fn has_sms(self) -> bool {
        matches!(self, Self::SignInCode | Self::EnrolmentCode | Self::ContactCode)
    }
}

impl Content {
    pub const fn kind(&self) -> MessageKind {
        match self {
            Self::SignInCode { .. } => MessageKind::SignInCode,
            Self::EnrolmentCode { .. } => MessageKind::EnrolmentCode,
            Self::ContactCode { .. } => MessageKind::ContactCode,
            Self::FactorAdded { .. } => MessageKind::FactorAdded,
            Self::FactorRemoved { .. } => MessageKind::FactorRemoved,
            Self::RecoveryUsed { .. } => MessageKind::RecoveryUsed,
            Self::RecoveryRenewed {} => MessageKind::RecoveryRenewed,
            Self::PasswordChanged {} => MessageKind::PasswordChanged,
            Self::PolicyWeakened { .. } => MessageKind::PolicyWeakened,
            Self::AddressChanged { .. } => MessageKind::AddressChanged,
            Self::AddressSet {} => MessageKind::AddressSet,
            Self::PhoneChanged { .. } => MessageKind::PhoneChanged,
            Self::LinkMade { .. } => MessageKind::LinkMade,
            Self::TokenMade { .. } => MessageKind::TokenMade,
            Self::NewBrowser { .. } => MessageKind::NewBrowser,
            Self::SetupLink { .. } => MessageKind::SetupLink,
            Self::ResetLink { .. } => MessageKind::ResetLink,
            Self::Locked { .. } => MessageKind::Locked,
            Self::MailTest {} => MessageKind::MailTest,
        }
    }

    /// What the reader needs of it, where it is more than news.
    pub(super) fn code_or_link(&self) -> Option<Secret> {
        match self {
            Self::SignInCode { code, .. } | Self::EnrolmentCode { code, .. } | Self::ContactCode { code, .. } => Some(code.clone()),
            Self::SetupLink { link, .. } | Self::ResetLink { link, .. } => Some(link.clone()),
            _ => None,
        }
    }

    /// For how long it is worth delivering. A code that arrives after its end only confuses.
    pub const fn life(&self) -> Duration {
        match self {
            Self::SignInCode { minutes, .. } | Self::EnrolmentCode { minutes, .. } | Self::ContactCode { minutes, .. } => {
                Duration::from_secs(minutes.saturating_mul(60))
            }
            _ => Duration::from_secs(3600),
        }
    }

    /// One of each, with values that show what they are: to prove a set of texts.
    pub fn samples() -> [Self; 19] {
        let code = || Secret::new("123456");
        let link = || Secret::new("https://host.example/setup?token=abc");
        [
            Self::SignInCode { code: code(), minutes: 5 },
            Self::EnrolmentCode { code: code(), minutes: 5 },
            Self::ContactCode { code: code(), minutes: 5 },
            Self::FactorAdded { method: Method::Totp, name: "Phone".into() },
            Self::FactorRemoved { method: Method::Webauthn, name: "Key".into() },
            Self::RecoveryUsed { left: 9 },
            Self::RecoveryRenewed {},
            Self::PasswordChanged {},
            Self::PolicyWeakened { policy: MfaPolicy::Off },
            Self::AddressChanged { new: "a•••@host.example".into() },
            Self::AddressSet {},
            Self::PhoneChanged { new: "••• ••67".into() },
            Self::LinkMade { hours: 24 },
            Self::TokenMade { name: "backup".into(), expires: "2030-01-01".into() },
            Self::NewBrowser { browser: "Firefox on Linux".into(), address: "192.0.2.1".into() },
            Self::SetupLink { link: link(), hours: 24 },
            Self::ResetLink { link: link(), minutes: 30 },
            Self::Locked { minutes: 15 },
            Self::MailTest {},
        ]
    }
}
