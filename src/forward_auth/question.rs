//! What another proxy asks, in three dialects. What is missing, doubled or malformed is refused; nothing is guessed.

use http::{HeaderMap, Method};

/// How a proxy asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialect {
    /// `auth_request`: takes 200, 401 and 403, and makes 500 of everything else.
    Nginx,
    /// Traefik, Caddy and HAProxy: pass on whatever is answered.
    Forward,
    /// Envoy's HTTP `ext_authz` and Gateway API: the target follows ours in the request line.
    Envoy,
}

const ORIGINAL_URL: &str = "x-original-url";
const ORIGINAL_METHOD: &str = "x-original-method";
const FORWARDED_METHOD: &str = "x-forwarded-method";
const FORWARDED_PROTO: &str = "x-forwarded-proto";
const FORWARDED_HOST: &str = "x-forwarded-host";
const FORWARDED_URI: &str = "x-forwarded-uri";

impl Dialect {
    /// The headers that make up the question. They are no headers of the request that it is about.
    pub const fn headers(self) -> &'static [&'static str] {
        match self {
            Self::Nginx => &[ORIGINAL_URL, ORIGINAL_METHOD],
            Self::Forward => &[FORWARDED_METHOD, FORWARDED_PROTO, FORWARDED_HOST, FORWARDED_URI],
            Self::Envoy => &[],
        }
    }
}

/// Where a question was asked: its dialect, and what follows the dialect's name in the request line, as it was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place<'a> {
    pub dialect: Dialect,
    pub rest: &'a [u8],
}

/// Whether a request's raw target is one of the places below the portal's prefix where questions are asked. Compares bytes alone.
pub fn find<'a>(target: &'a [u8], prefix: &str) -> Option<Place<'a>> {
    let name = target.strip_prefix(prefix.as_bytes())?.strip_prefix(b"/auth/")?;
    let is_end = |rest: &[u8]| matches!(rest.first(), None | Some(b'?'));
    if let Some(rest) = name.strip_prefix(b"nginx").filter(|rest| is_end(rest)) {
        return Some(Place { dialect: Dialect::Nginx, rest });
    }
    if let Some(rest) = name.strip_prefix(b"forward").filter(|rest| is_end(rest)) {
        return Some(Place { dialect: Dialect::Forward, rest });
    }
    let rest = name.strip_prefix(b"envoy").filter(|rest| is_end(rest) || rest.starts_with(b"/"))?;
    Some(Place { dialect: Dialect::Envoy, rest })
}

/// A question that cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the question's {0} is missing, doubled or malformed")]
pub struct Malformed(pub &'static str);

/// The request that a proxy asks about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question<'a> {
    pub method: Method,
    /// Whether the client speaks HTTPS; `None`: the dialect does not say.
    pub secure: Option<bool>,
    /// Host and port, not looked at yet; `None`: that of the question itself.
    pub authority: Option<&'a str>,
    /// Path and query, byte by byte.
    pub target: &'a [u8],
}

impl<'a> Question<'a> {
    /// Reads a question. `method` and `headers` are those of the request by which it was asked.
    ///
    /// # Errors
    /// What is not there exactly once, and in exactly its form.
    pub fn read(place: Place<'a>, method: &Method, headers: &'a HeaderMap) -> Result<Self, Malformed> {
        match place.dialect {
            Dialect::Nginx => Self::from_url(headers),
            Dialect::Forward => Self::from_parts(headers),
            Dialect::Envoy => {
                let target = Some(place.rest).filter(|rest| rest.starts_with(b"/")).ok_or(Malformed("target"))?;
                Ok(Self { method: method.clone(), secure: None, authority: None, target })
            }
        }
    }

