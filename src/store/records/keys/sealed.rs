//! Secrets of accounts, sealed at rest. Guarantees that one which does not open is an error that somebody hears of, and no verdict on what a user typed.

use std::sync::atomic::Ordering;

use crate::base::UserId;
use crate::store::{Store, StoreError};

impl Store {
    /// Seals a secret of this account.
    pub fn seal(&self, owner: UserId, plain: &[u8]) -> Result<String, StoreError> {
        Ok(self.keys.load().seal(owner.as_bytes(), plain)?)
    }

    /// Opens a sealed secret of this account. One that does not open is logged and counted ([`Store::unsealable`]): somebody must look.
    pub fn open_sealed(&self, owner: UserId, sealed: &str) -> Result<zeroize::Zeroizing<Vec<u8>>, StoreError> {
        let opened = self.keys.load().open(owner.as_bytes(), sealed).inspect_err(|e| {
            self.unsealable.fetch_add(1, Ordering::Relaxed);
            tracing::error!(user = %owner, error = %e, "a sealed secret does not open: is keys.json the one that belongs to this store?");
        });
        Ok(opened?)
    }

    /// How many secrets did not open since the start.
    pub fn unsealable(&self) -> u64 {
        self.unsealable.load(Ordering::Relaxed)
    }
}
