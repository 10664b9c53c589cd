//! What is done for the audit log in the background while the gateway serves: its copy in a file, its index by name where that is not
//! complete, and the removal of what was kept long enough.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::program::App;
use crate::service::audit::AuditFileWriter;
use crate::store::Duty;

/// How often the log's beginning is looked at.
const TRIM: Duration = Duration::from_secs(3600);
/// How often the file is completed without news: other gateways write to a shared log too.
const LOOK: Duration = Duration::from_secs(2);
/// How long after a failure it is tried again.
const AGAIN: Duration = Duration::from_secs(5);

impl App {
    /// Looks after the audit log from now on.
    pub fn keep_audit(self: &Arc<Self>) {
        // Before the first trimming: nothing goes that is not in the file yet.
        self.services.audit_file.hold();
        self.work.spawn(copy(Arc::downgrade(self)));
        self.work.spawn(trim(Arc::downgrade(self)));
    }

    /// Waits, for so long at most, until everything that was recorded stands in the audit file.
    pub async fn settle_audit_file(&self, most: Duration) {
        let settled = async {
            while self.services.audit_file.is_behind().await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let _ = tokio::time::timeout(most, settled).await;
    }
}

async fn copy(app: Weak<App>) {
    let (mut writer, mut failing) = (AuditFileWriter::default(), false);
    loop {
        let Some(app) = app.upgrade() else { return };
        match writer.catch_up(&app.services.audit_file).await {
            Ok(_) if failing => {
                tracing::info!("the audit file is complete again");
                failing = false;
            }
            Ok(_) => {}
            Err(e) => {
                app.telemetry.metrics.alarms.audit_file_failed();
                if !failing {
                    tracing::error!(error = %e, "the audit file is behind the audit log, which goes on");
                }
                failing = true;
            }
        }
        let services = app.services.clone();
        drop(app);
        if failing {
            tokio::time::sleep(AGAIN).await;
        } else {
            let _ = tokio::time::timeout(LOOK, services.audit.wait_for_record()).await;
        }
    }
}

async fn trim(app: Weak<App>) {
    let mut tick = tokio::time::interval(TRIM);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let Some(app) = app.upgrade() else { return };
        match app.services.gateways.takes(Duty::Retention, TRIM * 2).await {
            Ok(true) => {}
            // Another gateway does it for all.
            Ok(false) => continue,
            Err(e) => {
                tracing::error!(error = %e, "old records of the audit log stay");
                continue;
            }
        }
        match app.services.store.index_audit().await {
            Ok(0) => {}
            Ok(records) => tracing::info!(records, "records of the audit log are found by name from now on"),
            Err(e) => tracing::error!(error = %e, "records of the audit log cannot be found by name yet; the log itself is read"),
        }
        match app.services.audit_retention.trim().await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "records of the audit log that were kept long enough were removed"),
            Err(e) => tracing::error!(error = %e, "old records of the audit log stay"),
        }
    }
}
