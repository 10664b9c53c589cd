//! Rotates the master keys while the gateway runs. The new key signs from then on; old keys are accepted as long as anything may depend on
//! them; sealed secrets are sealed again under the new key.
//!
//! The order matters: the key file is on disk before anything is signed with a key in it. Gateways that share a store share the keys in it,
//! sealed under the key file, which stays as it is; a new key is published to all of them before any of them signs with it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::base::{Time, UserId};
use crate::service::audit::{Actor, AuditLog, Event};
use crate::service::context::Context;
use crate::service::refused::Refused;
use crate::service::sessions::LiveSessions;
use crate::session::KeyRing;
use crate::session::keys::{MasterKey, SharedKeys};
use crate::store::{Edit, Store, StoreError, keyfile};

/// What else than sessions may carry an old key's signature lives at most so long: set-up links, codes, half-made sign-ins.
const OTHERS: Duration = Duration::from_secs(24 * 3600);

/// One rotation at a time.
static ROTATING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Why keys were not rotated.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("the key ids are used up: 255 rotations were made; export the store, and begin with a new data folder")]
    UsedUp,
    #[error("the key file is not the one in use; put the right keys.json back, or restart the gateway if it was restored on purpose")]
    OtherFile,
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Refused(#[from] Refused),
}

impl From<crate::base::random::NoEntropy> for KeyError {
    fn from(e: crate::base::random::NoEntropy) -> Self {
        Self::Store(e.into())
    }
}

impl From<crate::session::keys::BadKeys> for KeyError {
    fn from(e: crate::session::keys::BadKeys) -> Self {
        Self::Store(StoreError::Record(e.to_string()))
    }
}

/// A key as `key list` shows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct KeyView {
    pub id: u8,
    /// RFC 3339.
    pub created: String,
    /// Signs and seals; the others only verify and open.
    pub newest: bool,
    /// TOTP secrets that are sealed under it.
    pub sealed_secrets: usize,
}

/// What a rotation did.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Rotation {
    /// The id of the key that signs now, or from then on.
    pub id: u8,
    /// Keys that nothing needed any more.
    pub dropped: Vec<u8>,
    /// From when on it signs, if gateways that share the store are told first.
    #[serde(skip)]
    pub from: Option<Time>,
}

/// What a sealing again did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Resealed {
    pub sealed: usize,
    /// Secrets that no kept key opens; they stay as they are.
    pub unreadable: usize,
}

/// Rotates the master keys.
pub struct Keys {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) live: Arc<LiveSessions>,
    pub(in crate::service) context: Arc<Context>,
    pub(in crate::service) audit: Arc<AuditLog>,
}

impl Keys {
    pub(super) fn key_folder(&self) -> PathBuf {
        self.context.config().server.data_dir.clone()
    }

    async fn key_file(&self) -> Result<Vec<MasterKey>, StoreError> {
        let (folder, now) = (self.key_folder(), self.context.now());
        off_thread(move || keyfile::load_or_create(&folder, now)).await
    }

    /// The keys of this gateway, and of all that share its store.
    pub(super) async fn all(&self) -> Result<SharedKeys, StoreError> {
        if self.store.kv().is_shared() { self.store.shared_keys().await } else { Ok(SharedKeys::new(self.key_file().await?)) }
    }

    /// The keys, oldest first.
    pub async fn list(&self) -> Result<Vec<KeyView>, KeyError> {
        let (keys, sealed) = (self.all().await?.into_keys(), self.sealed_under().await?);
        let newest = self.store.keys().newest();
        let view = |key: &MasterKey| KeyView {
            id: key.id,
            created: key.created.rfc3339(),
            newest: key.id == newest,
            sealed_secrets: sealed.iter().filter(|id| **id == key.id).count(),
        };
        Ok(keys.iter().map(view).collect())
    }

    /// Makes a new key, puts it in force, and drops those that nothing needs. Secrets at rest stay under the old key until
    /// `reseal`. In a shared store the key is published, and signs once its time has come (`wait_for`).
    ///
    /// # Errors
    /// If ids are used up, or the key file is another one than the running program's; then nothing has changed.
    pub async fn rotate(&self, actor: Actor<'_>) -> Result<Rotation, KeyError> {
        let _alone = ROTATING.lock().await;
        if self.store.kv().is_shared() { self.rotate_shared(actor).await } else { self.rotate_file(actor).await }
    }

