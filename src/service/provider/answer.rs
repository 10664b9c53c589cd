//! Back from a provider: the question is found by its state, must be this browser's, and is used up before anything is believed. Of many
//! answers to one question, one counts.

use std::sync::Arc;

use super::sign_in::ProviderSignIn;
use crate::account::{Account, Verified};
use crate::base::FlowId;
use crate::login::ProviderSession;
use crate::login::{ProviderPurpose, ProviderRequest};
use crate::policy::Proof;
use crate::service::audit::{Actor, Event};
use crate::service::client::Client;
use crate::service::refused::ProviderProblem;
use crate::service::refused::Refused;
use crate::service::sessions::LiveSession;
use crate::service::sign_in::{Entry, Follows, Signed};
use crate::source::provider::linked::allows_external;
use crate::source::provider::linked::{person_at, person_id};
use crate::source::provider::{Answer, Person, Provider, ProviderError, SKEW, SignedIn};

/// What an answer led to.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "made once for a sign-in, and taken apart at once")]
pub enum Answered {
    /// As after a right password.
    Entered(Entry),
    /// The second factor was shown.
    Second(Signed),
    /// The account is linked; what the page shows next is the enrolment's.
    Linked(Box<Linked>),
    /// The account is linked by its owner, who goes on being signed in.
    OwnLinked,
}

/// An account that is linked, and whether recovery codes are to be read.
#[derive(Debug)]
pub struct Linked {
    pub account: Account,
    pub confirmed: crate::service::Confirmed,
}

/// Somebody whom the provider vouches for, and the question that they answer.
pub(super) struct Vouched {
    pub provider: Arc<Provider>,
    pub request: ProviderRequest,
    pub person: Person,
    pub half: ProviderSession,
}

impl Vouched {
    /// The provider says that the person authenticated there before this began; `false` if it does not say when.
    pub(super) fn is_an_old_sign_in(&self) -> bool {
        self.person.evidence.auth_time.is_some_and(|at| at < self.request.created.minus(SKEW))
    }
}

impl ProviderSignIn {
    /// The question that an answer belongs to, if it is this browser's. It is not used up: another browser spends nothing of the one that asked.
    ///
    /// # Errors
    /// [`ProviderProblem::Stale`].
    pub async fn question(&self, provider: &str, state: &str, flow: Option<FlowId>) -> Result<ProviderRequest, Refused> {
        let stale = || Refused::Provider(ProviderProblem::Stale);
        let request = self.store.provider_request(state).await?.ok_or_else(stale)?;
        let is_ours = request.provider == provider
            && request.secrets.is_answered_by(state)
            && flow == Some(request.flow)
            && self.context.now() < request.expires;
        if is_ours { Ok(request) } else { Err(stale()) }
    }

    /// Takes an answer to a question of this browser's.
    ///
    /// # Errors
    /// Why not; the question is used up all the same.
    pub async fn answer(
        &self,
        request: ProviderRequest,
        answer: Answer<'_>,
        flow: Option<FlowId>,
        session: Option<Arc<LiveSession>>,
        client: &Client,
    ) -> Result<Answered, Refused> {
        let provider = self.provider(&request.provider)?;
        if !self.store.take_provider_request(request.secrets.state.expose()).await? || provider.config.issuer != request.issuer {
            return Err(Refused::Provider(ProviderProblem::Stale));
        }
        let signed_in = provider.sign_in(answer, &request.secrets, &request.redirect_uri, self.context.now()).await;
        let SignedIn { person, id_token, refresh_token } = match signed_in {
            Ok(signed_in) => signed_in,
            Err(error) => {
                self.audit.record(Event::ProviderRefused, None, Actor::User(client), format!("{}: {error}", provider.config.name)).await?;
                return Err(self.failed(&provider, &error));
            }
        };
        let half = self.other_half(&provider, &request, &person, &id_token, refresh_token.as_ref())?;
        let vouched = Vouched { provider, request, person, half };
        let name = vouched.provider.config.name.clone();
        let subject = vouched.person.subject.clone();
        let outcome = self.believe(vouched, flow, session, client).await;
        if let Err(Refused::Provider(problem)) = &outcome {
            self.audit.record(Event::ProviderRefused, None, Actor::User(client), format!("{name}: {subject}: {problem}")).await?;
        }
        outcome
    }

