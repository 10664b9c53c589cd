//! Keys with an id, so that they can be rotated: tokens are signed by the newest and honoured under any that is still kept.
//!
//! A token made for one purpose is worth nothing for another: each has keys of its own.

mod assertion;
mod derived;
mod master;
mod purpose;
mod shared;

use std::fmt;
use std::sync::Arc;

use chacha20poly1305::XNonce;
use chacha20poly1305::aead::{Aead, Payload};
use data_encoding::BASE64URL_NOPAD;

pub use self::master::{BadKeys, MasterKey};
pub use self::purpose::Purpose;
pub use self::shared::{Published, SPREAD, SharedKeys};

use self::derived::{Derived, MAC_LENGTH};
use crate::base::random::{self, NoEntropy};
use crate::base::secret;
use crate::identity::assertion::{Assertions, Unsigned};

/// A sealed value that does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsealable {
    /// It may be genuine: it names a key that is not here.
    #[error("a sealed value names a key that is not kept")]
    UnknownKey,
    /// Another owner, changed bytes, or never sealed.
    #[error("a sealed value does not open under its key")]
    Broken,
}

/// The keys in use: the newest in force signs, all verify.
#[derive(Clone)]
pub struct KeyRing {
    newest: Derived,
    older: Vec<Derived>,
    /// Made when it is first asked for: most programs that read the keys never sign an assertion.
    assertions: Arc<assertion::Lazy>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing(newest {}, {} older)", self.newest.id, self.older.len())
    }
}

const NONCE_LENGTH: usize = 24;

impl KeyRing {
    /// # Errors
    /// [`BadKeys`] where there is no key, one is malformed, or two share an id.
    pub fn new(keys: &[MasterKey]) -> Result<Self, BadKeys> {
        Self::signing(keys, keys.iter().map(|key| key.id).max().ok_or(BadKeys)?)
    }

    /// As [`Self::new`], with a key that signs; a newer one only verifies and opens until its time has come.
    ///
    /// # Errors
    /// As there, and if there is no such key.
    pub fn signing(keys: &[MasterKey], id: u8) -> Result<Self, BadKeys> {
        let assertions = Arc::new(assertion::Lazy::new(keys, id)?);
        let mut derived = keys.iter().map(Derived::new).collect::<Result<Vec<_>, _>>()?;
        derived.sort_by_key(|key| key.id);
        if derived.windows(2).any(|pair| matches!(pair, [a, b] if a.id == b.id)) {
            return Err(BadKeys);
        }
        let at = derived.iter().position(|key| key.id == id).ok_or(BadKeys)?;
        let newest = derived.remove(at);
        Ok(Self { newest, older: derived, assertions })
    }

    /// What signs assertions of who asks.
    ///
    /// # Errors
    /// Where no key can be derived.
    pub fn assertions(&self) -> Result<&Assertions, Unsigned> {
        self.assertions.get().ok_or(Unsigned)
    }

    fn find(&self, id: u8) -> Option<&Derived> {
        if self.newest.id == id { Some(&self.newest) } else { self.older.iter().find(|key| key.id == id) }
    }

    /// The id of the key that signs.
    pub const fn newest(&self) -> u8 {
        self.newest.id
    }

    /// Whether the key with this id is kept.
    pub fn knows(&self, id: u8) -> bool {
        self.find(id).is_some()
    }

    /// Signs `payload`: base64url of key id, payload, HMAC-SHA256.
    pub fn sign(&self, purpose: Purpose, payload: &[u8]) -> String {
        let mut bytes = Vec::with_capacity(1 + payload.len() + MAC_LENGTH);
        bytes.push(self.newest.id);
        bytes.extend_from_slice(payload);
        let mac = self.newest.mac(purpose, &bytes);
        bytes.extend_from_slice(&mac);
        BASE64URL_NOPAD.encode(&bytes)
    }