    async fn rotate_file(&self, actor: Actor<'_>) -> Result<Rotation, KeyError> {
        let mut keys = self.key_file().await?;
        keys.sort_by_key(|key| key.id);
        // Both MACs are this program's own; a difference only means that another file lies there.
        let probe = |ring: &KeyRing| ring.sign(crate::session::Purpose::Form, b"same key file");
        if probe(&KeyRing::new(&keys)?) != probe(&self.store.keys()) {
            return Err(KeyError::OtherFile);
        }
        let id = keys.last().map_or(Some(1), |key| key.id.checked_add(1)).ok_or(KeyError::UsedUp)?;
        let now = self.context.now();
        keys.push(keys.last().map_or_else(|| MasterKey::random(id, now), |last| last.successor(id, now))?);
        let dropped = self.not_needed(&keys).await?;
        keys.retain(|key| !dropped.contains(&key.id));
        let ring = Arc::new(KeyRing::new(&keys)?);
        let folder = self.key_folder();
        off_thread(move || keyfile::write(&folder, &keys)).await?;
        self.store.rekey(ring.clone());
        self.live.rekey(ring);
        self.audit.record(Event::KeysRotated, None, actor, format!("key {id} signs")).await?;
        Ok(Rotation { id, dropped, from: None })
    }

    /// Seals anew, under the newest key, what is sealed under another. One account at a time, so that sign-ins go on meanwhile.
    pub async fn reseal(&self) -> Result<Resealed, StoreError> {
        let (mut done, mut after) = (Resealed::default(), None);
        loop {
            let page = self.store.accounts(after, 500).await?;
            let Some(last) = page.last() else {
                if self.store.kv().is_shared() {
                    // The record that tells gateways with other keys must follow, or its key could never be given up.
                    self.store.check_keys().await?;
                }
                self.store.renew_anchor().await?;
                self.store.reseal_acme().await?;
                return Ok(done);
            };
            after = Some(last.id);
            let keys = self.store.keys();
            for account in page.iter().filter(|account| account.sealed().any(|sealed| !keys.is_fresh(sealed))) {
                match self.reseal_one(account.id, &keys).await? {
                    true => done.sealed += 1,
                    false => done.unreadable += 1,
                }
            }
        }
    }

    async fn reseal_one(&self, id: UserId, keys: &KeyRing) -> Result<bool, StoreError> {
        let edit = |account: &mut crate::account::Account| {
            let mut readable = true;
            for sealed in account.sealed_mut().filter(|sealed| !keys.is_fresh(sealed)) {
                let Ok(plain) = keys.open(id.as_bytes(), sealed) else {
                    readable = false;
                    continue;
                };
                match keys.seal(id.as_bytes(), &plain) {
                    Ok(again) => *sealed = again,
                    Err(e) => return Edit::Leave(Err(StoreError::from(e))),
                }
            }
            Edit::Write(Ok(readable))
        };
        match self.store.update_account(id, edit).await? {
            Some(Ok(done)) => done,
            Some(Err(_)) => Ok(false),
            None => Ok(true),
        }
    }

    /// The key ids of all sealed secrets, one for each secret.
    async fn sealed_under(&self) -> Result<Vec<u8>, StoreError> {
        let accounts = self.store.all_accounts().await?;
        Ok(accounts.iter().flat_map(crate::account::Account::sealed).filter_map(KeyRing::sealed_under).collect())
    }

    pub(super) async fn not_needed(&self, keys: &[MasterKey]) -> Result<Vec<u8>, StoreError> {
        let config = self.context.config();
        let kept = config.session.lifetime.max(config.mfa.trusted_device).max(OTHERS);
        let (mut sealed, now) = (self.sealed_under().await?, self.context.now());
        sealed.extend(self.store.anchored_under().await?);
        sealed.extend(self.store.acme_sealed_under().await?);
        Ok(superseded(keys, kept, now).filter(|id| !sealed.contains(id)).collect())
    }
}

/// Keys whose successor is older than `kept`: no token that they signed can still be good.
fn superseded(keys: &[MasterKey], kept: Duration, now: Time) -> impl Iterator<Item = u8> + '_ {
    keys.iter().zip(keys.iter().skip(1)).filter(move |(_, next)| now.since(next.created) > kept).map(|(key, _)| key.id)
}

pub(super) async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T, StoreError> + Send + 'static) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|e| StoreError::Backend(e.to_string()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_superseded_once_its_successor_outlived_every_token() {
        let day = Duration::from_secs(24 * 3600);
        let at = |days: u32| Time::default().plus(day * days);
        let keys: Vec<_> = [(1, 0), (2, 10), (3, 19)].into_iter().map(|(id, days)| MasterKey::random(id, at(days)).unwrap()).collect();
        assert_eq!(superseded(&keys, day, at(10)).collect::<Vec<_>>(), Vec::<u8>::new());
        assert_eq!(superseded(&keys, day, at(20)).collect::<Vec<_>>(), [1], "key 3 is not older than a day yet");
        assert_eq!(superseded(&keys, day, at(22)).collect::<Vec<_>>(), [1, 2]);
    }
}
