//! The keys of a store that several gateways share: published before they sign, and followed by every gateway; and the keys that come with a backup.

use std::sync::Arc;
use std::time::Duration;

use super::rotate::{KeyError, Keys, Rotation, off_thread};
use crate::service::audit::{Actor, Event};
use crate::session::KeyRing;
use crate::session::keys::SharedKeys;
use crate::store::kv::Pair;
use crate::store::{StoreError, keyfile};

impl Keys {
    pub(super) async fn rotate_shared(&self, actor: Actor<'_>) -> Result<Rotation, KeyError> {
        let now = self.context.now();
        let dropped = self.not_needed(self.store.shared_keys().await?.keys()).await?;
        let publish = |keys: &mut SharedKeys| {
            keys.give_up(&dropped);
            keys.publish(now)?.ok_or(KeyError::UsedUp)
        };
        let published = self.store.change_keys(now, publish).await?;
        self.live.rekey(self.store.keys());
        let detail = format!("key {} signs from {}", published.id, published.from.rfc3339());
        self.audit.record(Event::KeysRotated, None, actor, detail).await?;
        Ok(Rotation { id: published.id, dropped, from: Some(published.from) })
    }

    /// Has a key that was published sign once its time has come.
    ///
    /// # Errors
    /// If the keys make no sense.
    pub async fn take_up(&self) -> Result<(), StoreError> {
        self.store.keys_due(self.context.now()).await?;
        self.live.rekey(self.store.keys());
        Ok(())
    }

    /// Waits until the new key signs.
    ///
    /// # Errors
    /// As [`Self::take_up`].
    pub async fn wait_for(&self, rotation: &Rotation) -> Result<(), StoreError> {
        while rotation.from.is_some_and(|from| self.context.now() < from) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.take_up().await
    }

    /// Puts the keys in force that came into the store.
    pub(in crate::service) async fn follow(&self) -> Result<(), StoreError> {
        if self.store.kv().is_shared() {
            self.store.follow_keys(self.context.now()).await?;
            self.store.check_keys().await?;
            self.live.rekey(self.store.keys());
        }
        Ok(())
    }

    /// The keys that there would be with those of a backup, which its secrets are sealed under. `None`: nothing changes, they are those of the key file.
    ///
    /// # Errors
    /// If the keys cannot be read.
    pub(in crate::service) async fn with(&self, theirs: Option<SharedKeys>) -> Result<Option<SharedKeys>, StoreError> {
        match theirs {
            Some(theirs) => Ok(Some(self.all().await?.joined(theirs))),
            None if self.store.kv().is_shared() => self.all().await.map(Some),
            None => Ok(None),
        }
    }

    /// Keeps these keys before a backup that needs them is in the store: in the key file, or, for a shared store, in the record that is returned.
    ///
    /// # Errors
    /// If the key file cannot be written.
    pub(in crate::service) async fn keep(&self, keys: &SharedKeys) -> Result<Option<Pair>, KeyError> {
        if self.store.kv().is_shared() {
            return Ok(Some(self.store.keys_record(keys)?));
        }
        let (folder, keys) = (self.key_folder(), keys.keys().to_vec());
        let ring = Arc::new(KeyRing::new(&keys)?);
        off_thread(move || keyfile::write(&folder, &keys)).await?;
        self.store.rekey(ring.clone());
        self.live.rekey(ring);
        Ok(None)
    }
}
