//! Which state of an account somebody's proof was checked against. Guarantees that what acts after a wait acts on that state or on none: a
//! change of a password or factor in between makes a new version, and the act is refused.

use std::ops::Deref;

use super::Account;
use crate::base::UserId;

/// An account at one epoch. Every verb that acts after a wait demands the version that was read before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Version {
    user: UserId,
    epoch: u32,
}

impl Version {
    /// The version that a session, a sign-in under way or a link was made under.
    pub const fn new(user: UserId, epoch: u32) -> Self {
        Self { user, epoch }
    }

    pub const fn user(self) -> UserId {
        self.user
    }

    /// Whether the account is still this one: not disabled, and no password or factor was changed.
    pub fn is_of(self, account: &Account) -> bool {
        !account.disabled && account.id == self.user && account.epoch == self.epoch
    }
}

impl Account {
    /// The version that this document is of.
    pub const fn version(&self) -> Version {
        Version::new(self.id, self.epoch)
    }
}

/// An account as it was when a proof of its user's was found right. Only such a one becomes a session.
#[derive(Clone, Debug)]
pub struct Verified(Account);

impl Verified {
    /// Say so only of the very document that the proof was checked against, or of what a verb that demands its [`Version`] made of it.
    pub const fn new(account: Account) -> Self {
        Self(account)
    }
}

impl Deref for Verified {
    type Target = Account;

    fn deref(&self) -> &Account {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_of_one_epoch_of_one_enabled_account() {
        let mut account: Account = serde_json::from_value(serde_json::json!({
            "id": UserId::from_bytes([1; 16]), "name": "alice", "email": "", "display_name": "", "created": 0
        }))
        .unwrap();
        let version = account.version();
        assert!(version.is_of(&account));
        assert!(!Version::new(UserId::from_bytes([2; 16]), account.epoch).is_of(&account));
        account.disabled = true;
        assert!(!version.is_of(&account));
        account.disabled = false;
        account.factors_changed();
        assert!(!version.is_of(&account));
    }
}
