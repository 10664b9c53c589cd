//! The keys of the identity assertion, from the master keys: each master key has one, and says already which the next one's will be.
//! Guarantees that gateways with the same master keys sign and publish alike, and that a rotation puts a key in force which was
//! published before.
//!
//! The next key follows from the present master key. Somebody who has stolen `keys.json` has it too, and two rotations are needed.

use std::sync::OnceLock;

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::master::{BadKeys, MasterKey};
use crate::base::Time;
use crate::base::random::NoEntropy;
use crate::identity::assertion::{Assertions, Keys, SEED};

type Seed = Zeroizing<[u8; SEED]>;

impl MasterKey {
    /// A fresh key for the rotation after this one.
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub fn successor(&self, id: u8, created: Time) -> Result<Self, NoEntropy> {
        let announced = self.next_assertion().map_err(|_| NoEntropy)?;
        let mut next = Self::random(id, created)?;
        next.assertion = Some(BASE64URL_NOPAD.encode(&*announced));
        Ok(next)
    }

    /// The seed of its assertion key.
    fn own_assertion(&self) -> Result<Seed, BadKeys> {
        match &self.assertion {
            None => derive(self, b"vestibule assertion v1"),
            Some(text) => {
                let bytes = Zeroizing::new(BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| BadKeys)?);
                bytes.as_slice().try_into().map(Zeroizing::new).map_err(|_| BadKeys)
            }
        }
    }

    /// The seed of its successor's.
    fn next_assertion(&self) -> Result<Seed, BadKeys> {
        derive(self, b"vestibule next assertion v1")
    }
}

fn derive(key: &MasterKey, label: &[u8]) -> Result<Seed, BadKeys> {
    let secret = Zeroizing::new(BASE64URL_NOPAD.decode(key.secret.as_bytes()).map_err(|_| BadKeys)?);
    let mut state = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&secret).map_err(|_| BadKeys)?;
    state.update(label);
    Ok(Zeroizing::new(state.finalize().into_bytes().into()))
}

/// The assertion's keys, once they are needed.
pub(super) struct Lazy {
    signs: Seed,
    published: Vec<Seed>,
    made: OnceLock<Option<Assertions>>,
}

impl Lazy {
    /// `id` is of the key that signs. What a newer one will sign with is what the one that signs has announced.
    pub(super) fn new(keys: &[MasterKey], id: u8) -> Result<Self, BadKeys> {
        let mut older: Vec<&MasterKey> = keys.iter().filter(|key| key.id < id).collect();
        older.sort_by_key(|key| key.id);
        let newest = keys.iter().find(|key| key.id == id).ok_or(BadKeys)?;
        let mut published = vec![newest.next_assertion()?];
        for key in older.iter().rev() {
            published.push(key.own_assertion()?);
        }
        Ok(Self { signs: newest.own_assertion()?, published, made: OnceLock::new() })
    }

    pub(super) fn get(&self) -> Option<&Assertions> {
        let make = || Keys::new(&self.signs, &self.published).map(Assertions::new).ok();
        self.made.get_or_init(make).as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::keys::KeyRing;

    fn jwks(keys: &[MasterKey]) -> String {
        KeyRing::new(keys).unwrap().assertions().unwrap().keys().jwks().to_owned()
    }

    fn signs(keys: &[MasterKey]) -> String {
        KeyRing::new(keys).unwrap().assertions().unwrap().keys().signer().kid().to_owned()
    }

    #[test]
    fn the_key_that_signs_after_a_rotation_was_published_before_and_the_last_one_is_after() {
        let first = MasterKey::random(1, Time::default()).unwrap();
        let second = first.successor(2, Time::default()).unwrap();
        let third = second.successor(3, Time::default()).unwrap();
        let generations = [vec![first.clone()], vec![first, second.clone()], vec![second, third]];
        for pair in generations.windows(2) {
            assert!(jwks(&pair[0]).contains(&signs(&pair[1])), "published before it signs");
            assert!(jwks(&pair[1]).contains(&signs(&pair[0])), "published after it signed");
            assert_ne!(signs(&pair[0]), signs(&pair[1]));
        }
    }

    #[test]
    fn a_key_file_of_an_earlier_version_has_one_too_and_keeps_it() {
        let key = MasterKey::random(1, Time::default()).unwrap();
        let old = serde_json::to_string(&key).unwrap();
        assert!(!old.contains("assertion"));
        let read: MasterKey = serde_json::from_str(&old).unwrap();
        assert_eq!(jwks(&[read]), jwks(std::slice::from_ref(&key)));
        let next = key.successor(2, Time::default()).unwrap();
        let kept: MasterKey = serde_json::from_str(&serde_json::to_string(&next).unwrap()).unwrap();
        assert_eq!(signs(&[kept]), signs(&[next]));
    }
}
