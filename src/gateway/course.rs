//! What becomes of a request: read, recognised, judged. Nothing here waits. Whatever is not expressly let through stops.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, StatusCode, header};
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use super::context::Context;
use super::cookies::Presented;
use super::front::{Lookup, Outcome, Visitor};
use super::judge::{self, Path, Portal, Reason, Route, Verdict};
use super::request::{self, Asked, Origin};
use super::tenure::{Seen, Tenure};
use super::{answer, edge, handshake, memory, tunnel};
use crate::policy::Identity;

/// The way a request takes.
pub enum Course {
    /// To the upstream, by pingora.
    Forward,
    /// To the upstream, as a WebSocket.
    Tunnel,
    Portal {
        token: Option<String>,
    },
    /// Somebody must sign in, or show more; `token` is the well-signed session cookie's value that came.
    Challenge {
        reason: Reason,
        route: Arc<Route>,
        token: Option<String>,
    },
    Stop {
        status: StatusCode,
        outcome: Outcome,
        reason: &'static str,
    },
}

const fn stop(status: StatusCode, outcome: Outcome, reason: &'static str) -> Course {
    Course::Stop { status, outcome, reason }
}

/// Finds the way, and leaves in the context what later stages demand.
pub fn plot(session: &Session, context: &mut Context) -> Course {
    let course = find(session, context);
    if !matches!(course, Course::Forward) {
        context.learn_navigation(session.req_header());
    }
    course
}

fn find(session: &Session, context: &mut Context) -> Course {
    let header = session.req_header();
    context.story.method = header.method.clone();
    context.story.target = header.raw_path().into();
    let asked = match read(session, context) {
        Ok(asked) => Arc::new(asked),
        Err(refusal) => return stop(refusal.status, Outcome::Refused, refusal.reason),
    };
    let path = match judge::path(header.raw_path()) {
        Ok(path) => path,
        Err(reason) => return stop(StatusCode::BAD_REQUEST, Outcome::Refused, reason),
    };
    let came = recognise(session, context, &asked);
    let course = match judge::portal(&context.snapshot, &asked, &path) {
        Portal::Yes => Course::Portal { token: came.0.map(str::to_owned) },
        Portal::Hidden => stop(StatusCode::NOT_FOUND, Outcome::NoRoute, "no_route"),
        Portal::No => decide(session, context, &asked, &path, came),
    };
    context.asked = Some(asked);
    course
}

/// Decides again for another target of the same host, with the same cookie and whoever is behind it now: a form that is sent after
/// all. Never leads to the portal.
pub fn plot_for(target: &[u8], session: &Session, context: &mut Context) -> Course {
    let Some(asked) = context.asked.take() else {
        return stop(StatusCode::INTERNAL_SERVER_ERROR, Outcome::Failed, "internal");
    };
    let course = match judge::path(target) {
        Err(reason) => stop(StatusCode::BAD_REQUEST, Outcome::Refused, reason),
        Ok(path) => match judge::portal(&context.snapshot, &asked, &path) {
            Portal::Yes | Portal::Hidden => stop(StatusCode::NOT_FOUND, Outcome::NoRoute, "no_route"),
            Portal::No => {
                let came = recognise(session, context, &asked);
                decide(session, context, &asked, &path, came)
            }
        },
    };
    context.asked = Some(asked);
    course
}

fn read(session: &Session, context: &Context) -> Result<Asked, request::Refusal> {
    let peer = session.client_addr().and_then(|a| a.as_inet()).map(std::net::SocketAddr::ip);
    let peer = peer.ok_or(request::Refusal { status: StatusCode::INTERNAL_SERVER_ERROR, reason: "no_peer" })?;
    let tls = session.digest().is_some_and(|digest| digest.ssl_digest.is_some());
    let origin = Origin { peer, tls, trusted_proxies: &context.snapshot.config.server.trusted_proxies };
    let raw = || session.as_http1().map(|h1| h1.get_headers_raw_bytes()).unwrap_or_default();
    request::read(session.req_header(), raw, origin)
}

/// Who asks: the one session cookie's value, and the live session behind it.
type Came<'s> = (Option<&'s str>, Option<Arc<dyn Visitor>>);

fn recognise<'s>(session: &'s Session, context: &mut Context, asked: &Asked) -> Came<'s> {
    let lines = session.req_header().headers.get_all(header::COOKIE);
    match context.snapshot.cookies.presented(lines.iter(), asked.secure) {
        Presented::None => (None, None),
        Presented::Unusable => {
            context.expire_cookie = true;
            (None, None)
        }
        Presented::One(token) => match look_up(token, asked, context) {
            Lookup::Live(visitor) => (Some(token), Some(visitor)),
            Lookup::Ended => (Some(token), None),
            Lookup::Unknown => {
                context.session_unknown = true;
                (Some(token), None)
            }
            Lookup::Forged => {
                context.expire_cookie = true;
                (None, None)
            }
        },
    }
}

/// Requests mostly come with a cookie that came just before.
fn look_up(token: &str, asked: &Asked, context: &Context) -> Lookup {
    if let Some(visitor) = memory::last_visitor(token, |visitor| visitor.returns(token, asked.secure, context.at)) {
        return Lookup::Live(visitor);
    }
    let found = context.front().session(token, asked.secure, context.at);
    if let Lookup::Live(visitor) = &found {
        memory::remember_visitor(token, visitor);
    }
    found
}

