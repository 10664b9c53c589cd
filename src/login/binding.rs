//! What ties a hand-over to the browser that asked for it: a cookie of the asking host, and its digest, which travels over the portal.

use data_encoding::BASE64URL_NOPAD;

use crate::base::random::{self, NoEntropy};

/// The digest (SHA-256, base64url) of the cookie that an application's host set. Who knows it does not know the cookie.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Binding(String);

impl Binding {
    /// The value of a new cookie, 256 random bits, and its digest.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub fn random() -> Result<(String, Self), NoEntropy> {
        let bytes = random::bytes::<32>()?;
        Ok((BASE64URL_NOPAD.encode(&bytes), Self::of(&bytes)))
    }

    /// Of a cookie's value; `None` for one that we did not set.
    pub fn of_cookie(value: &str) -> Option<Self> {
        BASE64URL_NOPAD.decode(value.as_bytes()).ok().filter(|bytes| bytes.len() == 32).map(|bytes| Self::of(&bytes))
    }

    /// A digest as it came; `None` for any other text.
    pub fn read(text: &str) -> Option<Self> {
        BASE64URL_NOPAD.decode(text.as_bytes()).ok().filter(|bytes| bytes.len() == 32).map(|_| Self(text.to_owned()))
    }

    fn of(bytes: &[u8]) -> Self {
        use sha2::Digest;
        Self(BASE64URL_NOPAD.encode(&sha2::Sha256::digest(bytes)))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binding_comes_from_its_cookie_and_from_nothing_else() {
        let (cookie, binding) = Binding::random().unwrap();
        assert_eq!(Binding::of_cookie(&cookie), Some(binding.clone()));
        assert_eq!(Binding::read(binding.as_str()), Some(binding.clone()));
        assert_ne!(Binding::read(&cookie), Some(binding));
        for text in ["", "x", "AAAA", &"A".repeat(44), &"=".repeat(43)] {
            assert_eq!((Binding::of_cookie(text), Binding::read(text)), (None, None), "{text}");
        }
    }
}
