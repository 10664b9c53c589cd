//! The one host where people sign in (`portal.url`), and the way to it and back. An application's host has no pages of its own: it sends a
//! navigation to the portal, with the digest of a cookie that it sets, and gets it back with a ticket.
//!
//! | on | page | does |
//! |---|---|---|
//! | an application's host | every page but `enter`, `resume` and `language` | to the portal's |
//! | the portal | `handover?for=…&rd=…` | signed in: a ticket for the host, and there; else to `login`, and back |
//! | an application's host | `enter?t=…&rd=…` | takes the ticket, if it is this browser's: a session, and where one was going |

use axum::Extension;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::sign_in::login;
use super::web::headers::plain;
use super::web::page_request::{PageRequest, RequestContext};
use super::web::reply::Reply;
use crate::login::{Binding, ReturnTo};
use crate::policy::HostPattern;
use crate::service::Refused;
use crate::service::sessions::Handed;
use crate::session::{CookieKind, SignOut};
use crate::view::message::Problem;

/// Unreserved characters stay as they are (RFC 3986 section 2.3).
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Pages that an application's host has itself: they are about a request that goes on there.
const OWN: [&str; 4] = ["/enter", "/handover", "/resume", "/language"];

/// Pages after which one is going somewhere.
const ON_THE_WAY: [&str; 8] = ["/login", "/mfa", "/enrol", "/logout", "/setup", "/reset", "/invite", "/callback"];

/// The answer of a host that does not have this page; `None` where it has.
pub(super) fn elsewhere(req: &PageRequest) -> Option<Result<Reply, Refused>> {
    let config = &req.context.config;
    let portal = config.portal.url.as_ref().filter(|portal| portal.host != req.context.host)?;
    let path = req.target.split('?').next().and_then(|path| path.strip_prefix(config.portal.prefix.as_str())).unwrap_or_default();
    // Who is signed in here goes on at once.
    let passes = path == "/login" && req.reads && req.session.is_some() && !req.query.has("fresh");
    if OWN.contains(&path) || passes {
        return None;
    }
    // No form of ours leads here.
    if !req.reads {
        return Some(Ok(Reply::problem(req, Problem::NotFound)));
    }
    Some(to_portal(req, &format!("{}{}{path}", portal.origin(), config.portal.prefix), path))
}

/// The same page of the portal, with the same query; what is on the way leads back here.
fn to_portal(req: &PageRequest, page: &str, path: &str) -> Result<Reply, Refused> {
    let mut query: Vec<(String, String)> = req
        .query
        .pairs()
        .filter(|(name, _)| !matches!(*name, "rd" | "of"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let is_on_the_way = ON_THE_WAY.iter().any(|page| path.strip_prefix(page).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
    let mut cookie = None;
    if is_on_the_way || req.query.has("rd") {
        let binding = match &req.binding {
            Some(binding) => binding.clone(),
            None => {
                let (value, binding) = Binding::random().map_err(crate::store::StoreError::from)?;
                cookie = Some(req.cookies.set(CookieKind::Enter, &value, None));
                binding
            }
        };
        let url = format!("{}{}", req.client.origin, req.rd.target());
        query.push(("rd".to_owned(), ReturnTo::by_handover(&req.handover_path(), &url, &binding)));
    }
    // The portal may have lost its cookie: it is told whose session this is.
    if let (Some(session), "/logout") = (&req.session, path) {
        query.push(("of".to_owned(), SignOut::of(session.id(), req.context.now).token(&req.services.live.keys())));
    }
    let mut location = page.to_owned();
    for (at, (name, value)) in query.iter().enumerate() {
        location.push(if at == 0 { '?' } else { '&' });
        location.extend(utf8_percent_encode(name, VALUE));
        location.push('=');
        location.extend(utf8_percent_encode(value, VALUE));
    }
    let reply = Reply::go(location);
    Ok(match cookie {
        Some(cookie) => reply.cookie(cookie),
        None => reply,
    })
}

/// `handover` on the portal: a ticket for a host that a route names, and there.
pub async fn hand_over(method: Method, mut req: PageRequest) -> Response {
    if method != Method::GET || !req.is_portal() {
        return unknown(&req);
    }
    let here = req.target.clone();
    req.goes_on_to(&here);
    let reply = handed_over(&req).await;
    untold(req.answer(reply))
}

async fn handed_over(req: &PageRequest) -> Result<Reply, Refused> {
    let (Some((_, binding)), Some(origin)) = (req.rd.handover(), req.rd.other_origin()) else {
        return Ok(Reply::problem(req, Problem::NotFound));
    };
    let Some(session) = &req.session else { return Ok(Reply::to(req, "login")) };
    let ticket = req.services.handover.ticket(session, binding, &origin).await?;
    let (prefix, ticket, rd) = (&req.context.config.portal.prefix, ticket.expose(), utf8_percent_encode(req.rd.target(), VALUE));
    Ok(Reply::go(format!("{origin}{prefix}/enter?t={ticket}&rd={rd}")))
}

/// `enter` on an application's host: takes the ticket.
pub async fn enter(method: Method, req: PageRequest) -> Response {
    if method != Method::GET || req.context.config.has_pages(&req.context.host) {
        return unknown(&req);
    }
    let reply = entered(&req).await;
    untold(req.answer(reply))
}

async fn entered(req: &PageRequest) -> Result<Reply, Refused> {
    let Some(binding) = &req.binding else { return Ok(Reply::problem(req, Problem::Ticket)) };
    match req.services.handover.enter(req.query.get("t"), binding, req.session.as_ref(), &req.client).await? {
        Handed::SignedIn(session, cookie) => {
            // The portal's session was shown with its device, if it has one; this one is offered a binding of its own.
            let offer = req.services.devices.offer(session, &req.client).await?;
            let reply = Reply::go(req.rd.as_str()).cookie(req.cookies.set(CookieKind::Session, &cookie, None));
            Ok(login::offers(req, offer, reply))
        }
        Handed::Invalid => Ok(Reply::problem(req, Problem::Ticket)),
        Handed::Over => Ok(Reply::to(req, "login")),
    }
}

/// `/` on the portal, where no route has it: my account.
pub async fn front(Extension(context): Extension<RequestContext>) -> Response {
    let mut response = plain(StatusCode::SEE_OTHER);
    if let Ok(account) = HeaderValue::from_str(&format!("{}/account", context.config.portal.prefix)) {
        response.headers_mut().insert(header::LOCATION, account);
    }
    response
}

/// Where a route's people go, on the portal: its first host that is written out; `None` if there is none.
pub(super) fn home_of(req: &PageRequest, hosts: &[HostPattern]) -> Option<String> {
    let portal = req.context.config.portal.url.as_ref()?;
    let host = hosts.iter().find_map(|host| match host {
        HostPattern::Exact(host) => Some(host),
        HostPattern::Below(_) => None,
    })?;
    Some(portal.beside(host))
}

fn unknown(req: &PageRequest) -> Response {
    req.answer(Ok(Reply::problem(req, Problem::NotFound)))
}

/// The address of these answers holds a ticket, or leads to one: nobody is told it.
fn untold(mut response: Response) -> Response {
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
