//! The gateway's own answers: challenges, refusals and error pages. A navigation gets a page or a redirect, anything else a
//! problem document (RFC 9457). None of them may be stored.

use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::front::{ErrorPage, Front};
use super::judge::Reason;

/// What RFC 3986 lets stand in a query beside letters and digits, as far as every reader agrees on it.
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

const PAGE_CSP: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; \
                        frame-ancestors 'none'";

/// An answer, whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Bytes,
}

/// What an answer is made for.
pub struct Asker<'a> {
    pub front: &'a dyn Front,
    pub navigation: bool,
    /// A person's browser shows the answer, whatever the method ([`shows_a_page`]).
    pub page: bool,
    pub request_id: &'a str,
    pub language: Option<&'a str>,
}

/// Whether a person is waiting for a page (the contract's section 3): GET or HEAD with `Sec-Fetch-Mode: navigate`; from a
/// client without `Sec-Fetch-*`: with `text/html` in Accept, no `X-Requested-With` and no `Upgrade`.
pub fn is_navigation(method: &Method, headers: &HeaderMap) -> bool {
    (*method == Method::GET || *method == Method::HEAD) && loads_a_page(headers)
}

/// Whether a browser is to show the answer as a page, whatever the method.
pub fn loads_a_page(headers: &HeaderMap) -> bool {
    if headers.keys().any(|name| name.as_str().starts_with("sec-fetch-")) {
        return headers.get("sec-fetch-mode").is_some_and(|mode| mode.as_bytes().eq_ignore_ascii_case(b"navigate"));
    }
    let html = |value: &HeaderValue| value.to_str().is_ok_and(|v| v.to_ascii_lowercase().contains("text/html"));
    headers.get_all(header::ACCEPT).iter().any(html) && !headers.contains_key("x-requested-with") && !headers.contains_key(header::UPGRADE)
}

/// Whether the answer to what was not a navigation is a page all the same: a form that a browser sent says that it shows one, and
/// names `text/html` (RFC 9110 section 12.5.1).
pub fn shows_a_page(headers: &HeaderMap) -> bool {
    let html = |value: &HeaderValue| value.to_str().is_ok_and(|v| v.to_ascii_lowercase().contains("text/html"));
    loads_a_page(headers) && headers.get_all(header::ACCEPT).iter().any(html)
}

/// A challenge's name in problem documents, its page below the prefix, and what to tell a person.
const fn terms(reason: Reason) -> (&'static str, &'static str, &'static str) {
    match reason {
        Reason::SignIn => ("sign_in", "login", "Sign in to go on."),
        Reason::SecondFactor => ("second_factor", "mfa", "Confirm it is you with a second factor to go on."),
        Reason::Enrol => ("enrol", "enrol", "Set up a second factor to go on."),
    }
}

/// A challenge's name, as in problem documents and the log.
pub const fn word(reason: Reason) -> &'static str {
    terms(reason).0
}

/// Sends a navigation to sign in, and tells anything else to.
pub fn challenge(reason: Reason, prefix: &str, target: &[u8], asker: &Asker<'_>) -> Answer {
    let (word, page, detail) = terms(reason);
    let url = format!("{prefix}/{page}?rd={}", percent_encode(target, IN_QUERY));
    if asker.navigation {
        let mut answer = Answer::new(StatusCode::SEE_OTHER, "text/plain; charset=utf-8", Bytes::new());
        answer.add(header::LOCATION, &url);
        return answer;
    }
    let title = "Sign-in required";
    let mut answer = if asker.page {
        shown(StatusCode::UNAUTHORIZED, word, title, detail, Some(&url), asker)
    } else {
        problem(StatusCode::UNAUTHORIZED, word, title, detail, Some(&url))
    };
    answer.add(header::WWW_AUTHENTICATE, "Session");
    answer
}

/// Whether a session is live cannot be known for now: the reason for a 503 instead of a challenge.
pub const SESSION_UNKNOWN: &str = "session_unknown";

/// When to come back then, in seconds.
const COME_BACK: &str = "5";

/// An error, as a page or as a problem document.
pub fn error(status: StatusCode, reason: &str, asker: &Asker<'_>) -> Answer {
    let (title, detail) = words(status, reason);
    let mut answer = if asker.navigation || asker.page {
        shown(status, reason, title, detail, None, asker)
    } else {
        problem(status, reason, title, detail, None)
    };
    if reason == SESSION_UNKNOWN {
        answer.add(header::RETRY_AFTER, COME_BACK);
    }
    answer
}

fn shown(status: StatusCode, reason: &str, title: &str, detail: &str, login_url: Option<&str>, asker: &Asker<'_>) -> Answer {
    let page = ErrorPage { status, reason, title, detail, request_id: asker.request_id, language: asker.language, login_url };
    let mut answer = Answer::new(status, "text/html; charset=utf-8", Bytes::from(asker.front.error_page(&page)));
    answer.add(header::CONTENT_SECURITY_POLICY, PAGE_CSP);
    answer
}

