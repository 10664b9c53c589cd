//! The master keys of the key file, from which all others are made. Their bytes are wiped when they are dropped, and never printed.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::base::Time;
use crate::base::random::{self, NoEntropy};

/// A master key as it is in the key file.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct MasterKey {
    /// Grows by one with each rotation; a byte in every token.
    pub id: u8,
    /// 32 random bytes, base64url.
    pub(super) secret: String,
    #[zeroize(skip)]
    pub created: Time,
    /// The seed of its assertion key, if it is not derived from the secret: the former master key announced it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) assertion: Option<String>,
}

impl MasterKey {
    /// A fresh key.
    pub fn random(id: u8, created: Time) -> Result<Self, NoEntropy> {
        let mut bytes = random::bytes::<32>()?;
        let key = Self { id, secret: BASE64URL_NOPAD.encode(&bytes), created, assertion: None };
        bytes.zeroize();
        Ok(key)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({}, {})", self.id, self.created)
    }
}

/// The key file held no usable key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key must be 32 bytes of base64url, and there must be at least one, each with an id of its own")]
pub struct BadKeys;
