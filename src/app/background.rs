//! What is done in the background for as long as the program lives: ended sessions leave the store, what is over is swept, snapshots are
//! written. Each goes on after a failure, which is logged, and ends with the program.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::mpsc;

use super::program::App;
use crate::base::SessionId;
use crate::service::Services;
use crate::service::backup::RollingSnapshot;
use crate::service::sessions::PARTS;
use crate::session::SessionRecord;
use crate::store::snapshot::Snapshots;
use crate::store::{Duty, StoreError};

/// How often sessions are swept and their last use is written down.
const SWEEP: Duration = Duration::from_secs(20);

/// How many sessions in the store a sweep looks at, in how many pieces: five million in half an hour.
const PAGES_SWEPT: usize = 10;
const PAGE_SWEPT: usize = 5000;

/// How often the files of `geo.databases` are looked at.
const GEO: Duration = Duration::from_secs(5);

impl App {
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
        self.services.snapshots.check_store(&folder).await?;
        if !config.snapshot_every.is_zero() {
            self.work.spawn(snapshots(Arc::downgrade(self), folder, config.snapshot_every));
        }
        Ok(())
    }
}

impl App {
    /// Ends what is over, in memory and in the store. A little at a time: whoever waits for this thread waits for no more than that.
    ///
    /// # Errors
    /// The store's. What is open is looked at before the store is asked for anything.
    pub(super) async fn sweep_all(&self, place: &mut Option<SessionId>) -> Result<(), StoreError> {
        let live = &self.services.live;
        for part in 0..PARTS {
            live.find_due(part, self.services.now());
            tokio::task::yield_now().await;
        }
        live.close_due();
        for part in 0..PARTS {
            let used: Vec<SessionRecord> = live.sweep_part(part, self.services.now());
            self.services.store.touch_sessions(&used).await?;
            tokio::task::yield_now().await;
        }
        // While other gateways are not heard, what is missing here may be there.
        if !live.is_behind() {
            live.end_orphans();
        }
        self.services.store.touch_sessions(&live.left_in_use()).await?;
        self.services.tokens.sweep().await?;
        self.sweep_store(place).await.map(drop)
    }

    /// Removes what has expired from the store; `None` if another gateway does it for all.
    pub(super) async fn sweep_store(&self, place: &mut Option<SessionId>) -> Result<Option<usize>, StoreError> {
        if !self.services.gateways.takes(Duty::Sweep, SWEEP * 3).await? {
            return Ok(None);
        }
        let (store, now) = (&self.services.store, self.services.now());
        let mut gone = store.sweep(now).await?;
        if store.kv().is_shared() {
            store.index_sessions().await?;
            // Of millions a sweep looks at some.
            for _ in 0..PAGES_SWEPT {
                let (next, ended) = store.sweep_sessions(*place, PAGE_SWEPT, &self.config().session, now).await?;
                (*place, gone) = (next, gone + ended);
                if next.is_none() {
                    break;
                }
            }
        }
        Ok(Some(gone))
    }
}

/// Between two tries to delete sessions from a store that cannot be written, and two looks at what is due.
const RETRY: Duration = Duration::from_secs(1);

/// Deletes the records of sessions that ended in memory, each until the store has done it.
pub(super) async fn delete_ended(services: Arc<Services>, mut ended: mpsc::UnboundedReceiver<SessionId>) {
    let mut batch = Vec::new();
    while ended.recv_many(&mut batch, 256).await > 0 {
        let mut failed = false;
        while let Err(e) = services.sessions.write_ends(&batch).await {
            if !std::mem::replace(&mut failed, true) {
                tracing::error!(error = %e, "the store still has sessions that have ended; it is asked to delete them until it does");
            }
            tokio::time::sleep(RETRY).await;
        }
        if failed {
            tracing::info!("the store has deleted the sessions that had ended");
        }
        batch.clear();
    }
}

/// Reads the directory again whenever the sessions were: where gateways share a store.
pub(super) async fn follow_directory(app: Weak<App>) {
    let Some(mut reread) = app.upgrade().map(|app| app.services.replication.reread()) else { return };
    while reread.changed().await.is_ok() {
        let Some(app) = app.upgrade() else { return };
        if let Err(e) = app.services.users.refresh().await {
            tracing::error!(error = %e, "the list of users may be old until other gateways' changes are read again");
        }
    }
}

/// Has a key that another gateway, or this one, published sign once its time has come.
pub(super) async fn take_keys_up(app: Weak<App>) {
    let mut tick = tokio::time::interval(RETRY);
    loop {
        tick.tick().await;
        let Some(app) = app.upgrade() else { return };
        if let Err(e) = app.services.keys.take_up().await {
            tracing::error!(error = %e, "the new key does not sign yet");
        }
    }
}

pub(super) async fn sweep(app: Weak<App>) {
    let (mut tick, mut place) = (tokio::time::interval(SWEEP), None);
    loop {
        tick.tick().await;
        let Some(app) = app.upgrade() else { return };
        // What fails is logged where it fails.
        let _ = app.services.audit.record_counted().await;
        if let Err(e) = app.sweep_all(&mut place).await {
            tracing::error!(error = %e, "the store could not be swept");
        }
    }
}

/// Asks providers what they are, and looks again at the sessions that came from them.
pub(super) async fn providers(app: Weak<App>) {
    loop {
        let Some(app) = app.upgrade() else { return };
        let services = app.services.clone();
        drop(app);
        services.providers.look(services.now()).await;
        let pause = services.providers.pause();
        // One gateway asks about the sessions of all.
        match services.gateways.takes(Duty::Providers, pause * 3).await {
            Ok(true) => {
                if let Err(e) = services.provider.refresh_all().await {
                    tracing::error!(error = %e, "sessions could not be looked at again");
                }
            }
            Ok(false) => {}
            Err(e) => tracing::error!(error = %e, "sessions could not be looked at again"),
        }
        drop(services);
        tokio::time::sleep(pause).await;
    }
}

/// Takes new databases of addresses in when their files change; broken ones leave the old in force.
pub(super) async fn refresh_geo(app: Weak<App>) {
    let mut tick = tokio::time::interval(GEO);
    loop {
        tick.tick().await;
        let Some(app) = app.upgrade() else { return };
        let Some(geo) = app.config().geo.clone() else { continue };
        match tokio::task::spawn_blocking(move || geo.refresh()).await {
            Ok(Ok(false)) | Err(_) => {}
            Ok(Ok(true)) => {
                app.telemetry.metrics.alarms.geo_read(true);
                tracing::info!("new databases of addresses are in force");
            }
            Ok(Err(error)) => {
                app.telemetry.metrics.alarms.geo_read(false);
                tracing::error!(%error, "a database of addresses cannot be used; the last good ones stay in force");
            }
        }
    }
}

async fn snapshots(app: Weak<App>, folder: Snapshots, every: Duration) {
    let mut last = RollingSnapshot::newest(&folder).await;
    let mut tick = tokio::time::interval(every);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let Some(app) = app.upgrade() else { return };
        match app.services.snapshots.write(&folder, last).await {
            Ok((written, held)) => {
                last = Some(held);
                app.telemetry.metrics.alarms.snapshot_current(app.services.now());
                if let Some(file) = written {
                    tracing::info!(file = %file.display(), "a snapshot of the store was written");
                }
            }
            Err(e) => tracing::error!(error = %e, "no snapshot of the store could be written; the last one stays"),
        }
    }
}
