//! This gateway among those that share its store: it says how it is while it serves, and takes its leave when it stops.

use std::sync::{Arc, Weak};

use super::program::App;
use crate::service::gateways::BEAT;
use crate::store::member;

impl App {
    /// Tells the other gateways of this one from now on. Only one process at a time may serve with a data folder.
    pub async fn join_gateways(self: &Arc<Self>) {
        let gateways = &self.services.gateways;
        let Some(id) = gateways.id() else { return };
        let folder = self.started.server.data_dir.clone();
        let former = tokio::task::spawn_blocking(move || member::replace(&folder, &id)).await;
        let former = match former {
            Ok(Ok(former)) => former,
            Ok(Err(e)) => {
                tracing::warn!(error = %e, "after a crash this gateway will be listed twice for a while");
                None
            }
            Err(_) => None,
        };
        // The next beat tries again.
        if let Err(e) = gateways.join(self.history().listeners, former.as_deref()).await {
            tracing::error!(error = %e, "the other gateways do not hear of this one yet");
        }
        self.work.spawn(beat(Arc::downgrade(self)));
    }
}

async fn beat(app: Weak<App>) {
    let Some(mut reread) = app.upgrade().map(|app| app.services.replication.reread()) else { return };
    let mut is_failing = false;
    loop {
        // After an import the others hear of this one at once.
        let _ = tokio::time::timeout(BEAT, reread.changed()).await;
        let Some(app) = app.upgrade() else { return };
        match app.services.gateways.beat().await {
            Ok(()) => is_failing = false,
            Err(e) if !is_failing => {
                is_failing = true;
                tracing::warn!(error = %e, "the other gateways do not hear of this one");
            }
            Err(_) => {}
        }
    }
}
