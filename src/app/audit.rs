//! What is done for the audit log in the background while the gateway serves: the removal of what was kept long enough.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::App;

/// How often the log's beginning is looked at.
const TRIM: Duration = Duration::from_secs(3600);

impl App {
    /// Looks after the audit log from now on.
    pub fn keep_audit(self: &Arc<Self>) {
        self.work.spawn(trim(Arc::downgrade(self)));
    }
}

async fn trim(app: Weak<App>) {
    let mut tick = tokio::time::interval(TRIM);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let Some(app) = app.upgrade() else { return };
        match app.services.trim_audit().await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "records of the audit log that were kept long enough were removed"),
            Err(e) => tracing::error!(error = %e, "old records of the audit log stay"),
        }
    }
}
