//! The second factor at a provider (`external`): after our own password, or for a session that steps up. It counts if it is the linked
//! person, who authenticated there after this began, in a way that the configuration names; an old session there is nothing.

use std::sync::Arc;

use super::answer::{Vouched, is_person};
use super::begin::{Ask, Begun};
use super::sign_in::ProviderSignIn;
use crate::account::Account;
use crate::base::{FlowId, UserId};
use crate::factor::Method;
use crate::login::ProviderPurpose;
use crate::policy::Proof;
use crate::service::audit::{Actor, Event};
use crate::service::client::Client;
use crate::service::enrolment::EnrolPage;
use crate::service::refused::ProviderProblem;
use crate::service::refused::Refused;
use crate::service::sessions::LiveSession;
use crate::service::sign_in::{Follows, Pending, Signed};
use crate::source::provider::linked::{ExternalFactor, external_factors};

impl ProviderSignIn {
    /// Whether somebody who has no method here need not set one up: the provider that signed them in can confirm them for the place where
    /// they are going.
    ///
    /// # Errors
    /// The store's.
    pub async fn confirms_elsewhere(&self, page: &EnrolPage) -> Result<bool, Refused> {
        let Some(session) = page.session.as_ref().filter(|_| page.flow.is_none()) else { return Ok(false) };
        let by = self.store.provider_session(session.id()).await?.map(|half| half.provider);
        let is_first = page.account.usable(self.context.config().mfa.methods).is_empty();
        Ok(is_first && !external_factors(&self.context.config(), &page.account, by.as_deref()).is_empty())
    }

    /// Sends somebody at the second step to a provider.
    ///
    /// # Errors
    /// [`Refused::NotOffered`] if that provider cannot be asked for this person's second factor.
    pub async fn begin_second_factor(
        &self,
        pending: &Pending,
        provider: Option<&str>,
        rd: &str,
        client: &Client,
    ) -> Result<Begun, Refused> {
        let wanted = |factor: &&ExternalFactor| provider.is_none_or(|name| factor.name == name);
        let factor = pending.external.iter().find(wanted).ok_or(Refused::NotOffered(Method::External))?;
        self.failures.refuse_locked(&pending.account, client, self.context.now())?;
        let flow = self.one_time_codes.flow_of(pending, client).await?;
        let ask = Ask {
            provider: &factor.name,
            purpose: ProviderPurpose::Second { user: pending.account.id, epoch: pending.account.epoch },
            flow: Some(flow.id),
            rd,
            second_factor: true,
            max_age: Some(0),
            login_hint: hint(&pending.account),
        };
        self.begin(ask, client).await
    }

    pub(super) async fn second_factor_shown(
        &self,
        vouched: &Vouched,
        user: UserId,
        epoch: u32,
        flow: Option<FlowId>,
        session: Option<Arc<LiveSession>>,
        client: &Client,
    ) -> Result<Signed, Refused> {
        let pending = self.second_factor.pending(flow, session).await?;
        let account = &pending.account;
        if account.id != user || account.epoch != epoch {
            return Err(Refused::Gone);
        }
        if !pending.external.iter().any(|factor| factor.name == vouched.provider.config.name) {
            return Err(Refused::NotOffered(Method::External));
        }
        let wrong = if !is_person(account, &vouched.provider, &vouched.person) {
            Some(ProviderProblem::SomebodyElse)
        } else if !vouched.person.evidence.is_since(vouched.request.created, crate::source::provider::SKEW) {
            Some(ProviderProblem::NoSecondFactor)
        } else {
            None
        };
        if let Some(problem) = wrong {
            self.audit.record(Event::SecondWrong, Some(&account.name), Actor::User(client), Method::External.name()).await?;
            return Err(Refused::Provider(problem));
        }
        self.external_shown(pending, vouched, client).await
    }

    async fn external_shown(&self, pending: Pending, vouched: &Vouched, client: &Client) -> Result<Signed, Refused> {
        let now = self.context.now();
        let account = self
            .failures
            .attempt(&pending, client, |account| {
                if let Some(external) = &mut account.external {
                    external.last_used = Some(now);
                }
                account.last_method = Some(Method::External);
                Ok(())
            })
            .await?;
        if let Some(flow) = &pending.flow
            && !self.store.take_flow(flow).await?
        {
            return Err(Refused::Gone);
        }
        let at = vouched.person.evidence.second_factor_at(now).unwrap_or_default();
        let proof = Proof::Second { method: Method::External, at };
        let old = pending.session.as_ref().map(|session| session.record());
        let follows = match (old.as_ref(), self.began_there(&pending, vouched).await?) {
            (Some(record), true) => Follows::Confirmed(record, &vouched.half),
            (None, true) => Follows::Provider(&vouched.half),
            (old, false) => Follows::of(old, pending.flow.as_ref()),
        };
        self.finish.sign_in(account, proof, client, follows, false).await
    }

    /// Whether the session, or the sign-in, began with this very person at this provider.
    async fn began_there(&self, pending: &Pending, vouched: &Vouched) -> Result<bool, Refused> {
        let half = match (&pending.session, &pending.flow) {
            (Some(session), _) => self.store.provider_session(session.id()).await?,
            (None, flow) => flow.as_ref().and_then(|flow| flow.provider.clone()),
        };
        Ok(half.is_some_and(|half| half.provider == vouched.half.provider && half.sub == vouched.half.sub))
    }
}

/// What the provider may write into its name field.
pub(super) fn hint(account: &Account) -> Option<String> {
    Some(if account.email.is_empty() { account.name.clone() } else { account.email.clone() })
}
