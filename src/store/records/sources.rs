//! What is kept of sources: failures at entries that have no account yet, so that a lockout counts before the first sign-in too, and when a source
//! answered last.
//!
//! Keys: `entry/SOURCE/ID` the failures, deleted once there is an account; `answered/SOURCE` a time.

use crate::account::{Failures, PersonId, SourceId};
use crate::base::Time;
use crate::store::backend::kv::{Batch, decode, encode, key};
use crate::store::{Store, StoreError};

/// How often a write is tried again when the record changed meanwhile.
const TRIES: usize = 64;

fn entry(person: &PersonId) -> Vec<u8> {
    key("entry", format!("{}/{}", person.source, person.id))
}

impl Store {
    /// The failures at an entry without an account.
    pub async fn entry_failures(&self, person: &PersonId) -> Result<Failures, StoreError> {
        let stored = self.kv.get(&entry(person)).await?;
        Ok(stored.map(|bytes| decode(&bytes)).transpose()?.unwrap_or_default())
    }

    /// Changes them as one atomic step.
    pub async fn change_entry_failures<R>(
        &self,
        person: &PersonId,
        mut change: impl FnMut(&mut Failures) -> R + Send,
    ) -> Result<R, StoreError> {
        let place = entry(person);
        for _ in 0..TRIES {
            let before = self.kv.get(&place).await?;
            let mut failures: Failures = before.as_deref().map(decode).transpose()?.unwrap_or_default();
            let result = change(&mut failures);
            let batch = Batch::durable().expect(place.clone(), before).put(place.clone(), encode(&failures)?);
            if self.kv.commit(batch).await? {
                return Ok(result);
            }
        }
        Err(StoreError::Contended)
    }

    /// Forgets them: the entry has an account now.
    pub async fn forget_entry_failures(&self, person: &PersonId) -> Result<(), StoreError> {
        self.kv.commit(Batch::default().delete(entry(person))).await.map(drop)
    }

    /// When a source answered last, as far as it was written down.
    pub async fn answered(&self, source: &SourceId) -> Result<Option<Time>, StoreError> {
        self.kv.get(&key("answered", source.as_str())).await?.map(|bytes| decode(&bytes)).transpose()
    }

    pub async fn put_answered(&self, source: &SourceId, at: Time) -> Result<(), StoreError> {
        self.kv.commit(Batch::default().put(key("answered", source.as_str()), encode(&at)?)).await.map(drop)
    }
}
