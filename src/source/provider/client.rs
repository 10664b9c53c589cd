//! One provider, as the gateway talks to it: what it says of itself, kept and looked at again; a sign-in, a refresh, a logout token.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::Mutex;

use super::error::{ProviderError, Refusal};
use super::person::{self, Person};
use super::token::{self, Expected, IdToken, Issued, LogoutToken, verify_id_token, verify_logout_token};
use super::wire::discovery::{self, Metadata};
use super::wire::endpoint::Endpoint;
use super::wire::request::{self, Demand};
use super::wire::{exchange, http, keys};

use crate::base::{Secret, Time};
use crate::config;
use crate::login::ProviderSecrets;

/// What discovery said is looked at again after this.
const GOOD_FOR: Duration = Duration::from_secs(3600);
/// Between two attempts to reach a provider that is away, for strangers who press its button.
const BETWEEN: Duration = Duration::from_secs(5);

/// One provider, and what is known of it at the moment.
#[derive(Debug)]
pub struct Provider {
    pub config: Arc<config::Provider>,
    pub(super) http: http::HttpClient,
    known: ArcSwapOption<(Metadata, Time)>,
    /// The last attempt and how it failed; held while one is under way, so that many ask once.
    attempt: Mutex<Option<(Time, ProviderError)>>,
    failing: AtomicBool,
    keys: keys::KeyCache,
}

/// What a sign-in at the provider gave.
#[derive(Debug)]
pub struct SignedIn {
    pub person: Person,
    /// Goes back when the person signs out, so that the provider asks nothing.
    pub id_token: Secret,
    pub refresh_token: Option<Secret>,
}

/// The answer that the browser brought back.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answer<'a> {
    pub code: &'a str,
    /// RFC 9207.
    pub issuer: Option<&'a str>,
    pub error: &'a str,
    pub error_description: &'a str,
}

impl Provider {
    /// # Errors
    /// If its authorities are not certificates.
    pub fn new(config: Arc<config::Provider>) -> Result<Self, ProviderError> {
        let http = http::HttpClient::new(config.ca.as_ref().map(|pem| pem.as_slice()))?;
        Ok(Self {
            config,
            http,
            known: ArcSwapOption::empty(),
            attempt: Mutex::default(),
            failing: AtomicBool::new(false),
            keys: keys::KeyCache::default(),
        })
    }

    /// Whether it answered when it was asked last.
    pub fn is_up(&self) -> bool {
        self.known.load().is_some() && !self.failing.load(Ordering::Relaxed)
    }

    /// `scheme://host[:port]` of the addresses that browsers are sent to.
    pub fn origins(&self) -> Vec<String> {
        let known = self.known.load();
        let announced = known.iter().flat_map(|known| [Some(&known.0.authorization), known.0.end_session.as_ref()]).flatten();
        let issuer = Endpoint::issuer(&self.config.issuer).ok().map(|issuer| issuer.origin());
        announced.map(Endpoint::origin).chain(issuer).collect()
    }

    /// What it says of itself: kept for an hour, and used on while it is away.
    ///
    /// # Errors
    /// If it was never reached, and not now either.
    pub async fn metadata(&self, now: Time) -> Result<Metadata, ProviderError> {
        let known = self.known.load_full();
        if let Some(known) = known.as_ref().filter(|known| now.since(known.1) <= GOOD_FOR) {
            return Ok(known.0.clone());
        }
        match (self.discover(now).await, known) {
            (Err(_), Some(known)) => Ok(known.0.clone()),
            (fresh, _) => fresh,
        }
    }

    /// Asks it now, unless somebody did a moment ago.
    ///
    /// # Errors
    /// If it cannot be reached or used.
    pub async fn discover(&self, now: Time) -> Result<Metadata, ProviderError> {
        let mut attempt = self.attempt.lock().await;
        if let Some(known) = self.known.load_full().filter(|known| known.1.is_fresh(BETWEEN, now)) {
            return Ok(known.0.clone());
        }
        if let Some((at, error)) = attempt.as_ref().filter(|(at, _)| at.is_fresh(BETWEEN, now)) {
            tracing::debug!(provider = self.config.name, %at, "asked a moment ago");
            return Err(error.clone());
        }
        let found = discovery::discover(&self.http, &self.config.issuer).await;
        self.failing.store(found.is_err(), Ordering::Relaxed);
        match found {
            Ok(metadata) => {
                *attempt = None;
                self.known.store(Some(Arc::new((metadata.clone(), now))));
                Ok(metadata)
            }
            Err(error) => {
                *attempt = Some((now, error.clone()));
                Err(error)
            }
        }
    }

    /// Where the browser goes.
    ///
    /// # Errors
    /// If the provider is away.
    pub async fn authorization_url(
        &self,
        redirect_uri: &str,
        secrets: &ProviderSecrets,
        demand: &Demand,
        now: Time,
    ) -> Result<String, ProviderError> {
        let metadata = self.metadata(now).await?;
        Ok(request::authorization_url(&self.config, &metadata, redirect_uri, secrets, demand))
    }

