//! Failures by address and by name, and messages that were sent: counted in the store, so that no restart and no second gateway forgets them, in
//! a fixed number of cells, so that no stranger can make it grow.
//!
//! A key's cell is found by a keyed hash, which nobody outside can aim. Two keys that meet in a cell share its budget, which can
//! only make the gateway stricter. What one failure counts for is written in one step: the whole of it or nothing.

use crate::base::Time;
use crate::limit::{Bucket, Counted, Throttled};
use crate::session::Purpose;
use crate::store::backend::kv::{Batch, decode, encode, key};
use crate::store::{Store, StoreError};

/// Tries against other gateways; within this one writers take turns.
const TRIES: usize = 64;

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

    /// Counts one use for all of these at once, if each has room for it: of many at the same time, at whatever gateways, no more than the rates allow.
    ///
    /// # Errors
    /// The inner one: wait; then nothing was counted.
    pub async fn use_within(&self, counted: &[Counted], now: Time) -> Result<Result<(), Throttled>, StoreError> {
        let keys = self.keys();
        let cells: Vec<_> =
            counted.iter().map(|one| (cell(one, keys.digest(Purpose::Failures, &[one.name.as_bytes()])), one.rate)).collect();
        let Some((first, _)) = cells.first() else { return Ok(Ok(())) };
        let _turn = self.failed_turns.take(first).await;
        for _ in 0..TRIES {
            if let Err(wait) = self.may_fail(counted, now).await? {
                return Ok(Err(wait));
            }
            let mut batch = Batch::default();
            for (index, rate) in &cells {
                let before = self.kv.get(index).await?;
                let mut used = bucket(before.as_deref());
                if let Err(wait) = used.check(*rate, now) {
                    return Ok(Err(wait));
                }
                used.used(*rate, now);
                batch = batch.expect(index.clone(), before).put(index.clone(), encode(&used)?);
            }
            if self.kv.commit(batch).await? {
                return Ok(Ok(()));
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
    use crate::base::UserId;
    use crate::config::Rate;
    use crate::limit::Sending;
    use crate::session::KeyRing;
    use crate::session::keys::MasterKey;
    use crate::store::SledKv;
    use crate::store::postgres::{PostgresKv, server};

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
    async fn a_stranger_floods_nobody_and_uses_up_nothing_of_the_owners() {
        let (_folder, store, _) = store().await;
        let (user, now) = (UserId::random().unwrap(), Time::from_secs(1_000_000));
        let (store, mut sent) = (&store, [0; 3]);
        for (kind, sending) in [Sending::Link, Sending::Code { browser: None }, Sending::NewBrowser].into_iter().enumerate() {
            for n in 0..60u8 {
                let may = store.use_within(&sending.counted(user, [10, 0, 0, n].into()), now).await.unwrap();
                sent[kind] += u32::from(may.is_ok());
            }
        }
        assert!((3..=4).contains(&sent[0]) && (20..=21).contains(&sent[1]) && (10..=11).contains(&sent[2]), "{sent:?}");
        let own = Sending::Code { browser: Some([1; 16]) }.counted(user, [10, 0, 0, 1].into());
        assert!(store.use_within(&own, now).await.unwrap().is_ok());
        let others = Sending::Link.counted(UserId::random().unwrap(), [10, 0, 0, 1].into());
        assert!(store.use_within(&others, now).await.unwrap().is_ok());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn gateways_over_one_database_count_messages_together() {
        let url = server::url(&server::database().await);
        let keys = Arc::new(KeyRing::new(&[MasterKey::random(1, Time::default()).unwrap()]).unwrap());
        let (user, now) = (UserId::random().unwrap(), Time::from_secs(1_000_000));
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..3 {
            let store = Arc::new(Store::new(Arc::new(PostgresKv::open(&url).await.unwrap()), keys.clone()));
            for _ in 0..10 {
                let (store, counted) = (store.clone(), Sending::Link.counted(user, [192, 0, 2, 1].into()));
                all.spawn(async move { store.use_within(&counted, now).await.unwrap().is_ok() });
            }
        }
        let sent = all.join_all().await.into_iter().filter(|may| *may).count();
        assert!((3..=4).contains(&sent), "{sent}");
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
