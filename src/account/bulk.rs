//! What an administrator can have done to many accounts at once, as edits of one account each. An edit that would change nothing says so.

use super::{Account, Failures};
use crate::factor::Method;

/// One of the things that can be done to many accounts at once.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum BulkAction {
    /// The next sign-in with the password leads to choosing another. Ends sessions and API tokens, as the change itself does.
    RequirePassword,
    EndSessions,
    Disable,
    Enable,
    ResetFactors,
    Unlock,
}

impl BulkAction {
    /// In the order in which they are offered.
    pub const ALL: [Self; 6] = [Self::RequirePassword, Self::EndSessions, Self::Unlock, Self::ResetFactors, Self::Disable, Self::Enable];

    /// As forms name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RequirePassword => "require_password",
            Self::EndSessions => "end_sessions",
            Self::Disable => "disable",
            Self::Enable => "enable",
            Self::ResetFactors => "reset_factors",
            Self::Unlock => "unlock",
        }
    }

    /// What a form named; `None` if it is none of these.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }

    /// Whether it takes something away from people, or closes something to them.
    pub const fn is_harsh(self) -> bool {
        matches!(self, Self::ResetFactors | Self::Disable)
    }

    /// Edits the account; `false` if there is nothing to change. Sessions are not in the account: to end them is never an edit.
    pub fn apply(self, account: &mut Account) -> bool {
        match self {
            Self::RequirePassword => {
                let applies = account.source.is_none() && account.password.is_some() && !account.must_change_password;
                if applies {
                    account.must_change_password = true;
                    account.factors_changed();
                }
                applies
            }
            Self::EndSessions => true,
            Self::Disable => {
                let applies = !account.disabled;
                if applies {
                    account.disabled = true;
                    account.factors_changed();
                }
                applies
            }
            Self::Enable => std::mem::take(&mut account.disabled),
            Self::ResetFactors => {
                let all = Method::ENROLLABLE.into_iter().chain([Method::Recovery]);
                let applies = all.fold(false, |applies, method| account.take_away(method, None) | applies);
                if applies {
                    account.factors_changed();
                }
                applies
            }
            Self::Unlock => {
                let browsers = account.browsers.iter().any(|browser| browser.failures != Failures::default());
                let applies = browsers || account.failures != Failures::default() || account.vouch_failures != 0;
                account.forget_failures();
                applies
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::OtpEnrolment;
    use crate::base::{Time, UserId};

    fn account() -> Account {
        serde_json::from_value(serde_json::json!({
            "id": UserId::from_bytes([1; 16]), "name": "alice", "email": "", "display_name": "", "password": "phc", "created": 0
        }))
        .unwrap()
    }

    #[test]
    fn an_edit_is_made_once_and_what_lets_people_in_gets_a_new_epoch() {
        for action in BulkAction::ALL.into_iter().filter(|action| *action != BulkAction::EndSessions) {
            let mut account = account();
            account.disabled = action == BulkAction::Enable;
            account.email_otp = Some(OtpEnrolment { added: Time::from_secs(1), last_used: None });
            account.failures.count = 3;
            assert!(action.apply(&mut account), "{action:?}");
            let strict = matches!(action, BulkAction::RequirePassword | BulkAction::Disable | BulkAction::ResetFactors);
            assert_eq!(account.epoch, u32::from(strict), "{action:?}");
            let after = account.clone();
            assert!(!action.apply(&mut account), "{action:?} twice");
            assert_eq!(account.epoch, after.epoch);
            assert_eq!(BulkAction::named(action.name()), Some(action));
        }
    }

    #[test]
    fn a_password_that_is_not_kept_here_cannot_be_required_anew() {
        let mut without = account();
        without.password = None;
        assert!(!BulkAction::RequirePassword.apply(&mut without) && !without.must_change_password);
    }
}
