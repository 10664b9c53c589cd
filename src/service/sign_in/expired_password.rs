//! A password changed where it is kept: because it must be, before a sign-in goes on, or because its owner wants to. The current one is asked for, wrong
//! ones count as at any other place, and nobody's rights but the owner's are used.

use std::sync::Arc;

use super::failures::FailureLimits;
use super::finish::{Finish, Follows, Signed};
use super::flows::Flows;
use crate::account::{Account, Verified};
use crate::base::{FlowId, Secret};
use crate::limit;
use crate::login::{Flow, News, Purpose};
use crate::service::audit::{Actor, AuditLog, Event};
use crate::service::client::Client;
use crate::service::context::Context;
use crate::service::known_browsers::budget;
use crate::service::notices::Notices;
use crate::service::refused::Refused;
use crate::service::sessions::LiveSession;
use crate::service::sources::{EntryTurns, SourceRecords, SourcesInForce};
use crate::source::directory::Directory;
use crate::source::{PasswordChange, PasswordSource, Source};
use crate::store::{Edit, Store};

/// Passwords that are kept at a source, and changed there.
pub struct PasswordsAtSource {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) context: Arc<Context>,
    pub(in crate::service) sources: Arc<SourcesInForce>,
    pub(in crate::service) records: Arc<SourceRecords>,
    pub(in crate::service) turns: Arc<EntryTurns>,
    pub(in crate::service) failures: Arc<FailureLimits>,
    pub(in crate::service) flows: Arc<Flows>,
    pub(in crate::service) finish: Arc<Finish>,
    pub(in crate::service) audit: Arc<AuditLog>,
    pub(in crate::service) notices: Arc<Notices>,
}

impl PasswordsAtSource {
    /// The directory that would change this account's password, if it lets people do so.
    fn changing_directory(&self, account: &Account) -> Option<Arc<Directory>> {
        let membership = account.source.as_ref()?;
        self.sources.get().directory(&membership.person.source).filter(|directory| directory.changes_passwords()).cloned()
    }

    /// Whether this account's owner may change the password at its source.
    pub fn may_change(&self, account: &Account) -> bool {
        self.changing_directory(account).is_some()
    }

    /// Starts a flow that ends with a changed password and no session.
    pub(in crate::service) async fn begin(&self, account: &Account, purpose: Purpose, client: &Client) -> Result<Flow, Refused> {
        let mut flow = self.flows.make(account, purpose, false, client)?;
        flow.must_change_password = true;
        self.store.create_flow(&flow).await?;
        Ok(flow)
    }

    /// Whose password is to be changed by a flow.
    ///
    /// # Errors
    /// [`Refused::Gone`] if there is no such flow, or it is over.
    pub async fn changing(&self, flow: Option<FlowId>) -> Result<(Account, Flow), Refused> {
        let flow = self.store.flow(flow.ok_or(Refused::Gone)?).await?.ok_or(Refused::Gone)?;
        let account = self.store.account(flow.user).await?.ok_or(Refused::Gone)?;
        let good = flow.purpose == Purpose::ChangePassword && flow.is_good(&account, self.context.now());
        if good { Ok((account, flow)) } else { Err(Refused::Gone) }
    }

    /// Changes a password that must be changed. What follows is a new sign-in, with the new one; its page says what was done.
    ///
    /// # Errors
    /// [`Refused::WrongPassword`], counted; [`Refused::NewPassword`] if the directory does not take the new one.
    pub async fn change_expired(&self, flow: Option<FlowId>, current: &Secret, new: &Secret, client: &Client) -> Result<Flow, Refused> {
        let (account, flow) = self.changing(flow).await?;
        self.change_there(&account, current, new, client).await?;
        self.store.take_flow(&flow).await?;
        let account = self.after_change(account).await?;
        self.flows.leave_news(&account, News::PasswordSet, client).await
    }

    /// Changes the password of a directory's person who is signed in. This session goes on under a new id, all others end.
    pub(in crate::service) async fn change_own(
        &self,
        session: &LiveSession,
        account: &Account,
        current: &Secret,
        new: &Secret,
        client: &Client,
    ) -> Result<Signed, Refused> {
        self.change_there(account, current, new, client).await?;
        let account = self.after_change(account.clone()).await?;
        let record = session.record();
        self.finish.sign_in(Verified::new(account), record.proof(), client, Follows::Ended(&record), false).await
    }

    /// One try at a time for each entry; one that is locked here is not made.
    async fn change_there(&self, account: &Account, current: &Secret, new: &Secret, client: &Client) -> Result<(), Refused> {
        let (Some(directory), Some(membership)) = (self.changing_directory(account), &account.source) else { return Err(Refused::Managed) };
        self.failures.refuse_crowded(Some(account), client).await?;
        let _turn = self.turns.take(membership.person.clone()).await;
        let fresh = self.store.account(account.id).await?.ok_or(Refused::Gone)?;
        self.failures.refuse_locked(&fresh, client, self.context.now())?;
        let changed = directory.change_password(&membership.person.id, current, new).await.map_err(|e| {
            tracing::error!(error = %e, "a password cannot be changed now");
            Refused::SourceAway
        })?;
        match changed {
            PasswordChange::Done => Ok(()),
            PasswordChange::Refused(why) => Err(Refused::NewPassword(why)),
            PasswordChange::NotAllowed => Err(Refused::Managed),
            PasswordChange::WrongCurrent => {
                self.count_wrong_current(account, client).await?;
                Err(Refused::WrongPassword)
            }
        }
    }

    async fn count_wrong_current(&self, account: &Account, client: &Client) -> Result<(), Refused> {
        let (limits, now) = (self.context.config().limits.clone(), self.context.now());
        self.failures.count_at_address(client).await?;
        let count = |account: &mut Account| Edit::Write(limit::record_failure(budget(account, client.device), &limits, now));
        let locked = self.store.update_account(account.id, count).await?;
        self.audit.record(Event::PasswordWrong, Some(&account.name), Actor::User(client), "").await?;
        if matches!(locked, Some(Ok(true))) {
            self.audit.record(Event::Locked, Some(&account.name), Actor::User(client), "").await?;
        }
        Ok(())
    }

    /// Every session ends, whatever the directory says of when the password changed; what it says is taken over.
    async fn after_change(&self, account: Account) -> Result<Account, Refused> {
        let end = |account: &mut Account| {
            account.factors_changed();
            Edit::Write(account.clone())
        };
        let ended = self.store.update_account(account.id, end).await?;
        let Some(Ok(ended)) = ended else { return Err(Refused::Gone) };
        self.audit.record(Event::PasswordChanged, Some(&account.name), Actor::Gateway, account.source_name()).await?;
        self.notices.notice_password(&ended, Actor::Gateway);
        let Some(membership) = &ended.source else { return Ok(ended) };
        let Some(directory) = self.changing_directory(&ended) else { return Ok(ended) };
        // The next look-up finds the new mark if this one does not.
        match directory.look_up(&membership.person.id).await {
            Ok(Some(person)) => self.records.follow(ended.id, &person).await?.ok_or(Refused::Gone),
            Ok(None) => Err(Refused::Gone),
            Err(_) => Ok(ended),
        }
    }
}
