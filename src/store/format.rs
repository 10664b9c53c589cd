//! The form of a store's records, and who can read it: `format` in the store. Guarantees that a program which cannot read what a later
//! release wrote does not open the store, and that one which would write what others at work cannot read does not either.
//!
//! A store without the record has the first form. The second has an index of sessions by their users beside it (`records/sessions/owners.rs`);
//! programs of the first read it, and do not keep the index.

use serde::{Deserialize, Serialize};

use super::backend::kv::{Batch, Pair, decode, encode};
use super::{Store, StoreError};

/// The form that this release writes. Raise it with every change that an earlier release would misread.
pub const FORMAT: u32 = 2;

/// The earliest form whose programs read what this release writes. As long as it stays below [`FORMAT`] the two run side by side.
const OLDEST: u32 = 1;

const RECORD: &[u8] = b"format";

const TRIES: usize = 16;

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Format {
    format: u32,
    oldest: u32,
    /// The release that wrote this.
    version: String,
}

/// What a program can do.
#[derive(Clone, Copy)]
struct Able {
    format: u32,
    oldest: u32,
}

/// This one.
const OURS: Able = Able { format: FORMAT, oldest: OLDEST };

/// Whether these pairs hold nothing that this program cannot read.
///
/// # Errors
/// [`StoreError::NewerFormat`].
pub fn check_format_of(pairs: &[Pair]) -> Result<(), StoreError> {
    let written = pairs.iter().find(|(key, _)| key == RECORD).map(|(_, bytes)| decode::<Format>(bytes)).transpose()?;
    written.map_or(Ok(()), |written| readable(&written, OURS))
}

/// Whether a key is that of the record.
pub fn is_format(key: &[u8]) -> bool {
    key == RECORD
}

fn readable(written: &Format, able: Able) -> Result<(), StoreError> {
    if written.oldest <= able.format {
        return Ok(());
    }
    Err(StoreError::NewerFormat { version: written.version.clone(), format: written.oldest, ours: able.format })
}

impl Store {
    /// The record as it is, for whoever puts other pairs in the place of everything.
    ///
    /// # Errors
    /// The store's.
    pub async fn format_record(&self) -> Result<Option<Pair>, StoreError> {
        Ok(self.kv.get(RECORD).await?.map(|bytes| (RECORD.to_vec(), bytes)))
    }

    /// Refuses a store that this release cannot read.
    ///
    /// # Errors
    /// [`StoreError::NewerFormat`], [`StoreError::OlderGateway`], and the store's.
    pub(super) async fn check_format(&self) -> Result<(), StoreError> {
        self.check_format_for(OURS).await
    }

    /// Refuses a store that this program cannot read. A shared one is told what this program writes, unless a gateway at work could
    /// not read that.
    async fn check_format_for(&self, able: Able) -> Result<(), StoreError> {
        for _ in 0..TRIES {
            let before = self.kv.get(RECORD).await?;
            let written = before.as_deref().map(decode::<Format>).transpose()?;
            if let Some(written) = &written {
                readable(written, able)?;
            }
            if !self.kv.is_shared()
                || written.as_ref().is_some_and(|written| written.format >= able.format && written.oldest >= able.oldest)
            {
                return Ok(());
            }
            if let Some((_, gateway)) = self.gateways().await?.into_iter().find(|(_, gateway)| gateway.format.max(1) < able.oldest) {
                return Err(StoreError::OlderGateway { name: gateway.name, version: gateway.version });
            }
            let (format, oldest) = written.map_or((0, 0), |written| (written.format, written.oldest));
            let version = env!("CARGO_PKG_VERSION").to_owned();
            let record = Format { format: able.format.max(format), oldest: able.oldest.max(oldest), version };
            if self.kv.commit(Batch::durable().expect(RECORD, before).put(RECORD, encode(&record)?)).await? {
                return Ok(());
            }
        }
        Err(StoreError::Contended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Time;
    use crate::config::StoreUrl;
    use crate::session::keys::MasterKey;
    use crate::store::Gateway;
    use crate::store::postgres::server;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_release_that_cannot_read_a_store_does_not_open_it() {
        let (keys, now) = ([MasterKey::random(1, Time::default()).unwrap()], Time::default());
        let url = StoreUrl::Postgres(server::url(&server::database().await));
        let store = Store::open(&url, &keys, now).await.unwrap();
        // The next release writes something new that this one reads as well: both run.
        store.check_format_for(Able { format: 3, oldest: 1 }).await.unwrap();
        drop(Store::open(&url, &keys, now).await.unwrap());
        // The one after that is not to start while this one is at work.
        store.put_gateway("a1", &Gateway { name: "web1".into(), format: FORMAT, ..Gateway::default() }).await.unwrap();
        let refused = store.check_format_for(Able { format: 4, oldest: 3 }).await.unwrap_err();
        assert!(refused.to_string().contains("web1"), "{refused}");
        drop(Store::open(&url, &keys, now).await.unwrap());
        store.remove_gateway("a1").await.unwrap();
        store.check_format_for(Able { format: 4, oldest: 3 }).await.unwrap();
        let refused = Store::open(&url, &keys, now).await.err().unwrap();
        assert!(matches!(&refused, StoreError::NewerFormat { format: 3, ours: 2, .. }), "{refused}");
        assert!(refused.to_string().contains("upgrade this gateway"), "{refused}");
        // Nor is its backup taken in.
        let pairs = store.kv().snapshot().await.unwrap();
        assert!(matches!(check_format_of(&pairs), Err(StoreError::NewerFormat { .. })));
        // What went back to an earlier form says so to nobody: it is never lowered.
        store.check_format_for(Able { format: 4, oldest: 1 }).await.unwrap();
        assert!(Store::open(&url, &keys, now).await.is_err());
    }

    #[tokio::test]
    async fn an_embedded_store_of_a_later_release_is_refused_and_gets_no_record_from_this_one() {
        let folder = tempfile::tempdir().unwrap();
        let url = StoreUrl::Sled(folder.path().join("store"));
        let keys = [MasterKey::random(1, Time::default()).unwrap()];
        let store = Store::open(&url, &keys, Time::default()).await.unwrap();
        assert!(store.kv().get(RECORD).await.unwrap().is_none());
        let later = Format { format: 9, oldest: 9, version: "9.0.0".into() };
        store.kv().commit(Batch::durable().put(RECORD, encode(&later).unwrap())).await.unwrap();
        drop(store);
        assert!(matches!(Store::open(&url, &keys, Time::default()).await, Err(StoreError::NewerFormat { .. })));
    }
}
