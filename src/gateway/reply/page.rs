//! The gateway's own answers: challenges, refusals and error pages. A navigation gets a page or a redirect, anything else a
//! problem document (RFC 9457). None of them may be stored.

use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderValue, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::forward_auth::Dialect;
use crate::gateway::authorize::policy::Reason;
use crate::gateway::authorize::route::SESSION_UNKNOWN;
use crate::gateway::authorize::upstream_auth;
use crate::gateway::host::{ErrorPage, GatewayHost, Shape};
use crate::gateway::request::body::TOO_MANY_BODIES;
use crate::gateway::request::parse;

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
    /// Who asks, where that is known.
    pub user: Option<&'a str>,
    pub shape: Shape,
    /// The page on this host that holds the frame.
    pub framed_by: Option<&'a str>,
}

/// A challenge's name in problem documents, its page below the prefix, and what to tell the user.
const fn terms(reason: Reason) -> (&'static str, &'static str, &'static str) {
    match reason {
        Reason::SignIn => ("sign_in", "login", "Sign in to go on."),
        Reason::SecondFactor => ("second_factor", "mfa", "Confirm it is you with a second factor to go on."),
        Reason::Enrol => ("enrol", "enrol", "Set up a second factor to go on."),
        Reason::Token => ("token", "login", "The API token cannot be used here."),
        Reason::Device(_) => ("device", "mfa", "The session is bound to a device that the request does not show."),
    }
}

/// A challenge's name, as in problem documents and the log.
pub const fn word(reason: Reason) -> &'static str {
    terms(reason).0
}

/// Redirects a navigation to the sign-in page, and tells any other client to sign in. Without `WWW-Authenticate`, since no registered
/// scheme is a sign-in page: clients give up at one that they do not know, and ask for a password at one that they know.
/// `schemes` are for clients that come with an API token.
pub fn challenge(reason: Reason, prefix: &str, target: &[u8], schemes: &[String], about: &ReplyContext<'_>) -> Reply {
    challenge_at(terms(reason).1, reason, prefix, target, schemes, about)
}

fn challenge_at(page: &str, reason: Reason, prefix: &str, target: &[u8], schemes: &[String], about: &ReplyContext<'_>) -> Reply {
    let (word, _, detail) = terms(reason);
    let is_framed = about.shape == Shape::Framed && about.navigation;
    let url = way_back(prefix, page, about.framed_by.filter(|_| is_framed).map_or(target, str::as_bytes));
    if about.navigation && !is_framed {
        return see_other(&url);
    }
    let title = "Sign-in required";
    let mut answer = if about.page || is_framed {
        shown(StatusCode::UNAUTHORIZED, word, title, detail, Some(&url), about)
    } else {
        problem(StatusCode::UNAUTHORIZED, word, title, detail, Some(&url))
    };
    schemes.iter().for_each(|scheme| answer.add(header::WWW_AUTHENTICATE, scheme));
    answer
}

/// The same for another proxy, which hands it on to the client: `base` is the absolute URL of our pages. nginx takes a 401 and makes
/// the redirect itself.
pub fn challenge_by_proxy(
    reason: Reason,
    base: &str,
    target: &[u8],
    schemes: &[String],
    dialect: Dialect,
    about: &ReplyContext<'_>,
) -> Reply {
    // There the browser shows its device, which another proxy's answer would not make it do.
    let page = if matches!(reason, Reason::Device(_)) { "prove" } else { terms(reason).1 };
    let mut answer = challenge_at(page, reason, base, target, schemes, about);
    if dialect == Dialect::Nginx {
        answer.status = StatusCode::UNAUTHORIZED;
    }
    answer
}

/// A page that goes on to `url` by itself, for a browser that shows its device on the way.
pub fn moment(reason: &'static str, status: StatusCode, url: &str, about: &ReplyContext<'_>) -> Reply {
    let mut answer = shown(status, reason, "", "", Some(url), about);
    let seconds = u8::from(status != StatusCode::OK);
    answer.add(header::REFRESH, &format!("{seconds};url={url}"));
    answer
}

/// The browser says that it cannot show its device for the moment.
pub fn device_busy(about: &ReplyContext<'_>) -> Reply {
    let mut answer = error(StatusCode::SERVICE_UNAVAILABLE, "device", about);
    answer.add(header::RETRY_AFTER, COME_BACK);
    answer
}

/// Another proxy may forward the request, with these headers.
pub fn admission(told: Vec<(HeaderName, HeaderValue)>) -> Reply {
    let mut answer = Reply::new(StatusCode::OK, "text/plain; charset=utf-8", Bytes::new());
    answer.headers.extend(told);
    answer
}

