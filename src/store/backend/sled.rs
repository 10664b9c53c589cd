//! The embedded backend. What it promises beyond sled stands in `opened`, how it recovers after a full disk in `keeper`.

mod keeper;
mod opened;

use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::kv::{Batch, Kv, Pair, Sink, given};
use crate::store::StoreError;
use keeper::Keeper;

/// A sled database in one tree.
pub struct SledKv(Arc<Keeper>);

impl SledKv {
    /// # Errors
    /// Held by another process, damaged, or readable by others.
    pub async fn open(folder: &Path) -> Result<Self, StoreError> {
        let folder = folder.to_owned();
        blocking(move || Keeper::open(folder).map(Self)).await
    }
}

/// Runs what may touch the disk away from the threads that carry traffic.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, StoreError> + Send + 'static) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|e| StoreError::Backend(e.to_string()))?
}

#[async_trait]
impl Kv for SledKv {
    async fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let (keeper, key) = (self.0.clone(), key.to_vec());
        blocking(move || keeper.lend()?.get(&key)).await
    }

    async fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize, reverse: bool) -> Result<Vec<Pair>, StoreError> {
        let (keeper, prefix, after) = (self.0.clone(), prefix.to_vec(), after.map(<[u8]>::to_vec));
        blocking(move || keeper.lend()?.scan(&prefix, after.as_deref(), limit, reverse)).await
    }

    async fn commit(&self, batch: Batch) -> Result<bool, StoreError> {
        let keeper = self.0.clone();
        blocking(move || keeper.commit(batch)).await
    }

    async fn snapshot(&self) -> Result<Vec<Pair>, StoreError> {
        let keeper = self.0.clone();
        blocking(move || keeper.lend()?.snapshot(&[])).await
    }

    async fn snapshot_without(&self, prefixes: &'static [&'static [u8]]) -> Result<Vec<Pair>, StoreError> {
        let keeper = self.0.clone();
        blocking(move || keeper.lend()?.snapshot(prefixes)).await
    }

    async fn pour(&self, without: &'static [&'static [u8]], sink: Arc<Mutex<dyn Sink>>) -> Result<(), StoreError> {
        let keeper = self.0.clone();
        blocking(move || keeper.lend()?.pour(without, &mut *given(&sink))).await
    }

    async fn replace(&self, pairs: Vec<Pair>, only_empty: bool) -> Result<bool, StoreError> {
        let keeper = self.0.clone();
        blocking(move || keeper.replace(pairs, only_empty)).await
    }
}
