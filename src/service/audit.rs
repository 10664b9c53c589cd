//! What goes into the audit log, and by which names. One record for each attempt and each change; never a secret.

use super::{Client, Refused, Services};
use crate::factor::Method;
use crate::store::AuditRecord;

/// How many records one commit holds at most.
const RECORDS_AT_ONCE: usize = 250;

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
    AuditTrimmed,
}

impl Event {
    /// Every event, for a choice.
    pub const ALL: [Self; 29] = [
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
        Self::StoreExported,
        Self::StoreImported,
        Self::PolicyReloaded,
        Self::PolicyRefused,
        Self::AuditTrimmed,
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
            Self::AuditTrimmed => "audit.trimmed",
        }
    }

    /// The factor that was tried and whether it was right, where this is an authentication; from the record's own detail. Names are
    /// few, so that they can be a metric's labels.
    pub fn attempt(self, detail: &str) -> Option<(&'static str, bool)> {
        let method = |name: &str| name.parse::<Method>().map(Method::name).ok();
        match self {
            Self::PasswordRight => Some(("password", true)),
            Self::PasswordWrong => Some(("password", false)),
            Self::SecondWrong if detail == "passkey" => Some((Method::Webauthn.name(), false)),
            Self::SecondWrong => method(detail).map(|name| (name, false)),
            Self::SignedIn | Self::SteppedUp => method(detail.rsplit(", ").next()?).map(|name| (name, true)),
            _ => None,
        }
    }

    /// Whether this is somebody or something being refused.
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::PasswordWrong | Self::SecondWrong | Self::Locked | Self::PolicyRefused)
    }
}

/// Told of every record that was written: the event and its detail.
pub type Listener = Box<dyn Fn(Event, &str) + Send + Sync>;

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
    /// Sets who is told of every record. Only the first call counts.
    pub fn listen(&self, listener: Listener) {
        let _ = self.listener.set(listener);
    }

    /// Appends a record. What must not happen unrecorded is refused where this fails.
    pub async fn audit(&self, event: Event, user: Option<&str>, actor: Actor<'_>, detail: impl Into<String>) -> Result<(), Refused> {
        self.audit_all(vec![self.record(event, user, actor, detail.into())]).await
    }

    /// The same of many users, with one commit for a few hundred of them.
    pub async fn audit_each(&self, event: Event, users: &[&str], actor: Actor<'_>, detail: &str) -> Result<(), Refused> {
        for some in users.chunks(RECORDS_AT_ONCE) {
            self.audit_all(some.iter().map(|user| self.record(event, Some(user), actor, detail.to_owned())).collect()).await?;
        }
        Ok(())
    }

    /// The records of the same of many users, for a step that writes them with what they tell of. Then [`Self::audited`].
    pub(crate) fn records(&self, event: Event, users: &[&str], actor: Actor<'_>, detail: &str) -> Vec<AuditRecord> {
        users.iter().map(|user| self.record(event, Some(user), actor, detail.to_owned()).1).collect()
    }

    fn record(&self, event: Event, user: Option<&str>, actor: Actor<'_>, detail: String) -> (Event, AuditRecord) {
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
            detail,
            previous: String::new(),
            hash: String::new(),
        };
        (event, record)
    }

    async fn audit_all(&self, records: Vec<(Event, AuditRecord)>) -> Result<(), Refused> {
        let (events, records): (Vec<_>, Vec<_>) = records.into_iter().unzip();
        let records = self.store.append_audits(records).await?;
        self.audited(events.into_iter().zip(records));
        Ok(())
    }

    /// Tells whoever wants to know of records that are in the log.
    pub(crate) fn audited(&self, records: impl IntoIterator<Item = (Event, AuditRecord)>) {
        self.audit_news.notify_one();
        for (event, record) in records {
            tracing::info!(target: "audit", event = record.event, user = record.user, by = record.by, address = record.address, request = record.request, detail = record.detail);
            if let Some(listener) = self.listener.get() {
                listener(event, &record.detail);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_known_by_their_factor() {
        assert_eq!(Event::PasswordWrong.attempt(""), Some(("password", false)));
        assert_eq!(Event::SecondWrong.attempt("sms"), Some(("sms", false)));
        assert_eq!(Event::SecondWrong.attempt("passkey"), Some(("webauthn", false)));
        assert_eq!(Event::SecondWrong.attempt("totp, enrolment"), None, "setting up is no sign-in");
        assert_eq!(Event::SignedIn.attempt("password, recovery"), Some(("recovery", true)));
        assert_eq!(Event::SteppedUp.attempt("webauthn"), Some(("webauthn", true)));
        assert_eq!(Event::SignedIn.attempt("password"), None, "the password was counted when it was right");
        assert_eq!(Event::SignedIn.attempt("password, trusted browser"), None);
        assert_eq!(Event::Locked.attempt(""), None);
    }
}