    async fn believe(
        &self,
        vouched: Vouched,
        flow: Option<FlowId>,
        session: Option<Arc<LiveSession>>,
        client: &Client,
    ) -> Result<Answered, Refused> {
        match vouched.request.purpose.clone() {
            ProviderPurpose::SignIn => self.enter(&vouched, None, client).await.map(Answered::Entered),
            ProviderPurpose::Again { user } => self.enter(&vouched, Some(user), client).await.map(Answered::Entered),
            ProviderPurpose::Second { user, epoch } => {
                self.second_factor_shown(&vouched, user, epoch, flow, session, client).await.map(Answered::Second)
            }
            ProviderPurpose::Link { user, epoch, session: of } => self
                .link_answered(&vouched, (user, epoch), of, flow, session, client)
                .await
                .map(|linked| Answered::Linked(Box::new(linked))),
            ProviderPurpose::OwnLink { user, epoch, session: of } => {
                self.own_link_answered(&vouched, (user, epoch), of, session, client).await.map(|()| Answered::OwnLinked)
            }
            ProviderPurpose::SetUp { user, epoch, link } => {
                self.set_up_answered(&vouched, (user, epoch), &link, client).await?;
                self.enter(&vouched, None, client).await.map(Answered::Entered)
            }
        }
    }

    /// A sign-in by this provider, as far as its word reaches; `again`: by the one who is signed in, and just now.
    async fn enter(&self, vouched: &Vouched, again: Option<crate::base::UserId>, client: &Client) -> Result<Entry, Refused> {
        let refused = |problem| Err(Refused::Provider(problem));
        if !vouched.provider.config.uses.sign_in {
            return refused(ProviderProblem::Refused);
        }
        let evidence = &vouched.person.evidence;
        if again.is_some() && vouched.is_an_old_sign_in() {
            return refused(ProviderProblem::Interaction);
        }
        let account = self.account_of_person(vouched, client).await?;
        // A provider speaks for its own people and for this gateway's; whoever comes from elsewhere must still be there.
        let is_its_own =
            account.source.as_ref().is_some_and(|membership| membership.person.source.as_str() == vouched.provider.config.name);
        let account = Verified::new(if is_its_own { account } else { self.source_refresh.ask(account).await? });
        if again.is_some_and(|user| user != account.id) {
            return refused(ProviderProblem::SomebodyElse);
        }
        if account.is_closed() || account.service {
            return refused(ProviderProblem::Closed);
        }
        // Without a time nothing says that it was shown just now: a factor of this gateway's is asked for instead, if there is one.
        let counts = allows_external(&account) && (again.is_none() || evidence.auth_time.is_some());
        let proof = match evidence.second_factor_at(self.context.now()).filter(|_| counts) {
            Some(at) => Proof::Second { method: crate::factor::Method::External, at },
            None => Proof::Password,
        };
        match proof {
            Proof::Second { .. } => {
                self.finish.sign_in(account, proof, client, Follows::Provider(&vouched.half), false).await.map(Entry::SignedIn)
            }
            Proof::Password | Proof::TrustedBrowser => {
                self.password.after_first_factor(account, (Some(&vouched.half), false), again.is_some(), client).await
            }
        }
    }

    fn other_half(
        &self,
        provider: &Provider,
        request: &ProviderRequest,
        person: &Person,
        id_token: &crate::base::Secret,
        refresh_token: Option<&crate::base::Secret>,
    ) -> Result<ProviderSession, Refused> {
        let seal = |token: &crate::base::Secret| self.store.keys().seal(super::refresh::OWNER, token.expose().as_bytes());
        let now = self.context.now();
        Ok(ProviderSession {
            provider: provider.config.name.clone(),
            sub: person.sub.clone(),
            sid: person.session.clone(),
            authenticated: person.evidence.auth_time,
            began: request.created,
            id_token: seal(id_token)?,
            refresh_token: refresh_token.map(seal).transpose()?,
            confirmed: now,
            asked: now,
        })
    }

    /// What a provider's failure is told as; the cause goes into the log.
    pub(super) fn failed(&self, provider: &Provider, error: &ProviderError) -> Refused {
        tracing::warn!(provider = provider.config.name, %error, "the provider's help was not to be had");
        Refused::Provider(match error {
            ProviderError::Away { .. } => ProviderProblem::Away,
            ProviderError::Refused(refusal) => match refusal.code.as_str() {
                "access_denied" => ProviderProblem::Denied,
                "login_required"
                | "interaction_required"
                | "consent_required"
                | "account_selection_required"
                | "unmet_authentication_requirements" => ProviderProblem::Interaction,
                "temporarily_unavailable" | "server_error" => ProviderProblem::Away,
                _ => ProviderProblem::Refused,
            },
            ProviderError::Token(fault) if fault.is_about_time() => ProviderProblem::Clock,
            ProviderError::Unusable { .. } | ProviderError::Token(_) => ProviderProblem::Refused,
        })
    }
}

/// Whether an account is this person.
pub(super) fn is_person(account: &Account, provider: &Provider, person: &Person) -> bool {
    person_at(account, &provider.config) == Some(&person_id(&provider.config, &person.subject))
}
