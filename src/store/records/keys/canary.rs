//! Gateways that share a store must share its keys: one with keys of its own would seal secrets that the others cannot open, and
//! take their cookies for forged. A record that is sealed under the key file tells it at the start.

use crate::store::backend::kv::Batch;
use crate::store::{Store, StoreError};

const CANARY: &[u8] = b"keys-canary";

const TRIES: usize = 16;

impl Store {
    /// Opens what another gateway sealed, and seals it again under the newest key, so that an older one can be given up.
    ///
    /// # Errors
    /// [`StoreError::ForeignKeys`] where it does not open.
    pub async fn check_keys(&self) -> Result<(), StoreError> {
        for _ in 0..TRIES {
            let before = self.kv.get(CANARY).await?;
            if let Some(sealed) = &before {
                let sealed = std::str::from_utf8(sealed).map_err(|_| StoreError::ForeignKeys)?;
                self.keys.load().open(CANARY, sealed).map_err(|_| StoreError::ForeignKeys)?;
            }
            let sealed = self.keys.load().seal(CANARY, b"")?;
            if self.kv.commit(Batch::durable().expect(CANARY, before).put(CANARY, sealed)).await? {
                return Ok(());
            }
        }
        Err(StoreError::Contended)
    }
}
