//! Puts the program together, once: keys, store, sessions, messages, use cases, pages, and what goes on in the background.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::Context;
use arc_swap::ArcSwap;
use tokio::runtime::Handle;

use super::program::{App, History, Post};
use super::reload::{times_of_sources, wording};
use super::{background, pages};
use crate::acme::Acme;
use crate::base::Clock;
use crate::config::Config;
use crate::gateway::{Snapshot, large_bodies};
use crate::notify::{Notifier, Texts};
use crate::policy::Policy;
use crate::service::sources::follow_sources;
use crate::service::{LiveSessions, Services, sessions};
use crate::session::EndReason;
use crate::store::snapshot::Snapshots;
use crate::store::{EndedFile, Store, keyfile};
use crate::telemetry::Telemetry;

impl App {
    /// Opens the store below the data folder and puts the program together. Call on the runtime that will do the work.
    ///
    /// # Errors
    /// Whatever stands in the way, with what to do about it.
    pub async fn open(config: Arc<Config>, clock: Clock, post: Post) -> anyhow::Result<Arc<Self>> {
        let keys = keyfile::load_or_create(&config.server.data_dir, clock.now())?;
        let snapshots = Snapshots::below(&config.server.data_dir);
        let store = Store::open(&config.store, &keys, clock.now()).await.map_err(|e| e.with_snapshot(snapshots.newest()))?;
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
        live.set_sources(times_of_sources(&store, &config).await?);
        if store.kv().is_shared() {
            // Read when they are used: a start takes as long as ever, however many there are.
            live.keep(config.sessions_in_memory);
        }
        let ended_file = ended_before(&config.server.data_dir, &live);
        // Heard before anything is read, so that no change made meanwhile is missed.
        let mut changes = store.kv().changes();
        if let Some(changes) = &mut changes {
            sessions::listening(changes).await;
            store.follow_keys(clock.now()).await?;
            live.rekey(store.keys());
        }
        if !store.kv().is_shared() {
            sessions::restore(&store, &live).await.context("the sessions in the store cannot be read")?;
            live.sweep(clock.now());
            tracing::info!(sessions = live.count(), "sessions restored");
        }
        let (texts, languages) = wording(&config)?;
        let notifier = Arc::new(notifier(&config, texts, post, &clock, &work)?);
        let acme = Arc::new(Acme::new(store.clone(), clock.clone(), config.clone())?);
        let services = Arc::new(Services::new(config.clone(), clock, store, live, notifier)?);
        if let Some(file) = ended_file {
            services.sessions.keep_ends_in(file);
        }
        let counted = telemetry.clone();
        services.audit.listen(Box::new(move |event, detail| counted.metrics.event(event.name(), &event.attempts(detail))));
        services.watch_accounts();
        services.tokens.restore().await.context("the API tokens in the store cannot be read")?;
        let (users, password) = (services.users.clone(), services.password.clone());
        work.spawn(async move {
            users.clone().preload().await;
            if let Some(cost) = users.costliest_bcrypt() {
                password.learn_bcrypt(cost).await;
            }
        });
        let policy = Arc::new(Policy::new(config.routes.clone(), &config.portal.prefix));
        let router = ArcSwap::from_pointee(pages::mount(&services, &languages, &config));
        let snapshot = Snapshot::new(config.clone(), policy)?;
        let health = Mutex::new(snapshot.upstreams.watch(&work));
        let snapshot = ArcSwap::from_pointee(snapshot);
        let history = Mutex::new(History { started: services.now(), reloaded: None, listeners: Vec::new() });
        let app = Arc::new(Self {
            services,
            telemetry,
            history,
            acme,
            unwritable,
            large_bodies: large_bodies(),
            snapshot,
            router,
            languages: ArcSwap::new(languages),
            health,
            started: config,
            work,
        });
        app.work.spawn(background::delete_ended(app.services.clone(), ended));
        app.work.spawn(background::sweep(Arc::downgrade(&app)));
        app.work.spawn(follow_sources(Arc::downgrade(&app.services.source_refresh)));
        app.work.spawn(background::providers(Arc::downgrade(&app)));
        app.work.spawn(background::refresh_geo(Arc::downgrade(&app)));
        if let Some(changes) = changes {
            app.work.spawn(background::follow_directory(Arc::downgrade(&app)));
            app.work.spawn(background::take_keys_up(Arc::downgrade(&app)));
            app.work.spawn(sessions::follow(Arc::downgrade(&app.services.replication), changes));
        }
        Ok(app)
    }
}

/// The file of ends that the store did not take; those in it stay ended, and the store is told of them once more.
fn ended_before(data_dir: &Path, live: &LiveSessions) -> Option<EndedFile> {
    match EndedFile::open(data_dir) {
        Ok((file, ids)) => {
            ids.into_iter().for_each(|id| {
                live.end_for_good(id, EndReason::Revoked);
            });
            Some(file)
        }
        Err(e) => {
            tracing::error!(error = %e, "sessions that end while the store cannot be written are not kept over a restart");
            None
        }
    }
}

fn notifier(config: &Config, texts: Arc<Texts>, post: Post, clock: &Clock, work: &Handle) -> anyhow::Result<Notifier> {
    Ok(match post {
        Post::Configured => Notifier::start(config.mail.as_ref(), config.sms.as_ref(), texts, clock.clone(), work)?,
        Post::Outbox(outbox) => Notifier::with_outbox(outbox, texts, clock.clone())?,
    })
}
