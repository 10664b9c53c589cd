//! Removes records of the audit log that were kept long enough: the oldest first, a few at a time, off every request. Guarantees
//! that nothing goes that a broken chain could be seen by, and that the removal itself is on record.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::service::Services;
use crate::service::audit::{Actor, Event};
use crate::service::refused::Refused;
use crate::store::Trimmed;

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

impl Services {
    /// Removes what is older than `audit.retention`; returns how many records.
    ///
    /// # Errors
    /// [`RetentionError`]; what was removed before stays removed, anchored and on record.
    pub async fn trim_audit(&self) -> Result<u64, RetentionError> {
        let kept = self.config().audit.retention;
        if kept.is_zero() {
            return Ok(0);
        }
        let before = self.now().minus(kept);
        let (mut removed, mut last) = (0u64, 0);
        let end = loop {
            match self.store.trim_audit(before, self.audit_written.load(Ordering::Acquire), BATCH).await {
                Ok(Trimmed::Removed { count, last: seq }) => (removed, last) = (removed.saturating_add(count), seq),
                Ok(Trimmed::Nothing | Trimmed::Overtaken) => break Ok(removed),
                Ok(Trimmed::Broken(at)) => break Err(RetentionError::Broken(at)),
                Err(e) => break Err(e.into()),
            }
            tokio::time::sleep(PAUSE).await;
        };
        if removed > 0 {
            let detail = format!("{removed} records, up to number {last}");
            self.audit(Event::AuditTrimmed, None, Actor::Gateway, detail).await?;
        }
        end
    }
}

#[cfg(test)]
mod tests;
