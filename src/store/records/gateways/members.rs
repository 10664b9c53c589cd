//! The gateways of a shared store, as each writes of itself. Guarantees that whoever removes a gateway's record removes the one that it
//! looked at, and never one that was written since.
//!
//! Key: `gateway/ID`. Holds no secret.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::Time;
use crate::store::backend::kv::{Batch, decode, encode, key};
use crate::store::{Store, StoreError};

const PREFIX: &str = "gateway";

/// More gateways than anybody runs over one database.
const MOST: usize = 1000;

/// What a gateway says of itself. A field that an earlier release did not write is empty.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Gateway {
    /// The machine's host name.
    pub name: String,
    pub version: String,
    /// [`crate::store::FORMAT`]; zero before there was one.
    pub format: u32,
    /// [`crate::config::Config::fingerprint`].
    pub fingerprint: String,
    /// `https://203.0.113.5:443`.
    pub listeners: Vec<String>,
    pub started: Time,
    /// When it wrote this.
    pub heard: Time,
    /// In its memory.
    pub sessions: u64,
    /// The last record of the audit log that its `audit.file` has; `None` if it has no such file.
    pub audited: Option<u64>,
    /// Its `store.max_stale`: how long it lets people in after it was cut off.
    pub max_stale: Duration,
}

impl Store {
    /// Says of this gateway how it is.
    ///
    /// # Errors
    /// The store's.
    pub async fn put_gateway(&self, id: &str, gateway: &Gateway) -> Result<(), StoreError> {
        self.kv.commit(Batch::default().put(key(PREFIX, id), encode(gateway)?)).await.map(drop)
    }

    /// The gateways, by their ids. One whose record cannot be read is there without a word about it.
    ///
    /// # Errors
    /// The store's.
    pub async fn gateways(&self) -> Result<BTreeMap<String, Gateway>, StoreError> {
        let prefix = key(PREFIX, "");
        let pairs = self.kv.scan(&prefix, None, MOST, false).await?;
        let id = |key: &[u8]| String::from_utf8_lossy(key.get(prefix.len()..).unwrap_or_default()).into_owned();
        Ok(pairs.into_iter().map(|(key, bytes)| (id(&key), decode(&bytes).unwrap_or_default())).collect())
    }

    /// Removes a gateway, if it is still as it was.
    ///
    /// # Errors
    /// The store's.
    pub async fn forget_gateway(&self, id: &str, as_read: &Gateway) -> Result<(), StoreError> {
        let place = key(PREFIX, id);
        let Some(bytes) = self.kv.get(&place).await? else { return Ok(()) };
        if decode::<Gateway>(&bytes).is_ok_and(|now| now == *as_read) {
            self.kv.commit(Batch::default().expect(place.clone(), Some(bytes)).delete(place)).await?;
        }
        Ok(())
    }

    /// Removes a gateway that has stopped.
    ///
    /// # Errors
    /// The store's.
    pub async fn remove_gateway(&self, id: &str) -> Result<(), StoreError> {
        self.kv.commit(Batch::default().delete(key(PREFIX, id))).await.map(drop)
    }
}
