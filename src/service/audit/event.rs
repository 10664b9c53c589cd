//! What the audit log records, and who did it. Names of events are part of stored data and of the public contract: they never
//! change.

use crate::factor::Method;
use crate::service::client::Client;

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
    TokenMade,
    TokenRevoked,
    TokenWrong,
    ApplicationStored,
    ApplicationForgotten,
    ApplicationRefused,
    AccountAdded,
    AccountChanged,
    AccountDeleted,
    KeysRotated,
    StoreExported,
    StoreImported,
    PolicyReloaded,
    PolicyRefused,
    AuditTrimmed,
    /// Anonymous failures beyond a rate, counted together.
    FailuresCounted,
    ProviderLinked,
    ProviderUnlinked,
    ProviderRefused,
    ProviderSignedOut,
    DeviceBound,
    DeviceMissing,
    DeviceWrongKey,
}

impl Event {
    /// Every event, for a choice.
    pub const ALL: [Self; 43] = [
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
        Self::TokenMade,
        Self::TokenRevoked,
        Self::TokenWrong,
        Self::ApplicationStored,
        Self::ApplicationForgotten,
        Self::ApplicationRefused,
        Self::AccountAdded,
        Self::AccountChanged,
        Self::AccountDeleted,
        Self::KeysRotated,
        Self::StoreExported,
        Self::StoreImported,
        Self::PolicyReloaded,
        Self::PolicyRefused,
        Self::AuditTrimmed,
        Self::FailuresCounted,
        Self::ProviderLinked,
        Self::ProviderUnlinked,
        Self::ProviderRefused,
        Self::ProviderSignedOut,
        Self::DeviceBound,
        Self::DeviceMissing,
        Self::DeviceWrongKey,
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
            Self::TokenMade => "token.made",
            Self::TokenRevoked => "token.revoked",
            Self::TokenWrong => "token.wrong",
            Self::ApplicationStored => "application.stored",
            Self::ApplicationForgotten => "application.forgotten",
            Self::ApplicationRefused => "application.refused",
            Self::AccountAdded => "account.added",
            Self::AccountChanged => "account.changed",
            Self::AccountDeleted => "account.deleted",
            Self::KeysRotated => "keys.rotated",
            Self::StoreExported => "store.exported",
            Self::StoreImported => "store.imported",
            Self::PolicyReloaded => "policy.reloaded",
            Self::PolicyRefused => "policy.refused",
            Self::AuditTrimmed => "audit.trimmed",
            Self::FailuresCounted => "failures.counted",
            Self::ProviderLinked => "provider.linked",
            Self::ProviderUnlinked => "provider.unlinked",
            Self::ProviderRefused => "provider.refused",
            Self::ProviderSignedOut => "provider.signed_out",
            Self::DeviceBound => "device.bound",
            Self::DeviceMissing => "device.missing",
            Self::DeviceWrongKey => "device.wrong_key",
        }
    }

    /// The factors that were tried and whether each was right, if this is an authentication; from the record's own detail. Names are
    /// few, so that they can be a metric's labels. A provider's word is `external`, in the place of the password as well as of the second factor.
    pub fn attempts(self, detail: &str) -> Vec<(&'static str, bool)> {
        let method = |name: &str| name.parse::<Method>().map(Method::name).ok();
        let provider = || (Method::External.name(), true);
        match self {
            Self::PasswordRight => vec![("password", true)],
            Self::PasswordWrong => vec![("password", false)],
            Self::SecondWrong if detail == "passkey" => vec![(Method::Webauthn.name(), false)],
            Self::SecondWrong => method(detail).map(|name| (name, false)).into_iter().collect(),
            Self::ProviderRefused => vec![(Method::External.name(), false)],
            Self::SignedIn | Self::SteppedUp => {
                let shown = detail.rsplit(", ").next().and_then(method).map(|name| (name, true));
                let by_provider = self == Self::SignedIn && detail.starts_with("provider ") && shown != Some(provider());
                by_provider.then(provider).into_iter().chain(shown).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether this is somebody or something being refused.
    pub const fn is_failure(self) -> bool {
        matches!(
            self,
            Self::PasswordWrong
                | Self::SecondWrong
                | Self::TokenWrong
                | Self::ApplicationRefused
                | Self::Locked
                | Self::PolicyRefused
                | Self::FailuresCounted
                | Self::ProviderRefused
                | Self::DeviceMissing
                | Self::DeviceWrongKey
        )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_known_by_their_factor() {
        for (event, detail, tried) in [
            (Event::PasswordWrong, "", &[("password", false)][..]),
            (Event::SecondWrong, "sms", &[("sms", false)]),
            (Event::SecondWrong, "passkey", &[("webauthn", false)]),
            (Event::SecondWrong, "external", &[("external", false)]),
            // Setting up is no sign-in.
            (Event::SecondWrong, "totp, enrolment", &[]),
            (Event::SignedIn, "password, recovery", &[("recovery", true)]),
            (Event::SignedIn, "password, external", &[("external", true)]),
            (Event::SignedIn, "provider corp", &[("external", true)]),
            (Event::SignedIn, "provider corp, totp", &[("external", true), ("totp", true)]),
            // One word of the provider's, for both factors.
            (Event::SignedIn, "provider corp, external", &[("external", true)]),
            (Event::SteppedUp, "webauthn", &[("webauthn", true)]),
            (Event::ProviderRefused, "corp: the token has expired", &[("external", false)]),
            // The password was counted when it was right.
            (Event::SignedIn, "password", &[]),
            (Event::SignedIn, "password, trusted browser", &[]),
            (Event::Locked, "", &[]),
        ] {
            assert_eq!(event.attempts(detail), tried, "{event:?} {detail}");
        }
    }
}
