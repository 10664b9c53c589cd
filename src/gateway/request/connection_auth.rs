//! Authentication of the connection instead of the request: NTLM, and Negotiate (RFC 4559 section 6). Whatever else comes over such a
//! connection is taken for the same user's.

use http::{HeaderMap, HeaderValue, header};

const SCHEMES: [&[u8]; 3] = [b"NTLM", b"Negotiate", b"Nego2"];

/// Whether the request authenticates its connection.
pub fn is_presented(headers: &HeaderMap) -> bool {
    headers.get_all(header::AUTHORIZATION).iter().any(|line| names_scheme(line.as_bytes()))
}

/// Whether the answer asks for that. One line may hold several challenges (RFC 9110 section 11.6.1).
pub fn is_demanded(headers: &HeaderMap) -> bool {
    let challenges = |line: &HeaderValue| line.as_bytes().split(|b| *b == b',').any(names_scheme);
    headers.get_all(header::WWW_AUTHENTICATE).iter().any(challenges)
}

fn names_scheme(challenge: &[u8]) -> bool {
    let challenge = challenge.trim_ascii_start();
    let scheme = challenge.split(u8::is_ascii_whitespace).next().unwrap_or_default();
    SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_of_the_connection_are_told_from_the_others() {
        let headers = |name: header::HeaderName, value: &str| HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())]);
        for value in ["NTLM TlRMTVNTUAAB", "negotiate YII", "NTLM", " Negotiate\tx"] {
            assert!(is_presented(&headers(header::AUTHORIZATION, value)), "{value}");
        }
        for value in ["Basic bnRsbTp4", "Bearer NTLM", "NTLMv2 x", ""] {
            assert!(!is_presented(&headers(header::AUTHORIZATION, value)), "{value}");
        }
        for value in ["Negotiate", "NTLM", "Basic realm=\"a, b\", NTLM", "Negotiate, NTLM"] {
            assert!(is_demanded(&headers(header::WWW_AUTHENTICATE, value)), "{value}");
        }
        assert!(!is_demanded(&headers(header::WWW_AUTHENTICATE, "Basic realm=\"x\"")));
    }
}
