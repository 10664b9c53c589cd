//! Removes records of the audit log that were kept long enough: the oldest first, a few at a time, in the background. Guarantees that
//! nothing is removed that would show a broken chain, and that each removal is on record.

use std::sync::Arc;
use std::time::Duration;

use super::event::{Actor, Event};
use super::file::AuditFile;
use super::log::AuditLog;
use crate::service::context::Context;
use crate::service::refused::Refused;
use crate::store::{Store, Trimmed};

/// How many records one commit removes.
const BATCH: usize = 250;
/// Between two commits: sign-ins come first.
const PAUSE: Duration = Duration::from_millis(20);

/// Why records stay that should go.
#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    #[error(
        "the audit log does not follow at record {0}, and nothing was removed; run `vestibule audit verify`, and compare it with a backup"
    )]
    Broken(u64),
    #[error("{0}")]
    Refused(#[from] Refused),
    #[error("{0}")]
    Store(#[from] crate::store::StoreError),
}

/// Removes records that were kept for `audit.retention`.
pub struct AuditRetention {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) context: Arc<Context>,
    pub(in crate::service) audit: Arc<AuditLog>,
    pub(in crate::service) audit_file: Arc<AuditFile>,
}

impl AuditRetention {
    /// The last record that every gateway's `audit.file` has: none after it goes. One that is gone for good does not hold it up for longer than it
    /// is listed.
    async fn written(&self) -> Result<u64, RetentionError> {
        let others = self.store.gateways().await?;
        let slowest = others.values().filter_map(|gateway| gateway.audited).min().unwrap_or(u64::MAX);
        Ok(slowest.min(self.audit_file.written()))
    }

    /// Removes what is older than `audit.retention`; returns how many records.
    ///
    /// # Errors
    /// [`RetentionError`]; what was removed before stays removed, anchored and on record.
    pub async fn trim(&self) -> Result<u64, RetentionError> {
        let kept = self.context.config().audit.retention;
        if kept.is_zero() {
            return Ok(0);
        }
        let before = self.context.now().minus(kept);
        let (mut removed, mut last) = (0u64, 0);
        let end = loop {
            let written = self.written().await?;
            match self.store.trim_audit(before, written, BATCH).await {
                Ok(Trimmed::Removed { count, last: seq }) => (removed, last) = (removed.saturating_add(count), seq),
                Ok(Trimmed::Nothing | Trimmed::Overtaken) => break Ok(removed),
                Ok(Trimmed::Broken(at)) => break Err(RetentionError::Broken(at)),
                Err(e) => break Err(e.into()),
            }
            tokio::time::sleep(PAUSE).await;
        };
        if removed > 0 {
            let detail = format!("{removed} records, up to number {last}");
            self.audit.record(Event::AuditTrimmed, None, Actor::Gateway, detail).await?;
        }
        end
    }
}

#[cfg(test)]
mod tests;
