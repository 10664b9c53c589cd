//! Codes by e-mail and SMS: made, sent and checked within the sign-in that asked for them, so a code works in no other. A new code
//! invalidates the one before, and none is made if its message cannot be sent.

use std::sync::Arc;

use super::failures::FailureLimits;
use super::flows::Flows;
use super::pending::Pending;
use crate::account::Verified;
use crate::base::{Secret, Time};
use crate::config::Otp;
use crate::factor::Method;
use crate::factor::otp::{self, NoResend};
use crate::login::{Flow, Purpose};
use crate::service::audit::{Actor, AuditLog, Event};
use crate::service::client::Client;
use crate::service::context::Context;
use crate::service::notices::Notices;
use crate::service::refused::{Refused, SecondProblem};
use crate::store::{Edit, Store};

/// Sends codes by e-mail and SMS, and verifies them.
pub struct OneTimeCodes {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) context: Arc<Context>,
    pub(in crate::service) failures: Arc<FailureLimits>,
    pub(in crate::service) flows: Arc<Flows>,
    pub(in crate::service) notices: Arc<Notices>,
    pub(in crate::service) audit: Arc<AuditLog>,
}

impl OneTimeCodes {
    /// Sends a code by e-mail or SMS: the first one of a step, or with `again` another one.
    /// Returns the flow, which may be new, and whether the code is on its way.
    ///
    /// # Errors
    /// If it is too early or too often, or nothing can be sent.
    pub async fn send(&self, pending: &Pending, method: Method, again: bool, client: &Client) -> Result<Flow, Refused> {
        let flow = self.flow_of(pending, client).await?;
        let (config, now) = (self.context.config(), self.context.now());
        let rules = config.mfa.otp;
        // First whether a message may go at all: a new code is the end of the one before.
        self.notices.send_possible(&pending.account, client).await?;
        let outcome = self
            .store
            .update_flow(flow.id, |flow| {
                let fresh = flow
                    .sent
                    .as_ref()
                    .is_some_and(|sent| sent.method == method && !sent.remaining(now).is_zero() && sent.attempts < rules.max_attempts);
                if fresh && !again {
                    // Chosen again while the last code is good: nothing new goes out.
                    return Edit::Leave(Ok(None));
                }
                match next_code(flow, method, &rules, now) {
                    Ok(code) => Edit::Write(Ok(Some((code, flow.clone())))),
                    Err(problem) => Edit::Leave(Err(problem)),
                }
            })
            .await?
            .ok_or(Refused::Gone)?;
        match outcome {
            Ok(None) => Ok(flow),
            Ok(Some((code, flow))) => {
                self.notices.send_allowed(&pending.account, client).await?;
                // Nobody may see by the page or the time that there is nobody to send it to.
                if flow.is_decoy() {
                    self.store.spend_time().await?;
                    return Ok(flow);
                }
                if let Err(refused) = self.notices.deliver_code(&pending.account, method, &code, false, client) {
                    self.flows.discard_code(flow.id).await?;
                    return Err(refused);
                }
                self.audit.record(Event::CodeSent, Some(&pending.account.name), Actor::User(client), method.name()).await?;
                Ok(flow)
            }
            Err(problem) => Err(problem.into()),
        }
    }

    /// The flow of a pending step, begun now if a session has none yet.
    pub(in crate::service) async fn flow_of(&self, pending: &Pending, client: &Client) -> Result<Flow, Refused> {
        match (&pending.flow, &pending.session) {
            (Some(flow), _) => Ok(flow.clone()),
            (None, Some(session)) => self.flows.begin(&pending.account, Purpose::StepUp { session: session.id() }, false, client).await,
            (None, None) => Err(Refused::Gone),
        }
    }

    /// A sent code: judged and used up with the flow, which it is bound to; then the account, which may have been locked meanwhile.
    pub(in crate::service) async fn verify(
        &self,
        pending: &Pending,
        method: Method,
        typed: &Secret,
        client: &Client,
    ) -> Result<Verified, Refused> {
        let (config, now) = (self.context.config(), self.context.now());
        let flow = pending.flow.as_ref().ok_or(Refused::Gone)?;
        let judged =
            self.store.update_flow(flow.id, |flow| judge_sent(flow, method, typed, &config.mfa.otp, now)).await?.ok_or(Refused::Gone)?;
        self.failures
            .attempt(pending, client, |account| {
                judged?;
                match method {
                    Method::Email => account.email_otp.as_mut().map(|otp| otp.last_used = Some(now)),
                    _ => account.sms_otp.as_mut().map(|otp| otp.last_used = Some(now)),
                };
                account.last_method = Some(method);
                Ok(())
            })
            .await
    }
}

/// Judges a sent code within its flow; what it leaves behind is written with the answer.
pub(in crate::service) fn judge_sent(
    flow: &mut Flow,
    method: Method,
    typed: &Secret,
    rules: &Otp,
    now: Time,
) -> Edit<Result<(), SecondProblem>> {
    let id = flow.id;
    let Some(sent) = flow.sent.as_mut().filter(|sent| sent.method == method) else { return Edit::Leave(Err(SecondProblem::Spent)) };
    match sent.check(id, typed.expose(), rules, now) {
        otp::Verdict::Right => Edit::Write(Ok(())),
        otp::Verdict::Wrong { left } => Edit::Write(Err(SecondProblem::Wrong { left: Some(left) })),
        otp::Verdict::Expired => Edit::Leave(Err(SecondProblem::Expired)),
        otp::Verdict::Spent => Edit::Leave(Err(SecondProblem::Spent)),
    }
}

/// Puts the next code into the flow; the one before is invalid.
pub(in crate::service) fn next_code(flow: &mut Flow, method: Method, rules: &Otp, now: Time) -> Result<Secret, NoResend> {
    let id = flow.id;
    let sends = match &mut flow.sent {
        Some(sent) if sent.method == method => return sent.resend(method, id, rules, now),
        // Another method need not wait for this one's pause, but counts against the same number of sends.
        Some(sent) if sent.sends >= rules.max_sends => return Err(NoResend::Exhausted),
        Some(sent) => sent.sends,
        None => 0,
    };
    let (mut sent, code) = otp::SentCode::issue(method, id, rules, now).map_err(|_| NoResend::NoEntropy)?;
    sent.sends = sends.saturating_add(1);
    flow.sent = Some(sent);
    Ok(code)
}

impl From<NoResend> for Refused {
    fn from(problem: NoResend) -> Self {
        match problem {
            NoResend::Wait(wait) => Self::Second(SecondProblem::Wait(wait)),
            NoResend::Exhausted => Self::Second(SecondProblem::Exhausted),
            NoResend::NoEntropy => crate::base::random::NoEntropy.into(),
        }
    }
}
