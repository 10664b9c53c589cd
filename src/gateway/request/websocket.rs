//! The opening handshake of a WebSocket (RFC 6455 section 4). Guarantees that an incomplete handshake opens nothing, and that nothing is
//! tunnelled to an upstream that has not accepted this very handshake.

use http::header::{self, AsHeaderName};
use http::{HeaderMap, Method, Version};
use pingora::http::RequestHeader;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::session::origin::is_same_host;

/// Whether a request opens a WebSocket: `Upgrade: websocket`, also named in Connection. Otherwise the Upgrade is to be ignored (RFC 9110
/// section 7.8) and the request is an ordinary one.
pub fn is_wanted(header: &RequestHeader) -> bool {
    header.version == Version::HTTP_11 && header.method == Method::GET && upgrades(&header.headers)
}

/// Checks what else section 4.2.1 requires of a client.
///
/// # Errors
/// If the version is not 13, or the key is not 16 bytes in base64.
pub fn check_request(headers: &HeaderMap) -> Result<(), &'static str> {
    if one(headers, "sec-websocket-version") != Some(b"13") {
        return Err("websocket_version");
    }
    let key = one(headers, "sec-websocket-key").and_then(|key| data_encoding::BASE64.decode(key).ok());
    if key.is_some_and(|key| key.len() == 16) { Ok(()) } else { Err("websocket_key") }
}

/// Whether a 101 accepts this request (section 4.1, on the server's answer).
pub fn is_agreed(info: &HeaderMap, answered: &HeaderMap) -> bool {
    let expected = one(info, "sec-websocket-key").map(derive_accept_key);
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

/// The value of a header that is there exactly once.
fn one(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&[u8]> {
    let mut lines = headers.get_all(name).iter();
    lines.next().filter(|_| lines.next().is_none()).map(|line| line.as_bytes().trim_ascii())
}

/// Checks that the Origin is this host (OWASP ASVS 4.4.2). Only browsers send one, and they always do.
///
/// # Errors
/// What is wrong with it. If only the scheme is wrong, there may be a TLS proxy in front that `trusted_proxies` does not name.
pub fn check_origin(header: &RequestHeader, authority: &str, secure: bool) -> Result<(), &'static str> {
    let mut origins = header.headers.get_all(header::ORIGIN).iter();
    let (Some(origin), None) = (origins.next(), origins.next()) else {
        return if header.headers.contains_key(header::ORIGIN) { Err("origin") } else { Ok(()) };
    };
    let (scheme, theirs) = origin.to_str().ok().and_then(|o| o.split_once("://")).ok_or("origin")?;
    let ours = if secure { "https" } else { "http" };
    match (is_same_host(scheme, theirs, authority, secure), scheme.eq_ignore_ascii_case(ours)) {
        (true, true) => Ok(()),
        (true, false) => Err("origin_scheme"),
        (false, _) => Err("origin"),
    }
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

    fn origin(value: Option<&str>, authority: &str, secure: bool) -> Result<(), &'static str> {
        let mut header = RequestHeader::build("GET", b"/", None).unwrap();
        if let Some(value) = value {
            header.append_header("Origin", value).unwrap();
        }
        check_origin(&header, authority, secure)
    }

    #[test]
    fn the_origin_must_be_the_hosts_own() {
        assert_eq!(origin(None, "a.example", false), Ok(()));
        assert_eq!(origin(Some("http://A.example:80"), "a.example", false), Ok(()));
        assert_eq!(origin(Some("http://a.example:8080"), "a.example:8080", false), Ok(()));
        assert_eq!(origin(Some("https://a.example"), "a.example:443", true), Ok(()));
        assert_eq!(origin(Some("https://a.example"), "a.example", false), Err("origin_scheme"));
        for other in ["http://b.example", "http://a.example.evil", "null", "", "http://a.example:81", "file://"] {
            assert_eq!(origin(Some(other), "a.example", false), Err("origin"), "{other}");
        }
    }
}
