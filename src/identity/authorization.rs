//! Values of `Authorization` that the gateway says to an application: its own, or a person's. Never shown by `Debug`.

use data_encoding::BASE64;
use http::HeaderValue;
use zeroize::Zeroizing;

use crate::base::Secret;

/// HTTP Basic in UTF-8 (RFC 7617). `None`: the name has a colon, or one of the two a control character.
pub fn basic(user: &str, password: &Secret) -> Option<HeaderValue> {
    if user.contains(':') || user.chars().chain(password.expose().chars()).any(char::is_control) {
        return None;
    }
    let pair = Zeroizing::new(format!("{user}:{}", password.expose()));
    written("Basic", &Zeroizing::new(BASE64.encode(pair.as_bytes())))
}

/// A bearer token (RFC 6750 section 2.1). `None`: it is empty or has other characters than a token may have.
pub fn bearer(token: &Secret) -> Option<HeaderValue> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    let text = token.expose();
    (!text.is_empty() && text.bytes().all(is_token)).then(|| written("Bearer", text)).flatten()
}

fn written(scheme: &str, credentials: &str) -> Option<HeaderValue> {
    let text = Zeroizing::new(format!("{scheme} {credentials}"));
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_written_as_http_has_them_and_never_shown() {
        let value = basic("Aladdin", &Secret::new("open sesame")).unwrap();
        assert_eq!(value, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(!format!("{value:?}").contains("QWx"));
        assert_eq!(basic("test", &Secret::new("123£")).unwrap(), "Basic dGVzdDoxMjPCow==", "RFC 7617 section 2.1");
        assert_eq!(bearer(&Secret::new("mF_9.B5f-4.1JqM")).unwrap(), "Bearer mF_9.B5f-4.1JqM");
        for (user, password) in [("a:b", "c"), ("a\n", "c"), ("a", "c\r\nX: y"), ("a", "\0")] {
            assert!(basic(user, &Secret::new(password)).is_none(), "{user:?}");
        }
        for token in ["", "a b", "a\nb", "ä"] {
            assert!(bearer(&Secret::new(token)).is_none(), "{token:?}");
        }
    }
}
