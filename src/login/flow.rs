//! The record of a sign-in under way, and the decision that follows a right password.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ProviderSession;
use crate::account::{Account, MfaPolicy};
use crate::base::{FlowId, SessionId, Time, UserId};
use crate::factor::otp::SentCode;
use crate::factor::webauthn::Registration;
use crate::factor::{Method, MethodSet};

/// What a flow is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The password was right; a second factor is due.
    Second,
    /// A session shows a second factor again, or another one.
    StepUp { session: SessionId },
    /// A second factor is to be set up: in the course of a sign-in, from a set-up link, or from a session.
    Enrol { session: Option<SessionId> },
    /// A session's user has another address or number, once the code that was sent there is entered.
    Contact { session: SessionId, method: Method, to: String },
    /// The password was right and must be changed at the person's source before anything else.
    ChangePassword,
    /// A code was to be sent to an address without an account. Of a decoy's, nobody was sent any.
    Guest { address: String, decoy: bool },
    /// Nothing is under way: the sign-in page has something to say. It opens nothing.
    News(News),
}

/// What the sign-in page, or my account, says to the browser that it is said to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    /// A second factor is set up, and is asked for from now on.
    Enrolled,
    /// A link was used to choose a password.
    PasswordSet,
    /// A further method is set up; the session went on.
    MethodAdded,
    /// A method is removed; the session went on, or ended with it.
    MethodRemoved,
    /// The password was changed in my account.
    PasswordChanged,
    /// The address or number was changed in my account.
    ContactChanged,
}

/// A second factor that is being set up.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Enrolling {
    /// The sealed secret, shown until a code confirms it.
    Totp { sealed_secret: String },
    /// The library's registration state; never handed to an authentication.
    Webauthn { state: Box<Registration>, options: serde_json::Value },
    /// A code was sent to the registered address or number.
    Sent { method: Method },
    /// The account is to be linked to a person at a provider, whose second factor it will be.
    External,
    /// Done; the recovery codes, sealed, can be read until the user says that they are saved.
    Codes { sealed: String },
}

/// A sign-in under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Flow {
    pub id: FlowId,
    pub user: UserId,
    /// The account's epoch at the start; another one voids the flow.
    pub epoch: u32,
    pub created: Time,
    pub expires: Time,
    pub purpose: Purpose,
    /// Somebody vouched for a first enrolment: a set-up link, a code to the registered address, or an enrolled second factor.
    pub vouched: bool,
    /// It began in a browser that finished a sign-in of this user before; one that did not never pushes it out.
    #[serde(default)]
    pub known_browser: bool,
    /// It began with a right password, as opposed to a link.
    pub by_password: bool,
    /// The code that was sent last, for whatever step is due.
    pub sent: Option<SentCode>,
    pub enrolling: Option<Enrolling>,
    /// The password must be changed once the second factor is shown.
    #[serde(default)]
    pub must_change_password: bool,
    /// It began at a provider: what the session will keep of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderSession>,
}

impl Flow {
    /// How long a flow lasts from its start.
    pub const LIFETIME: Duration = Duration::from_secs(15 * 60);

    pub fn new(id: FlowId, account: &Account, purpose: Purpose, vouched: bool, now: Time) -> Self {
        Self {
            id,
            user: account.id,
            epoch: account.epoch,
            created: now,
            expires: now.plus(Self::LIFETIME),
            purpose,
            vouched,
            known_browser: false,
            by_password: !vouched,
            sent: None,
            enrolling: None,
            must_change_password: false,
            provider: None,
        }
    }

    /// Whether a guest signs in.
    pub const fn is_guest(&self) -> bool {
        matches!(self.purpose, Purpose::Guest { .. })
    }

    /// Whether its codes go nowhere.
    pub const fn is_decoy(&self) -> bool {
        matches!(self.purpose, Purpose::Guest { decoy: true, .. })
    }

    /// Whether it can still go on: not expired, and the account is as it was.
    pub fn is_good(&self, account: &Account, now: Time) -> bool {
        now < self.expires && self.epoch == account.epoch && self.user == account.id && !account.disabled
    }
}

/// What follows a right password.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AfterPassword {
    /// Signed in with the password alone.
    Finished,
    /// Signed in: this browser was trusted for this user.
    Trusted,
    /// One of these is due.
    Second(MethodSet),
    /// A second factor must be set up first.
    Enrol,
}

/// The policy decides (contract, "Which user"). `trusted` is whether this browser skips the second factor.
pub fn after_password(policy: MfaPolicy, usable: MethodSet, trusted: bool) -> AfterPassword {
    match policy {
        MfaPolicy::Off => AfterPassword::Finished,
        MfaPolicy::Optional | MfaPolicy::Required if !usable.is_empty() => {
            if trusted {
                AfterPassword::Trusted
            } else {
                AfterPassword::Second(usable)
            }
        }
        MfaPolicy::Optional => AfterPassword::Finished,
        MfaPolicy::Required => AfterPassword::Enrol,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_decides_what_follows_the_password() {
        let (none, totp) = (MethodSet::EMPTY, MethodSet::EMPTY.with(Method::Totp));
        assert_eq!(after_password(MfaPolicy::Off, totp, false), AfterPassword::Finished);
        assert_eq!(after_password(MfaPolicy::Optional, none, false), AfterPassword::Finished);
        assert_eq!(after_password(MfaPolicy::Optional, totp, false), AfterPassword::Second(totp));
        assert_eq!(after_password(MfaPolicy::Required, totp, false), AfterPassword::Second(totp));
        assert_eq!(after_password(MfaPolicy::Required, none, false), AfterPassword::Enrol);
    }

    #[test]
    fn a_trusted_browser_replaces_a_second_factor_but_not_an_enrolment() {
        let totp = MethodSet::EMPTY.with(Method::Totp);
        assert_eq!(after_password(MfaPolicy::Optional, totp, true), AfterPassword::Trusted);
        assert_eq!(after_password(MfaPolicy::Required, MethodSet::EMPTY, true), AfterPassword::Enrol);
    }
}
