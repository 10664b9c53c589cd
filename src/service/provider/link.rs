//! Linking an account to a person at a provider: by its owner with a fresh second factor, by a set-up link, by an administrator. One account
//! a person, one person of a provider an account. For a provider that is a second factor this sets the method `external` up.

use std::sync::Arc;

use super::answer::{Linked, Vouched};
use super::begin::{Ask, Begun};
use super::second_factor::hint;
use super::sign_in::ProviderSignIn;
use crate::account::{Account, OtpEnrolment, PersonId};
use crate::base::{FlowId, SessionId, UserId};
use crate::factor::Method;
use crate::login::ProviderPurpose;
use crate::service::accounts::{AccountError, BadLink};
use crate::service::audit::{Actor, Event};
use crate::service::client::Client;
use crate::service::enrolment::{Added, EnrolPage};
use crate::service::refused::ProviderProblem;
use crate::service::refused::{EnrolProblem, Refused};
use crate::service::sessions::LiveSession;
use crate::source::provider::linked::{person_at, person_id, subject_of};
use crate::store::Edit;

impl ProviderSignIn {
    /// The providers that may be linked as a second factor, by name and title.
    pub fn linkable_factors(&self) -> Vec<(String, String)> {
        let config = self.context.config();
        let providers = config.providers.iter().filter(|provider| provider.uses.second_factor);
        providers.map(|provider| (provider.name.clone(), provider.title.clone())).collect()
    }

    /// Sends somebody who sets up `external` to the provider.
    ///
    /// # Errors
    /// If the enrolment is not vouched for, or there is no such provider.
    pub async fn begin_enrolment(&self, page: &EnrolPage, provider: &str, rd: &str, client: &Client) -> Result<Begun, Refused> {
        if self.enrolment.needs_vouching(page) {
            return Err(Refused::Enrol(EnrolProblem::NotVouched));
        }
        let flow = page.flow.as_ref().ok_or(Refused::Gone)?;
        if !self.provider(provider)?.config.uses.second_factor {
            return Err(Refused::NotOffered(Method::External));
        }
        let session = page.session.as_ref().map(|session| session.id());
        let purpose = ProviderPurpose::Link { user: page.account.id, epoch: page.account.epoch, session };
        let login_hint = hint(&page.account);
        let ask = Ask { provider, purpose, flow: Some(flow.id), rd, second_factor: true, max_age: Some(0), login_hint };
        self.begin(ask, client).await
    }

    pub(super) async fn link_answered(
        &self,
        vouched: &Vouched,
        (user, epoch): (UserId, u32),
        of: Option<SessionId>,
        flow: Option<FlowId>,
        session: Option<Arc<LiveSession>>,
        client: &Client,
    ) -> Result<Linked, Refused> {
        let page = self.enrolment.page(flow, session).await?;
        let is_same = page.account.id == user && page.account.epoch == epoch && page.session.as_ref().map(|session| session.id()) == of;
        let Some(flow) = page.flow.clone().filter(|_| is_same) else { return Err(Refused::Gone) };
        if self.enrolment.needs_vouching(&page) {
            return Err(Refused::Enrol(EnrolProblem::NotVouched));
        }
        // It must work before it is asked for.
        if !vouched.person.evidence.is_since(vouched.request.created, crate::source::provider::SKEW) {
            return Err(Refused::Provider(ProviderProblem::NoSecondFactor));
        }
        let person = person_id(&vouched.provider.config, &vouched.person.subject);
        if person_at(&page.account, &vouched.provider.config).is_some_and(|linked| *linked != person) {
            return Err(Refused::Provider(ProviderProblem::SomebodyElse));
        }
        let enrolment = OtpEnrolment { added: self.context.now(), last_used: None };
        let linked = self.enrolment.store_factor(&page, &flow, Method::External, Added::External(person, enrolment), client).await;
        match linked {
            Err(Refused::Enrol(EnrolProblem::TakenFactor)) => Err(Refused::Provider(ProviderProblem::Taken)),
            other => other.map(|confirmed| Linked { account: page.account, confirmed }),
        }
    }