fn decide(session: &Session, context: &mut Context, asked: &Arc<Asked>, path: &Path<'_>, (token, visitor): Came<'_>) -> Course {
    let identity: Option<Identity> = visitor.as_ref().map(|v| v.identity());
    context.story.user = identity.as_ref().map(|i| Arc::clone(&i.person));
    let disguise = match request::disguise(session.req_header()) {
        Ok(disguise) => disguise,
        Err(refusal) => return stop(refusal.status, Outcome::Refused, refusal.reason),
    };
    match judge::judge_both(disguise.as_ref(), &context.snapshot, asked, path, identity.as_ref(), context.at) {
        Verdict::Admit(admission) => {
            let named = judge::person(&admission).is_some();
            let tenure = Arc::new(Tenure {
                seen: Seen::new(&context.snapshot, identity.as_ref().filter(|_| named)),
                visitor: visitor.filter(|_| named),
                front: Arc::clone(context.shared_front()),
                asked: Arc::clone(asked),
                target: Arc::clone(&context.story.target),
                disguise,
                at: context.at,
            });
            edge::depends_on(Arc::clone(&tenure));
            context.tenure = Some(tenure);
            context.admission = Some(admission);
            forward(session, asked)
        }
        Verdict::Challenge { route, .. } if context.session_unknown => {
            context.story.route = Some(Arc::clone(&route.name));
            stop(StatusCode::SERVICE_UNAVAILABLE, Outcome::Failed, answer::SESSION_UNKNOWN)
        }
        Verdict::Challenge { route, reason } => {
            context.story.route = Some(Arc::clone(&route.name));
            Course::Challenge { reason, route, token: token.map(str::to_owned) }
        }
        Verdict::Forbid { route, reason } => {
            context.story.route = Some(Arc::clone(&route.name));
            stop(StatusCode::FORBIDDEN, Outcome::Forbidden, reason)
        }
        Verdict::NoRoute => stop(StatusCode::NOT_FOUND, Outcome::NoRoute, "no_route"),
        Verdict::Refuse(reason) => stop(StatusCode::BAD_REQUEST, Outcome::Refused, reason),
    }
}

fn forward(session: &Session, asked: &Asked) -> Course {
    let header = session.req_header();
    if !handshake::is_wanted(header) {
        return Course::Forward;
    }
    if let Err(reason) = tunnel::check_origin(header, &asked.authority, asked.secure) {
        return stop(StatusCode::FORBIDDEN, Outcome::Forbidden, reason);
    }
    match handshake::check_request(&header.headers) {
        Ok(()) => Course::Tunnel,
        Err(reason) => stop(StatusCode::BAD_REQUEST, Outcome::Refused, reason),
    }
}

/// Takes away what an upstream may not say on a host that has the gateway's pages too: cookies under the gateway's names, a service
/// worker's wider scope, and a browsing context group that those pages, which ask for `same-origin`, would share with its scripts.
///
/// A service worker of a script at the root still has the whole host for its scope, and sees navigations to the portal: where an
/// application is not trusted that far, it wants a host of its own (`docs/security.md`).
///
/// # Errors
/// None that is known; pingora's header type may refuse a value.
pub fn tame(response: &mut ResponseHeader, context: &Context) -> Result<()> {
    if !response.headers.keys().any(is_tamed) {
        return Ok(());
    }
    response.remove_header(&WORKER_SCOPE);
    let isolates = |value: &HeaderValue| {
        let word = value.as_bytes().split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
        word.to_ascii_lowercase().starts_with(b"same-origin") && !word.eq_ignore_ascii_case(b"same-origin-allow-popups")
    };
    if response.headers.get_all(&OPENER_POLICY).iter().any(isolates) {
        response.insert_header(OPENER_POLICY, HeaderValue::from_static("same-origin-allow-popups"))?;
    }
    drop_own_set_cookies(response, context)
}

/// Whether a header may have to be changed or taken away: most answers have none of them.
fn is_tamed(name: &HeaderName) -> bool {
    *name == header::SET_COOKIE || *name == OPENER_POLICY || *name == WORKER_SCOPE
}

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const WORKER_SCOPE: HeaderName = HeaderName::from_static("service-worker-allowed");

fn drop_own_set_cookies(response: &mut ResponseHeader, context: &Context) -> Result<()> {
    let own = &context.snapshot.cookies;
    let dropped: Vec<String> = response.headers.get_all(header::SET_COOKIE).iter().filter_map(|line| own.set_by(line)).collect();
    if dropped.is_empty() {
        return Ok(());
    }
    let kept: Vec<_> = response.headers.get_all(header::SET_COOKIE).iter().filter(|line| own.set_by(line).is_none()).cloned().collect();
    response.remove_header(&header::SET_COOKIE);
    for line in kept {
        response.append_header(header::SET_COOKIE, line)?;
    }
    for cookie in dropped {
        context.front().dropped_cookie(context.route().unwrap_or_default(), &cookie);
    }
    Ok(())
}
