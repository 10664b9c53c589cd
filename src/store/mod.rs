//! What must survive: accounts, sessions, sign-ins under way, one-time links, interrupted forms, the audit log.
//!
//! One small seam, [`kv::Kv`]: get, scan, and a commit that applies only while what it expects still holds. Every verb of the
//! product is written once over it, so that a check and its use are one atomic step in each backend, and a further backend
//! owes three functions and the conformance suite.

mod accounts;
mod anchor;
mod audit;
pub mod audit_names;
mod canary;
mod error;
mod failed;
mod flows;
pub mod journal;
mod kept;
pub mod keyfile;
pub mod kv;
mod links;
mod measured;
pub(crate) mod postgres;
mod sessions;
mod sled;
pub mod snapshot;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;

pub use self::accounts::{Conflict, Edit, FIRST_LETTERS, fold};
pub use self::anchor::{Anchor, AuditStart, Trimmed};
pub use self::audit::{AuditHead, AuditRecord, GENESIS};
pub use self::error::StoreError;
pub use self::failed::Counted;
pub use self::kv::Kv;
pub use self::links::{Link, LinkKind};
pub use self::measured::Measure;
pub use self::postgres::PostgresKv;
pub use self::sled::SledKv;

use crate::account::Account;
use crate::base::UserId;
use crate::config::StoreUrl;
use crate::session::KeyRing;

/// Told of every account that was written (or `None`: deleted), before the writer goes on.
pub type Observer = Box<dyn Fn(UserId, Option<&Account>) + Send + Sync>;

/// The verbs over a backend.
pub struct Store {
    kv: Arc<dyn Kv>,
    keys: ArcSwap<KeyRing>,
    observer: OnceLock<Observer>,
    /// Writers of the audit log take turns here; between processes the chain's head decides.
    audit_turn: tokio::sync::Mutex<()>,
    /// As do those who count failures of one address.
    failed_turns: failed::Turns,
}

impl Store {
    pub fn new(kv: Arc<dyn Kv>, keys: Arc<KeyRing>) -> Self {
        Self {
            kv,
            keys: ArcSwap::new(keys),
            observer: OnceLock::new(),
            audit_turn: tokio::sync::Mutex::new(()),
            failed_turns: failed::Turns::default(),
        }
    }

    /// Opens the backend that the configuration names.
    ///
    /// # Errors
    /// Where it is held by another process, damaged, readable by others, not there, or written with other keys.
    pub async fn open(url: &StoreUrl, keys: Arc<KeyRing>) -> Result<Self, StoreError> {
        let kv: Arc<dyn Kv> = match url {
            StoreUrl::Sled(folder) => Arc::new(SledKv::open(folder).await?),
            StoreUrl::Postgres(url) => Arc::new(PostgresKv::open(url).await?),
        };
        let store = Self::new(kv, keys);
        if store.kv.is_shared() {
            store.check_keys().await?;
        }
        Ok(store)
    }

    /// The same store, whose calls are reported.
    #[must_use]
    pub fn measured(self, measure: Measure) -> Self {
        let kv: Arc<dyn Kv> = Arc::new(measured::MeasuredKv::new(self.kv, measure));
        Self { kv, ..self }
    }

    /// Sets who is told of written accounts. Only the first call counts.
    pub fn observe(&self, observer: Observer) {
        let _ = self.observer.set(observer);
    }

    /// The keys in force.
    pub fn keys(&self) -> Arc<KeyRing> {
        self.keys.load_full()
    }

    /// Other keys from now on.
    pub fn rekey(&self, keys: Arc<KeyRing>) {
        self.keys.store(keys);
    }

    pub fn kv(&self) -> &Arc<dyn Kv> {
        &self.kv
    }

    fn told(&self, id: UserId, account: Option<&Account>) {
        if let Some(observer) = self.observer.get() {
            observer(id, account);
        }
    }
}

/// Makes a folder that only its owner can enter, or checks that an existing one is.
///
/// # Errors
/// Where others can read it, with the command that mends it.
pub fn private_folder(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    match std::fs::metadata(path) {
        Ok(meta) if meta.permissions().mode() & 0o077 != 0 => Err(StoreError::Loose { path: path.to_owned(), mode: "700" }),
        Ok(meta) if !meta.is_dir() => Err(StoreError::NotAFolder(path.to_owned())),
        Ok(_) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|e| StoreError::file(path, &e))
        }
        Err(e) => Err(StoreError::file(path, &e)),
    }
}

#[cfg(test)]
mod conformance;
