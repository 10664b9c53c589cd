//! Answers: pages with strict headers, redirections, and the one table from what a use case refuses to what the user sees.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use maud::Markup;

use super::headers::{content_security_policy, page_response};
use super::page_request::{PageRequest, RequestContext, secure_url};
use crate::policy::HostPattern;
use crate::service::{EnrolProblem, Refused};
use crate::session::CookieKind;
use crate::view::message::{self, Problem};

/// An answer in the making.
pub struct Reply {
    status: StatusCode,
    page: Option<Markup>,
    location: Option<String>,
    cookies: Vec<String>,
    headers: Vec<(&'static str, String)>,
    retry_after: Option<Duration>,
}

impl Reply {
    pub fn page(status: StatusCode, page: Markup) -> Self {
        Self { status, page: Some(page), location: None, cookies: Vec::new(), headers: Vec::new(), retry_after: None }
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
        Self {
            status: StatusCode::SEE_OTHER,
            page: None,
            location: Some(location.into()),
            cookies: Vec::new(),
            headers: Vec::new(),
            retry_after: None,
        }
    }

    /// 303 to a page of ours, with the way back in its query.
    pub fn to(req: &PageRequest, path: &str) -> Self {
        Self::go(req.page().link(path))
    }

    pub fn problem(req: &PageRequest, problem: Problem) -> Self {
        let status = StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // It may answer a script: no form on it, and no token for one.
        let mut page = req.page();
        page.csrf.clear();
        let mut reply = Self::page(status, message::problem(&page, problem, Some(&req.context.request_id)));
        reply.retry_after = match problem {
            Problem::Throttled(wait) => Some(wait),
            Problem::Unavailable | Problem::EndPending | Problem::DeviceBusy => Some(Duration::from_secs(5)),
            Problem::Busy => Some(Duration::from_secs(2)),
            _ => None,
        };
        reply
    }

    /// The page goes on by itself: to where this request was going, once the browser has shown its device.
    pub fn moment(req: &PageRequest, waits: bool) -> Self {
        let status = if waits { StatusCode::FORBIDDEN } else { StatusCode::OK };
        let mut page = req.page();
        page.csrf.clear();
        let page = Self::page(status, message::moment(&page, waits, &req.target));
        page.header("refresh", format!("{};url={}{}", u8::from(waits), req.client.origin, req.target))
    }

    /// Whether it shows something, and leads nowhere.
    pub const fn is_page(&self) -> bool {
        self.page.is_some()
    }

    #[must_use]
    pub fn cookie(mut self, cookie: String) -> Self {
        self.cookies.push(cookie);
        self
    }

    /// With a header more; a value that cannot be sent is left out.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
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
fn refused(req: &PageRequest, refused: Refused) -> Reply {
    match refused {
        Refused::Gone if req.reads => Reply::to(req, "login"),
        Refused::Gone => Reply::to(req, "login").cookie(req.cookies.expire(CookieKind::Flow)),
        Refused::Enrol(EnrolProblem::NotFresh) => Reply::go(req.page().link_with("login", &[("fresh", "1")])),
        Refused::Enrol(EnrolProblem::NotVouched) => Reply::to(req, "enrol/verify"),
        Refused::Throttled(wait) => Reply::problem(req, Problem::Throttled(wait)),
        Refused::Busy => Reply::problem(req, Problem::Busy),
        Refused::EndPending => Reply::problem(req, Problem::EndPending),
        Refused::CannotSend => Reply::problem(req, Problem::Unavailable),
        Refused::SourceAway => {
            Reply::problem(req, Problem::SourceAway).status(StatusCode::SERVICE_UNAVAILABLE, Some(Duration::from_secs(60)))
        }
        Refused::Closed(closed) => Reply::problem(req, Problem::Closed(closed)),
        Refused::Managed => Reply::problem(req, Problem::Managed),
        // Handlers that lead to a provider say more.
        Refused::Provider(_) => Reply::problem(req, Problem::Denied),
        Refused::Store(e) => {
            tracing::error!(error = %e, request = req.context.request_id, "the store failed; refused");
            Reply::problem(req, Problem::Unavailable)
        }
        Refused::WrongPassword
        | Refused::Second(_)
        | Refused::NotOffered(_)
        | Refused::Contact(_)
        | Refused::Weak(_)
        | Refused::NewPassword(_)
        | Refused::Enrol(EnrolProblem::TakenFactor | EnrolProblem::AlreadyThere) => {
            Reply::problem(req, Problem::Malformed).status(StatusCode::UNPROCESSABLE_ENTITY, None)
        }
    }
}

impl PageRequest {
    /// The outer part of every handler: the inner one's answer, or the page for what was refused.
    pub fn answer(&self, answer: Result<Reply, Refused>) -> Response {
        let mut reply = answer.unwrap_or_else(|e| refused(self, e));
        if let Some(csrf) = &self.new_csrf {
            reply.cookies.push(self.cookies.set(CookieKind::Csrf, csrf, None));
        }
        let mut response = page_response(reply.status, reply.page);
        let headers = response.headers_mut();
        let other = self.rd.other_origin().into_iter().chain(other_hosts(&self.context));
        let leads_to: Vec<String> = other.chain(self.services.providers.origins()).collect();
        if let Ok(policy) = HeaderValue::from_str(&content_security_policy(&leads_to)) {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        if self.context.secure && self.context.config.portal.hsts {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
        }
        if let Some(location) = reply.location.and_then(|location| HeaderValue::from_str(&location).ok()) {
            headers.insert(header::LOCATION, location);
        }
        if let Some(wait) = reply.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        for (name, value) in reply.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        for cookie in reply.cookies {
            if let Ok(cookie) = HeaderValue::from_str(&cookie) {
                headers.append(header::SET_COOKIE, cookie);
            }
        }
        response
    }
}

/// So many bytes of hosts; with more, a page names only the one that it leads to.
const MOST: usize = 4096;

/// On the one host where people sign in: every host that a route names, at the scheme and port of this request, since what follows a
/// form may lead over several of them.
fn other_hosts(context: &RequestContext) -> Vec<String> {
    if !context.config.is_portal(&context.host) {
        return Vec::new();
    }
    let port = context.authority.strip_prefix(context.host.as_str()).unwrap_or_default();
    let patterns = context.config.routes.iter().flat_map(|route| &route.hosts);
    let hosts: BTreeSet<String> = patterns
        .map(|pattern| match pattern {
            HostPattern::Exact(host) => secure_url(context.secure, &format!("{host}{port}")),
            HostPattern::Below(domain) => secure_url(context.secure, &format!("*.{domain}{port}")),
        })
        .collect();
    let length: usize = hosts.iter().map(|host| host.len() + 1).sum();
    if length > MOST { Vec::new() } else { hosts.into_iter().collect() }
}

/// Unknown paths below the prefix are never forwarded.
pub async fn not_found(req: PageRequest) -> Response {
    req.answer(Ok(Reply::problem(&req, Problem::NotFound)))
}

/// A path of ours by a method that it does not have.
pub async fn not_allowed(req: PageRequest) -> Response {
    req.answer(Ok(Reply::problem(&req, Problem::Malformed).status(StatusCode::METHOD_NOT_ALLOWED, None)))
}
