//! The codes of an enrolment: one to the registered address, which vouches for a first enrolment and nothing else, and one that proves an
//! address or number. A wrong code is counted with all other failures.

use super::choose::{EnrolPage, Enrolment};
use crate::base::Secret;
use crate::factor::Method;
use crate::login::{Enrolling, Flow};
use crate::service::audit::{Actor, Event};
use crate::service::client::Client;
use crate::service::refused::{Refused, SecondProblem};
use crate::service::sign_in::{judge_sent, next_code};
use crate::store::Edit;

/// Wrong codes to the registered address, over all sign-ins, until the password is changed, an administrator unlocks the account or makes
/// a set-up link: unlike the other failures these are not forgotten by a finished sign-in, which a thief of the password alone could reach.
const MOST_VOUCH_FAILURES: u32 = 20;

impl Enrolment {
    /// Sends the code that vouches for a first enrolment to the registered address. It vouches for nothing else.
    pub async fn send_vouching(&self, page: &EnrolPage, client: &Client) -> Result<Flow, Refused> {
        let flow = self.enrol_flow(page, client).await?;
        self.send_enrol_code(page, &flow, Method::Email, None, client).await
    }

    /// Takes the vouching code.
    pub async fn vouch(&self, page: &EnrolPage, typed: &Secret, client: &Client) -> Result<(), Refused> {
        let flow = page.flow.as_ref().ok_or(Refused::Gone)?;
        if page.account.vouch_failures >= MOST_VOUCH_FAILURES {
            return Err(Refused::Second(SecondProblem::Exhausted));
        }
        let vouched = |flow: &mut Flow| (flow.vouched, flow.sent) = (true, None);
        self.check_enrol_code(page, flow, Method::Email, typed, client, vouched).await?;
        self.audit.record(Event::EnrolmentVouched, Some(&page.account.name), Actor::User(client), "code to the registered address").await
    }

    pub(in crate::service) async fn send_enrol_code(
        &self,
        page: &EnrolPage,
        flow: &Flow,
        method: Method,
        step: Option<Enrolling>,
        client: &Client,
    ) -> Result<Flow, Refused> {
        let (config, now) = (self.context.config(), self.context.now());
        let rules = config.mfa.otp;
        self.notices.send_allowed(&page.account, client).await?;
        let made = self.store.update_flow(flow.id, |flow| match next_code(flow, method, &rules, now) {
            Ok(code) => {
                flow.enrolling = step.clone().or(flow.enrolling.take());
                Edit::Write(Ok((code, flow.clone())))
            }
            Err(problem) => Edit::Leave(Err(problem)),
        });
        let (code, flow) = made.await?.ok_or(Refused::Gone)??;
        if let Err(refused) = self.notices.deliver_code(&page.account, method, &code, true, client) {
            self.flows.discard_code(flow.id).await?;
            return Err(refused);
        }
        self.audit.record(Event::CodeSent, Some(&page.account.name), Actor::User(client), format!("{method}, enrolment")).await?;
        Ok(flow)
    }

    /// Another code for the e-mail or SMS method that is being set up.
    pub async fn resend_enrolment(&self, page: &EnrolPage, method: Method, client: &Client) -> Result<Flow, Refused> {
        let flow = page.flow.as_ref().ok_or(Refused::Gone)?;
        if !matches!(&flow.enrolling, Some(Enrolling::Sent { method: chosen }) if *chosen == method) {
            return Err(Refused::Gone);
        }
        self.send_enrol_code(page, flow, method, None, client).await
    }

    pub(in crate::service) async fn check_enrol_code(
        &self,
        page: &EnrolPage,
        flow: &Flow,
        method: Method,
        typed: &Secret,
        client: &Client,
        mut then: impl FnMut(&mut Flow),
    ) -> Result<(), Refused> {
        let (config, now) = (self.context.config(), self.context.now());
        self.failures.refuse_crowded(Some(&page.account), client).await?;
        self.failures.refuse_locked(&page.account, client, now)?;
        let judged = self.store.update_flow(flow.id, |flow| match judge_sent(flow, method, typed, &config.mfa.otp, now) {
            Edit::Write(Ok(())) => {
                then(flow);
                Edit::Write(Ok(()))
            }
            other => other,
        });
        let Err(problem) = judged.await?.ok_or(Refused::Gone)? else { return Ok(()) };
        if matches!(problem, SecondProblem::Wrong { .. }) {
            // Guesses at the code that vouches are bounded over all sign-ins. If somebody has vouched already, nothing is guessed for.
            let vouches = self.needs_vouching(page);
            self.failures.count_failure(page.account.id, vouches, client).await?;
            self.audit.record(Event::SecondWrong, Some(&page.account.name), Actor::User(client), format!("{method}, enrolment")).await?;
        }
        Err(Refused::Second(problem))
    }
}
