//! Everything that lives as long as the process, assembled once; and what the gateway asks of it, request by request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tower::ServiceExt;

mod audit;

use crate::account::Account;
use crate::base::{ClientAddr, Clock, SessionId, Time, UserId};
use crate::config::{Config, Problems};
use crate::gateway::{AccessRecord, ErrorPage, Front, Keeping, Lookup, PortalAnswer, PortalContext, Snapshot, Visitor};
use crate::notify::{Notifier, Outbox, Texts};
use crate::policy::{Identity, Policy};
use crate::portal::{self, Portal};
use crate::service::kept::Form;
use crate::service::live::{Found, Live, LiveSession, PARTS};
use crate::service::snapshot::Content;
use crate::service::{Courier, Services, shared};
use crate::session::{KeyRing, SessionRecord};
use crate::store::kv::Batch;
use crate::store::snapshot::Snapshots;
use crate::store::{Store, StoreError, keyfile};
use crate::telemetry::server::Health;
use crate::telemetry::{Channel, Reading, Telemetry};
use crate::view::message::{self, Problem};
use crate::view::{Languages, Page};

/// How often sessions are swept and their last use is written down.
const SWEEP: Duration = Duration::from_secs(20);

/// The assembled program.
pub struct App {
    pub services: Arc<Services>,
    pub telemetry: Arc<Telemetry>,
    snapshot: ArcSwap<Snapshot>,
    /// The portal, and the prefix that it is made for.
    router: ArcSwap<(String, Router)>,
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
        let (live, ended) = Live::new(keys, config.session.clone(), config.mfa.clone());
        let live = Arc::new(live);
        shared::restore(&store, &live).await.context("the sessions in the store cannot be read")?;
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
        let router = ArcSwap::from_pointee(router(&services, &languages, &config));
        let snapshot = ArcSwap::from_pointee(Snapshot::new(config.clone(), policy)?);
        let app =
            Arc::new(Self { services, telemetry, unwritable, snapshot, router, languages: ArcSwap::new(languages), started: config, work });
        app.work.spawn(delete_ended(app.services.clone(), ended));
        app.work.spawn(sweep(Arc::downgrade(&app)));
        if let Some(changes) = app.services.store.kv().changes() {
            app.work.spawn(shared::follow(Arc::downgrade(&app.services), changes));
        }
        Ok(app)
    }

    /// Puts another checked configuration in force: routes and policy, the portal's prefix, limits of sessions, what users may enrol.
    /// Returns warnings: keys that were changed and count at the next start only.
    ///
    /// # Errors
    /// Where an upstream's certificates or an operator's texts cannot be used, or the accounts of those who are signed in cannot be read; then nothing has changed.
    pub async fn reconfigure(&self, config: Arc<Config>) -> anyhow::Result<Vec<String>> {
        let policy = Arc::new(Policy::new(config.routes.clone(), &config.portal.prefix));
        let snapshot = Snapshot::new(config.clone(), policy)?;
        let (texts, languages) = wording(&config)?;
        let router = router(&self.services, &languages, &config);
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

    /// Keeps snapshots of the embedded store from now on.
    ///
    /// # Errors
    /// Where the store lacks what the newest snapshot has.
    pub async fn keep_snapshots(self: &Arc<Self>) -> anyhow::Result<()> {
        let config = self.config();
        if self.services.store.kv().is_shared() {
            return Ok(());
        }
        let folder = Snapshots::below(&config.server.data_dir);
        let last = self.services.follows_snapshot(&folder).await?;
        if !config.snapshot_every.is_zero() {
            self.work.spawn(snapshots(Arc::downgrade(self), folder, last, config.snapshot_every));
        }
        Ok(())
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

/// Deletes the records of sessions that ended in memory.
async fn delete_ended(services: Arc<Services>, mut ended: mpsc::UnboundedReceiver<SessionId>) {
    let mut batch = Vec::new();
    while ended.recv_many(&mut batch, 256).await > 0 {
        if let Err(e) = services.store.delete_sessions(&batch).await {
            tracing::error!(error = %e, "ended sessions stay in the store until the next start, where they are void");
        }
        batch.clear();
    }
}

async fn sweep(app: std::sync::Weak<App>) {
    let mut tick = tokio::time::interval(SWEEP);
    loop {
        tick.tick().await;
        let Some(app) = app.upgrade() else { return };
        let swept = async {
            // A little at a time: whoever waits for this thread waits for no more than that.
            for part in 0..PARTS {
                let used: Vec<SessionRecord> = app.services.live.sweep_part(part, app.services.now());
                app.services.store.touch_sessions(&used).await?;
                tokio::task::yield_now().await;
            }
            app.services.store.sweep(app.services.now()).await
        };
        if let Err(e) = swept.await {
            tracing::error!(error = %e, "the store could not be swept");
        }
    }
}

async fn snapshots(app: std::sync::Weak<App>, folder: Snapshots, mut last: Option<Content>, every: Duration) {
    let mut tick = tokio::time::interval(every);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let Some(app) = app.upgrade() else { return };
        match app.services.snapshot(&folder, last).await {
            Ok((written, held)) => {
                last = Some(held);
                app.telemetry.metrics.snapshot_current(app.services.now());
                if let Some(file) = written {
                    tracing::info!(file = %file.display(), "a snapshot of the store was written");
                }
            }
            Err(e) => tracing::error!(error = %e, "no snapshot of the store could be written; the last one stays"),
        }
    }
}

impl Visitor for LiveSession {
    fn identity(&self) -> Identity {
        Self::identity(self.latest())
    }

    fn is_ended(&self) -> bool {
        Self::is_ended(self.latest())
    }

    fn touch(&self, now: Time) {
        Self::touch(self.latest(), now);
    }
}

impl Front for App {
    fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    fn now(&self) -> Time {
        self.services.clock.now()
    }

    fn session(&self, token: &str, _secure: bool, now: Time) -> Lookup {
        match self.services.live.lookup(token, now) {
            Found::Live(session) => Lookup::Live(session),
            Found::Ended => Lookup::Ended,
            Found::Forged => Lookup::Forged,
            Found::Unknown => Lookup::Unknown,
        }
    }

    fn revocations(&self) -> watch::Receiver<u64> {
        self.services.live.revocations()
    }

    fn owner(&self, token: &str) -> Option<UserId> {
        self.services.live.owner(token)
    }

    fn keep(&self, owner: UserId, form: Form) -> Keeping {
        let services = self.services.clone();
        let kept = self.work.spawn(async move {
            services.keep_form(owner, &form).await.unwrap_or_else(|e| {
                tracing::error!(error = %e, "an interrupted form could not be kept");
                None
            })
        });
        Box::pin(async move { kept.await.unwrap_or(None) })
    }

    fn portal(&self, request: http::Request<Bytes>, context: PortalContext) -> PortalAnswer {
        // A request keeps the configuration that it came under: after a reload it may be another than the router's.
        let current = self.router.load();
        let router = match &**current {
            (prefix, portal) if *prefix == context.snapshot.config.portal.prefix => portal.clone(),
            _ => router(&self.services, &self.languages.load_full(), &context.snapshot.config).1,
        };
        let answer = self.work.spawn(answer(router, request, context));
        Box::pin(async move { answer.await.unwrap_or_else(|_| unavailable()) })
    }

    fn error_page(&self, page: &ErrorPage<'_>) -> String {
        let languages = self.languages.load();
        let words = page.language.map_or_else(|| languages.english(), |header| languages.choose(Some(header)));
        let config = self.config();
        let base = Page {
            words,
            prefix: config.portal.prefix.clone(),
            title: config.portal.title.clone(),
            host: String::new(),
            csrf: String::new(),
            rd: String::new(),
            help: None,
        };
        match page.login_url {
            Some(url) => message::not_sent(&base, url, page.request_id),
            None => message::problem(&base, problem(page.status.as_u16(), page.reason), Some(page.request_id)),
        }
        .into_string()
    }

    fn unread(&self, peer: ClientAddr) {
        self.telemetry.unread(peer);
    }

    fn record(&self, record: &AccessRecord<'_>) {
        self.telemetry.record(record);
        if let Some(reason) = record.observed {
            self.services.observed.note(record.route.unwrap_or_default(), record.user, reason);
        }
    }
}

/// The portal below a configuration's prefix.
fn router(services: &Arc<Services>, languages: &Arc<Languages>, config: &Config) -> (String, Router) {
    let prefix = config.portal.prefix.clone();
    let router = portal::router(Arc::new(Portal { services: services.clone(), languages: languages.clone() }), &prefix);
    (prefix, router)
}

async fn answer(router: Router, request: http::Request<Bytes>, context: PortalContext) -> http::Response<Bytes> {
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(portal::Request {
        config: context.snapshot.config.clone(),
        policy: context.snapshot.policy.clone(),
        host: context.host,
        authority: context.authority,
        secure: context.secure,
        client: context.client,
        now: context.now,
        token: context.token,
        request_id: context.request_id,
    });
    let Ok(response) = router.oneshot(http::Request::from_parts(parts, Body::from(body))).await;
    let (parts, body) = response.into_parts();
    match axum::body::to_bytes(body, 16 * 1024 * 1024).await {
        Ok(body) => http::Response::from_parts(parts, body),
        Err(_) => unavailable(),
    }
}

/// A page that died is a refusal.
fn unavailable() -> http::Response<Bytes> {
    let mut response = http::Response::new(Bytes::new());
    *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
    response
}

fn problem(status: u16, reason: &str) -> Problem {
    match (status, reason) {
        (403, "group") => Problem::WrongGroup,
        (403, "mfa_off") => Problem::MfaOff,
        (403, _) => Problem::Denied,
        (404, _) => Problem::NotFound,
        (413, _) => Problem::TooLarge,
        (421, _) => Problem::Misdirected,
        (502, _) => Problem::BadGateway,
        (503, _) => Problem::Unavailable,
        (504, _) => Problem::Timeout,
        (400..=499, _) => Problem::Malformed,
        _ => Problem::Internal,
    }
}

#[async_trait::async_trait]
impl Health for App {
    async fn ready(&self) -> Result<(), String> {
        if self.services.live.is_stale() {
            return Err("no news of other gateways' changes".to_owned());
        }
        let store = &self.services.store;
        let looked = async {
            store.audit_head().await?;
            // A full disk can be read. Only after a failed write is another one tried.
            if self.unwritable.load(Ordering::Relaxed) {
                store.kv().commit(Batch::default().put("health", "1")).await?;
            }
            Ok::<_, StoreError>(())
        };
        match tokio::time::timeout(Duration::from_secs(2), looked).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(e)) => Err(e.to_string()),
            Err(_) => Err("the store does not answer".to_owned()),
        }
    }

    fn measure(&self) -> Reading {
        let (load, health) = (self.services.hash_load(), self.services.courier.notifier.health());
        let channels = [("mail", health.mail), ("sms", health.sms)].into_iter().filter_map(|(name, state)| {
            let state = state?;
            Some(Channel { name, pending: state.pending, sent: state.sent, failed: state.failed, failing: state.failing })
        });
        let snapshot = self.snapshot.load();
        Reading {
            sessions: self.services.live.count(),
            hashes: (load.waiting, load.running, load.refused),
            channels: channels.collect(),
            upstreams: snapshot.upstreams.health().map(|(route, label, up)| (route.to_owned(), label.to_owned(), up)).collect(),
        }
    }
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
