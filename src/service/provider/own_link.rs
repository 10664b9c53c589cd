//! Linking in order to sign in: by somebody who is signed in and has just shown a second factor, or on the strength of a set-up link. What
//! was allowed when it began must still be so when the provider answers.

use std::sync::Arc;

use super::answer::Vouched;
use super::begin::{Ask, Begun};
use super::second_factor::hint;
use super::sign_in::ProviderSignIn;
use crate::account::Account;
use crate::base::{FlowId, Secret, SessionId, UserId};
use crate::factor::Method;
use crate::login::ProviderPurpose;
use crate::policy::{Demand, Level};
use crate::service::client::Client;
use crate::service::refused::{EnrolProblem, ProviderProblem, Refused};
use crate::service::sessions::LiveSession;
use crate::source::provider::linked::{person_at, person_id, subject_of};
use crate::store::LinkKind;

/// What a set-up link's token is sealed for while its owner is at the provider.
const OWNER: &[u8] = b"set-up link at a provider";

/// A provider that people sign in with, and who somebody is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnLink {
    pub name: String,
    pub title: String,
    /// `None`: not linked.
    pub subject: Option<String>,
}

impl ProviderSignIn {
    /// The providers that a local account can be linked to, to sign in with; none for whom a source keeps.
    pub fn own_links(&self, account: &Account) -> Vec<OwnLink> {
        let config = self.context.config();
        let providers = config.providers.iter().filter(|provider| provider.uses.sign_in && account.source.is_none());
        let link = |provider: &crate::config::Provider| OwnLink {
            name: provider.name.clone(),
            title: provider.title.clone(),
            subject: person_at(account, provider).map(|person| subject_of(person).to_owned()),
        };
        providers.map(link).collect()
    }

    /// Whether a session has shown a second factor lately enough for its owner to say who they are elsewhere: neither a trusted browser
    /// nor a recovery code.
    pub fn may_link(&self, session: &LiveSession) -> bool {
        let factors = Some(Method::ENROLLABLE.into_iter().collect());
        let demand = Demand { level: Level::TwoFactor, factors, max_age: Some(self.context.config().admin.max_age) };
        demand.is_met_by(session.proof(), self.context.now())
    }

    /// Sends somebody who is signed in to the provider that they want to sign in with.
    ///
    /// # Errors
    /// If no second factor was shown lately, or that provider cannot be linked.
    pub async fn begin_own_link(
        &self,
        session: &LiveSession,
        provider: &str,
        (flow, rd): (Option<FlowId>, &str),
        client: &Client,
    ) -> Result<Begun, Refused> {
        if !self.may_link(session) {
            return Err(Refused::Enrol(EnrolProblem::NotFresh));
        }
        let account = self.sessions.account_of(session).await?;
        let purpose = ProviderPurpose::OwnLink { user: account.id, epoch: account.epoch, session: session.id() };
        self.begin_link(&account, provider, purpose, (flow, rd), client).await
    }

    pub(super) async fn own_link_answered(
        &self,
        vouched: &Vouched,
        (user, epoch): (UserId, u32),
        of: SessionId,
        session: Option<Arc<LiveSession>>,
        client: &Client,
    ) -> Result<(), Refused> {
        let session = session.filter(|session| session.id() == of && session.user() == user).ok_or(Refused::Gone)?;
        if vouched.is_an_old_sign_in() {
            return Err(Refused::Provider(ProviderProblem::Interaction));
        }
        let account = self.sessions.account_of(&session).await?;
        self.add_link(&account, vouched, (epoch, "by its owner"), client).await.map(drop)
    }

    /// Sends somebody who holds a set-up link to the provider, in place of choosing a password. The link is used up by the answer.
    ///
    /// # Errors
    /// [`Refused::Gone`] if the link is not good.
    pub async fn begin_set_up(
        &self,
        token: &Secret,
        provider: &str,
        (flow, rd): (Option<FlowId>, &str),
        client: &Client,
    ) -> Result<Begun, Refused> {
        let account = self.links.account_at(token.expose(), LinkKind::Setup, client).await?;
        let link = self.store.keys().seal(OWNER, token.expose().as_bytes())?;
        let purpose = ProviderPurpose::SetUp { user: account.id, epoch: account.epoch, link };
        self.begin_link(&account, provider, purpose, (flow, rd), client).await
    }

    pub(super) async fn set_up_answered(
        &self,
        vouched: &Vouched,
        (user, epoch): (UserId, u32),
        link: &str,
        client: &Client,
    ) -> Result<(), Refused> {
        if vouched.is_an_old_sign_in() {
            return Err(Refused::Provider(ProviderProblem::Interaction));
        }
        let token = self.store.keys().open(OWNER, link).map_err(|_| Refused::Gone)?;
        let token = std::str::from_utf8(&token).map_err(|_| Refused::Gone)?;
        let account = self.links.account(token, LinkKind::Setup).await?;
        if account.id != user || account.epoch != epoch {
            return Err(Refused::Gone);
        }
        // Looked at first: a person who is somebody else's here does not cost the link.
        let person = person_id(&vouched.provider.config, &vouched.person.subject);
        if self.store.account_by_person(&person).await?.is_some() {
            return Err(Refused::Provider(ProviderProblem::Taken));
        }
        self.links.use_up(token, LinkKind::Setup, &account, client).await?;
        self.add_link(&account, vouched, (epoch, "by a set-up link"), client).await.map(drop)
    }

    async fn begin_link(
        &self,
        account: &Account,
        provider: &str,
        purpose: ProviderPurpose,
        (flow, rd): (Option<FlowId>, &str),
        client: &Client,
    ) -> Result<Begun, Refused> {
        let is_free = |link: &OwnLink| link.name == provider && link.subject.is_none();
        if !self.own_links(account).iter().any(is_free) {
            return Err(Refused::Provider(ProviderProblem::Unknown));
        }
        let ask = Ask { provider, purpose, flow, rd, second_factor: false, max_age: Some(0), login_hint: hint(account) };
        self.begin(ask, client).await
    }
}
