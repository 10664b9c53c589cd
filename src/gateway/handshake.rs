//! The opening handshake of a WebSocket (RFC 6455 section 4). Guarantees that a request which only half asks for one opens nothing, and
//! that nothing is tunnelled to an upstream that has not agreed to this very one.

use http::header::{self, AsHeaderName};
use http::{HeaderMap, Method, Version};
use pingora::http::RequestHeader;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Whether a request opens a WebSocket: `Upgrade: websocket`, named in Connection. Without that word the Upgrade is to be passed
/// over (RFC 9110 section 7.8) and the request is an ordinary one.
pub fn is_wanted(header: &RequestHeader) -> bool {
    header.version == Version::HTTP_11 && header.method == Method::GET && upgrades(&header.headers)
}

/// Checks what section 4.2.1 wants of a client beyond that.
///
/// # Errors
/// Another version than 13, or a key that is not 16 bytes in base64.
pub fn check_request(headers: &HeaderMap) -> Result<(), &'static str> {
    if one(headers, "sec-websocket-version") != Some(b"13") {
        return Err("websocket_version");
    }
    let key = one(headers, "sec-websocket-key").and_then(|key| data_encoding::BASE64.decode(key).ok());
    if key.is_some_and(|key| key.len() == 16) { Ok(()) } else { Err("websocket_key") }
}

/// Whether a 101 is the answer to this request (section 4.1, on the server's answer).
pub fn is_agreed(asked: &HeaderMap, answered: &HeaderMap) -> bool {
    let expected = one(asked, "sec-websocket-key").map(derive_accept_key);
    upgrades(answered) && expected.is_some_and(|expected| one(answered, "sec-websocket-accept") == Some(expected.as_bytes()))
}

fn upgrades(headers: &HeaderMap) -> bool {
    if !headers.contains_key(header::UPGRADE) {
        return false;
    }
    let named = headers.get_all(header::CONNECTION).iter().flat_map(|line| line.as_bytes().split(|b| *b == b','));
    one(headers, header::UPGRADE).is_some_and(|word| word.eq_ignore_ascii_case(b"websocket"))
        && named.into_iter().any(|word| word.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

/// The value of a header that comes once.
fn one(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&[u8]> {
    let mut lines = headers.get_all(name).iter();
    lines.next().filter(|_| lines.next().is_none()).map(|line| line.as_bytes().trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 4] = [
        ("upgrade", "WebSocket"),
        ("connection", "keep-alive, Upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    fn with(changed: &[(&'static str, &str)]) -> RequestHeader {
        let mut header = RequestHeader::build("GET", b"/", None).unwrap();
        for (name, value) in GOOD.iter().filter(|(name, _)| !changed.iter().any(|(other, _)| other == name)).chain(changed) {
            header.append_header(*name, *value).unwrap();
        }
        header
    }

    #[test]
    fn half_a_handshake_is_none() {
        assert!(is_wanted(&with(&[])));
        for other in [("connection", "close"), ("upgrade", "h2c"), ("upgrade", "")] {
            assert!(!is_wanted(&with(&[other])), "{other:?}");
        }
        assert_eq!(check_request(&with(&[]).headers), Ok(()));
        for (name, value) in
            [("sec-websocket-version", "8"), ("sec-websocket-key", "x"), ("sec-websocket-key", "AAAA"), ("sec-websocket-key", "")]
        {
            assert!(check_request(&with(&[(name, value)]).headers).is_err(), "{value}");
        }
        let two = [("sec-websocket-key", GOOD[3].1), ("sec-websocket-key", GOOD[3].1)];
        assert!(check_request(&with(&two).headers).is_err());
    }

    #[test]
    fn only_the_answer_to_this_key_agrees() {
        let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
        let agreed = |changed: &[(&'static str, &str)]| is_agreed(&with(&[]).headers, &with(changed).headers);
        assert!(agreed(&[("sec-websocket-accept", accept)]));
        assert!(!agreed(&[]) && !agreed(&[("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOp=")]));
        assert!(!agreed(&[("sec-websocket-accept", accept), ("upgrade", "h2c")]));
        assert!(!agreed(&[("sec-websocket-accept", accept), ("connection", "close")]));
    }
}
