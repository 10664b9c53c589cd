//! New passwords: checked for strength, hashed, and written only to the account that was read.

mod breached;

use std::sync::Arc;

use crate::account::{Account, Failures, Verified, Version};
use crate::base::Secret;
use crate::factor::{blocklist, password};
use crate::service::audit::{Actor, AuditLog, Event};
use crate::service::context::Context;
use crate::service::password_hashing::Hasher;
use crate::service::refused::Refused;
use crate::store::{Edit, Store};

/// Sets passwords.
pub struct Passwords {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) context: Arc<Context>,
    pub(in crate::service) hasher: Hasher,
    pub(in crate::service) audit: Arc<AuditLog>,
}

impl Passwords {
    /// A new password's hash, if the password will do.
    pub async fn hash(&self, account: &Account, chosen: &Secret) -> Result<String, Refused> {
        if account.source.is_some() {
            return Err(Refused::Managed);
        }
        let config = self.context.config();
        let context = [account.name.as_str(), account.email.as_str(), account.display_name.as_str(), config.mfa.totp.issuer.as_str()];
        blocklist::acceptable(chosen, config.password.min_length, &context).map_err(Refused::Weak)?;
        if breached::is_listed(&config.breached, chosen).await {
            return Err(Refused::Weak(blocklist::Weak::Breached));
        }
        let (chosen, parameters) = (chosen.clone(), config.password);
        let hashed = self.hasher.run(move |memory| password::hash(&chosen, &parameters, memory)).await?;
        hashed.map_err(|e| Refused::Store(crate::store::StoreError::Backend(e.to_string())))
    }

    /// Writes a password, if the account is still the version that it was hashed for. Every session, flow and trusted browser from before is invalid.
    pub(in crate::service) async fn set(&self, version: Version, phc: String, actor: Actor<'_>) -> Result<Verified, Refused> {
        let now = self.context.now();
        let written = self
            .store
            .update_verified(version, |account| {
                account.password = Some(phc.clone());
                account.password_changed = Some(now);
                account.must_change_password = false;
                // They bound who has the old password.
                account.vouch_failures = 0;
                // A link proves a mailbox, not a factor: only who administers forgets failures without a finished sign-in.
                if matches!(actor, Actor::Admin(..) | Actor::CommandLine) {
                    account.failures = Failures::default();
                }
                account.factors_changed();
                Edit::Write(account.clone())
            })
            .await?;
        let Some(Ok(account)) = written else { return Err(Refused::Gone) };
        self.audit.record(Event::PasswordChanged, Some(&account.name), actor, "").await?;
        Ok(Verified::new(account))
    }
}
