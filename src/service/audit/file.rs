//! Copies the audit log into `audit.file`. The store itself is the queue: records are read from it in order, so memory stays bounded, no
//! request waits, and a file that could not be written for a while is completed later.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::config::AuditFile as Target;
use crate::service::context::Context;
use crate::store::journal::{Journal, Mark, read_mark, write_mark};
use crate::store::{AuditRecord, AuditStart, Store, StoreError};

/// How many records are written at a time.
const PAGE: usize = 500;

/// Why the file is behind the log.
#[derive(Debug, thiserror::Error)]
pub enum AuditFileError {
    #[error("{0}: {1}; mend its folder or its permissions, and what is missing will be written")]
    File(String, std::io::Error),
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// Where lines go.
enum Sink {
    Stdout,
    File(Journal),
}

impl Sink {
    fn append(&mut self, lines: &str) -> std::io::Result<()> {
        match self {
            Self::Stdout => {
                let mut out = std::io::stdout().lock();
                out.write_all(lines.as_bytes())?;
                out.flush()
            }
            Self::File(journal) => journal.append(lines),
        }
    }
}

struct Open {
    target: Target,
    sink: Sink,
    /// The number of the last record that stands there.
    at: u64,
}

/// One writer for each process. After an error it begins again with what is in the file.
#[derive(Default)]
pub struct AuditFileWriter {
    open: Option<Open>,
}

impl AuditFileWriter {
    /// Writes all that is committed and not yet there; returns how many records. Follows the configuration.
    ///
    /// # Errors
    /// The file's or the store's; nothing is lost by that.
    pub async fn catch_up(&mut self, file: &AuditFile) -> Result<usize, AuditFileError> {
        let Some(target) = file.context.config().audit.file.clone() else {
            self.open = None;
            file.written.store(u64::MAX, Ordering::Release);
            return Ok(0);
        };
        let mut open = match self.open.take().filter(|open| open.target == target) {
            Some(open) => open,
            None => file.open(target).await?,
        };
        let mut count = 0;
        loop {
            file.written.store(open.at, Ordering::Release);
            let page = file.store.audit_after(open.at, PAGE).await?;
            let Some(last) = page.last() else { break };
            let mark = Mark { seq: last.seq, hash: last.hash.clone() };
            count += page.len();
            open = open.write(lines(&page)?, mark, file.mark_path()).await?;
        }
        self.open = Some(open);
        Ok(count)
    }
}

impl Open {
    async fn write(mut self, lines: String, mark: Mark, mark_path: PathBuf) -> Result<Self, AuditFileError> {
        off_thread(self.target.to_string(), move || {
            self.sink.append(&lines)?;
            write_mark(&mark_path, &mark)?;
            self.at = mark.seq;
            Ok(self)
        })
        .await
    }
}

async fn off_thread<T: Send + 'static>(
    name: String,
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, AuditFileError> {
    let done = tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| Err(std::io::Error::other(e)));
    done.map_err(|e| AuditFileError::File(name, e))
}

/// As `vestibule audit --json` prints them.
fn lines(records: &[AuditRecord]) -> Result<String, StoreError> {
    let mut text = String::new();
    for record in records {
        let json = |e: serde_json::Error| StoreError::Record(e.to_string());
        let mut value = serde_json::to_value(record).map_err(json)?;
        if let Some(object) = value.as_object_mut() {
            object.insert("at".to_owned(), record.at.rfc3339().into());
        }
        text.push_str(&value.to_string());
        text.push('\n');
    }
    Ok(text)
}

/// The copy of the audit log in `audit.file`, and how far it has come.
pub struct AuditFile {
    store: Arc<Store>,
    context: Arc<Context>,
    written: AtomicU64,
}

impl AuditFile {
    pub fn new(store: Arc<Store>, context: Arc<Context>) -> Self {
        Self { store, context, written: AtomicU64::new(u64::MAX) }
    }

    /// The last record that is in the file: none after it may be removed from the log. `u64::MAX` if there is no file.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Nothing is removed from the log until the file is known to have it.
    pub fn hold(&self) {
        if self.context.config().audit.file.is_some() {
            self.written.store(0, Ordering::Release);
        }
    }

    /// Whether there is a record that the file does not have. A store that cannot be read has no news.
    pub async fn is_behind(&self) -> bool {
        let written = self.written.load(Ordering::Acquire);
        self.store.audit_head().await.ok().flatten().is_some_and(|head| head.seq > written)
    }

    fn mark_path(&self) -> PathBuf {
        self.context.config().server.data_dir.join("audit.position")
    }

    async fn open(&self, target: Target) -> Result<Open, AuditFileError> {
        let (wanted, path) = (target.clone(), self.mark_path());
        let open = move || {
            let (sink, last) = match &wanted {
                Target::Stdout => (Sink::Stdout, None),
                Target::Path(path) => Journal::open(path).map(|(journal, last)| (Sink::File(journal), last))?,
            };
            Ok((sink, last, read_mark(&path)))
        };
        let (sink, last, mark) = off_thread(target.to_string(), open).await?;
        let at = self.goes_on_after(&target, [last, mark].into_iter().flatten().collect()).await?;
        Ok(Open { target, sink, at })
    }

    /// The furthest mark that is this log's. A file without one gets the whole log; standard output what comes from now on. If no
    /// mark is this log's, an older store was put back or another taken: twice is better than never.
    async fn goes_on_after(&self, target: &Target, mut marks: Vec<Mark>) -> Result<u64, StoreError> {
        let (start, anchor) = match self.store.audit_start().await? {
            AuditStart::At(seq, hash) => (seq, Some(hash)),
            AuditStart::Forged => (0, None),
        };
        if marks.is_empty() && *target == Target::Stdout {
            return Ok(self.store.audit_head().await?.map_or(0, |head| head.seq));
        }
        marks.sort_by_key(|mark| std::cmp::Reverse(mark.seq));
        for mark in &marks {
            let there = match mark.seq {
                seq if seq == start => anchor.clone(),
                seq => self.store.audit_after(seq.saturating_sub(1), 1).await?.into_iter().find(|r| r.seq == seq).map(|r| r.hash),
            };
            if there.as_ref() == Some(&mark.hash) || mark.seq < start {
                return Ok(mark.seq);
            }
        }
        if let Some(mark) = marks.first() {
            tracing::warn!(seq = mark.seq, file = %target, "the audit file goes on with another store's log: all of that is written");
        }
        Ok(start)
    }
}

#[cfg(test)]
mod tests;
