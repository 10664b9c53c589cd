//! What a request's header says of its framing and target, as far as pingora has hidden it.

use http::{HeaderMap, header};

/// No Content-Length, or the same number in every line (RFC 9112 section 6.3).
pub fn is_one_length(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(first) = lines.next() else { return true };
    first.as_bytes().iter().all(u8::is_ascii_digit) && lines.all(|other| other == first)
}

/// Whether the target as received has a fragment.
pub fn has_fragment(raw: &[u8]) -> bool {
    raw.iter().take_while(|b| **b != b'\n').any(|b| *b == b'#')
}

/// Whether the header as received had a Content-Length; pingora drops it if there is a Transfer-Encoding too.
pub fn names_content_length(raw: &[u8]) -> bool {
    const NAME: &[u8] = b"content-length";
    raw.split(|b| *b == b'\n').any(|line| {
        line.split_at_checked(NAME.len())
            .is_some_and(|(name, rest)| name.eq_ignore_ascii_case(NAME) && rest.trim_ascii_start().starts_with(b":"))
    })
}
