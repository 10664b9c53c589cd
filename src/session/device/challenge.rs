//! What a browser signs. The challenge of a registration is random and kept, once for each sign-in; those of a refresh are signed by the gateway and kept
//! nowhere, so asking for many changes nothing and spoils none.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::base::random::{self, NoEntropy};
use crate::base::{BindingId, SessionId, Time};
use crate::session::keys::{KeyRing, Purpose};

/// How long a browser may take to register a key.
pub const CHALLENGE_KEPT: Duration = Duration::from_secs(120);
/// How much longer than a bound cookie the challenge counts that its browser keeps.
const REFRESH_LEEWAY: Duration = Duration::from_secs(300);

/// The offer to bind a session. Kept under the digest of its challenge.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DeviceOffer {
    pub session: SessionId,
    /// The host and port that it was made on; a key is registered there alone.
    pub authority: String,
    pub expires: Time,
}

impl DeviceOffer {
    /// A challenge for an offer.
    ///
    /// # Errors
    /// If the operating system gives no random bytes.
    pub fn challenge() -> Result<String, NoEntropy> {
        Ok(BASE64URL_NOPAD.encode(&random::bytes::<32>()?))
    }
}

/// What an offer is kept under: the challenge itself is not in the store.
pub fn offer_digest(challenge: &str) -> String {
    BASE64URL_NOPAD.encode(&Sha256::digest(challenge.as_bytes()))
}

/// The challenge of a refresh.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RefreshChallenge {
    pub binding: BindingId,
    /// The binding's number when it was made: it counts for one proof.
    pub seq: u64,
    pub expires: Time,
}

const LENGTH: usize = 40;

impl RefreshChallenge {
    /// One that counts for as long as a bound cookie of this lifetime, and a while longer.
    pub fn new(binding: BindingId, seq: u64, now: Time, lifetime: Duration) -> Self {
        Self { binding, seq, expires: now.plus(lifetime).plus(REFRESH_LEEWAY) }
    }

    /// Its text; each is another.
    ///
    /// # Errors
    /// If the operating system gives no random bytes.
    pub fn sign(&self, keys: &KeyRing) -> Result<String, NoEntropy> {
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.extend_from_slice(self.binding.as_bytes());
        bytes.extend_from_slice(&self.seq.to_le_bytes());
        bytes.extend_from_slice(&self.expires.millis().to_le_bytes());
        bytes.extend_from_slice(&random::bytes::<8>()?);
        Ok(keys.sign(Purpose::BoundChallenge, &bytes))
    }

    /// The challenge of a text that was signed here.
    pub fn read(text: &str, keys: &KeyRing) -> Option<Self> {
        let mut buffer = [0; 256];
        let bytes: &[u8; LENGTH] = keys.verify(Purpose::BoundChallenge, text, &mut buffer)?.try_into().ok()?;
        let (binding, rest) = bytes.split_first_chunk::<16>()?;
        let (seq, rest) = rest.split_first_chunk::<8>()?;
        let expires = Time::from_millis(i64::from_le_bytes(*rest.first_chunk::<8>()?));
        Some(Self { binding: BindingId::from_bytes(*binding), seq: u64::from_le_bytes(*seq), expires })
    }
}