fn problem(status: StatusCode, reason: &str, title: &str, detail: &str, login_url: Option<&str>) -> Answer {
    let mut body = serde_json::json!({
        "type": format!("urn:vestibule:problem:{reason}"), "title": title, "status": status.as_u16(), "detail": detail, "reason": reason,
    });
    if let (Some(url), Some(object)) = (login_url, body.as_object_mut()) {
        object.insert("login_url".into(), url.into());
    }
    Answer::new(status, "application/problem+json", Bytes::from(body.to_string()))
}

fn words(status: StatusCode, reason: &str) -> (&'static str, &'static str) {
    match status.as_u16() {
        503 if reason == SESSION_UNKNOWN => {
            ("Sign-in unavailable", "Whether you are signed in cannot be found out just now. Try again in a moment.")
        }
        400 => ("Bad request", "The request could not be understood. Check the address and try again."),
        403 => ("No access", "You may not see this page. If you should, ask your administrator."),
        404 => ("Not found", "There is nothing at this address."),
        405 => ("Method not allowed", "This kind of request is not accepted here."),
        408 => ("Too slow", "The request took too long to arrive. Try again."),
        413 => ("Too large", "The request is larger than this page accepts."),
        414 | 431 => ("Too long", "The address or the headers of the request are too long."),
        502 => ("Application unreachable", "The application behind this address did not answer as it should. Try again in a moment."),
        503 => ("Application unavailable", "The application behind this address cannot be reached just now. Try again in a moment."),
        504 => ("Application too slow", "The application behind this address took too long to answer. Try again in a moment."),
        _ => ("Something went wrong", "The request could not be completed. Try again in a moment."),
    }
}

impl Answer {
    fn new(status: StatusCode, kind: &'static str, body: Bytes) -> Self {
        let fixed = [
            (header::CONTENT_TYPE, kind),
            (header::CACHE_CONTROL, "no-store"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "same-origin"),
        ];
        let headers = fixed.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect();
        Self { status, headers, body }
    }

    /// Adds a header; one that cannot be sent is left out.
    pub fn add(&mut self, name: HeaderName, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn navigations_are_told_from_the_rest() {
        type Headers = &'static [(&'static str, &'static str)];
        let cases: [(&str, Headers, bool); 11] = [
            ("GET", &[("sec-fetch-mode", "navigate")], true),
            ("HEAD", &[("sec-fetch-mode", "navigate"), ("accept", "*/*")], true),
            ("POST", &[("sec-fetch-mode", "navigate")], false),
            ("GET", &[("sec-fetch-mode", "cors"), ("accept", "text/html")], false),
            ("GET", &[("sec-fetch-site", "same-origin"), ("accept", "text/html")], false),
            ("GET", &[("accept", "text/html,*/*;q=0.8")], true),
            ("GET", &[("accept", "Text/HTML")], true),
            ("GET", &[("accept", "text/html"), ("x-requested-with", "XMLHttpRequest")], false),
            ("GET", &[("accept", "text/html"), ("upgrade", "websocket")], false),
            ("GET", &[("accept", "application/json")], false),
            ("GET", &[], false),
        ];
        for (method, headers, expected) in cases {
            let map = headers.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect();
            assert_eq!(is_navigation(&method.parse().unwrap(), &map), expected, "{method} {headers:?}");
        }
    }

    #[test]
    fn a_form_that_a_browser_sent_is_answered_with_a_page() {
        let headers = |list: &[(&'static str, &'static str)]| -> HeaderMap {
            list.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
        };
        assert!(shows_a_page(&headers(&[("sec-fetch-mode", "navigate"), ("accept", "text/html,*/*;q=0.8")])));
        assert!(shows_a_page(&headers(&[("accept", "text/html")])), "a browser of old");
        assert!(!shows_a_page(&headers(&[("sec-fetch-mode", "navigate"), ("accept", "*/*")])));
        assert!(!shows_a_page(&headers(&[("sec-fetch-mode", "cors"), ("accept", "text/html")])));
        assert!(!shows_a_page(&headers(&[("accept", "application/json, text/html"), ("x-requested-with", "XMLHttpRequest")])));
        assert!(!shows_a_page(&headers(&[])));
    }

    #[test]
    fn the_way_back_is_exactly_what_was_asked_for() {
        let target = b"/a%41b/\xc3\xa9?x=1&y=a+b%20c#";
        let encoded = percent_encode(target, IN_QUERY).to_string();
        assert!(!encoded.contains(['&', '+', '?', '#', '=', ' ']));
        assert_eq!(percent_encoding::percent_decode_str(&encoded).collect::<Vec<u8>>(), target);
    }
}
