//! How long a required enrolment may be put off (`mfa.grace`). The time runs from the first sign-in that the requirement stopped.

use super::choose::{EnrolPage, Enrolment};
use crate::account::Verified;
use crate::base::Time;
use crate::login::Purpose;
use crate::policy::Proof;
use crate::service::client::Client;
use crate::service::refused::Refused;
use crate::service::sign_in::{Follows, Signed};

impl Enrolment {
    /// Until when a required enrolment may still be put off (`mfa.grace`), for a user whose sign-in is stopped by it. The time
    /// runs from the first sign-in that was; to ask starts nothing.
    pub fn grace(&self, page: &EnrolPage) -> Option<Time> {
        let (grace, now) = (self.context.config().mfa.grace?, self.context.now());
        let stopped = page.flow.as_ref().is_some_and(|flow| {
            flow.purpose == Purpose::Enrol { session: None } && flow.enrolling.is_none() && flow.by_password && !flow.vouched
        });
        if !stopped || !page.is_first() {
            return None;
        }
        Some(page.account.grace_started.unwrap_or(now).plus(grace)).filter(|until| now < *until)
    }

    /// Puts a required enrolment off: the sign-in is finished with the password alone.
    pub async fn put_off(&self, page: &EnrolPage, client: &Client) -> Result<Signed, Refused> {
        if self.grace(page).is_none() {
            return Err(Refused::Gone);
        }
        self.flows.start_grace(&page.account).await?;
        let flow = page.flow.as_ref().ok_or(Refused::Gone)?;
        if !self.store.take_flow(flow).await? {
            return Err(Refused::Gone);
        }
        self.finish.sign_in(Verified::new(page.account.clone()), Proof::Password, client, Follows::Nothing, false).await
    }
}
