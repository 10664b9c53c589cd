//! The text of a token: `vst_` and 40 characters of lower-case base32, which are 160 random bits and a checksum of 40.
//!
//! The prefix lets secret scanners find leaked tokens (`vst_[a-z2-7]{40}`), and the checksum lets them and the gateway tell a
//! token from text that only looks like one, without a look-up. Only the digest is stored. A fast hash is enough: 160 random bits
//! cannot be searched (NIST SP 800-63B-4 section 3.1.2.2), and a slow one would let strangers spend the gateway's time.

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize, Zeroizing};

use crate::base::random::{self, NoEntropy};
use crate::base::{Secret, TokenId, secret};

/// What every token begins with.
pub const PREFIX: &str = "vst_";

const RANDOM: usize = 20;
const CHECKSUM: usize = 5;
/// Characters after the prefix.
const LENGTH: usize = 40;

/// What is stored of a token, and what it is looked up by.
#[derive(Clone, Copy, Debug)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The public name of the token. It says nothing about the token that could help to guess it.
    pub fn id(&self) -> TokenId {
        let mut id = [0; 16];
        id.iter_mut().zip(self.0).for_each(|(to, from)| *to = from);
        TokenId::from_bytes(id)
    }

    /// Equality in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        secret::same(&self.0, &other.0)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&data_encoding::BASE64URL_NOPAD.encode_display(&self.0))
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        let bytes = data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).map_err(serde::de::Error::custom)?;
        bytes.try_into().map(Self).map_err(|_| serde::de::Error::custom("not 32 bytes"))
    }
}

/// A fresh token and its digest. The token is shown once and not kept.
///
/// # Errors
/// Where the system gives no random bytes.
pub fn generate() -> Result<(Secret, Digest), NoEntropy> {
    let random = Zeroizing::new(random::bytes::<RANDOM>()?);
    let mut whole = Zeroizing::new(random.to_vec());
    whole.extend_from_slice(&checksum(&*random));
    let text = Zeroizing::new(format!("{PREFIX}{}", BASE32_NOPAD.encode(&whole).to_ascii_lowercase()));
    let digest = of_text(&text);
    Ok((Secret::new(text.as_str()), digest))
}

/// The digest of a token. `None` for text that is no token: it is refused without a look-up.
pub fn digest(text: &str) -> Option<Digest> {
    let encoded = text.strip_prefix(PREFIX).filter(|rest| rest.len() == LENGTH)?;
    if encoded.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    let mut upper = [0u8; LENGTH];
    upper.copy_from_slice(encoded.as_bytes());
    upper.make_ascii_uppercase();
    let mut bytes = [0u8; RANDOM + CHECKSUM];
    let is_encoded = BASE32_NOPAD.decode_mut(&upper, &mut bytes).is_ok();
    let (random, sum) = bytes.split_at(RANDOM);
    let is_token = is_encoded && secret::same(&checksum(random), sum);
    upper.zeroize();
    bytes.zeroize();
    is_token.then(|| of_text(text))
}

fn of_text(text: &str) -> Digest {
    let mut hash = Sha256::new();
    hash.update(b"vestibule token v1\0");
    hash.update(text.as_bytes());
    Digest(hash.finalize().into())
}

fn checksum(random: &[u8]) -> [u8; CHECKSUM] {
    let mut hash = Sha256::new();
    hash.update(b"vestibule token checksum v1\0");
    hash.update(random);
    let whole: [u8; 32] = hash.finalize().into();
    let mut sum = [0; CHECKSUM];
    sum.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
    sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_is_found_by_its_digest_and_no_two_are_equal() {
        let ((one, first), (other, second)) = (generate().unwrap(), generate().unwrap());
        assert!(one.expose().starts_with("vst_") && one.expose().len() == 44);
        assert!(digest(one.expose()).unwrap().matches(&first));
        assert!(!digest(one.expose()).unwrap().matches(&second));
        assert_ne!(one.expose(), other.expose());
        assert_ne!(first.id(), second.id());
    }

    #[test]
    fn a_stored_digest_is_read_back() {
        let (_, digest) = generate().unwrap();
        let json = serde_json::to_string(&digest).unwrap();
        assert!(serde_json::from_str::<Digest>(&json).unwrap().matches(&digest));
    }

    proptest! {
        #[test]
        fn no_changed_token_passes_its_checksum(position in 0usize..44, replacement in "[a-zA-Z0-9_=. -]") {
            let (token, _) = generate().unwrap();
            let mut changed = token.expose().to_owned();
            changed.replace_range(position..=position, &replacement);
            prop_assert_eq!(digest(&changed).is_some(), changed == token.expose());
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,60}") {
            prop_assert!(digest(&text).is_none());
            let with_prefix = format!("vst_{text}");
            prop_assert!(digest(&with_prefix).is_none());
        }
    }
}
