//! What an account looked like to somebody who decides about it. Guarantees that a later act can tell whether the account is still that one: of
//! whatever an administrator decides by, a change makes another value; that its owner signs in meanwhile makes none.

use sha2::{Digest, Sha256};

use super::Account;

/// 96 bits of what an account looked like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen([u8; Self::LEN]);

impl Seen {
    pub const LEN: usize = 12;

    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl Account {
    /// What it looks like now. A new field of the account must be put on one side or the other here.
    pub fn seen(&self) -> Seen {
        let Self {
            id,
            name,
            email,
            phone,
            display_name,
            groups,
            disabled,
            service,
            certificate_subject,
            password,
            must_change_password,
            mfa_policy,
            allowed,
            totp,
            webauthn,
            email_otp,
            sms_otp,
            external,
            recovery,
            last_method: _,
            failures,
            vouch_failures: _,
            browsers: _,
            epoch,
            revision: _,
            created,
            password_changed,
            grace_started: _,
            source,
            applications: _,
            linked,
        } = self;
        let shown = serde_json::json!([
            id,
            name,
            email,
            phone,
            display_name,
            groups,
            disabled,
            service,
            certificate_subject,
            password.is_some(),
            must_change_password,
            mfa_policy,
            allowed,
            totp.as_ref().map(|totp| &totp.fingerprint),
            webauthn.iter().map(|key| &key.id).collect::<Vec<_>>(),
            email_otp.is_some(),
            sms_otp.is_some(),
            external.is_some(),
            recovery.is_empty(),
            failures.locked_until,
            epoch,
            created,
            password_changed,
            source,
            linked,
        ]);
        let digest = Sha256::digest(shown.to_string().as_bytes());
        let mut bytes = [0; Seen::LEN];
        bytes.iter_mut().zip(digest.iter()).for_each(|(to, from)| *to = *from);
        Seen(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Time, UserId};

    #[test]
    fn what_is_decided_by_changes_it_and_a_sign_in_does_not() {
        let account: Account = serde_json::from_value(serde_json::json!({
            "id": UserId::from_bytes([1; 16]), "name": "alice", "email": "a@b.example", "display_name": "Alice", "created": 0
        }))
        .unwrap();
        let seen = account.seen();
        let edits: [fn(&mut Account); 9] = [
            |a| a.disabled = true,
            |a| a.epoch += 1,
            |a| a.groups.push("admins".into()),
            |a| a.email = "b@b.example".into(),
            |a| a.display_name = "Bob".into(),
            |a| a.failures.locked_until = Some(Time::from_secs(9)),
            |a| a.must_change_password = true,
            |a| a.id = UserId::from_bytes([2; 16]),
            |a| a.mfa_policy = crate::account::UserMfaPolicy::Off,
        ];
        for edit in edits {
            let mut changed = account.clone();
            edit(&mut changed);
            assert_ne!(changed.seen(), seen, "{changed:?}");
        }
        let mut used = account.clone();
        (used.revision, used.failures.count, used.grace_started) = (7, 1, Some(Time::from_secs(1)));
        assert_eq!(used.seen(), seen);
    }
}
