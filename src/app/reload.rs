//! Puts another configuration in force: all of it, or nothing.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError};

use super::pages;
use super::program::App;
use crate::account::{Account, SourceId};
use crate::base::UserId;
use crate::config::{Config, Problems};
use crate::gateway::Snapshot;
use crate::notify::{Notifier, Texts};
use crate::policy::Policy;
use crate::service::sessions::{SourceTimes, TimesOfSources};
use crate::service::sources::Sources;
use crate::store::{Store, StoreError};
use crate::view::Languages;

/// How many accounts are read at a time.
const AT_ONCE: usize = 1000;

impl App {
    /// Puts another checked configuration in force: routes and policy, the portal's prefix, limits of sessions, what users may enrol.
    /// Returns warnings: keys that were changed and count at the next start only.
    ///
    /// # Errors
    /// Where an upstream's certificates, an operator's texts, mail or SMS cannot be used, or the accounts of those who are signed in cannot be read; then nothing has changed.
    pub async fn reconfigure(&self, config: Arc<Config>) -> anyhow::Result<Vec<String>> {
        let policy = Arc::new(Policy::new(config.routes.clone(), &config.portal.prefix));
        let snapshot = Snapshot::new(config.clone(), policy)?;
        let (texts, languages) = wording(&config)?;
        // They count from the next start on, which must not fail on them.
        Notifier::check(config.mail.as_ref(), config.sms.as_ref())?;
        let router = pages::mount(&self.services, &languages, &config);
        let sources = Sources::build(&config, &self.services.clock)?;
        let times = times_of_sources(&self.services.store, &config).await?;
        let accounts = self.signed_in().await?;
        let fixed = self.started.fixed_until_restart(&config);
        self.services.live.reconfigure(config.session.clone(), config.mfa.clone());
        self.services.tokens.table().reconfigure(config.mfa.clone());
        self.services.reconfigure(config, sources);
        self.services.live.set_sources(times);
        self.services.notices.notifier.reword(texts);
        self.languages.store(languages);
        self.router.store(Arc::new(router));
        *self.health.lock().unwrap_or_else(PoisonError::into_inner) = snapshot.upstreams.watch(&self.work);
        self.snapshot.store(Arc::new(snapshot));
        self.judge_again(accounts);
        // Whoever came or changed between the reading and the swap; the store has just answered, and theirs is a moment's work.
        match self.signed_in().await {
            Ok(accounts) => self.judge_again(accounts),
            Err(e) => tracing::error!(error = %e, "accounts that changed during the reload keep the old settings until they change again"),
        }
        self.services.live.recheck();
        Ok(fixed.into_iter().map(|key| format!("{key} was changed and counts from the next start on")).collect())
    }

    /// The accounts of those who have sessions or tokens.
    async fn signed_in(&self) -> anyhow::Result<Vec<(UserId, Option<Account>)>> {
        let mut accounts = Vec::new();
        let users: HashSet<UserId> = self.services.live.users().into_iter().chain(self.services.tokens.table().users()).collect();
        let users: Vec<UserId> = users.into_iter().collect();
        // Many at a time: over a network each by itself would take minutes.
        for users in users.chunks(AT_ONCE) {
            accounts.extend(users.iter().copied().zip(self.services.store.accounts_by_id(users).await?));
        }
        Ok(accounts)
    }

    fn judge_again(&self, accounts: Vec<(UserId, Option<Account>)>) {
        for (user, account) in accounts {
            self.services.live.account_changed(user, account.as_ref());
            self.services.tokens.follow(user, account.as_ref());
        }
    }
}

/// What sessions of directories' people are held to.
pub(super) async fn times_of_sources(store: &Store, config: &Config) -> Result<TimesOfSources, StoreError> {
    let mut times = TimesOfSources::new();
    for directory in &config.directories {
        let id = SourceId::new(&directory.name);
        let answered = store.answered(&id).await?;
        times.insert(id, SourceTimes::new(directory.refresh, directory.max_stale, answered));
    }
    Ok(times)
}

/// The texts of messages and pages, an operator's over the built-in ones.
///
/// # Errors
/// Everything that is wrong with an operator's, at once.
pub fn wording(config: &Config) -> Result<(Arc<Texts>, Arc<Languages>), Problems> {
    let folder = config.portal.templates.as_deref();
    match (Texts::load(folder, &config.portal.brand), Languages::load(folder)) {
        (Ok(texts), Ok(languages)) => Ok((Arc::new(texts), Arc::new(languages))),
        (texts, languages) => Err(Problems([texts.err(), languages.err()].into_iter().flatten().flat_map(|found| found.0).collect())),
    }
}
