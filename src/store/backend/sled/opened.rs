//! An open sled database: order and atomicity are sled's; this adds what its `flush` leaves out (a real sync of the file).

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};

use sled::transaction::{ConflictableTransactionError, TransactionError};

use crate::store::backend::kv::{Batch, Pair, Sink, is_furniture, upper};
use crate::store::{StoreError, private_folder};

/// sled's default is a gigabyte.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;

/// How many pairs are taken out at a time.
const AT_ONCE: usize = 1000;

/// Written to see whether a write reaches the disk; readiness writes it too.
pub(crate) const HEALTH: &[u8] = b"health";

/// A sled database in one tree.
pub(crate) struct Opened {
    db: sled::Db,
    /// sled's own data file: syncing it through any descriptor syncs it.
    file: File,
    /// Commits share it; a snapshot or a replacement has it alone.
    gate: RwLock<()>,
}

fn damaged(path: &Path, fault: String) -> StoreError {
    StoreError::Damaged { path: PathBuf::from(path), fault, snapshot: None }
}

fn failed(e: impl std::fmt::Display) -> StoreError {
    StoreError::Backend(e.to_string())
}

impl Opened {
    pub(crate) fn open(folder: &Path) -> Result<Self, StoreError> {
        private_folder(folder)?;
        let config = sled::Config::new().path(folder).cache_capacity(CACHE_BYTES).flush_every_ms(Some(500));
        // sled reports some damage by a panic; a person needs the way back, not a stack trace.
        let opened = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| config.open()));
        let db = match opened {
            Ok(Ok(db)) => db,
            Ok(Err(sled::Error::Io(e))) if e.to_string().contains("lock") => return Err(StoreError::InUse(folder.to_owned())),
            Ok(Err(e)) => return Err(damaged(folder, e.to_string())),
            Err(_) => return Err(damaged(folder, "its log cannot be read".to_owned())),
        };
        let path = folder.join("db");
        let file = File::open(&path).map_err(|e| StoreError::file(&path, &e))?;
        Ok(Self { db, file, gate: RwLock::new(()) })
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.db.get(key).map_err(failed)?.map(|value| value.to_vec()))
    }

    /// Whether a write reaches the disk.
    pub(crate) fn probe(&self) -> Result<(), StoreError> {
        self.commit(&Batch::durable().put(HEALTH, "1"), &Mutex::default()).map(drop)
    }

    /// The place of this commit among all that counted in `turn`; `None` where an expectation did not hold.
    pub(crate) fn commit(&self, batch: &Batch, turn: &Mutex<u64>) -> Result<Option<u64>, StoreError> {
        let _shared = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        // sled's transactions wait for each other as well.
        let mut order = turn.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = self.db.transaction(|tx| {
            for (key, expected) in &batch.expect {
                if tx.get(key)?.as_deref() != expected.as_deref() {
                    return Err(ConflictableTransactionError::Abort(()));
                }
            }
            for (key, value) in &batch.write {
                match value {
                    Some(value) => tx.insert(key.as_slice(), value.as_slice())?,
                    None => tx.remove(key.as_slice())?,
                };
            }
            Ok(())
        });
        *order += 1;
        let place = *order;
        drop(order);
        match outcome {
            Ok(()) => {}
            Err(TransactionError::Abort(())) => return Ok(None),
            Err(TransactionError::Storage(e)) => return Err(failed(e)),
        }
        self.db.flush().map_err(failed)?;
        if batch.durable {
            self.file.sync_data().map_err(failed)?;
        }
        Ok(Some(place))
    }

    pub(crate) fn snapshot(&self, without: &[&[u8]]) -> Result<Vec<Pair>, StoreError> {
        let (_alone, mut pairs) = (self.gate.write().unwrap_or_else(PoisonError::into_inner), Vec::new());
        self.each(without, |key, value| {
            pairs.push((key.to_vec(), value.to_vec()));
            Ok(())
        })?;
        Ok(pairs)
    }

    /// As [`Self::snapshot`], some pairs at a time. They are counted first; nothing changes in between.
    pub(crate) fn pour(&self, without: &[&[u8]], sink: &mut dyn Sink) -> Result<(), StoreError> {
        let (_alone, mut count) = (self.gate.write().unwrap_or_else(PoisonError::into_inner), 0);
        self.each(without, |_, _| {
            count += 1;
            Ok(())
        })?;
        sink.begins(count)?;
        let mut some = Vec::with_capacity(AT_ONCE);
        self.each(without, |key, value| {
            some.push((key.to_vec(), value.to_vec()));
            if some.len() < AT_ONCE { Ok(()) } else { sink.takes(std::mem::take(&mut some)) }
        })?;
        sink.takes(some)
    }

    /// What is left out is passed over and not read: there may be a million sessions, and no commit happens meanwhile.
    fn each(&self, without: &[&[u8]], mut see: impl FnMut(&[u8], &[u8]) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let mut from = Some(Vec::new());
        while let Some(start) = from.take() {
            for entry in self.db.range(start..) {
                let (key, value) = entry.map_err(failed)?;
                if let Some(prefix) = without.iter().find(|prefix| key.starts_with(prefix)) {
                    from = upper(prefix);
                    break;
                }
                see(&key, &value)?;
            }
        }
        Ok(())
    }

    pub(crate) fn replace(&self, pairs: Vec<Pair>, only_empty: bool) -> Result<bool, StoreError> {
        let _alone = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        if only_empty {
            for key in self.db.iter().keys() {
                if !is_furniture(&key.map_err(failed)?) {
                    return Ok(false);
                }
            }
        }
        let mut batch = sled::Batch::default();
        for key in self.db.iter().keys() {
            batch.remove(key.map_err(failed)?);
        }
        for (key, value) in pairs {
            batch.insert(key, value);
        }
        self.db.apply_batch(batch).map_err(failed)?;
        self.db.flush().map_err(failed)?;
        self.file.sync_data().map_err(failed)?;
        Ok(true)
    }

    pub(crate) fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize, reverse: bool) -> Result<Vec<Pair>, StoreError> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let end = upper(prefix);
        let top = match (&end, reverse, after) {
            (_, true, Some(after)) => Excluded(after),
            (Some(end), ..) => Excluded(end.as_slice()),
            (None, ..) => Unbounded,
        };
        let bottom = match after {
            Some(after) if !reverse => Excluded(after),
            _ => Included(prefix),
        };
        let range = self.db.range::<&[u8], _>((bottom, top));
        let pair = |entry: Result<(sled::IVec, sled::IVec), sled::Error>| entry.map(|(k, v)| (k.to_vec(), v.to_vec())).map_err(failed);
        if reverse { range.rev().take(limit).map(pair).collect() } else { range.take(limit).map(pair).collect() }
    }
}
