//! Everything that lives as long as the process, assembled once, and put together anew at a reload: all of it, or nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use arc_swap::ArcSwap;
use tokio::runtime::Handle;

mod audit;
mod front;
mod health;
mod upkeep;

use crate::account::Account;
use crate::base::{Clock, UserId};
use crate::config::{Config, Problems};
use crate::gateway::Snapshot;
use crate::notify::{Notifier, Outbox, Texts};
use crate::policy::Policy;
use crate::service::{Courier, LiveSessions, Services, sessions};
use crate::session::KeyRing;
use crate::store::snapshot::Snapshots;
use crate::store::{Store, keyfile};
use crate::telemetry::Telemetry;
use crate::view::Languages;

/// The assembled program.
pub struct App {
    pub services: Arc<Services>,
    pub telemetry: Arc<Telemetry>,
    snapshot: ArcSwap<Snapshot>,
    router: ArcSwap<front::Mounted>,
    languages: ArcSwap<Languages>,
    /// The configuration of the start.
    started: Arc<Config>,
    /// The last write failed: reading alone does not make a gateway ready.
    unwritable: Arc<AtomicBool>,
    /// Where everything runs that is not a forwarded request.
    work: Handle,
}

/// Where messages go.
pub enum Post {
    /// As the configuration says.
    Configured,
    /// Kept in memory: the demo and the tests.
    Outbox(Arc<Outbox>),
}

impl App {
    /// Opens the store below the data folder and puts the program together. Call on the runtime that will do the work.
    ///
    /// # Errors
    /// Whatever stands in the way, with what to do about it.
    pub async fn open(config: Arc<Config>, clock: Clock, post: Post) -> anyhow::Result<Arc<Self>> {
        let keys = keyfile::load_or_create(&config.server.data_dir, clock.now())?;
        let snapshots = Snapshots::below(&config.server.data_dir);
        let store = Store::open(&config.store, Arc::new(KeyRing::new(&keys)?)).await.map_err(|e| e.with_snapshot(snapshots.newest()))?;
        Self::over(store, config, clock, post).await
    }

    /// As [`Self::open`], over a store that is open already: one that fails on purpose, in the tests of failures.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn over(store: Store, config: Arc<Config>, clock: Clock, post: Post) -> anyhow::Result<Arc<Self>> {
        let work = Handle::current();
        let keys = store.keys();
        let telemetry = Arc::new(Telemetry::new(&config.telemetry, &work)?);
        let unwritable = Arc::new(AtomicBool::new(false));
        let (timed, noted) = (telemetry.clone(), unwritable.clone());
        let store = Arc::new(store.measured(Box::new(move |call, took, failed| {
            timed.metrics.stored(call, took, failed);
            if call == "commit" {
                noted.store(failed, Ordering::Relaxed);
            }
        })));
        let (live, ended) = LiveSessions::new(keys, config.session.clone(), config.mfa.clone());
        let live = Arc::new(live);
        // Heard before anything is read, so that no change made meanwhile is missed.
        let mut changes = store.kv().changes();
        if let Some(changes) = &mut changes {
            sessions::listening(changes).await;
        }
        sessions::restore(&store, &live).await.context("the sessions in the store cannot be read")?;
        live.sweep(clock.now());
        tracing::info!(sessions = live.count(), "sessions restored");
        let (texts, languages) = wording(&config)?;
        let courier = Courier::new(Arc::new(notifier(&config, texts, post, &clock, &work)?), &clock);
        let services = Arc::new(Services::new(config.clone(), clock, store, live, courier)?);
        let counted = telemetry.clone();
        services.listen(Box::new(move |event, detail| counted.metrics.event(event.name(), event.attempt(detail))));
        services.watch_accounts();
        work.spawn(services.clone().read_directory());
        let policy = Arc::new(Policy::new(config.routes.clone(), &config.portal.prefix));
        let router = ArcSwap::from_pointee(front::router(&services, &languages, &config));
        let snapshot = ArcSwap::from_pointee(Snapshot::new(config.clone(), policy)?);
        let app =
            Arc::new(Self { services, telemetry, unwritable, snapshot, router, languages: ArcSwap::new(languages), started: config, work });
        app.work.spawn(upkeep::delete_ended(app.services.clone(), ended));
        app.work.spawn(upkeep::sweep(Arc::downgrade(&app)));
        if let Some(changes) = changes {
            app.work.spawn(sessions::follow(Arc::downgrade(&app.services), changes));
        }
        Ok(app)
    }

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
        let router = front::router(&self.services, &languages, &config);
        let accounts = self.signed_in().await?;
        let fixed = self.started.fixed_until_restart(&config);
        self.services.live.reconfigure(config.session.clone(), config.mfa.clone());
        self.services.reconfigure(config);
        self.services.courier.notifier.reword(texts);
        self.languages.store(languages);
        self.router.store(Arc::new(router));
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

    /// The accounts of those who have sessions.
    async fn signed_in(&self) -> anyhow::Result<Vec<(UserId, Option<Account>)>> {
        let mut accounts = Vec::new();
        for user in self.services.live.users() {
            accounts.push((user, self.services.store.account(user).await?));
        }
        Ok(accounts)
    }

    fn judge_again(&self, accounts: Vec<(UserId, Option<Account>)>) {
        for (user, account) in accounts {
            self.services.live.account_changed(user, account.as_ref());
        }
    }

    pub fn config(&self) -> Arc<Config> {
        self.snapshot.load().config.clone()
    }

    pub fn policy(&self) -> Arc<Policy> {
        self.snapshot.load().policy.clone()
    }

    /// Writes down what memory alone knows: when sessions were last used.
    ///
    /// # Errors
    /// The store's.
    pub async fn flush(&self) -> anyhow::Result<()> {
        let used = self.services.live.sweep(self.services.now());
        Ok(self.services.store.touch_sessions(&used).await?)
    }
}

/// The texts of messages and pages, an operator's over the built-in ones.
///
/// # Errors
/// Everything that is wrong with an operator's, at once.
pub fn wording(config: &Config) -> Result<(Arc<Texts>, Arc<Languages>), Problems> {
    let folder = config.portal.templates.as_deref();
    match (Texts::load(folder), Languages::load(folder)) {
        (Ok(texts), Ok(languages)) => Ok((Arc::new(texts), Arc::new(languages))),
        (texts, languages) => Err(Problems([texts.err(), languages.err()].into_iter().flatten().flat_map(|found| found.0).collect())),
    }
}

fn notifier(config: &Config, texts: Arc<Texts>, post: Post, clock: &Clock, work: &Handle) -> anyhow::Result<Notifier> {
    Ok(match post {
        Post::Configured => Notifier::start(config.mail.as_ref(), config.sms.as_ref(), texts, clock.clone(), work)?,
        Post::Outbox(outbox) => Notifier::with_outbox(outbox, texts, clock.clone())?,
    })
}

#[cfg(test)]
mod health_tests;
#[cfg(test)]
mod keep_support;
#[cfg(test)]
mod keep_tests;
#[cfg(test)]
mod outage_tests;
#[cfg(test)]
mod tests;
