//! Everybody, for lists and searches: read once, then kept current by the store's observer.

use std::sync::Arc;

use super::directory::Directory;
use crate::service::refused::Refused;
use crate::store::Store;

/// Everybody, for lists and searches.
pub struct UserList {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) directory: Arc<Directory>,
}

impl UserList {
    /// Whether anybody signs in with a password of this gateway's; supposed if it cannot be known.
    pub async fn has_passwords(&self) -> bool {
        self.directory().await.map_or(true, |directory| directory.has_passwords())
    }

    /// Reads the directory before somebody asks for it. Over a shared store there may be millions: then only what their password hashes cost
    /// is read, and the list when somebody asks for it.
    pub async fn preload(self: Arc<Self>) {
        if self.store.kv().is_shared() {
            if let Err(e) = self.directory.learn_hashes(&self.store).await {
                tracing::warn!(error = %e, "what imported password hashes cost is not known");
            }
            return;
        }
        match self.directory().await {
            Ok(directory) => tracing::debug!(accounts = directory.len(), "directory read"),
            Err(e) => tracing::warn!(error = %e, "the directory could not be read; the first use tries again"),
        }
    }

    /// The highest cost of an imported bcrypt hash, as far as accounts were read.
    pub fn costliest_bcrypt(&self) -> Option<u32> {
        self.directory.costliest_bcrypt()
    }

    /// Reads everybody again, after news of other gateways' changes may have been missed.
    ///
    /// # Errors
    /// The store's.
    pub async fn refresh(&self) -> Result<(), Refused> {
        Ok(self.directory.refresh(&self.store).await?)
    }

    /// Everybody. Waits while it is read.
    ///
    /// # Errors
    /// The store's.
    pub async fn directory(&self) -> Result<&Directory, Refused> {
        Ok(self.directory.ready(&self.store).await?)
    }
}
