//! Form tokens: a keyed digest of a random value in a signed cookie (OWASP's signed double submit), and the Origin beside it.

use axum::http::HeaderMap;
use axum::http::header::ORIGIN;

use crate::base::random::{self, NoEntropy};
use crate::base::secret;
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

/// What the Origin header says of where a form came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sender {
    Own,
    /// Our own page, were it not for `http` against `https`: a proxy in front is not in `trusted_proxies`.
    OtherScheme,
    Foreign,
}

/// An absent Origin is left to the token; everything that is there must fit (OWASP ASVS 3.5.1).
pub fn sender(headers: &HeaderMap, authority: &str, secure: bool) -> Sender {
    let mut origins = headers.get_all(ORIGIN).iter();
    let own = match (origins.next(), origins.next()) {
        (None, _) => Sender::Own,
        (Some(_), Some(_)) => Sender::Foreign,
        (Some(origin), None) => match origin.to_str().ok().and_then(|origin| origin.split_once("://")) {
            Some((scheme, host)) if host.eq_ignore_ascii_case(authority) => match (scheme, secure) {
                ("https", true) | ("http", false) => Sender::Own,
                ("https", false) | ("http", true) => Sender::OtherScheme,
                _ => Sender::Foreign,
            },
            _ => Sender::Foreign,
        },
    };
    let site = headers.get("sec-fetch-site").map(|value| value.as_bytes());
    if own == Sender::Own && !matches!(site, None | Some(b"same-origin" | b"none")) { Sender::Foreign } else { own }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(origin: &str) -> Sender {
        let mut headers = HeaderMap::new();
        headers.insert(ORIGIN, origin.parse().unwrap());
        sender(&headers, "wiki.example:8443", true)
    }

    #[test]
    fn the_origin_must_be_our_own() {
        assert_eq!(from("https://wiki.example:8443"), Sender::Own);
        assert_eq!(from("http://wiki.example:8443"), Sender::OtherScheme);
        for foreign in
            ["null", "https://wiki.example", "https://evil.example", "https://wiki.example:8443.evil.example", "wiki.example:8443"]
        {
            assert_eq!(from(foreign), Sender::Foreign, "{foreign}");
        }
    }

    #[test]
    fn a_cross_site_form_is_foreign_whatever_its_origin() {
        let mut headers = HeaderMap::new();
        headers.insert("sec-fetch-site", "cross-site".parse().unwrap());
        assert_eq!(sender(&headers, "a", true), Sender::Foreign);
    }
}
