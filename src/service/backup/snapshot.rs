//! The rolling snapshot of the embedded store: an export of everything that lasts, written only if something has changed. At the start it
//! also shows whether the store is older than its newest snapshot.

use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::service::backup::export;
use crate::service::backup::export::PASSING;
use crate::service::context::Context;
use crate::store::kv::{Pair, decode};
use crate::store::snapshot::Snapshots;
use crate::store::{AuditHead, Store, StoreError};

/// What a snapshot held, to tell whether the next one would be the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Content([u8; 32]);

/// The store lacks what a snapshot has: its file was damaged, replaced or set back.
#[derive(Debug, thiserror::Error)]
#[error(
    "the store has lost records: its audit log ends at {store}, and {snapshot} has {saved}; move the store aside and run `vestibule store import {snapshot} --replace`, or, where an older state is meant, move that file out of the folder"
)]
pub struct SetBack {
    pub store: u64,
    pub saved: u64,
    pub snapshot: String,
}

/// Why there is no fresh snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("the snapshot was not finished")]
    Stopped,
}

fn content(pairs: &[Pair]) -> Content {
    let mut hash = Sha256::new();
    for part in pairs.iter().flat_map(|(key, value)| [key, value]) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    Content(hash.finalize().into())
}

/// Where the audit log ends in these pairs.
fn end(pairs: &[Pair]) -> u64 {
    let head = pairs.iter().find(|(key, _)| key == b"audit-head");
    head.and_then(|(_, bytes)| decode::<AuditHead>(bytes).ok()).map_or(0, |head| head.seq)
}

/// The rolling snapshot of the embedded store.
pub struct RollingSnapshot {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) context: Arc<Context>,
}

impl RollingSnapshot {
    /// Writes a snapshot if the store does not hold the same as `last`. The file, if one was written, and what is held now.
    ///
    /// # Errors
    /// The store's, or the folder's.
    pub async fn write(&self, into: &Snapshots, last: Option<Content>) -> Result<(Option<PathBuf>, Content), SnapshotError> {
        // Sessions, sign-ins under way and links would be left out of an import, and change with every request.
        let pairs = self.store.kv().snapshot_without(&PASSING).await?;
        let (into, now) = (into.clone(), self.context.now());
        let write = move || {
            let held = content(&pairs);
            if last == Some(held) {
                return Ok((None, held));
            }
            let written = into.keep(&export::write(&pairs, now)?, now)?;
            Ok::<_, StoreError>((Some(written), held))
        };
        Ok(tokio::task::spawn_blocking(write).await.map_err(|_| SnapshotError::Stopped)??)
    }

    /// Makes sure that the store goes on from the newest snapshot. Only if that one seems to be ahead is all of it read: it may be large, and
    /// the start waits for this.
    ///
    /// # Errors
    /// [`SetBack`], or the store's.
    pub async fn check_store(&self, snapshots: &Snapshots) -> anyhow::Result<()> {
        let Some(newest) = snapshots.newest() else { return Ok(()) };
        let store = self.store.audit_head().await?.map_or(0, |head| head.seq);
        let path = newest.clone();
        let ahead = move || {
            let text = std::fs::read_to_string(path).ok()?;
            export::find(&text, b"audit-head").filter(|line| end(std::slice::from_ref(line)) > store)?;
            Some(end(&export::read(&text).ok()?))
        };
        match tokio::task::spawn_blocking(ahead).await? {
            Some(saved) if saved > store => Err(SetBack { store, saved, snapshot: newest.display().to_string() }.into()),
            _ => Ok(()),
        }
    }

    /// What the newest snapshot holds, if there is one that can be read.
    pub async fn newest(snapshots: &Snapshots) -> Option<Content> {
        let newest = snapshots.newest()?;
        let path = newest.clone();
        let read =
            tokio::task::spawn_blocking(move || export::read(&std::fs::read_to_string(path).ok()?).ok().map(|pairs| content(&pairs)));
        let content = read.await.ok().flatten();
        if content.is_none() {
            tracing::warn!(file = %newest.display(), "this snapshot cannot be read; another will be written");
        }
        content
    }
}
