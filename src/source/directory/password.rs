//! Changing a password through the directory on the strength of the current one: nobody's administrative rights are used.

use ldap3_proto::proto::LdapResultCode;

use super::Directory;
use super::state::Reply;
use super::state::{BindVerdict, PolicyError, bind_verdict};
use super::wire::ber;
use crate::base::Secret;
use crate::source::{Cause, PasswordChange};

/// Win32 codes in Active Directory's message: the current password is wrong, the new one is against the policy.
const WRONG_CURRENT: &str = "00000056";
const AGAINST_POLICY: &str = "0000052D";

impl Directory {
    /// Active Directory: the change names both passwords, so the service account can carry it for somebody who may not sign in before it.
    pub(super) async fn change_unicode(&self, person: &str, current: &Secret, new: &Secret) -> Result<PasswordChange, Cause> {
        let Some(entry) = self.entry_with(person).await? else { return Ok(PasswordChange::NotAllowed) };
        let reply = self.pool.change(|id| ber::unicode_password(id, &entry.dn, current.expose(), new.expose())).await?;
        match reply.code {
            LdapResultCode::Success => Ok(PasswordChange::Done),
            LdapResultCode::InvalidCredentials | LdapResultCode::NoSuchAttribute => Ok(PasswordChange::WrongCurrent),
            LdapResultCode::ConstraintViolation | LdapResultCode::UnwillingToPerform if reply.message.contains(WRONG_CURRENT) => {
                Ok(PasswordChange::WrongCurrent)
            }
            LdapResultCode::ConstraintViolation => Ok(PasswordChange::Refused(None)),
            LdapResultCode::UnwillingToPerform if reply.message.contains(AGAINST_POLICY) => Ok(PasswordChange::Refused(None)),
            LdapResultCode::InsufficentAccessRights | LdapResultCode::UnwillingToPerform => self.not_allowed(&reply),
            _ => Err(unclear(&reply)),
        }
    }

    /// Everything else: the owner binds and asks for the change (RFC 3062).
    pub(super) async fn change_by_owner(&self, person: &str, current: &Secret, new: &Secret) -> Result<PasswordChange, Cause> {
        let Some(entry) = self.entry_with(person).await? else { return Ok(PasswordChange::NotAllowed) };
        let (reply, mut connection) = self.pool.bind(&entry.dn, current).await?;
        match bind_verdict(&reply)? {
            BindVerdict::Right | BindVerdict::MustChange => {}
            BindVerdict::Wrong | BindVerdict::Locked => return Ok(PasswordChange::WrongCurrent),
            BindVerdict::Closed(_) => return Ok(PasswordChange::NotAllowed),
        }
        let change = connection.change(|id| ber::password_modify(id, &entry.dn, current.expose(), new.expose()));
        let reply = tokio::time::timeout(self.config.timeout, change).await.unwrap_or_else(|_| Err(Cause::TimedOut("a change".into())))?;
        tokio::spawn(connection.close());
        match (&reply.code, reply.policy) {
            (LdapResultCode::Success, _) => Ok(PasswordChange::Done),
            (_, Some(PolicyError::Refused(why))) => Ok(PasswordChange::Refused(Some(why.to_owned()))),
            (LdapResultCode::ConstraintViolation, _) => Ok(PasswordChange::Refused(None)),
            (LdapResultCode::InsufficentAccessRights | LdapResultCode::UnwillingToPerform | LdapResultCode::ProtocolError, _) => {
                self.not_allowed(&reply)
            }
            _ => Err(unclear(&reply)),
        }
    }

    fn not_allowed(&self, reply: &Reply) -> Result<PasswordChange, Cause> {
        tracing::warn!(directory = %self.id, code = ?reply.code, message = %reply.message, "the directory lets nobody change this password");
        Ok(PasswordChange::NotAllowed)
    }
}

fn unclear(reply: &Reply) -> Cause {
    Cause::Protocol(format!("a change of a password is answered {:?}: {}", reply.code, reply.message))
}
