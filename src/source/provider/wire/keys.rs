//! A provider's keys, kept. A token that names an unknown key has them fetched again, at most once a minute, however many such
//! tokens a stranger sends; keys in use are looked at again every hour, so that one which the provider withdrew is forgotten.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::Mutex;

use super::endpoint::Endpoint;
use super::http::{Answer, HttpClient};
use crate::base::Time;
use crate::source::provider::error::ProviderError;
use crate::source::provider::token::{KeySet, TokenFault};

const WHAT: &str = "keys";
/// Between two fetches that unknown keys cause.
const BETWEEN: Duration = Duration::from_secs(60);
/// How long keys are used before they are looked at again.
const GOOD_FOR: Duration = Duration::from_secs(3600);
/// How long keys are used while they cannot be looked at.
const NO_LONGER_THAN: Duration = Duration::from_secs(24 * 3600);

/// The keys that were fetched, and when.
#[derive(Debug)]
struct Fetched {
    keys: KeySet,
    at: Time,
}

/// The kept keys of one provider.
#[derive(Debug, Default)]
pub struct KeyCache {
    fetched: ArcSwapOption<Fetched>,
    /// The last fetch that was not the first one; held while one is under way, so that many ask once.
    again: Mutex<Option<Time>>,
}

impl KeyCache {
    /// Verifies with the kept keys; if none fits, once more with fresh ones.
    ///
    /// # Errors
    /// What `check` finds, or why no keys could be had.
    pub async fn verify<T>(
        &self,
        http: &HttpClient,
        from: &Endpoint,
        now: Time,
        check: impl Fn(&KeySet) -> Result<T, TokenFault>,
    ) -> Result<T, ProviderError> {
        let kept = self.current(http, from, now).await?;
        match check(&kept.keys) {
            Err(TokenFault::UnknownKey) => {}
            verdict => return Ok(verdict?),
        }
        let fresh = self.fetch_again(http, from, now, &kept).await?;
        Ok(check(&fresh.keys)?)
    }

    async fn current(&self, http: &HttpClient, from: &Endpoint, now: Time) -> Result<Arc<Fetched>, ProviderError> {
        let Some(kept) = self.fetched.load_full() else { return self.fetch_first(http, from, now).await };
        if now.since(kept.at) <= GOOD_FOR {
            return Ok(kept);
        }
        match self.fetch_again(http, from, now, &kept).await {
            Err(error) if now.since(kept.at) > NO_LONGER_THAN => Err(error),
            Err(_) => Ok(kept),
            fresh => fresh,
        }
    }

    async fn fetch_first(&self, http: &HttpClient, from: &Endpoint, now: Time) -> Result<Arc<Fetched>, ProviderError> {
        let _one = self.again.lock().await;
        match self.fetched.load_full() {
            Some(kept) => Ok(kept),
            None => self.fetch(http, from, now).await,
        }
    }

    /// Fetches, unless somebody did since `seen` was read or within the last minute.
    async fn fetch_again(&self, http: &HttpClient, from: &Endpoint, now: Time, seen: &Arc<Fetched>) -> Result<Arc<Fetched>, ProviderError> {
        let mut last = self.again.lock().await;
        if let Some(kept) = self.fetched.load_full().filter(|kept| !Arc::ptr_eq(kept, seen)) {
            return Ok(kept);
        }
        if last.is_some_and(|last| last.is_fresh(BETWEEN, now)) {
            return Ok(Arc::clone(seen));
        }
        *last = Some(now);
        self.fetch(http, from, now).await
    }

    async fn fetch(&self, http: &HttpClient, from: &Endpoint, now: Time) -> Result<Arc<Fetched>, ProviderError> {
        let Answer { status, body } = http.get(WHAT, from, None).await?;
        if !status.is_success() {
            return Err(ProviderError::unusable(WHAT, format!("{from} answered {}", status.as_u16())));
        }
        let keys = KeySet::read(&body).ok_or_else(|| ProviderError::unusable(WHAT, format!("{from} is not a set of keys")))?;
        if keys.is_empty() {
            return Err(ProviderError::unusable(WHAT, format!("{from} has no key that can verify an allowed algorithm")));
        }
        let fetched = Arc::new(Fetched { keys, at: now });
        self.fetched.store(Some(Arc::clone(&fetched)));
        Ok(fetched)
    }

    /// How many keys are kept, for `provider test`.
    pub fn len(&self) -> usize {
        self.fetched.load().as_ref().map_or(0, |fetched| fetched.keys.len())
    }
}
