//! The gateway's own answers: challenges, refusals and error pages. A navigation gets a page or a redirect, anything else a
//! problem document (RFC 9457). None of them may be stored.

use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderValue, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::forward_auth::Dialect;
use crate::gateway::authorize::policy::Reason;
use crate::gateway::authorize::route::SESSION_UNKNOWN;
use crate::gateway::host::{ErrorPage, GatewayHost};

/// What RFC 3986 allows in a query beside letters and digits, as far as every reader agrees on it.
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

const PAGE_CSP: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; \
                        frame-ancestors 'none'";

/// A complete answer.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Bytes,
}

/// What an answer depends on.
pub struct ReplyContext<'a> {
    pub host: &'a dyn GatewayHost,
    pub navigation: bool,
    /// A browser shows the answer as a page, whatever the method ([`crate::gateway::request::navigation::shows_a_page`]).
    pub page: bool,
    pub request_id: &'a str,
    pub language: Option<&'a str>,
}

/// A challenge's name in problem documents, its page below the prefix, and what to tell the user.
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

/// Redirects a navigation to the sign-in page, and tells any other client to sign in. Without `WWW-Authenticate`, since no registered
/// scheme is a sign-in page: clients give up at one that they do not know, and ask for a password at one that they know.
pub fn challenge(reason: Reason, prefix: &str, target: &[u8], about: &ReplyContext<'_>) -> Reply {
    let (word, page, detail) = terms(reason);
    let url = format!("{prefix}/{page}?rd={}", percent_encode(target, IN_QUERY));
    if about.navigation {
        let mut answer = Reply::new(StatusCode::SEE_OTHER, "text/plain; charset=utf-8", Bytes::new());
        answer.add(header::LOCATION, &url);
        return answer;
    }
    let title = "Sign-in required";
    if about.page {
        shown(StatusCode::UNAUTHORIZED, word, title, detail, Some(&url), about)
    } else {
        problem(StatusCode::UNAUTHORIZED, word, title, detail, Some(&url))
    }
}

/// A redirect without a page; a location that cannot be sent is left out.
pub fn redirect(status: StatusCode, location: &[u8]) -> Reply {
    let mut reply = Reply::new(status, "text/plain; charset=utf-8", Bytes::new());
    reply.headers.extend(HeaderValue::from_bytes(location).ok().map(|location| (header::LOCATION, location)));
    reply
}

/// The same for another proxy, which hands it on to the client: with an absolute URL. nginx takes a 401 and makes the redirect itself.
pub fn challenge_by_proxy(reason: Reason, base: &str, target: &[u8], dialect: Dialect, about: &ReplyContext<'_>) -> Reply {
    let mut answer = challenge(reason, base, target, about);
    if dialect == Dialect::Nginx {
        answer.status = StatusCode::UNAUTHORIZED;
    }
    answer
}

/// Another proxy may forward the request, with these headers.
pub fn admission(identity: &http::HeaderMap) -> Reply {
    let mut answer = Reply::new(StatusCode::OK, "text/plain; charset=utf-8", Bytes::new());
    answer.headers.extend(identity.iter().map(|(name, value)| (name.clone(), value.clone())));
    answer
}

/// The `Retry-After` of that, in seconds.
const COME_BACK: &str = "5";

/// An error, as a page or as a problem document.
pub fn error(status: StatusCode, reason: &str, about: &ReplyContext<'_>) -> Reply {
    let (title, detail) = words(status, reason);
    let mut answer = if about.navigation || about.page {
        shown(status, reason, title, detail, None, about)
    } else {
        problem(status, reason, title, detail, None)
    };
    if reason == SESSION_UNKNOWN {
        answer.add(header::RETRY_AFTER, COME_BACK);
    }
    answer
}

fn shown(status: StatusCode, reason: &str, title: &str, detail: &str, login_url: Option<&str>, about: &ReplyContext<'_>) -> Reply {
    let page = ErrorPage { status, reason, title, detail, request_id: about.request_id, language: about.language, login_url };
    let mut answer = Reply::new(status, "text/html; charset=utf-8", Bytes::from(about.host.error_page(&page)));
    answer.add(header::CONTENT_SECURITY_POLICY, PAGE_CSP);
    answer
}

fn problem(status: StatusCode, reason: &str, title: &str, detail: &str, login_url: Option<&str>) -> Reply {
    let mut body = serde_json::json!({
        "type": format!("urn:vestibule:problem:{reason}"), "title": title, "status": status.as_u16(), "detail": detail, "reason": reason,
    });
    if let (Some(url), Some(object)) = (login_url, body.as_object_mut()) {
        object.insert("login_url".into(), url.into());
    }
    Reply::new(status, "application/problem+json", Bytes::from(body.to_string()))
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

impl Reply {
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
    fn the_way_back_is_exactly_what_was_asked_for() {
        let target = b"/a%41b/\xc3\xa9?x=1&y=a+b%20c#";
        let encoded = percent_encode(target, IN_QUERY).to_string();
        assert!(!encoded.contains(['&', '+', '?', '#', '=', ' ']));
        assert_eq!(percent_encoding::percent_decode_str(&encoded).collect::<Vec<u8>>(), target);
    }
}
