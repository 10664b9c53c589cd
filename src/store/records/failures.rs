//! Failures by address and by name: counted in the store, so that no restart and no second gateway forgets them, in a fixed number
//! of cells, so that no stranger can make it grow.
//!
//! A key's cell is found by a keyed hash, which nobody outside can aim. Two keys that meet in a cell share its budget, which can
//! only make the gateway stricter. What one failure counts for is written in one step: the whole of it or nothing.

use crate::base::Time;
use crate::config::Rate;
use crate::limit::{Bucket, Throttled};
use crate::session::Purpose;
use crate::store::backend::kv::{Batch, decode, encode, key};
use crate::store::{Store, StoreError};

/// Tries against other gateways; within this one writers take turns.
const TRIES: usize = 64;

/// What failures are counted for, and its rate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counted {
    /// `address` or `name`: a table of 65,536 cells each.
    pub table: &'static str,
    pub name: String,
    pub rate: Rate,
}

fn cell(counted: &Counted, digest: [u8; 32]) -> Vec<u8> {
    let [high, low, ..] = digest;
    key("failed", format!("{}/{high:02x}{low:02x}", counted.table))
}

/// A record that cannot be read is begun anew.
fn bucket(record: Option<&[u8]>) -> Bucket {
    record.and_then(|bytes| decode(bytes).ok()).unwrap_or_default()
}

impl Store {
    /// Whether failures so far leave room for another try at each of these. Counts from before a rotation of the keys are found too.
    ///
    /// # Errors
    /// The inner one: wait.
    pub async fn may_fail(&self, counted: &[Counted], now: Time) -> Result<Result<(), Throttled>, StoreError> {
        let keys = self.keys();
        for one in counted {
            let parts: [&[u8]; 1] = [one.name.as_bytes()];
            let cells: Vec<_> = keys.digests(Purpose::Failures, &parts).map(|digest| cell(one, digest)).collect();
            for index in cells {
                if let Err(wait) = bucket(self.kv.get(&index).await?.as_deref()).check(one.rate, now) {
                    return Ok(Err(wait));
                }
            }
        }
        Ok(Ok(()))
    }

    /// Counts one failure for all of these at once.
    pub async fn count_failure(&self, counted: &[Counted], now: Time) -> Result<(), StoreError> {
        let keys = self.keys();
        let cells: Vec<_> =
            counted.iter().map(|one| (cell(one, keys.digest(Purpose::Failures, &[one.name.as_bytes()])), one.rate)).collect();
        let Some((first, _)) = cells.first() else { return Ok(()) };
        let _turn = self.failed_turns.take(first).await;
        for _ in 0..TRIES {
            let mut batch = Batch::default();
            for (index, rate) in &cells {
                let before = self.kv.get(index).await?;
                let mut failures = bucket(before.as_deref());
                failures.failed(*rate, now);
                batch = batch.expect(index.clone(), before).put(index.clone(), encode(&failures)?);
            }
            if self.kv.commit(batch).await? {
                return Ok(());
            }
        }
        Err(StoreError::Contended)
    }

    /// Removes cells that say nothing any more; returns how many.
    pub(in crate::store) async fn sweep_failed(&self, now: Time) -> Result<usize, StoreError> {
        let (mut gone, mut after) = (0, None);
        loop {
            let page = self.kv.scan(b"failed/", after.as_deref(), 500, false).await?;
            let Some((last, _)) = page.last() else { return Ok(gone) };
            after = Some(last.clone());
            let empty: Vec<_> = page.into_iter().filter(|(_, bytes)| bucket(Some(bytes)).is_empty(now)).collect();
            let count = empty.len();
            let batch =
                empty.into_iter().fold(Batch::default(), |batch, (index, bytes)| batch.expect(index.clone(), Some(bytes)).delete(index));
            // Where one of them was counted in meanwhile, the next sweep comes soon enough.
            if count > 0 && self.kv.commit(batch).await? {
                gone += count;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::session::KeyRing;
    use crate::session::keys::MasterKey;
    use crate::store::SledKv;

    const RATE: Rate = Rate { count: 5, per: Duration::from_secs(60) };

    fn at(name: &str) -> [Counted; 1] {
        [Counted { table: "address", name: name.to_owned(), rate: RATE }]
    }

    async fn store() -> (tempfile::TempDir, Store, Vec<MasterKey>) {
        let folder = tempfile::tempdir().unwrap();
        let keys = vec![MasterKey::random(1, Time::default()).unwrap()];
        let kv = SledKv::open(&folder.path().join("store")).await.unwrap();
        let store = Store::new(Arc::new(kv), Arc::new(KeyRing::new(&keys).unwrap()));
        (folder, store, keys)
    }

    #[tokio::test]
    async fn each_of_many_failures_at_once_is_counted() {
        let (_folder, store, _) = store().await;
        let (store, now) = (Arc::new(store), Time::from_secs(1_000_000));
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..40 {
            let store = store.clone();
            all.spawn(async move { store.count_failure(&at("192.0.2.1"), now).await.unwrap() });
        }
        all.join_all().await;
        let mut alone = Bucket::default();
        (0..40).for_each(|_| alone.failed(RATE, now));
        assert_eq!(store.may_fail(&at("192.0.2.1"), now).await.unwrap(), alone.check(RATE, now));
        assert!(alone.check(RATE, now).is_err());
        assert_eq!(store.may_fail(&at("192.0.2.2"), now).await.unwrap(), Ok(()));
    }

    #[tokio::test]
    async fn a_rotation_of_the_keys_forgets_no_failure() {
        let (_folder, store, mut keys) = store().await;
        let now = Time::from_secs(1_000_000);
        for _ in 0..6 {
            store.count_failure(&at("192.0.2.1"), now).await.unwrap();
        }
        keys.push(MasterKey::random(2, now).unwrap());
        store.rekey(Arc::new(KeyRing::new(&keys).unwrap()));
        assert!(store.may_fail(&at("192.0.2.1"), now).await.unwrap().is_err());
    }

    #[tokio::test]
    async fn what_has_drained_is_swept_and_what_has_not_stays() {
        let (_folder, store, _) = store().await;
        let now = Time::from_secs(1_000_000);
        for n in 0..600 {
            store.count_failure(&at(&format!("old {n}")), now).await.unwrap();
        }
        let later = now.plus(Duration::from_secs(3600));
        for _ in 0..6 {
            store.count_failure(&at("new"), later).await.unwrap();
        }
        assert!(store.sweep(later).await.unwrap() > 500);
        assert!(store.may_fail(&at("new"), later).await.unwrap().is_err());
        assert_eq!(store.kv().scan(b"failed/", None, 10, false).await.unwrap().len(), 1);
    }
}
