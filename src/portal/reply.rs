//! Answers: pages with strict headers, redirections, and the one table from what a use case refuses to what the user sees.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use maud::Markup;

use super::visit::Visit;
use crate::service::{EnrolProblem, Refused};
use crate::session::CookieKind;
use crate::view::message::{self, Problem};

/// Scripts and styles are files of our own; nothing is loaded from, sent to or framed by anybody else (OWASP ASVS 3.4). Browsers
/// hold a redirection after a form to `form-action` too: the other host that a sign-in leads to is named there.
fn content_security_policy(leads_to: Option<&str>) -> String {
    let other = leads_to.map(|origin| format!(" {origin}")).unwrap_or_default();
    format!(
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'{other}; base-uri 'none'; frame-ancestors 'none'"
    )
}

/// An answer in the making.
pub struct Reply {
    status: StatusCode,
    page: Option<Markup>,
    location: Option<String>,
    cookies: Vec<String>,
    retry_after: Option<Duration>,
}

impl Reply {
    pub fn page(status: StatusCode, page: Markup) -> Self {
        Self { status, page: Some(page), location: None, cookies: Vec::new(), retry_after: None }
    }

    pub fn ok(page: Markup) -> Self {
        Self::page(StatusCode::OK, page)
    }

    /// 422: the form again, with what was wrong.
    pub fn wrong(page: Markup) -> Self {
        Self::page(StatusCode::UNPROCESSABLE_ENTITY, page)
    }

    /// 303 to a checked place.
    pub fn go(location: impl Into<String>) -> Self {
        Self { status: StatusCode::SEE_OTHER, page: None, location: Some(location.into()), cookies: Vec::new(), retry_after: None }
    }

    /// 303 to a page of ours, with the way back in its query.
    pub fn to(visit: &Visit, path: &str) -> Self {
        Self::go(visit.page().link(path))
    }

    pub fn problem(visit: &Visit, problem: Problem) -> Self {
        let status = StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut reply = Self::page(status, message::problem(&visit.page(), problem, Some(&visit.request.request_id)));
        reply.retry_after = match problem {
            Problem::Throttled(wait) => Some(wait),
            Problem::Unavailable => Some(Duration::from_secs(5)),
            _ => None,
        };
        reply
    }

    #[must_use]
    pub fn cookie(mut self, cookie: String) -> Self {
        self.cookies.push(cookie);
        self
    }

    /// With another status.
    #[must_use]
    pub fn status(mut self, status: StatusCode, retry_after: Option<Duration>) -> Self {
        self.status = status;
        self.retry_after = retry_after;
        self
    }
}

/// What a use case refused, as a page. Handlers show what belongs into a form there; whatever else happens is here.
fn refused(visit: &Visit, refused: Refused) -> Reply {
    match refused {
        Refused::Gone if visit.reads => Reply::to(visit, "login"),
        Refused::Gone => Reply::to(visit, "login").cookie(visit.cookies.expire(CookieKind::Flow)),
        Refused::Enrol(EnrolProblem::NotFresh) => Reply::go(visit.page().link_with("login", &[("fresh", "1")])),
        Refused::Enrol(EnrolProblem::NotVouched) => Reply::to(visit, "enrol/verify"),
        Refused::Throttled(wait) => Reply::problem(visit, Problem::Throttled(wait)),
        Refused::Busy => Reply::problem(visit, Problem::Unavailable).status(StatusCode::SERVICE_UNAVAILABLE, Some(Duration::from_secs(2))),
        Refused::CannotSend => Reply::problem(visit, Problem::Unavailable),
        Refused::Store(e) => {
            tracing::error!(error = %e, request = visit.request.request_id, "the store failed; refused");
            Reply::problem(visit, Problem::Unavailable)
        }
        Refused::WrongPassword
        | Refused::Second(_)
        | Refused::NotOffered(_)
        | Refused::Contact(_)
        | Refused::Weak(_)
        | Refused::Enrol(EnrolProblem::TakenFactor | EnrolProblem::AlreadyThere) => {
            Reply::problem(visit, Problem::Malformed).status(StatusCode::UNPROCESSABLE_ENTITY, None)
        }
    }
}

impl Visit {
    /// The outer part of every handler: the inner one's answer, or the page for what was refused.
    pub fn answer(&self, answer: Result<Reply, Refused>) -> Response {
        let mut reply = answer.unwrap_or_else(|e| refused(self, e));
        if let Some(csrf) = &self.new_csrf {
            reply.cookies.push(self.cookies.set(CookieKind::Csrf, csrf, None));
        }
        let mut response = page_response(reply.status, reply.page);
        let headers = response.headers_mut();
        if let Some(policy) = self.rd.other_origin().and_then(|origin| HeaderValue::from_str(&content_security_policy(Some(&origin))).ok())
        {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        if self.request.secure {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
        }
        if let Some(location) = reply.location.and_then(|location| HeaderValue::from_str(&location).ok()) {
            headers.insert(header::LOCATION, location);
        }
        if let Some(wait) = reply.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        for cookie in reply.cookies {
            if let Ok(cookie) = HeaderValue::from_str(&cookie) {
                headers.append(header::SET_COOKIE, cookie);
            }
        }
        response
    }
}

/// The headers of every page (OWASP ASVS 3.4).
const HEADERS: [(&str, &str); 8] = [
    // With the opener policy of its own kind alone, an app on the same origin that has the same one could still reach in.
    ("cross-origin-embedder-policy", "require-corp"),
    ("cache-control", "no-store"),
    ("referrer-policy", "same-origin"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "publickey-credentials-get=(self), publickey-credentials-create=(self), camera=(), microphone=(), geolocation=()",
    ),
];

fn page_response(status: StatusCode, page: Option<Markup>) -> Response {
    let mut response = Response::new(page.map_or_else(Body::empty, |page| Body::from(page.into_string())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(policy) = HeaderValue::from_str(&content_security_policy(None)) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// An answer where there is nothing to make a page from.
pub fn plain(status: StatusCode) -> Response {
    page_response(status, None)
}

/// Unknown paths below the prefix are never forwarded.
pub async fn not_found(visit: Visit) -> Response {
    visit.answer(Ok(Reply::problem(&visit, Problem::NotFound)))
}

/// A path of ours by a method that it does not have.
pub async fn not_allowed(visit: Visit) -> Response {
    visit.answer(Ok(Reply::problem(&visit, Problem::Malformed).status(StatusCode::METHOD_NOT_ALLOWED, None)))
}
