//! Counts failures by address and by name, for every way in: passwords, codes, recovery codes, keys, passkeys, links. Each way asks here before
//! an attempt and counts a wrong one here. An account's own failures are in its document.
//!
//! A browser that the user signed in with before has its own budget, so others at its address cannot use up what its owner needs.

use std::sync::Arc;
use std::time::Duration;

use super::pending::Pending;
use crate::account::{Account, Verified};
use crate::base::{ClientAddr, Time, UserId};
use crate::limit;
use crate::service::audit::{Actor, AuditLog, Event};
use crate::service::client::Client;
use crate::service::context::Context;
use crate::service::known_browsers::{budget, knows};
use crate::service::refused::{Refused, SecondProblem};
use crate::store::{Counted, Edit, Store};

/// Counts failures and refuses those who have too many.
pub struct FailureLimits {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) context: Arc<Context>,
    pub(in crate::service) audit: Arc<AuditLog>,
}

impl FailureLimits {
    /// Where failures of an address are counted.
    pub(in crate::service) fn counted_address(&self, address: ClientAddr) -> Counted {
        Counted { table: "address", name: address.group().to_string(), rate: self.context.config().limits.login_per_ip }
    }

    pub(in crate::service) fn at_address(&self, client: &Client) -> Counted {
        Counted { table: "address", name: client.address.group().to_string(), rate: self.context.config().limits.login_per_ip }
    }

    pub(in crate::service) fn by_name(&self, name: String) -> Counted {
        Counted { table: "name", name, rate: self.context.config().limits.login_per_account }
    }

    /// # Errors
    /// [`Refused::Throttled`] if too many failed lately.
    pub(in crate::service) async fn refuse_over_rate(&self, counted: &[Counted]) -> Result<(), Refused> {
        Ok(self.store.may_fail(counted, self.context.now()).await??)
    }

    /// # Errors
    /// [`Refused::Throttled`] if too many failed at the client's address, and this is no browser that `account` knows.
    pub(in crate::service) async fn refuse_crowded(&self, account: Option<&Account>, client: &Client) -> Result<(), Refused> {
        if account.is_some_and(|account| client.device.is_some_and(|device| knows(account, device))) {
            return Ok(());
        }
        self.refuse_over_rate(&[self.at_address(client)]).await
    }

    pub(in crate::service) async fn count_at_address(&self, client: &Client) -> Result<(), Refused> {
        Ok(self.store.count_failure(&[self.at_address(client)], self.context.now()).await?)
    }

    /// Counts a wrong code of an enrolment in the same place as all the others; one that was to vouch for it also in one of its own.
    pub(in crate::service) async fn count_failure(&self, id: UserId, vouches: bool, client: &Client) -> Result<(), Refused> {
        let (config, now) = (self.context.config(), self.context.now());
        self.count_at_address(client).await?;
        let count = |account: &mut Account| {
            account.vouch_failures = account.vouch_failures.saturating_add(u32::from(vouches));
            let locked = limit::record_failure(budget(account, client.device), &config.limits, now);
            Edit::Write(locked.then(|| account.name.clone()))
        };
        if let Some(Ok(Some(name))) = self.store.update_account(id, count).await? {
            self.audit.record(Event::Locked, Some(&name), Actor::User(client), "").await?;
        }
        Ok(())
    }

    pub(in crate::service) fn refuse_locked(&self, account: &Account, client: &Client, now: Time) -> Result<(), Refused> {
        let mut account = account.clone();
        let failures = budget(&mut account, client.device);
        if limit::is_locked(failures, now) {
            return Err(Refused::Throttled(
                failures.locked_until.map_or(self.context.config().limits.lockout, |until| until.since(now)).max(Duration::from_secs(1)),
            ));
        }
        Ok(())
    }

    /// Tries a proof against the account as one atomic step: locked is refused, right is used up, wrong is counted.
    pub(in crate::service) async fn attempt(
        &self,
        pending: &Pending,
        client: &Client,
        mut attempt: impl FnMut(&mut Account) -> Result<(), Refused>,
    ) -> Result<Verified, Refused> {
        let (config, now) = (self.context.config(), self.context.now());
        let mut locked = false;
        let outcome = self
            .store
            .update_verified(pending.account.version(), |account| {
                if let Err(refused) = self.refuse_locked(account, client, now) {
                    return Edit::Leave(Err(refused));
                }
                match attempt(account) {
                    Ok(()) => Edit::Write(Ok(account.clone())),
                    Err(wrong @ Refused::Second(SecondProblem::Wrong { .. } | SecondProblem::Key)) => {
                        locked = limit::record_failure(budget(account, client.device), &config.limits, now);
                        Edit::Write(Err(wrong))
                    }
                    Err(refused) => Edit::Leave(Err(refused)),
                }
            })
            .await?;
        if locked {
            self.audit.record(Event::Locked, Some(&pending.account.name), Actor::User(client), "").await?;
        }
        match outcome {
            Some(Ok(result)) => result.map(Verified::new),
            Some(Err(_)) | None => Err(Refused::Gone),
        }
    }
}