    /// `X-Original-URL` is absolute and raw: what follows the authority must be the path, at once. A client that sends a request
    /// line of another form than nginx's documentation thinks of would move the boundary otherwise.
    fn from_url(headers: &'a HeaderMap) -> Result<Self, Malformed> {
        let malformed = Malformed("X-Original-URL");
        let url = one(headers, ORIGINAL_URL).ok_or(malformed)?;
        let (secure, rest) = match (url.strip_prefix(b"https://"), url.strip_prefix(b"http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return Err(malformed),
        };
        let end = rest.iter().position(|b| !is_of_authority(*b)).ok_or(malformed)?;
        let (authority, target) = rest.split_at_checked(end).ok_or(malformed)?;
        let authority = std::str::from_utf8(authority).ok().filter(|text| !text.is_empty()).ok_or(malformed)?;
        if !target.starts_with(b"/") {
            return Err(malformed);
        }
        let method = one(headers, ORIGINAL_METHOD).and_then(|name| Method::from_bytes(name).ok()).ok_or(Malformed("X-Original-Method"))?;
        Ok(Self { method, secure: Some(secure), authority: Some(authority), target })
    }

    fn from_parts(headers: &'a HeaderMap) -> Result<Self, Malformed> {
        let method = one(headers, FORWARDED_METHOD).and_then(|name| Method::from_bytes(name).ok());
        let secure = match one(headers, FORWARDED_PROTO) {
            // A WebSocket's scheme is what Traefik says of one.
            Some(b"https" | b"wss") => true,
            Some(b"http" | b"ws") => false,
            _ => return Err(Malformed("X-Forwarded-Proto")),
        };
        let authority = one(headers, FORWARDED_HOST).filter(|host| host.iter().all(|b| is_of_authority(*b)));
        let authority = authority.and_then(|host| std::str::from_utf8(host).ok()).filter(|host| !host.is_empty());
        let target = one(headers, FORWARDED_URI).filter(|uri| uri.starts_with(b"/")).ok_or(Malformed("X-Forwarded-Uri"))?;
        Ok(Self {
            method: method.ok_or(Malformed("X-Forwarded-Method"))?,
            secure: Some(secure),
            authority: Some(authority.ok_or(Malformed("X-Forwarded-Host"))?),
            target,
        })
    }
}

/// What a host and a port are written in (RFC 3986 section 3.2.2), without user information.
const fn is_of_authority(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']')
}