/// A redirect without a page; a location that cannot be sent is left out.
pub fn redirect(status: StatusCode, location: &[u8]) -> Reply {
    let mut reply = Reply::new(status, "text/plain; charset=utf-8", Bytes::new());
    reply.headers.extend(HeaderValue::from_bytes(location).ok().map(|location| (header::LOCATION, location)));
    reply
}

/// Text that is no page.
pub fn plain(text: Bytes) -> Reply {
    Reply::new(StatusCode::OK, "text/plain; charset=utf-8", text)
}

/// JSON.
pub fn json(text: Bytes) -> Reply {
    Reply::new(StatusCode::OK, "application/json", text)
}

/// The reason of a 503 while an application is away.
pub const AWAY: &str = "maintenance";

/// An operator's page may carry its own style and pictures; it runs nothing.
const OPERATORS_CSP: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The application is away.
pub fn away(html: &str, about: &ReplyContext<'_>) -> Reply {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let mut answer = if about.navigation || about.page {
        let mut answer = Reply::new(status, "text/html; charset=utf-8", Bytes::copy_from_slice(html.as_bytes()));
        answer.add(header::CONTENT_SECURITY_POLICY, OPERATORS_CSP);
        answer
    } else {
        problem(status, AWAY, "Application away", "The application behind this address is being worked on. Try again later.", None)
    };
    answer.add(header::RETRY_AFTER, "300");
    answer
}

/// Refuses an API token. Says nothing of why a token is not valid: unknown, expired and revoked are one.
pub fn token(reason: &str, wait: Option<Duration>, schemes: &[String], about: &ReplyContext<'_>) -> Reply {
    let (status, title, detail) = match (wait, reason) {
        (Some(_), _) => (StatusCode::TOO_MANY_REQUESTS, "Too many attempts", "There were too many wrong tokens. Wait, then try again."),
        (None, "token") => (StatusCode::UNAUTHORIZED, "Token not accepted", "This application does not accept API tokens in this way."),
        (None, "token_from_browser") => {
            (StatusCode::UNAUTHORIZED, "Token not accepted", "API tokens are not accepted as a password from a browser. Sign in instead.")
        }
        (None, _) => (StatusCode::UNAUTHORIZED, "Token not valid", "The API token is not valid: unknown, expired or revoked."),
    };
    let mut answer = if about.navigation || about.page {
        shown(status, reason, title, detail, None, about)
    } else {
        problem(status, reason, title, detail, None)
    };
    schemes.iter().for_each(|scheme| answer.add(header::WWW_AUTHENTICATE, scheme));
    if let Some(wait) = wait {
        answer.add(header::RETRY_AFTER, &wait.as_secs().max(1).to_string());
    }
    answer
}

/// 303 to a place on this host.
pub fn see_other(location: &str) -> Reply {
    redirect(StatusCode::SEE_OTHER, location.as_bytes())
}

/// The page's address with the way back in its query. Encoded, a target may grow past what the gateway reads: then the user comes back to
/// its path alone, or to the start.
fn way_back(prefix: &str, page: &str, target: &[u8]) -> String {
    let path = target.split(|b| *b == b'?').next().unwrap_or_default();
    let links = [target, path, b"/"].map(|target| format!("{prefix}/{page}?rd={}", percent_encode(target, IN_QUERY)));
    let [.., last] = &links;
    links.iter().find(|link| link.len() <= parse::MAX_TARGET).unwrap_or(last).clone()
}

/// The `Retry-After` of that, in seconds.
const COME_BACK: &str = "5";

/// An error, as a page or as a problem document.
pub fn error(status: StatusCode, reason: &str, about: &ReplyContext<'_>) -> Reply {
    let (title, detail) = words(status, reason);
    // Says whose: the log of an application would not.
    let whose = (reason == "identity_too_large").then(|| format!("The groups of {} are {detail}", about.user.unwrap_or("this account")));
    let detail = whose.as_deref().unwrap_or(detail);
    let mut answer = if about.navigation || about.page {
        shown(status, reason, title, detail, None, about)
    } else {
        problem(status, reason, title, detail, None)
    };
    if [SESSION_UNKNOWN, TOO_MANY_BODIES].contains(&reason) {
        answer.add(header::RETRY_AFTER, COME_BACK);
    }
    answer
}

