//! The store as the program holds it: a backend, the keys that seal its secrets, and who is told of written accounts. The verbs are in
//! `records` and `audit`.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;

use super::StoreError;
use super::backend::kv::Kv;
use super::backend::measured::{self, Measure};
use super::backend::postgres::PostgresKv;
use super::backend::sled::SledKv;
use super::followed::{self, Followed};
use super::turns::Turns;
use crate::account::Account;
use crate::base::{Time, UserId};
use crate::config::StoreUrl;
use crate::session::KeyRing;
use crate::session::keys::MasterKey;

/// Told of every account that was written (or `None`: deleted), before the writer goes on.
pub type Observer = Box<dyn Fn(UserId, Option<&Account>) + Send + Sync>;

/// The verbs over a backend.
pub struct Store {
    pub(super) kv: Arc<dyn Kv>,
    pub(super) keys: ArcSwap<KeyRing>,
    /// Those of the key file, under which the keys of gateways that share a store are sealed.
    pub(super) operator: Arc<KeyRing>,
    /// The shared keys that are in force here.
    pub(super) shared_keys: tokio::sync::Mutex<Option<Followed>>,
    pub(super) observer: OnceLock<Observer>,
    /// Secrets that did not open.
    pub(super) unsealable: AtomicU64,
    /// Writers of the audit log take turns here; between processes the chain's head decides.
    pub(super) audit_turn: tokio::sync::Mutex<()>,
    /// As do those who count failures of one address.
    pub(super) failed_turns: Turns,
}

impl Store {
    pub fn new(kv: Arc<dyn Kv>, keys: Arc<KeyRing>) -> Self {
        Self {
            kv,
            keys: ArcSwap::new(keys.clone()),
            operator: keys,
            shared_keys: tokio::sync::Mutex::default(),
            observer: OnceLock::new(),
            unsealable: AtomicU64::new(0),
            audit_turn: tokio::sync::Mutex::new(()),
            failed_turns: Turns::default(),
        }
    }

    /// Opens the backend that the configuration names, with the keys of the key file.
    ///
    /// # Errors
    /// Where it is held by another process, damaged, readable by others, not there, or written with other keys.
    pub async fn open(url: &StoreUrl, file: &[MasterKey], now: Time) -> Result<Self, StoreError> {
        let keys = followed::operator(file)?;
        let kv: Arc<dyn Kv> = match url {
            StoreUrl::Sled(folder) => Arc::new(SledKv::open(folder).await?),
            StoreUrl::Postgres(url) => Arc::new(PostgresKv::open(url).await?),
            StoreUrl::PostgresIn { file, url } => Arc::new(PostgresKv::open_from(file, url).await?),
        };
        let store = Self::new(kv, keys);
        store.check_format().await?;
        if store.kv.is_shared() {
            store.join_keys(file, now).await?;
        }
        Ok(store)
    }

    /// The same store, whose calls are reported.
    #[must_use]
    pub fn measured(self, measure: Measure) -> Self {
        let kv: Arc<dyn Kv> = Arc::new(measured::MeasuredKv::new(self.kv, measure));
        Self { kv, ..self }
    }

    /// The same store with something before its backend.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn behind(self, before: impl FnOnce(Arc<dyn Kv>) -> Arc<dyn Kv>) -> Self {
        Self { kv: before(self.kv.clone()), ..self }
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

    pub(super) fn told(&self, id: UserId, account: Option<&Account>) {
        if let Some(observer) = self.observer.get() {
            observer(id, account);
        }
    }
}
