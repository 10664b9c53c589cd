//! The keys of gateways that share a store, kept in it. Guarantees that they are sealed under the operator's key (`keys.json`, the same at every
//! gateway), that changes of them are atomic, and that a gateway whose `keys.json` does not open them is refused.
//!
//! Key: `keyring` the sealed keys. An embedded store has none: its keys are those of `keys.json`.

use std::sync::Arc;

use crate::base::Time;
use crate::session::keys::{MasterKey, SharedKeys};
use crate::store::backend::kv::{Batch, Pair};
use crate::store::followed::Followed;
use crate::store::{Store, StoreError};

const RECORD: &[u8] = b"keyring";

/// How often a write is tried again when the record changed meanwhile.
const TRIES: usize = 16;

impl Store {
    /// Takes the shared keys; the first gateway at a store puts those of its key file there.
    ///
    /// # Errors
    /// [`StoreError::ForeignKeys`] if `keys.json` is not the one that the shared keys were sealed under.
    pub async fn join_keys(&self, file: &[MasterKey], now: Time) -> Result<(), StoreError> {
        for _ in 0..TRIES {
            if self.follow_keys(now).await? {
                return Ok(());
            }
            self.check_keys().await?;
            let sealed = self.sealed_keys(&SharedKeys::new(file.to_vec()))?;
            self.kv.commit(Batch::durable().expect(RECORD, None).put(RECORD, sealed)).await?;
        }
        Err(StoreError::Contended)
    }

    /// Puts the shared keys in force as they are in the store now; `false` if there are none.
    ///
    /// # Errors
    /// The store's, and [`StoreError::ForeignKeys`].
    pub async fn follow_keys(&self, now: Time) -> Result<bool, StoreError> {
        let mut followed = self.shared_keys.lock().await;
        let Some(record) = self.kv.get(RECORD).await? else { return Ok(false) };
        if followed.as_ref().is_none_or(|followed| followed.record != record) {
            let keys = self.opened_keys(&record)?;
            *followed = Some(Followed { record, keys, signer: None });
        }
        self.take_up(followed.as_mut(), now)?;
        Ok(true)
    }

    /// Has a published key sign once its time has come. Asks nobody.
    ///
    /// # Errors
    /// If the keys make no sense.
    pub async fn keys_due(&self, now: Time) -> Result<(), StoreError> {
        self.take_up(self.shared_keys.lock().await.as_mut(), now)
    }

    fn take_up(&self, followed: Option<&mut Followed>, now: Time) -> Result<(), StoreError> {
        let Some(followed) = followed else { return Ok(()) };
        let signer = followed.keys.signer(now);
        if signer.is_none() || signer != followed.signer {
            self.rekey(Arc::new(followed.keys.ring(now).map_err(|e| StoreError::Record(e.to_string()))?));
            followed.signer = signer;
        }
        Ok(())
    }

    /// The shared keys.
    ///
    /// # Errors
    /// The store's, and [`StoreError::ForeignKeys`].
    pub async fn shared_keys(&self) -> Result<SharedKeys, StoreError> {
        self.opened_keys(&self.kv.get(RECORD).await?.ok_or(StoreError::ForeignKeys)?)
    }

    /// Changes the shared keys as one atomic step, and puts them in force here; other gateways are told.
    ///
    /// # Errors
    /// The store's, and what `change` refuses; then nothing has changed.
    pub async fn change_keys<R: Send, E: From<StoreError> + Send>(
        &self,
        now: Time,
        mut change: impl FnMut(&mut SharedKeys) -> Result<R, E> + Send,
    ) -> Result<R, E> {
        for _ in 0..TRIES {
            let before = self.kv.get(RECORD).await?.ok_or(StoreError::ForeignKeys)?;
            let mut keys = self.opened_keys(&before)?;
            let result = change(&mut keys)?;
            let batch = Batch::durable().expect(RECORD, Some(before)).put(RECORD, self.sealed_keys(&keys)?);
            if self.kv.commit(batch).await? {
                self.follow_keys(now).await?;
                return Ok(result);
            }
        }
        Err(StoreError::Contended.into())
    }

    /// The shared keys among the pairs of a backup, which they leave.
    ///
    /// # Errors
    /// [`StoreError::ForeignKeys`].
    pub fn take_keys_out(&self, pairs: &mut Vec<Pair>) -> Result<Option<SharedKeys>, StoreError> {
        let Some(at) = pairs.iter().position(|(key, _)| key == RECORD) else { return Ok(None) };
        self.opened_keys(&pairs.remove(at).1).map(Some)
    }

    /// The record of these keys.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub fn keys_record(&self, keys: &SharedKeys) -> Result<Pair, StoreError> {
        Ok((RECORD.to_vec(), self.sealed_keys(keys)?))
    }

    fn sealed_keys(&self, keys: &SharedKeys) -> Result<Vec<u8>, StoreError> {
        let plain = zeroize::Zeroizing::new(serde_json::to_vec(keys).map_err(|e| StoreError::Record(e.to_string()))?);
        Ok(self.operator.seal(RECORD, &plain)?.into_bytes())
    }

    fn opened_keys(&self, record: &[u8]) -> Result<SharedKeys, StoreError> {
        let sealed = std::str::from_utf8(record).map_err(|_| StoreError::ForeignKeys)?;
        let plain = self.operator.open(RECORD, sealed).map_err(|_| StoreError::ForeignKeys)?;
        serde_json::from_slice(&plain).map_err(|e| StoreError::Record(e.to_string()))
    }
}

/// Whether a key of the store is that of the shared keys.
pub fn is_keyring(key: &[u8]) -> bool {
    key == RECORD
}
