//! Where a form came from, by what the browser says of it. One rule for the gateway's own forms and for the forms of an app that it
//! keeps over a sign-in.

use http::HeaderMap;
use http::header::ORIGIN;

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
            Some((scheme, host)) if is_same_host(scheme, host, authority, secure) => match (scheme, secure) {
                ("https", true) | ("http", false) => Sender::Own,
                ("https", false) | ("http", true) => Sender::OtherScheme,
                _ => Sender::Foreign,
            },
            _ => Sender::Foreign,
        },
    };
    let fits = headers.get_all("sec-fetch-site").iter().all(|site| matches!(site.as_bytes(), b"same-origin" | b"none"));
    if own == Sender::Own && !fits { Sender::Foreign } else { own }
}

/// Whether an Origin's host and port are those of an authority. A scheme's default port is the same as none (RFC 6454 section 4).
pub fn is_same_host(scheme: &str, host: &str, authority: &str, secure: bool) -> bool {
    without_default_port(host, scheme.eq_ignore_ascii_case("https")).eq_ignore_ascii_case(without_default_port(authority, secure))
}

fn without_default_port(authority: &str, secure: bool) -> &str {
    authority.strip_suffix(if secure { ":443" } else { ":80" }).unwrap_or(authority)
}

/// Whether a form is the host's own beyond doubt: one Origin, which fits, and no word of the browser's against it. Stricter than
/// [`sender`], where a form token stands beside it.
pub fn is_own(headers: &HeaderMap, authority: &str, secure: bool) -> bool {
    let site = headers.get_all("sec-fetch-site").iter().all(|site| site.as_bytes() == b"same-origin");
    site && headers.contains_key(ORIGIN) && sender(headers, authority, secure) == Sender::Own
}

/// Whether another site sent a form, by the Origin or by what the browser says of it.
pub fn is_foreign(headers: &HeaderMap, authority: &str, secure: bool) -> bool {
    sender(headers, authority, secure) == Sender::Foreign
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
    fn a_default_port_is_the_same_origin() {
        let from = |origin: &str, authority: &str, secure| {
            let mut headers = HeaderMap::new();
            headers.insert(ORIGIN, origin.parse().unwrap());
            sender(&headers, authority, secure)
        };
        for (origin, authority, secure) in [
            ("https://a.example", "a.example:443", true),
            ("https://a.example:443", "a.example", true),
            ("http://a.example", "a.example:80", false),
            ("http://a.example:80", "a.example", false),
            ("https://[::1]", "[::1]:443", true),
        ] {
            assert_eq!(from(origin, authority, secure), Sender::Own, "{origin} {authority}");
        }
        assert_eq!(from("http://a.example", "a.example:443", true), Sender::OtherScheme);
        for (origin, authority, secure) in [
            ("https://a.example", "a.example:80", true),
            ("https://a.example:80", "a.example", true),
            ("https://a.example", "a.example:8443", true),
            ("https://a.example:443", "a.example:8443", true),
            ("https://a.example:443:443", "a.example", true),
        ] {
            assert_eq!(from(origin, authority, secure), Sender::Foreign, "{origin} {authority}");
        }
    }

    #[test]
    fn a_cross_site_form_is_foreign_whatever_its_origin() {
        let mut headers = HeaderMap::new();
        headers.insert("sec-fetch-site", "cross-site".parse().unwrap());
        assert_eq!(sender(&headers, "a", true), Sender::Foreign);
        headers.insert("sec-fetch-site", "same-origin".parse().unwrap());
        assert_eq!(sender(&headers, "a", true), Sender::Own);
        headers.append("sec-fetch-site", "cross-site".parse().unwrap());
        assert_eq!(sender(&headers, "a", true), Sender::Foreign, "in any of its lines");
    }

    #[test]
    fn what_is_kept_must_be_beyond_doubt() {
        let own = |lines: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(*name, value.parse().unwrap());
            }
            is_own(&headers, "a.example", false)
        };
        assert!(own(&[("origin", "http://a.example")]));
        assert!(own(&[("origin", "http://A.example"), ("sec-fetch-site", "same-origin")]));
        for lines in [
            &[][..],
            &[("sec-fetch-site", "same-origin")],
            &[("origin", "null")],
            &[("origin", "https://a.example")],
            &[("origin", "http://a.example:8080")],
            &[("origin", "http://b.example")],
            &[("origin", "http://a.example"), ("origin", "http://a.example")],
            &[("origin", "http://a.example"), ("sec-fetch-site", "none")],
            &[("origin", "http://a.example"), ("sec-fetch-site", "same-site")],
            &[("origin", "http://a.example"), ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
        ] {
            assert!(!own(lines), "{lines:?}");
        }
    }
}
