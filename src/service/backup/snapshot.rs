//! The rolling snapshot of the embedded store: an export of everything that lasts, written only if something has changed. At the start it
//! also shows whether the store is older than its newest snapshot.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};

use super::lines::{Reader, Writer, find};
use super::taking_in::PASSING;
use crate::service::context::Context;
use crate::store::kv::{Pair, Sink, decode};
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

/// Sees what is held, and passes it on if there is somewhere to.
struct Seen<W> {
    hash: Sha256,
    into: Option<Writer<W>>,
}

impl<W: Write> Seen<W> {
    fn new(into: Option<Writer<W>>) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self { hash: Sha256::new(), into }))
    }

    fn done(seen: Arc<Mutex<Self>>) -> Result<(Content, Option<Writer<W>>), SnapshotError> {
        let seen = Arc::into_inner(seen).and_then(|seen| seen.into_inner().ok()).ok_or(SnapshotError::Stopped)?;
        Ok((Content(seen.hash.finalize().into()), seen.into))
    }
}

impl<W: Write + Send> Sink for Seen<W> {
    fn begins(&mut self, records: usize) -> Result<(), StoreError> {
        self.into.as_mut().map_or(Ok(()), |into| into.begins(records))
    }

    fn takes(&mut self, pairs: Vec<Pair>) -> Result<(), StoreError> {
        for part in pairs.iter().flat_map(|(key, value)| [key, value]) {
            self.hash.update((part.len() as u64).to_be_bytes());
            self.hash.update(part);
        }
        self.into.as_mut().map_or(Ok(()), |into| into.takes(pairs))
    }
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
        let seen = Seen::<BufWriter<File>>::new(None);
        self.store.kv().pour(&PASSING, seen.clone()).await?;
        let (held, _) = Seen::done(seen)?;
        if last == Some(held) {
            return Ok((None, held));
        }
        let (folder, now) = (into.clone(), self.context.now());
        let file = off_thread(move || folder.begin()).await?;
        let seen = Seen::new(Some(Writer::new(BufWriter::new(file), now)));
        self.store.kv().pour(&PASSING, seen.clone()).await?;
        let (held, writer) = Seen::done(seen)?;
        let folder = into.clone();
        let keep = move || {
            let Some(mut writer) = writer else { return Ok(None) };
            writer.finish()?;
            folder.keep(writer.into_inner().get_ref(), now).map(Some)
        };
        Ok((off_thread(keep).await?, held))
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
            let mut lines = BufReader::new(File::open(&path).ok()?);
            find(&mut lines, b"audit-head").filter(|line| end(std::slice::from_ref(line)) > store)?;
            let (mut reader, mut head) = (Reader::open(BufReader::new(File::open(&path).ok()?)).ok()?, Vec::new());
            while let Some(pair) = reader.next_pair().ok()? {
                head.extend((pair.0 == b"audit-head").then_some(pair));
            }
            Some(end(&head))
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
        let read = tokio::task::spawn_blocking(move || {
            let seen = Seen::<Vec<u8>>::new(None);
            let mut reader = Reader::open(BufReader::new(File::open(path).ok()?)).ok()?;
            while let Some(pair) = reader.next_pair().ok()? {
                seen.lock().ok()?.takes(vec![pair]).ok()?;
            }
            Seen::done(seen).ok().map(|(content, _)| content)
        });
        let content = read.await.ok().flatten();
        if content.is_none() {
            tracing::warn!(file = %newest.display(), "this snapshot cannot be read; another will be written");
        }
        content
    }
}

async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T, StoreError> + Send + 'static) -> Result<T, SnapshotError> {
    Ok(tokio::task::spawn_blocking(work).await.map_err(|_| SnapshotError::Stopped)??)
}
