//! A user changes their own address or number: after a full sign-in with a second factor, and only once the code that was sent to the new one
//! was entered. Until then the old one stays.
//!
//! A fresh password alone is not enough: the address vouches for a first enrolment, and reset links go to it.

use std::sync::Arc;

use super::methods::Profile;
use crate::account::{Account, Verified};
use crate::base::{FlowId, Secret};
use crate::factor::Method;
use crate::login::{Flow, Purpose};
use crate::service::accounts::{good_email, good_phone};
use crate::service::audit::{Actor, AuditLog, Event};
use crate::service::client::Client;
use crate::service::context::Context;
use crate::service::enrolment::{EnrolPage, Enrolment};
use crate::service::notices::Notices;
use crate::service::refused::{ContactProblem, Refused};
use crate::service::sessions::{LiveSession, Sessions};
use crate::service::sign_in::finish::Finish;
use crate::service::sign_in::flows::Flows;
use crate::service::sign_in::{Follows, Signed, next_code};
use crate::store::{Conflict, Edit, Store};

/// Somebody whose new address or number waits for its code.
#[derive(Clone)]
pub struct ContactChange {
    pub account: Account,
    pub flow: Flow,
    pub session: Arc<LiveSession>,
    /// [`Method::Email`] or [`Method::Sms`].
    pub method: Method,
    pub to: String,
}

/// The account as it is to be.
fn moved(account: &Account, method: Method, to: &str) -> Account {
    let mut account = account.clone();
    put(&mut account, method, to);
    account
}

fn put(account: &mut Account, method: Method, to: &str) {
    match method {
        Method::Sms => account.phone = Some(to.to_owned()),
        _ => to.clone_into(&mut account.email),
    }
}

/// A change of the address or number of one's own account.
pub struct ContactChanges {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) context: Arc<Context>,
    pub(in crate::service) profile: Arc<Profile>,
    pub(in crate::service) enrolment: Arc<Enrolment>,
    pub(in crate::service) sessions: Arc<Sessions>,
    pub(in crate::service) flows: Arc<Flows>,
    pub(in crate::service) finish: Arc<Finish>,
    pub(in crate::service) audit: Arc<AuditLog>,
    pub(in crate::service) notices: Arc<Notices>,
}

impl ContactChanges {
    /// Whether users may change this themselves, and a code can be sent there.
    pub fn offers(&self, method: Method) -> bool {
        self.context.config().portal.change_contact && method.is_sent() && self.notices.can_send(method)
    }

    /// The account behind a session that may change its address.
    ///
    /// # Errors
    /// If it is not offered, the sign-in is not fresh, or no second factor was shown in it.
    pub async fn may_change(&self, session: &LiveSession, method: Method) -> Result<Account, Refused> {
        if !self.offers(method) {
            return Err(Refused::NotOffered(method));
        }
        let account = self.profile.own_account(session).await?;
        if account.source.is_some() && method == Method::Email {
            return Err(Refused::Managed);
        }
        if session.has_second() { Ok(account) } else { Err(Refused::Contact(ContactProblem::NoSecond)) }
    }

    /// Sends a code to a new address or number. Nothing else changes.
    ///
    /// # Errors
    /// As `may_change_contact`; if it is malformed or the old one, or too much was sent.
    pub async fn begin(&self, session: &LiveSession, method: Method, typed: &str, client: &Client) -> Result<Flow, Refused> {
        let account = self.may_change(session, method).await?;
        let bad = |_| Refused::Contact(ContactProblem::Bad);
        let typed = typed.trim();
        let to = match method {
            Method::Sms => good_phone(typed).map_err(bad)?,
            _ => good_email(typed).map(|()| typed.to_owned()).map_err(bad)?,
        };
        if (method == Method::Email && to == account.email) || (method == Method::Sms && account.phone.as_deref() == Some(&to)) {
            return Err(Refused::Contact(ContactProblem::Bad));
        }
        let purpose = Purpose::Contact { session: session.id(), method, to: to.clone() };
        let flow = self.flows.begin(&account, purpose, false, client).await?;
        self.send_code(&account, &flow, method, &to, client).await
    }

    /// Who waits for the code to a new address.
    ///
    /// # Errors
    /// [`Refused::Gone`] if nobody does, or not in this session.
    pub async fn pending(&self, flow: Option<FlowId>, session: &Arc<LiveSession>) -> Result<ContactChange, Refused> {
        let flow = self.store.flow(flow.ok_or(Refused::Gone)?).await?.ok_or(Refused::Gone)?;
        let account = self.sessions.account_of(session).await?;
        let Purpose::Contact { session: of, method, to } = flow.purpose.clone() else { return Err(Refused::Gone) };
        if of != session.id() || !flow.is_good(&account, self.context.now()) {
            return Err(Refused::Gone);
        }
        Ok(ContactChange { account, flow, session: session.clone(), method, to })
    }

    /// Another code to the same place.
    pub async fn resend(&self, change: &ContactChange, client: &Client) -> Result<Flow, Refused> {
        self.may_change(&change.session, change.method).await?;
        self.send_code(&change.account, &change.flow, change.method, &change.to, client).await
    }

    async fn send_code(&self, account: &Account, flow: &Flow, method: Method, to: &str, client: &Client) -> Result<Flow, Refused> {
        let (rules, now) = (self.context.config().mfa.otp, self.context.now());
        self.notices.send_allowed(account, client).await?;
        let made = self.store.update_flow(flow.id, |flow| match next_code(flow, method, &rules, now) {
            Ok(code) => Edit::Write(Ok((code, flow.clone()))),
            Err(problem) => Edit::Leave(Err(problem)),
        });
        let (code, flow) = made.await?.ok_or(Refused::Gone)??;
        if let Err(refused) = self.notices.deliver_contact_code(&moved(account, method, to), method, &code, client) {
            self.flows.discard_code(flow.id).await?;
            return Err(refused);
        }
        self.audit.record(Event::CodeSent, Some(&account.name), Actor::User(client), format!("{method}, to a new address")).await?;
        Ok(flow)
    }

    /// The code that was sent to the new address. Right: it is the account's, both addresses are told, every session of the user ends but
    /// this one, which goes on under a new id and as old as it was. Wrong: counted like every other wrong code.
    pub async fn confirm(&self, change: &ContactChange, typed: &Secret, client: &Client) -> Result<Signed, Refused> {
        let before = self.may_change(&change.session, change.method).await?;
        let page = EnrolPage { account: before.clone(), flow: Some(change.flow.clone()), session: Some(change.session.clone()) };
        self.enrolment.check_enrol_code(&page, &change.flow, change.method, typed, client, |flow| flow.sent = None).await?;
        if !self.store.take_flow(&change.flow).await? {
            return Err(Refused::Gone);
        }
        let outcome = self.store.update_verified(before.version(), |account| {
            put(account, change.method, &change.to);
            account.factors_changed();
            Edit::Write(account.clone())
        });
        let account = match outcome.await? {
            Some(Ok(account)) => account,
            Some(Err(Conflict::Login(_) | Conflict::Factor)) => return Err(Refused::Contact(ContactProblem::Taken)),
            None => return Err(Refused::Gone),
        };
        let what = if change.method == Method::Sms { "phone" } else { "email" };
        self.audit.record(Event::AccountChanged, Some(&account.name), Actor::User(client), what).await?;
        self.notices.notice_changes(&before, &account, Actor::User(client));
        let record = change.session.record();
        self.finish.sign_in(Verified::new(account), record.proof(), client, Follows::Ended(&record), false).await
    }
}
