//! A record of the audit log, the hash that chains it to the one before, and where the chain ends. The names in the JSON are stored data:
//! they never change.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::base::Time;
use crate::store::StoreError;
use crate::store::backend::kv::encode;

/// What the first record names as the hash before it.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// One record. Never holds a secret, a code or a password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    pub seq: u64,
    pub at: Time,
    /// What happened, as `sign_in.succeeded`.
    pub event: String,
    /// The account that it happened to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Who did it, where that is somebody else: an administrator, the command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The hash of the record before.
    pub previous: String,
    /// SHA-256 of this record without this field.
    pub hash: String,
}

/// Where the chain ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditHead {
    pub seq: u64,
    pub hash: String,
    /// Every record up to this one has its entries by name. An earlier version leaves it out, and they are made again.
    #[serde(default)]
    pub indexed: u64,
}

impl AuditRecord {
    /// What its hash must be.
    pub fn digest(&self) -> Result<String, StoreError> {
        let bare = Self { hash: String::new(), ..self.clone() };
        Ok(HEXLOWER.encode(&Sha256::digest(encode(&bare)?)))
    }
}
