//! One master key's keys, a separate one for each purpose (HMAC-SHA256 as in HKDF-Expand, RFC 5869 section 2.3), made once and kept ready.

use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::KeyInit;
use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroize;

use super::master::{BadKeys, MasterKey};
use super::purpose::Purpose;

/// Of a signature, in bytes.
pub(super) const MAC_LENGTH: usize = 32;

#[derive(Clone)]
pub(super) struct Derived {
    pub(super) id: u8,
    macs: Vec<Hmac<Sha256>>,
    pub(super) seal: XChaCha20Poly1305,
}

impl Derived {
    pub(super) fn new(key: &MasterKey) -> Result<Self, BadKeys> {
        let mut secret = BASE64URL_NOPAD.decode(key.secret.as_bytes()).map_err(|_| BadKeys)?;
        if secret.len() != 32 {
            return Err(BadKeys);
        }
        let mut macs = Vec::with_capacity(Purpose::ALL.len());
        let mut seal = None;
        for purpose in Purpose::ALL {
            let mut derived = derive(&secret, purpose)?;
            macs.push(<Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&derived).map_err(|_| BadKeys)?);
            if purpose == Purpose::Seal {
                seal = Some(XChaCha20Poly1305::new_from_slice(&derived).map_err(|_| BadKeys)?);
            }
            derived.zeroize();
        }
        secret.zeroize();
        Ok(Self { id: key.id, macs, seal: seal.ok_or(BadKeys)? })
    }

    fn state(&self, purpose: Purpose) -> Hmac<Sha256> {
        // One entry for each purpose, in its order; the fallback can only make a token that nothing verifies.
        self.macs.get(purpose as usize).or(self.macs.first()).cloned().unwrap_or_else(|| hmac::KeyInit::new(&Default::default()))
    }

    pub(super) fn mac(&self, purpose: Purpose, message: &[u8]) -> [u8; MAC_LENGTH] {
        self.digest(purpose, &[message])
    }

    pub(super) fn digest(&self, purpose: Purpose, parts: &[&[u8]]) -> [u8; 32] {
        let mut state = self.state(purpose);
        if let [single] = parts {
            state.update(single);
        } else {
            for part in parts {
                state.update(&(part.len() as u64).to_be_bytes());
                state.update(part);
            }
        }
        state.finalize().into_bytes().into()
    }
}

fn derive(secret: &[u8], purpose: Purpose) -> Result<[u8; 32], BadKeys> {
    let mut state = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(secret).map_err(|_| BadKeys)?;
    state.update(purpose.label());
    state.update(&[1]);
    Ok(state.finalize().into_bytes().into())
}
