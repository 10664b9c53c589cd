//! What goes into the audit log, and by which names. One record for each attempt and each change; never a secret.

use super::{Client, Refused, Services};
use crate::store::AuditRecord;

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    PasswordRight,
    PasswordWrong,
    SecondWrong,
    SignedIn,
    SteppedUp,
    SignedOut,
    Locked,
    CodeSent,
    EnrolmentVouched,
    FactorAdded,
    FactorRemoved,
    FactorRenamed,
    RecoveryUsed,
    RecoveryRenewed,
    PasswordChanged,
    LinkMade,
    LinkUsed,
    SessionRevoked,
    SessionRenewed,
    BrowserForgotten,
    AccountAdded,
    AccountChanged,
    AccountDeleted,
    KeysRotated,
    StoreExported,
    StoreImported,
    PolicyReloaded,
    PolicyRefused,
}

impl Event {
    /// Every event, for a choice.
    pub const ALL: [Self; 26] = [
        Self::PasswordRight,
        Self::PasswordWrong,
        Self::SecondWrong,
        Self::SignedIn,
        Self::SteppedUp,
        Self::SignedOut,
        Self::Locked,
        Self::CodeSent,
        Self::EnrolmentVouched,
        Self::FactorAdded,
        Self::FactorRemoved,
        Self::FactorRenamed,
        Self::RecoveryUsed,
        Self::RecoveryRenewed,
        Self::PasswordChanged,
        Self::LinkMade,
        Self::LinkUsed,
        Self::SessionRevoked,
        Self::SessionRenewed,
        Self::BrowserForgotten,
        Self::AccountAdded,
        Self::AccountChanged,
        Self::AccountDeleted,
        Self::KeysRotated,
        Self::PolicyReloaded,
        Self::PolicyRefused,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::PasswordRight => "password.right",
            Self::PasswordWrong => "password.wrong",
            Self::SecondWrong => "second_factor.wrong",
            Self::SignedIn => "sign_in.finished",
            Self::SteppedUp => "step_up.finished",
            Self::SignedOut => "sign_out",
            Self::Locked => "account.locked",
            Self::CodeSent => "code.sent",
            Self::EnrolmentVouched => "enrolment.vouched",
            Self::FactorAdded => "factor.added",
            Self::FactorRemoved => "factor.removed",
            Self::FactorRenamed => "factor.renamed",
            Self::RecoveryUsed => "recovery.used",
            Self::RecoveryRenewed => "recovery.renewed",
            Self::PasswordChanged => "password.changed",
            Self::LinkMade => "link.made",
            Self::LinkUsed => "link.used",
            Self::SessionRevoked => "session.revoked",
            Self::SessionRenewed => "session.renewed",
            Self::BrowserForgotten => "browser.forgotten",
            Self::AccountAdded => "account.added",
            Self::AccountChanged => "account.changed",
            Self::AccountDeleted => "account.deleted",
            Self::KeysRotated => "keys.rotated",
            Self::StoreExported => "store.exported",
            Self::StoreImported => "store.imported",
            Self::PolicyReloaded => "policy.reloaded",
            Self::PolicyRefused => "policy.refused",
        }
    }

    /// Whether this is somebody or something being refused.
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::PasswordWrong | Self::SecondWrong | Self::Locked | Self::PolicyRefused)
    }
}

/// Who did it, from where.
#[derive(Clone, Copy, Debug)]
pub enum Actor<'a> {
    /// The user, over HTTP.
    User(&'a Client),
    /// An administrator, over HTTP.
    Admin(&'a Client, &'a str),
    /// Somebody with access to the machine.
    CommandLine,
    /// The gateway itself.
    Gateway,
}

impl Services {
    /// Appends a record. What must not happen unrecorded is refused where this fails.
    pub async fn audit(&self, event: Event, user: Option<&str>, actor: Actor<'_>, detail: impl Into<String>) -> Result<(), Refused> {
        let (client, by) = match actor {
            Actor::User(client) => (Some(client), None),
            Actor::Admin(client, name) => (Some(client), Some(name.to_owned())),
            Actor::CommandLine => (None, Some("command line".to_owned())),
            Actor::Gateway => (None, Some("gateway".to_owned())),
        };
        let record = AuditRecord {
            seq: 0,
            at: self.now(),
            event: event.name().to_owned(),
            user: user.map(str::to_owned),
            by,
            address: client.map(|client| client.address.to_string()),
            request: client.map(|client| client.request_id.clone()),
            detail: detail.into(),
            previous: String::new(),
            hash: String::new(),
        };
        let record = self.store.append_audit(record).await?;
        tracing::info!(target: "audit", event = record.event, user = record.user, by = record.by, address = record.address, request = record.request, detail = record.detail);
        Ok(())
    }
}