    /// Links a local account as it was at `epoch`; `how` is for the audit log.
    ///
    /// # Errors
    /// [`ProviderProblem::Taken`] if the person is another account's, [`ProviderProblem::NotLinked`] if the account is not as it was.
    pub(super) async fn add_link(
        &self,
        account: &Account,
        vouched: &Vouched,
        (epoch, how): (u32, &str),
        client: &Client,
    ) -> Result<Account, Refused> {
        let config = &vouched.provider.config;
        let person = person_id(config, &vouched.person.subject);
        let written = self
            .store
            .update_account(account.id, |account| {
                if account.epoch != epoch
                    || account.is_closed()
                    || account.service
                    || account.source.is_some()
                    || person_at(account, config).is_some()
                {
                    return Edit::Leave(None);
                }
                account.linked.push(person.clone());
                Edit::Write(Some(account.clone()))
            })
            .await?;
        let account = match written {
            Some(Ok(Some(account))) => account,
            Some(Err(_)) => return Err(Refused::Provider(ProviderProblem::Taken)),
            Some(Ok(None)) | None => return Err(Refused::Provider(ProviderProblem::NotLinked)),
        };
        let detail = format!("{}: {}, {how}", config.name, vouched.person.subject);
        self.audit.record(Event::ProviderLinked, Some(&account.name), Actor::User(client), detail).await?;
        self.notices.notice_factor(&account, Method::External, &config.title, true, client);
        Ok(account)
    }

    /// An administrator's word for who somebody is at a provider.
    ///
    /// # Errors
    /// If there is no such user or provider, or the link is somebody's already.
    pub async fn link_by_hand(&self, name: &str, provider: &str, subject: &str, actor: Actor<'_>) -> Result<(), AccountError> {
        let config = self.configured(provider)?;
        if subject.is_empty() || subject.len() > 255 || subject.chars().any(char::is_control) {
            return Err(BadLink::Subject.into());
        }
        let account = self.account_called(name).await?;
        if account.service {
            return Err(AccountError::Service(account.name));
        }
        if let Some(membership) = &account.source {
            return Err(AccountError::Managed(membership.person.source.to_string()));
        }
        let person = person_id(&config, subject);
        let now = self.context.now();
        let is_factor = config.uses.second_factor && self.context.config().mfa.methods.contains(Method::External);
        let edit = |account: &mut Account| {
            if let Some(there) = person_at(account, &config) {
                return Edit::Leave(Err(BadLink::There { provider: provider.to_owned(), subject: subject_of(there).to_owned() }));
            }
            account.linked.push(person.clone());
            if is_factor && account.external.is_none() {
                account.external = Some(OtpEnrolment { added: now, last_used: None });
                account.factors_changed();
            }
            Edit::Write(Ok(()))
        };
        match self.store.update_account(account.id, edit).await? {
            Some(Ok(Ok(()))) => {}
            Some(Ok(Err(why))) => return Err(why.into()),
            Some(Err(_)) => return Err(BadLink::Taken(provider.to_owned()).into()),
            None => return Err(AccountError::Unknown(name.to_owned())),
        }
        self.audit.record(Event::ProviderLinked, Some(&account.name), actor, format!("{provider}: {subject}")).await?;
        Ok(())
    }

    /// Takes a link away; sessions, and the method `external` if that was the last one that it could use, end with it.
    ///
    /// # Errors
    /// If there is no such user or link.
    pub async fn unlink_by_hand(&self, name: &str, provider: &str, actor: Actor<'_>) -> Result<(), AccountError> {
        let account = self.account_called(name).await?;
        let factors: Vec<String> = self.linkable_factors().into_iter().map(|(name, _)| name).collect();
        let edit = |account: &mut Account| {
            let before = account.linked.len();
            account.linked.retain(|person| person.source.as_str() != provider);
            if account.linked.len() == before {
                return Edit::Leave(false);
            }
            let is_left = |person: &PersonId| factors.iter().any(|name| name == person.source.as_str());
            if !account.linked.iter().any(is_left) {
                account.take_away(Method::External, None);
            }
            account.factors_changed();
            Edit::Write(true)
        };
        match self.store.update_account(account.id, edit).await? {
            Some(Ok(true)) => {}
            Some(Ok(false)) => return Err(BadLink::NotThere(provider.to_owned()).into()),
            Some(Err(_)) | None => return Err(AccountError::Unknown(name.to_owned())),
        }
        self.audit.record(Event::ProviderUnlinked, Some(&account.name), actor, provider).await?;
        Ok(())
    }

    async fn account_called(&self, name: &str) -> Result<Account, AccountError> {
        self.store.account_by_login(name).await?.ok_or_else(|| AccountError::Unknown(name.to_owned()))
    }

    fn configured(&self, provider: &str) -> Result<crate::config::Provider, AccountError> {
        let config = self.context.config();
        let found = config.providers.iter().find(|one| one.name == provider).cloned();
        found.ok_or_else(|| BadLink::NoProvider(provider.to_owned()).into())
    }
}
