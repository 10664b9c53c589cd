//! How long a required enrolment may be put off (`mfa.grace`): from the first sign-in that it stopped, and for that sign-in only.

use crate::account::Account;
use crate::base::Time;
use crate::login::Purpose;
use crate::policy::Proof;
use crate::service::Services;
use crate::service::client::Client;
use crate::service::enrolment::EnrolPage;
use crate::service::refused::Refused;
use crate::service::sign_in::{Follows, Signed};
use crate::store::Edit;

impl Services {
    /// Until when a required enrolment may still be put off (`mfa.grace`), for a user whose sign-in is stopped by it. The time
    /// runs from the first sign-in that was; to ask starts nothing.
    pub fn grace(&self, page: &EnrolPage) -> Option<Time> {
        let (grace, now) = (self.config().mfa.grace?, self.now());
        let stopped = page.flow.as_ref().is_some_and(|flow| {
            flow.purpose == Purpose::Enrol { session: None } && flow.enrolling.is_none() && flow.by_password && !flow.vouched
        });
        if !stopped || !page.is_first() {
            return None;
        }
        Some(page.account.grace_started.unwrap_or(now).plus(grace)).filter(|until| now < *until)
    }

    /// A sign-in was stopped by a required enrolment: from the first time on its grace runs.
    pub(in crate::service) async fn start_grace(&self, account: &Account) -> Result<(), Refused> {
        if self.config().mfa.grace.is_none() || account.grace_started.is_some() || !account.enrolled().is_empty() {
            return Ok(());
        }
        let now = self.now();
        let start = |account: &mut Account| match account.grace_started {
            Some(_) => Edit::Leave(()),
            None => {
                account.grace_started = Some(now);
                Edit::Write(())
            }
        };
        self.store.update_account(account.id, start).await?;
        Ok(())
    }

    /// Puts a required enrolment off: the sign-in is finished with the password alone.
    pub async fn put_off(&self, page: &EnrolPage, client: &Client) -> Result<Signed, Refused> {
        if self.grace(page).is_none() {
            return Err(Refused::Gone);
        }
        self.start_grace(&page.account).await?;
        let flow = page.flow.as_ref().ok_or(Refused::Gone)?;
        if !self.store.take_flow(flow).await? {
            return Err(Refused::Gone);
        }
        self.finish(page.account.clone(), Proof::Password, client, Follows::Nothing, false).await
    }
}
