//! Reads credentials that a client shows, to find the gateway's own among them. Guarantees that a credential with the prefix is
//! found in every form in which a client may honestly send one, so that it never goes to an application.
//!
//! What has no such prefix is the application's own, and passes.

use data_encoding::{BASE64, Encoding};
use zeroize::Zeroizing;

use super::{PREFIX, Way};
use crate::base::Secret;

/// What an `Authorization` or `X-Vestibule-Token` header holds.
#[derive(Debug)]
pub enum Credential {
    /// Nothing of the gateway's.
    Foreign,
    /// A token by its prefix, and how it came. Whether it is valid is not known yet.
    Token { way: Way, text: Secret },
    /// It has the prefix and came in a form that no route takes.
    Malformed,
}

/// Reads the value of an `Authorization` header.
pub fn read(value: &[u8]) -> Credential {
    let value = value.trim_ascii();
    let (scheme, rest) = match value.iter().position(u8::is_ascii_whitespace) {
        Some(at) => value.split_at(at),
        None => (value, &b""[..]),
    };
    let rest = rest.trim_ascii();
    if scheme.eq_ignore_ascii_case(b"bearer") {
        if !starts_as_ours(rest) {
            // One of ours among others, as a proxy joins two lines into one.
            return if has_word_of_ours(rest) { Credential::Malformed } else { Credential::Foreign };
        }
        return text(rest).map_or(Credential::Malformed, |text| Credential::Token { way: Way::Bearer, text });
    }
    if scheme.eq_ignore_ascii_case(b"basic") {
        return basic(rest);
    }
    if has_word_of_ours(value) { Credential::Malformed } else { Credential::Foreign }
}

/// Whether a header's value holds a token of ours in any form.
pub fn is_ours(value: &[u8]) -> bool {
    !matches!(read(value), Credential::Foreign)
}

fn basic(encoded: &[u8]) -> Credential {
    // Written as it is, or beside something else: base64 never has such a beginning.
    if has_word_of_ours(encoded) {
        return Credential::Malformed;
    }
    let Some(pair) = decode(encoded) else { return Credential::Foreign };
    let (user, password) = match pair.iter().position(|b| *b == b':') {
        Some(at) => (pair.get(..at).unwrap_or_default(), pair.get(at + 1..).unwrap_or_default()),
        None => (pair.as_slice(), &b""[..]),
    };
    if starts_as_ours(password) {
        return text(password).map_or(Credential::Malformed, |text| Credential::Token { way: Way::Basic, text });
    }
    if starts_as_ours(user) { Credential::Malformed } else { Credential::Foreign }
}

/// Both alphabets of base64, with or without padding: applications differ in what they take.
fn decode(encoded: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    static LAX: std::sync::OnceLock<Option<Encoding>> = std::sync::OnceLock::new();
    let lax = LAX.get_or_init(|| {
        let mut specification = BASE64.specification();
        specification.padding = None;
        specification.check_trailing_bits = false;
        specification.translate.from.push_str("-_");
        specification.translate.to.push_str("+/");
        specification.encoding().ok()
    });
    let end = encoded.iter().rposition(|b| *b != b'=').map_or(0, |at| at + 1);
    lax.as_ref()?.decode(encoded.get(..end)?).ok().map(Zeroizing::new)
}

/// The prefix counts without letter case: what is nearly a token of ours is nobody else's.
fn starts_as_ours(text: &[u8]) -> bool {
    text.trim_ascii_start().get(..PREFIX.len()).is_some_and(|head| head.eq_ignore_ascii_case(PREFIX.as_bytes()))
}

fn has_word_of_ours(value: &[u8]) -> bool {
    value.split(|b| b.is_ascii_whitespace() || matches!(b, b',' | b'=' | b'"' | b':')).any(starts_as_ours)
}

fn text(bytes: &[u8]) -> Option<Secret> {
    std::str::from_utf8(bytes).ok().map(Secret::new)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn came(value: &str) -> Option<(Way, String)> {
        match read(value.as_bytes()) {
            Credential::Token { way, text } => Some((way, text.expose().to_owned())),
            Credential::Foreign | Credential::Malformed => None,
        }
    }

    #[test]
    fn a_token_is_read_from_bearer_and_from_the_password_of_basic() {
        let basic = |pair: &str| format!("Basic {}", BASE64.encode(pair.as_bytes()));
        assert_eq!(came("Bearer vst_abc"), Some((Way::Bearer, "vst_abc".into())));
        assert_eq!(came("bearer   vst_abc "), Some((Way::Bearer, "vst_abc".into())));
        assert_eq!(came(&basic("alice:vst_abc")), Some((Way::Basic, "vst_abc".into())));
        assert_eq!(came(&basic(":vst_abc")), Some((Way::Basic, "vst_abc".into())));
    }

    #[test]
    fn the_applications_own_credentials_are_left_alone() {
        for value in
            ["Bearer eyJhbGciOi.vst_x", "Basic YWxpY2U6cGFzcw==", "Negotiate YII=", "Digest username=\"a\"", "", "Basic", "Basic !"]
        {
            assert!(matches!(read(value.as_bytes()), Credential::Foreign), "{value}");
        }
    }

    #[test]
    fn a_token_in_a_form_that_no_route_takes_is_ours_all_the_same() {
        let as_user = format!("Basic {}", BASE64.encode(b"vst_abc:x-oauth-basic"));
        let alone = format!("Basic {}", BASE64.encode(b"vst_abc"));
        for value in [
            "vst_abc",
            "token vst_abc",
            "Digest user=\"vst_abc\"",
            "Basic vst_abc",
            &as_user,
            &alone,
            "VST_ABC",
            "Bearer own, Bearer vst_abc",
            "Bearer \"vst_abc\"",
            "Basic eDp5, Bearer vst_abc",
            "Bearer own,vst_abc",
        ] {
            assert!(matches!(read(value.as_bytes()), Credential::Malformed), "{value}");
        }
    }

    proptest! {
        #[test]
        fn no_spelling_of_basic_hides_a_token(user in "[ -9;-~]{0,12}", tail in "[a-z2-7]{0,40}", url in any::<bool>(), padded in any::<bool>()) {
            let pair = format!("{user}:vst_{tail}");
            let encoding = match (url, padded) {
                (false, true) => data_encoding::BASE64,
                (false, false) => data_encoding::BASE64_NOPAD,
                (true, true) => data_encoding::BASE64URL,
                (true, false) => data_encoding::BASE64URL_NOPAD,
            };
            let value = format!("Basic {}", encoding.encode(pair.as_bytes()));
            prop_assert_eq!(came(&value), Some((Way::Basic, format!("vst_{tail}"))));
        }

        #[test]
        fn no_bytes_make_it_panic(value in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = read(&value);
        }
    }
}