/// The value of a header that comes exactly once.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let mut lines = headers.get_all(name).iter();
    lines.next().filter(|_| lines.next().is_none()).map(http::HeaderValue::as_bytes)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const PREFIX: &str = "/.vestibule";

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in list {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        map
    }

    fn nginx(url: &str, more: &[(&'static str, &str)]) -> Result<(bool, String, String), &'static str> {
        let all = headers(&[&[("x-original-url", url), ("x-original-method", "GET")][..], more].concat());
        let place = find(b"/.vestibule/auth/nginx", PREFIX).unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Question::read(place, &Method::GET, &all)
            .map(|q| (q.secure.unwrap(), q.authority.unwrap().to_owned(), text(q.target)))
            .map_err(|Malformed(what)| what)
    }

    #[test]
    fn a_question_is_asked_at_exactly_its_place() {
        let place = |target: &str| find(target.as_bytes(), PREFIX).map(|place| (place.dialect, place.rest.to_vec()));
        assert_eq!(place("/.vestibule/auth/nginx"), Some((Dialect::Nginx, vec![])));
        assert_eq!(place("/.vestibule/auth/forward?a=/b"), Some((Dialect::Forward, b"?a=/b".to_vec())));
        assert_eq!(place("/.vestibule/auth/envoy/../../etc?x"), Some((Dialect::Envoy, b"/../../etc?x".to_vec())));
        assert_eq!(place("/.vestibule/auth/envoy"), Some((Dialect::Envoy, vec![])));
        for other in [
            "/.vestibule/auth/",
            "/.vestibule/auth/nginx/",
            "/.vestibule/auth/nginx2",
            "/.vestibule/auth/envoyx",
            "/.vestibule/auth/forward/",
            "/.Vestibule/auth/nginx",
            "//.vestibule/auth/nginx",
            "/.vestibule/auth%2fnginx",
            "/.vestibule/login",
            "/auth/nginx",
        ] {
            assert_eq!(place(other), None, "{other}");
        }
    }

    #[test]
    fn nginx_says_the_url_in_one_header() {
        let read = |url: &str| nginx(url, &[]);
        assert_eq!(read("https://a.example/b/../c?d=//e"), Ok((true, "a.example".into(), "/b/../c?d=//e".into())));
        assert_eq!(read("http://[::1]:8080/"), Ok((false, "[::1]:8080".into(), "/".into())));
        for url in [
            "a.example/b",
            "//a.example/b",
            "ftp://a.example/",
            "HTTPS://a.example/",
            "https:///b",
            "https://a.example",
            "https://a.example?b",
            "https://a.example*",
            "https://a.example#/b",
            "https://user@a.example/b",
            "https://a.example@evil.example/b",
            "https://a.example\\/b",
            "https://a.example, b.example/b",
            "https://a.examplehttp://evil.example/b",
            "",
        ] {
            // The last one is cut at the second scheme; no host has an empty port.
            let answer = read(url);
            assert!(answer.is_err() || answer.is_ok_and(|(_, authority, _)| authority.ends_with(':')), "{url}");
        }
    }

    #[test]
    fn what_is_missing_or_doubled_is_no_question() {
        assert_eq!(nginx("https://a/", &[("x-original-url", "https://a/")]), Err("X-Original-URL"));
        assert_eq!(nginx("https://a/", &[("x-original-method", "GET")]), Err("X-Original-Method"));
        let good = [
            ("x-forwarded-method", "PROPFIND"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "a.example:8443"),
            ("x-forwarded-uri", "/b%2f?c"),
        ];
        let place = find(b"/.vestibule/auth/forward?uri=/x", PREFIX).unwrap();
        let all = headers(&good);
        let question = Question::read(place, &Method::GET, &all).unwrap();
        assert_eq!((question.method.as_str(), question.secure), ("PROPFIND", Some(true)));
        assert_eq!((question.authority, question.target), (Some("a.example:8443"), &b"/b%2f?c"[..]));
        for at in 0..good.len() {
            let without: Vec<_> = good.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, pair)| *pair).collect();
            let twice = [&good[..], &good[at..=at]].concat();
            for list in [without, twice] {
                assert!(Question::read(place, &Method::GET, &headers(&list)).is_err(), "{list:?}");
            }
        }
        for (at, value) in
            [(0, "a b"), (1, "https,http"), (1, "HTTPS"), (2, "a/b"), (2, "a, b"), (2, ""), (3, "b"), (3, "http://a/"), (3, "")]
        {
            let mut list = good;
            list[at].1 = value;
            assert!(Question::read(place, &Method::GET, &headers(&list)).is_err(), "{list:?}");
        }
    }

    #[test]
    fn other_dialects_headers_mean_nothing() {
        let others = headers(&[("x-original-url", "https://a/"), ("x-forwarded-uri", "/x"), ("x-forwarded-host", "evil.example")]);
        let place = find(b"/.vestibule/auth/envoy/a/../b", PREFIX).unwrap();
        let question = Question::read(place, &Method::DELETE, &others).unwrap();
        assert_eq!((question.method, question.authority, question.target), (Method::DELETE, None, &b"/a/../b"[..]));
        let place = find(b"/.vestibule/auth/envoy?x-forwarded-uri=/a", PREFIX).unwrap();
        assert_eq!(Question::read(place, &Method::GET, &others), Err(Malformed("target")));
        let place = find(b"/.vestibule/auth/forward", PREFIX).unwrap();
        assert!(Question::read(place, &Method::GET, &others).is_err());
    }

    proptest! {
        /// Whatever the proxy puts together, the host that is judged is the one that it wrote, and the target every byte after it.
        #[test]
        fn the_target_is_cut_out_byte_by_byte(host in "[a-z0-9.-]{1,20}(:[0-9]{1,5})?", target in "/[ -~]{0,40}") {
            prop_assert_eq!(nginx(&format!("https://{host}{target}"), &[]), Ok((true, host, target)));
        }
    }
}
