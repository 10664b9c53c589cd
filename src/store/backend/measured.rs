//! A backend whose every call is timed and reported. It changes nothing: what the inner one answers is what is answered.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::kv::{Batch, Change, Kv, Pair, Sink, Source, Word};
use crate::store::StoreError;

/// Told of every call: its name, how long it took, whether it failed.
pub type Measure = Box<dyn Fn(&'static str, Duration, bool) + Send + Sync>;

pub(in crate::store) struct MeasuredKv {
    inner: Arc<dyn Kv>,
    measure: Measure,
}

impl MeasuredKv {
    pub(in crate::store) fn new(inner: Arc<dyn Kv>, measure: Measure) -> Self {
        Self { inner, measure }
    }

    async fn timed<T>(&self, name: &'static str, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let start = Instant::now();
        let answer = call.await;
        (self.measure)(name, start.elapsed(), answer.is_err());
        answer
    }
}

#[async_trait]
impl Kv for MeasuredKv {
    async fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.timed("get", self.inner.get(key)).await
    }

    async fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.timed("get", self.inner.get_many(keys)).await
    }

    async fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize, reverse: bool) -> Result<Vec<Pair>, StoreError> {
        self.timed("scan", self.inner.scan(prefix, after, limit, reverse)).await
    }

    async fn commit(&self, batch: Batch) -> Result<bool, StoreError> {
        self.timed("commit", self.inner.commit(batch)).await
    }

    async fn snapshot(&self) -> Result<Vec<Pair>, StoreError> {
        self.timed("snapshot", self.inner.snapshot()).await
    }

    async fn snapshot_without(&self, prefixes: &'static [&'static [u8]]) -> Result<Vec<Pair>, StoreError> {
        self.timed("snapshot", self.inner.snapshot_without(prefixes)).await
    }

    async fn replace(&self, pairs: Vec<Pair>, only_empty: bool) -> Result<bool, StoreError> {
        self.timed("replace", self.inner.replace(pairs, only_empty)).await
    }

    async fn pour(&self, without: &'static [&'static [u8]], sink: Arc<Mutex<dyn Sink>>) -> Result<(), StoreError> {
        self.timed("snapshot", self.inner.pour(without, sink)).await
    }

    async fn fill(&self, source: Box<dyn Source>, only_empty: bool) -> Result<bool, StoreError> {
        self.timed("replace", self.inner.fill(source, only_empty)).await
    }

    fn changes(&self) -> Option<mpsc::Receiver<Change>> {
        self.inner.changes()
    }

    fn member(&self) -> Option<String> {
        self.inner.member()
    }

    async fn tell(&self, word: Word) -> Result<bool, StoreError> {
        self.timed("tell", self.inner.tell(word)).await
    }

    fn is_shared(&self) -> bool {
        self.inner.is_shared()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_call_is_reported_once() {
        let folder = tempfile::tempdir().unwrap();
        let inner: Arc<dyn Kv> = Arc::new(crate::store::SledKv::open(&folder.path().join("store")).await.unwrap());
        let (calls, seen) = std::sync::mpsc::channel();
        let kv = MeasuredKv::new(inner, Box::new(move |name, _, failed| calls.send((name, failed)).unwrap()));
        assert!(kv.commit(Batch::default().put("a/b", "1")).await.unwrap());
        assert_eq!(kv.get(b"a/b").await.unwrap().as_deref(), Some(&b"1"[..]));
        assert_eq!(kv.scan(b"a/", None, 9, false).await.unwrap().len(), 1);
        assert_eq!(kv.snapshot().await.unwrap().len(), 1);
        assert_eq!(kv.snapshot_without(&[b"b/"]).await.unwrap().len(), 1);
        assert!(kv.replace(Vec::new(), false).await.unwrap());
        assert!(kv.changes().is_none() && !kv.is_shared());
        drop(kv);
        assert_eq!(seen.iter().collect::<Vec<_>>(), ["commit", "get", "scan", "snapshot", "snapshot", "replace"].map(|name| (name, false)));
    }
}