fn shown(status: StatusCode, reason: &str, title: &str, detail: &str, login_url: Option<&str>, about: &ReplyContext<'_>) -> Reply {
    let (request_id, language, user, shape) = (about.request_id, about.language, about.user, about.shape);
    let page = ErrorPage { status, reason, title, detail, request_id, language, login_url, user, shape };
    let mut answer = Reply::new(status, "text/html; charset=utf-8", Bytes::from(about.host.error_page(&page)));
    let policy = match about.shape {
        Shape::Inline => PAGE_CSP.replace("style-src 'self'", &format!("style-src '{}'", crate::view::style_hash())),
        Shape::Framed => PAGE_CSP.replace("frame-ancestors 'none'", "frame-ancestors 'self'"),
        Shape::Usual | Shape::FromAnotherSite => PAGE_CSP.to_owned(),
    };
    answer.add(header::CONTENT_SECURITY_POLICY, &policy);
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
        503 if reason == TOO_MANY_BODIES => ("Too many at once", "Too many large forms arrive just now. Try again in a moment."),
        400 => ("Bad request", "The request could not be understood. Check the address and try again."),
        403 if reason == "token_scope" => ("Not for this token", "The API token is not for this application, method or network."),
        403 if reason == "token_worth" => ("Not by a token", "An API token is not enough here. Sign in instead."),
        403 if reason == "device" => (
            "Not on this device",
            "This application takes only sessions that are bound to a device, which Chrome and Edge on Windows and macOS can do.",
        ),
        503 if reason == "device" => ("Device not shown", "Your browser could not show its device just now. Try again in a moment."),
        403 if reason == "client_certificate" => {
            ("Client certificate needed", "A client certificate is required here, and none was shown. Connect again with one.")
        }
        403 if reason == "client_certificate_expired" => {
            ("Client certificate expired", "The client certificate has expired, or is not valid yet. Connect again with a valid one.")
        }
        403 if reason == "client_certificate_revoked" => {
            ("Client certificate revoked", "The client certificate has been revoked. Ask your administrator for a new one.")
        }
        403 if reason == "client_certificate_unknown" => (
            "Client certificate not accepted",
            "The client certificate was not issued by an authority that is accepted here. Connect again with another one.",
        ),
        403 if reason == "client_certificate_unchecked" => (
            "Client certificate not checked",
            "Whether the client certificate has been revoked cannot be found out just now. Tell your administrator.",
        ),
        421 => ("Wrong connection", "The connection was made to another host. Ask again over a connection to this one."),
        403 => ("No access", "You may not see this page. If you should, ask your administrator."),
        404 => ("Not found", "There is nothing at this address."),
        405 => ("Method not allowed", "This kind of request is not accepted here."),
        408 => ("Too slow", "The request took too long to arrive. Try again."),
        413 => ("Too large", "The request is larger than this page accepts."),
        431 if reason == "identity_too_large" => {
            ("Too many groups", "more than the 8 KiB that an application can be told. Ask your administrator to take some of them away.")
        }
        414 | 431 => ("Too long", "The address or the headers of the request are too long."),
        502 if reason == upstream_auth::MISSING => {
            ("Your password there", "The application asks for your own name and password. Store them at account/applications.")
        }
        502 if reason == upstream_auth::REFUSED => (
            "Your password there is refused",
            "The application refused the name and password that you stored. They are not sent again until you replace them at account/applications.",
        ),
        502 if reason == "upstream_credentials" => (
            "Application refuses the gateway",
            "The application refused the credentials that this gateway has for it. Tell your administrator.",
        ),
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
    fn a_way_back_that_grows_too_long_keeps_its_path() {
        let long = |query: &str| way_back("/.vestibule", "login", format!("/list?{query}").as_bytes());
        assert!(long(&"a".repeat(14_000)).len() > 14_000, "nothing is lost that fits");
        assert_eq!(long(&"&".repeat(14_000)), "/.vestibule/login?rd=/list");
        let path = format!("/{}", "%20".repeat(2_700));
        assert_eq!(way_back("/.vestibule", "login", path.as_bytes()).len(), "/.vestibule/login?rd=/".len() + 2_700 * 5);
    }

    #[test]
    fn the_way_back_is_exactly_what_was_asked_for() {
        let target = b"/a%41b/\xc3\xa9?x=1&y=a+b%20c#";
        let encoded = percent_encode(target, IN_QUERY).to_string();
        assert!(!encoded.contains(['&', '+', '?', '#', '=', ' ']));
        assert_eq!(percent_encoding::percent_decode_str(&encoded).collect::<Vec<u8>>(), target);
    }
}
