//! Claims are looked at again while a session goes on: a group that was taken away, or a person who may no longer be here, takes effect
//! within `refresh`. While the provider is away sessions go on for `max_stale`; a session without a refresh token ends after that.

use std::sync::Arc;
use std::time::Duration;

use super::registry::Providers;
use super::sign_in::ProviderSignIn;
use crate::base::{Secret, SessionId, Time};
use crate::login::ProviderSession;
use crate::service::refused::Refused;
use crate::source::provider::{Provider, ProviderError};

/// What sealed tokens are bound to.
pub(super) const OWNER: &[u8] = b"provider token";
/// Between two looks at all sessions.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Sessions that are refreshed at the same time.
const AT_ONCE: usize = 8;

impl Providers {
    /// How long until sessions are looked at again: often enough for the shortest `refresh`.
    pub fn pause(&self) -> Duration {
        let shortest = self.all().iter().map(|provider| provider.config.refresh / 4).min().unwrap_or(LONGEST_PAUSE);
        shortest.clamp(Duration::from_millis(250), LONGEST_PAUSE)
    }
}

impl ProviderSignIn {
    /// Looks at every session that came from a provider and is due. Of several gateways, one asks.
    ///
    /// # Errors
    /// The store's.
    pub async fn refresh_all(self: &Arc<Self>) -> Result<(), Refused> {
        let mut due = self.store.provider_sessions(None).await?;
        let now = self.context.now();
        due.retain(|(_, half)| self.providers.get(&half.provider).is_none_or(|provider| now.since(half.asked) >= provider.config.refresh));
        let mut running = tokio::task::JoinSet::new();
        for (id, half) in due {
            while running.len() >= AT_ONCE {
                running.join_next().await;
            }
            let services = Arc::clone(self);
            running.spawn(async move {
                if let Err(error) = services.refresh_one(id, half).await {
                    tracing::warn!(session = %id, %error, "a session could not be looked at again");
                }
            });
        }
        while running.join_next().await.is_some() {}
        Ok(())
    }

    async fn refresh_one(&self, id: SessionId, half: ProviderSession) -> Result<(), Refused> {
        let now = self.context.now();
        if self.store.session(id).await?.is_none() {
            return Ok(());
        }
        let Some(provider) = self.providers.get(&half.provider) else {
            return self.end_from_provider(id, "the provider is no longer in the configuration").await.map(drop);
        };
        // The one gateway whose mark is taken asks.
        let claimed = ProviderSession { asked: now, ..half.clone() };
        if !self.store.replace_provider_session(id, &half, &claimed).await? {
            return Ok(());
        }
        let Some(token) = self.refresh_token(&claimed) else { return self.end_if_stale(id, &claimed, &provider, now).await };
        match provider.refresh(&token, &claimed.sub, now).await {
            Ok((person, renewed)) => self.confirmed(id, claimed, &provider, person, renewed).await,
            Err(error) if error.is_invalid_grant() => self.end_from_provider(id, "the provider has ended it").await.map(drop),
            Err(error) => self.unconfirmed(id, &claimed, &provider, &error, now).await,
        }
    }

    fn refresh_token(&self, half: &ProviderSession) -> Option<Secret> {
        let opened = self.store.keys().open(OWNER, half.refresh_token.as_ref()?).ok()?;
        String::from_utf8(opened.to_vec()).ok().map(Secret::new)
    }

    async fn confirmed(
        &self,
        id: SessionId,
        before: ProviderSession,
        provider: &Provider,
        person: Option<crate::source::provider::Person>,
        renewed: Option<Secret>,
    ) -> Result<(), Refused> {
        let sealed = renewed.map(|token| self.store.keys().seal(OWNER, token.expose().as_bytes())).transpose()?;
        let after =
            ProviderSession { confirmed: self.context.now(), refresh_token: sealed.or(before.refresh_token.clone()), ..before.clone() };
        self.store.replace_provider_session(id, &before, &after).await?;
        let (Some(person), Some(record)) = (person, self.store.session(id).await?) else { return Ok(()) };
        let Some(account) = self.store.account(record.user).await? else { return Ok(()) };
        match self.take_over(account, &provider.config, &person).await {
            // Nobody knows which groups are left: what rested on them cannot go on.
            Err(Refused::Provider(problem)) => self.end_from_provider(id, &problem.to_string()).await.map(drop),
            other => other.map(drop),
        }
    }

    async fn unconfirmed(
        &self,
        id: SessionId,
        half: &ProviderSession,
        provider: &Provider,
        error: &ProviderError,
        now: Time,
    ) -> Result<(), Refused> {
        tracing::warn!(provider = provider.config.name, %error, "a session's claims could not be refreshed");
        self.end_if_stale(id, half, provider, now).await
    }

    async fn end_if_stale(&self, id: SessionId, half: &ProviderSession, provider: &Provider, now: Time) -> Result<(), Refused> {
        if now.since(half.confirmed) < provider.config.max_stale {
            return Ok(());
        }
        self.end_from_provider(id, "not confirmed by the provider for too long").await.map(drop)
    }
}
