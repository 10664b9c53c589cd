//! The providers of the configuration in force, each with what is known of it. A reload keeps those that stay as they are; one that is
//! away at the start is asked again later.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::base::{Clock, Time};
use crate::config::{self, Config, Rate};
use crate::limit::RateLimiter;
use crate::source::provider::Provider;

/// How often one address may begin at a provider: each leaves a record behind for a quarter of an hour.
const STARTS: Rate = Rate { count: 120, per: std::time::Duration::from_secs(60) };

/// All providers.
pub struct Providers {
    current: ArcSwap<HashMap<String, Arc<Provider>>>,
    pub(super) starts: RateLimiter,
}

/// How a provider is, for metrics and the overview.
#[derive(Clone, Debug)]
pub struct Report {
    pub name: String,
    pub up: bool,
}

impl Providers {
    pub fn new(config: &Config, clock: &Clock) -> Self {
        let providers = Self { current: ArcSwap::default(), starts: RateLimiter::new(STARTS, clock) };
        providers.reconfigure(config);
        providers
    }

    /// Another configuration from now on.
    pub fn reconfigure(&self, config: &Config) {
        let before = self.current.load_full();
        let made = config.providers.iter().filter_map(|wanted| {
            let kept = before.get(&wanted.name).filter(|kept| kept.config.is_same(wanted)).cloned();
            kept.or_else(|| make(wanted)).map(|provider| (wanted.name.clone(), provider))
        });
        self.current.store(Arc::new(made.collect()));
    }

    pub fn get(&self, name: &str) -> Option<Arc<Provider>> {
        self.current.load().get(name).cloned()
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<Arc<Provider>> {
        let mut all: Vec<_> = self.current.load().values().cloned().collect();
        all.sort_by(|a, b| a.config.name.cmp(&b.config.name));
        all
    }

    /// Where forms may lead, for a page's policy: the providers' own addresses.
    pub fn origins(&self) -> Vec<String> {
        let mut origins: Vec<String> = self.all().iter().flat_map(|provider| provider.origins()).collect();
        origins.sort();
        origins.dedup();
        origins
    }

    pub fn reports(&self) -> Vec<Report> {
        self.all().iter().map(|provider| Report { name: provider.config.name.clone(), up: provider.is_up() }).collect()
    }

    /// Asks every provider what it is; what fails is logged and tried again.
    pub async fn look(&self, now: Time) {
        for provider in self.all() {
            if let Err(error) = provider.metadata(now).await {
                tracing::warn!(provider = provider.config.name, %error, "the provider cannot be used for now");
            }
        }
    }
}

/// Its certificates were read by the check; if they cannot be used all the same, there is no such provider.
fn make(wanted: &config::Provider) -> Option<Arc<Provider>> {
    let made = Provider::new(Arc::new(wanted.clone()));
    made.inspect_err(|error| tracing::error!(provider = wanted.name, %error, "the provider cannot be used")).ok().map(Arc::new)
}
