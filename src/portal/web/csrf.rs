//! Form tokens: a keyed digest of a random value in a signed cookie (OWASP's signed double submit), and the Origin beside it.

use crate::base::random::{self, NoEntropy};
use crate::base::secret;
pub use crate::session::origin::{Sender, sender};
use crate::session::{KeyRing, Purpose};

/// The random value that a browser's form tokens are made from.
#[derive(Clone, Copy)]
pub struct CsrfId([u8; 16]);

impl CsrfId {
    pub fn random() -> Result<Self, NoEntropy> {
        random::bytes().map(Self)
    }

    /// From its cookie.
    pub fn read(cookie: &str, keys: &KeyRing) -> Option<Self> {
        let mut buffer = [0; 256];
        keys.verify(Purpose::Csrf, cookie, &mut buffer)?.try_into().ok().map(Self)
    }

    pub fn cookie(self, keys: &KeyRing) -> String {
        keys.sign(Purpose::Csrf, &self.0)
    }

    /// What the forms carry.
    pub fn token(self, keys: &KeyRing) -> String {
        data_encoding::BASE64URL_NOPAD.encode(&keys.digest(Purpose::Form, &[&self.0]))
    }

    pub fn accepts(self, token: &str, keys: &KeyRing) -> bool {
        let Ok(token) = data_encoding::BASE64URL_NOPAD.decode(token.as_bytes()) else { return false };
        let parts: [&[u8]; 1] = [&self.0];
        keys.digests(Purpose::Form, &parts).any(|digest| secret::same(&digest, &token))
    }
}