    /// Who the browser's answer is about. The caller has compared the state, and lets it be used once.
    ///
    /// # Errors
    /// The first thing that is not right.
    pub async fn sign_in(
        &self,
        answer: Answer<'_>,
        secrets: &ProviderSecrets,
        redirect_uri: &str,
        now: Time,
    ) -> Result<SignedIn, ProviderError> {
        let metadata = self.metadata(now).await?;
        self.is_its_own(answer, &metadata)?;
        let code = Secret::new(answer.code);
        let grant = exchange::Grant::Code { code: &code, verifier: &secrets.verifier, redirect_uri };
        let tokens = exchange::tokens(&self.http, &self.config, &metadata, grant).await?;
        let id_token = tokens.id_token.ok_or_else(|| ProviderError::unusable("token request", "the answer holds no ID token"))?;
        let issued = Issued::ForCode { nonce: &secrets.nonce, access_token: tokens.access_token.as_ref() };
        let token = self.verify(&metadata, &id_token, issued, now).await?;
        let userinfo = exchange::userinfo(&self.http, &metadata, tokens.access_token.as_ref(), &token.subject).await?;
        let person = person::person(&token, &userinfo, &self.config)?;
        Ok(SignedIn { person, id_token, refresh_token: tokens.refresh_token })
    }

    /// Who somebody is now, by a refresh token. The answer's refresh token replaces it, if there is one.
    ///
    /// # Errors
    /// [`ProviderError::is_invalid_grant`] if the provider has ended it.
    pub async fn refresh(&self, refresh_token: &Secret, sub: &str, now: Time) -> Result<(Option<Person>, Option<Secret>), ProviderError> {
        let metadata = self.metadata(now).await?;
        let grant = exchange::Grant::Refresh { token: refresh_token };
        let tokens = exchange::tokens(&self.http, &self.config, &metadata, grant).await?;
        let person = self.refreshed(&metadata, &tokens, sub, now).await?;
        Ok((person, tokens.refresh_token))
    }

    /// Without a new ID token, the userinfo answer speaks alone; without that too, only that the sign-in there goes on.
    async fn refreshed(
        &self,
        metadata: &Metadata,
        tokens: &exchange::Tokens,
        sub: &str,
        now: Time,
    ) -> Result<Option<Person>, ProviderError> {
        let userinfo = exchange::userinfo(&self.http, metadata, tokens.access_token.as_ref(), sub).await?;
        let token = match &tokens.id_token {
            Some(id_token) => self.verify(metadata, id_token, Issued::ForRefresh { subject: sub }, now).await?,
            None if userinfo == token::Claims::default() => return Ok(None),
            None => IdToken { subject: sub.to_owned(), session: None, auth_time: None, claims: userinfo.clone() },
        };
        Ok(Some(person::person(&token, &userinfo, &self.config)?))
    }

    async fn verify(&self, metadata: &Metadata, token: &Secret, issued: Issued<'_>, now: Time) -> Result<IdToken, ProviderError> {
        let expected = self.expected(now);
        self.keys.verify(&self.http, &metadata.keys, now, |keys| verify_id_token(token.expose(), keys, expected, issued)).await
    }

    /// Whose sessions the provider has ended.
    ///
    /// # Errors
    /// If the token is not right.
    pub async fn logout(&self, token: &str, now: Time) -> Result<LogoutToken, ProviderError> {
        let (metadata, expected) = (self.metadata(now).await?, self.expected(now));
        self.keys.verify(&self.http, &metadata.keys, now, |keys| verify_logout_token(token, keys, expected)).await
    }

    fn expected(&self, now: Time) -> Expected<'_> {
        Expected { issuer: &self.config.issuer, client_id: &self.config.client_id, now }
    }

    /// An answer of another provider's, or an error, is not taken to the token endpoint (RFC 9207 section 2.4).
    fn is_its_own(&self, answer: Answer<'_>, metadata: &Metadata) -> Result<(), ProviderError> {
        let named = answer.issuer.map_or(!metadata.names_itself, |issuer| issuer == self.config.issuer);
        if !named {
            return Err(token::TokenFault::Issuer.into());
        }
        if !answer.error.is_empty() {
            return Err(ProviderError::Refused(Refusal::new(answer.error, answer.error_description)));
        }
        if answer.code.is_empty() || answer.code.len() > 8192 {
            return Err(ProviderError::unusable("answer", "it holds no code"));
        }
        Ok(())
    }

    /// How many keys it has shown so far.
    pub fn keys_known(&self) -> usize {
        self.keys.len()
    }

    /// The address that ends its session, if it has one. `back` must be registered there.
    pub async fn end_session_url(&self, id_token: Option<&Secret>, back: &str, now: Time) -> Option<String> {
        let metadata = self.metadata(now).await.ok()?;
        request::end_session_url(&self.config, &metadata, id_token, back)
    }
}