    /// The payload of a token signed for this purpose under a key that is still kept; `None` for anything else.
    pub fn verify<'b>(&self, purpose: Purpose, token: &str, buffer: &'b mut [u8; 256]) -> Option<&'b [u8]> {
        let length = BASE64URL_NOPAD.decode_len(token.len()).ok()?;
        let bytes = buffer.get_mut(..length)?;
        BASE64URL_NOPAD.decode_mut(token.as_bytes(), bytes).ok()?;
        let (signed, mac) = bytes.split_at_checked(length.checked_sub(MAC_LENGTH)?)?;
        let (id, payload) = signed.split_first()?;
        let expected = self.find(*id)?.mac(purpose, signed);
        secret::same(&expected, mac).then_some(payload)
    }

    /// Keyed hash for values that are looked up or compared, never read back.
    pub fn digest(&self, purpose: Purpose, parts: &[&[u8]]) -> [u8; 32] {
        self.newest.digest(purpose, parts)
    }

    /// The same under every key that is kept, the newest first.
    pub fn digests<'a>(&'a self, purpose: Purpose, parts: &'a [&'a [u8]]) -> impl Iterator<Item = [u8; 32]> + 'a {
        std::iter::once(&self.newest).chain(self.older.iter().rev()).map(move |key| key.digest(purpose, parts))
    }

    /// Encrypts (XChaCha20-Poly1305) and binds to `owner`: what is copied to another owner does not open there.
    pub fn seal(&self, owner: &[u8], plain: &[u8]) -> Result<String, NoEntropy> {
        let nonce = random::bytes::<NONCE_LENGTH>()?;
        let sealed = self.newest.seal.encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: owner }).map_err(|_| NoEntropy)?;
        let mut bytes = Vec::with_capacity(1 + NONCE_LENGTH + sealed.len());
        bytes.push(self.newest.id);
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&sealed);
        Ok(BASE64URL_NOPAD.encode(&bytes))
    }

    /// # Errors
    /// [`Unsealable`]: a key that is not here, another owner, or changed bytes.
    pub fn open(&self, owner: &[u8], sealed: &str) -> Result<zeroize::Zeroizing<Vec<u8>>, Unsealable> {
        let bytes = BASE64URL_NOPAD.decode(sealed.as_bytes()).map_err(|_| Unsealable::Broken)?;
        let (id, rest) = bytes.split_first().ok_or(Unsealable::Broken)?;
        let (nonce, text) = rest.split_first_chunk::<NONCE_LENGTH>().ok_or(Unsealable::Broken)?;
        let key = self.find(*id).ok_or(Unsealable::UnknownKey)?;
        let plain = key.seal.decrypt(&XNonce::from(*nonce), Payload { msg: text, aad: owner }).map_err(|_| Unsealable::Broken)?;
        Ok(zeroize::Zeroizing::new(plain))
    }

    /// The id of the key that a sealed value was made under; `None` where it is no sealed value.
    pub fn sealed_under(sealed: &str) -> Option<u8> {
        BASE64URL_NOPAD.decode(sealed.as_bytes()).ok()?.first().copied()
    }

    /// Whether a sealed value was made under the newest key.
    pub fn is_fresh(&self, sealed: &str) -> bool {
        BASE64URL_NOPAD.decode(sealed.as_bytes()).is_ok_and(|bytes| bytes.first() == Some(&self.newest.id))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::Time;

    fn ring(ids: &[u8]) -> (Vec<MasterKey>, KeyRing) {
        let keys: Vec<_> = ids.iter().map(|id| MasterKey::random(*id, Time::default()).unwrap()).collect();
        let ring = KeyRing::new(&keys).unwrap();
        (keys, ring)
    }

    #[test]
    fn a_token_is_good_for_its_purpose_alone() {
        let (_, ring) = ring(&[1]);
        let token = ring.sign(Purpose::Flow, b"payload");
        let mut buffer = [0; 256];
        assert_eq!(ring.verify(Purpose::Flow, &token, &mut buffer), Some(&b"payload"[..]));
        for other in Purpose::ALL.into_iter().filter(|p| *p != Purpose::Flow) {
            assert_eq!(ring.verify(other, &token, &mut buffer), None, "{other:?}");
        }
    }

    #[test]
    fn a_rotation_signs_nobody_out_until_the_old_key_is_gone() {
        let (mut keys, old) = ring(&[1]);
        let token = old.sign(Purpose::Session, b"id");
        let sealed = old.seal(b"alice", b"secret").unwrap();
        keys.push(MasterKey::random(2, Time::default()).unwrap());
        let both = KeyRing::new(&keys).unwrap();
        let mut buffer = [0; 256];
        assert!(both.verify(Purpose::Session, &token, &mut buffer).is_some());
        assert_eq!(both.open(b"alice", &sealed).unwrap().as_slice(), b"secret");
        assert!(!both.is_fresh(&sealed));
        assert_ne!(both.sign(Purpose::Session, b"id"), token);
        let new = KeyRing::new(&keys[1..]).unwrap();
        assert!(new.verify(Purpose::Session, &token, &mut buffer).is_none());
        assert_eq!(new.open(b"alice", &sealed).unwrap_err(), Unsealable::UnknownKey);
    }

    #[test]
    fn a_sealed_value_opens_for_its_owner_only() {
        let (_, ring) = ring(&[7]);
        let sealed = ring.seal(b"alice", b"secret").unwrap();
        assert!(ring.open(b"mallory", &sealed).is_err());
    }

    #[test]
    fn key_rings_that_make_no_sense_are_refused() {
        assert!(KeyRing::new(&[]).is_err());
        let (mut keys, _) = ring(&[1]);
        keys.push(keys[0].clone());
        assert!(KeyRing::new(&keys).is_err());
    }

    proptest! {
        #[test]
        fn no_changed_token_verifies(position in 0usize..66, replacement in "[A-Za-z0-9_=. -]") {
            let (_, ring) = ring(&[3]);
            let token = ring.sign(Purpose::Session, &[9; 16]);
            let mut changed = token.clone();
            changed.replace_range(position..=position, &replacement);
            let mut buffer = [0; 256];
            prop_assert_eq!(ring.verify(Purpose::Session, &changed, &mut buffer).is_some(), changed == token);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,400}") {
            let (_, ring) = ring(&[3]);
            prop_assert!(ring.verify(Purpose::Session, &text, &mut [0; 256]).is_none());
            prop_assert!(ring.open(b"", &text).is_err());
        }
    }
}
