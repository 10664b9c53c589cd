//! The keys of the assertion. Each is derived from a seed, so that gateways that share their master keys sign with the same key
//! and publish the same set. Guarantees that the key which signs after the next rotation is in the set before it.

use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, Mac};
use p256::elliptic_curve::sec1::ToSec1Point;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::Unsigned;

/// Of a seed, in bytes.
pub const SEED: usize = 32;

/// No key can be made of a seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no signing key can be derived")]
pub struct BadSeed;

/// One key, ready to sign.
pub struct Signer {
    kid: String,
    pair: EcdsaKeyPair,
    /// Its public half as a JWK (RFC 7517).
    jwk: String,
    random: SystemRandom,
}

impl Signer {
    /// The key of a seed: always the same one.
    ///
    /// # Errors
    /// [`BadSeed`], which no seed is known to cause.
    pub fn derive(seed: &[u8; SEED]) -> Result<Self, BadSeed> {
        let secret = scalar(seed)?;
        let point = secret.public_key().to_sec1_point(false);
        let (x, y) = (point.x().ok_or(BadSeed)?, point.y().ok_or(BadSeed)?);
        let (x, y) = (BASE64URL_NOPAD.encode(x), BASE64URL_NOPAD.encode(y));
        let random = SystemRandom::new();
        let private = Zeroizing::new(secret.to_bytes().to_vec());
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::from_private_key_and_public_key(algorithm, &private, point.as_bytes(), &random).map_err(|_| BadSeed)?;
        // The members of the thumbprint in their order (RFC 7638 section 3.2).
        let thumbprint = Sha256::digest(format!("{{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"{x}\",\"y\":\"{y}\"}}"));
        let kid = BASE64URL_NOPAD.encode(&thumbprint);
        let jwk =
            format!("{{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"{x}\",\"y\":\"{y}\",\"kid\":\"{kid}\",\"use\":\"sig\",\"alg\":\"ES256\"}}");
        Ok(Self { kid, pair, jwk, random })
    }

    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The signature as JWS has it: both numbers, 32 bytes each (RFC 7518 section 3.4).
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unsigned> {
        self.pair.sign(&self.random, message).map(|signature| signature.as_ref().to_vec()).map_err(|_| Unsigned)
    }
}

/// The first number that a stream over the seed gives and that is a private key: nearly always the first (FIPS 186-5 section A.2.2).
fn scalar(seed: &[u8; SEED]) -> Result<p256::SecretKey, BadSeed> {
    for round in 0..=u8::MAX {
        let mut state = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(seed).map_err(|_| BadSeed)?;
        state.update(b"vestibule assertion ES256 v1");
        state.update(&[round]);
        let candidate = Zeroizing::new(<[u8; 32]>::from(state.finalize().into_bytes()));
        if let Ok(secret) = p256::SecretKey::from_slice(&*candidate) {
            return Ok(secret);
        }
    }
    Err(BadSeed)
}

/// The key that signs, and all whose public halves are published.
#[derive(Clone)]
pub struct Keys {
    signer: Arc<Signer>,
    jwks: Arc<str>,
}

impl Keys {
    /// `seed` signs; `others` are published only: the next one, and former ones whose statements may still be about.
    ///
    /// # Errors
    /// [`BadSeed`] where a key cannot be derived.
    pub fn new(seed: &[u8; SEED], others: &[Zeroizing<[u8; SEED]>]) -> Result<Self, BadSeed> {
        let signer = Signer::derive(seed)?;
        let mut published = vec![signer.jwk.clone()];
        for other in others {
            let jwk = Signer::derive(other)?.jwk;
            if !published.contains(&jwk) {
                published.push(jwk);
            }
        }
        Ok(Self { signer: Arc::new(signer), jwks: format!("{{\"keys\":[{}]}}", published.join(",")).into() })
    }

    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// The key set (RFC 7517 section 5). Nothing in it is secret.
    pub fn jwks(&self) -> &str {
        &self.jwks
    }
}
