//! A token as the store keeps it: whose it is, what it may open, until when, and where it was last used. The token itself is not in it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Digest, Scope};
use crate::base::{Time, TokenId, UserId};

/// A token's record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Token {
    pub id: TokenId,
    pub user: UserId,
    /// What its owner calls it.
    pub name: String,
    pub digest: Digest,
    /// The owner's epoch when it was made. Under another one it is invalid.
    pub epoch: u32,
    #[serde(default)]
    pub scope: Scope,
    pub created: Time,
    /// From this moment on it is invalid.
    pub expires: Time,
    #[serde(default)]
    pub last_used: Option<LastUse>,
}

/// When and from where a token was last used, to the minute.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LastUse {
    pub at: Time,
    pub from: IpAddr,
}

impl Token {
    /// Whether its time is not over. What its owner may do is asked elsewhere.
    pub fn is_current(&self, now: Time) -> bool {
        now < self.expires
    }
}
