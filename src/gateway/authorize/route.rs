//! The decision about a request: it is read, its session is found, the policy is asked. Nothing here waits. What is not expressly
//! admitted stops.

use std::sync::Arc;

use http::{StatusCode, header};
use pingora::http::RequestHeader;
use pingora::proxy::Session;

use crate::base::Host;
use crate::forward_auth;
use crate::gateway::authorize::context::Context;
use crate::gateway::authorize::lease::{CheckedAgainst, Lease, UseClock};
use crate::gateway::authorize::policy::{self, Path, Portal, Reason, Route, Verdict};
use crate::gateway::authorize::question;
use crate::gateway::authorize::revocation::{self, with_cache};
use crate::gateway::connection::https::HttpsHosts;
use crate::gateway::host::{Lookup, Outcome, UserSession};
use crate::gateway::request::cookies::Presented;
use crate::gateway::request::parse::{self, Origin, RequestInfo};
use crate::gateway::request::websocket;
use crate::policy::Identity;

/// What is to be done with a request.
pub enum Action {
    /// To the upstream, by pingora.
    Forward,
    /// To the upstream, as a WebSocket.
    Tunnel,
    /// Another proxy may forward it.
    Admit,
    Portal {
        token: Option<String>,
    },
    /// The user must sign in, or prove more; `token` is the value of the well-signed session cookie in the request.
    Challenge {
        reason: Reason,
        route: Arc<Route>,
        token: Option<String>,
    },
    /// Plain HTTP for a host that has a certificate.
    ToHttps {
        location: Vec<u8>,
    },
    Stop {
        status: StatusCode,
        outcome: Outcome,
        reason: &'static str,
    },
}

pub const fn stop(status: StatusCode, outcome: Outcome, reason: &'static str) -> Action {
    Action::Stop { status, outcome, reason }
}

/// Decides, and leaves in the context what later stages require.
pub fn authorize(session: &Session, context: &mut Context, https: &HttpsHosts) -> Action {
    let action = find(session, context, https);
    if !matches!(action, Action::Forward) && context.question.is_none() {
        context.note_navigation(session.req_header());
    }
    action
}

fn find(session: &Session, context: &mut Context, https: &HttpsHosts) -> Action {
    let header = session.req_header();
    if let Some(place) = forward_auth::find(header.raw_path(), context.snapshot.policy.prefix()) {
        return question::authorize(session, context, place);
    }
    context.log.method = header.method.clone();
    context.log.target = header.raw_path().into();
    let info = match read(session, context) {
        Ok(info) => Arc::new(info),
        Err(refusal) => return stop(refusal.status, Outcome::Refused, refusal.reason),
    };
    let path = match policy::path(header.raw_path()) {
        Ok(path) => path,
        Err(reason) => return stop(StatusCode::BAD_REQUEST, Outcome::Refused, reason),
    };
    if let Some(location) = https_location(&info, header.raw_path(), context, https) {
        context.info = Some(info);
        return Action::ToHttps { location };
    }
    let identified = identify(session.req_header(), context, &info);
    let action = match policy::portal(&context.snapshot, &info, &path) {
        Portal::Yes => Action::Portal { token: identified.0.map(str::to_owned) },
        Portal::Hidden => stop(StatusCode::NOT_FOUND, Outcome::NoRoute, "no_route"),
        Portal::No => decide(session.req_header(), context, &info, &path, identified),
    };
    context.info = Some(info);
    action
}

/// Decides for another target on the same host, with the same cookie and the session behind it now: for a saved form that is sent
/// after all. Never leads to the portal.
pub fn authorize_target(target: &[u8], session: &Session, context: &mut Context) -> Action {
    let Some(info) = context.info.take() else {
        return stop(StatusCode::INTERNAL_SERVER_ERROR, Outcome::Failed, "internal");
    };
    let action = match policy::path(target) {
        Err(reason) => stop(StatusCode::BAD_REQUEST, Outcome::Refused, reason),
        Ok(path) => match policy::portal(&context.snapshot, &info, &path) {
            Portal::Yes | Portal::Hidden => stop(StatusCode::NOT_FOUND, Outcome::NoRoute, "no_route"),
            Portal::No => {
                let identified = identify(session.req_header(), context, &info);
                decide(session.req_header(), context, &info, &path, identified)
            }
        },
    };
    context.info = Some(info);
    action
}

fn read(session: &Session, context: &Context) -> Result<RequestInfo, parse::Refusal> {
    let peer = session.client_addr().and_then(|a| a.as_inet()).map(std::net::SocketAddr::ip);
    let peer = peer.ok_or(parse::Refusal { status: StatusCode::INTERNAL_SERVER_ERROR, reason: "no_peer" })?;
    let tls = session.digest().is_some_and(|digest| digest.ssl_digest.is_some());
    let origin = Origin { peer, tls, trusted_proxies: &context.snapshot.config.server.trusted_proxies };
    let raw = || session.as_http1().map(|h1| h1.get_headers_raw_bytes()).unwrap_or_default();
    parse::read(session.req_header(), raw, origin, host_of)
}

/// Where a plain request belongs, if its host has a certificate. What a trusted proxy in front brings is the proxy's to redirect.
fn https_location(info: &RequestInfo, target: &[u8], context: &Context, https: &HttpsHosts) -> Option<Vec<u8>> {
    let is_plain = !info.secure && !info.trusted && context.snapshot.config.server.redirect_to_https;
    if is_plain { https.location(&info.host, &info.authority, target) } else { None }
}

/// Most requests name a host that an earlier request named too.
pub fn host_of(sent: &str) -> Result<(Host, Arc<str>), parse::Refusal> {
    if let Some(known) = with_cache(|cache| cache.host(sent)).flatten() {
        return Ok(known);
    }
    let named = parse::host_of(sent)?;
    with_cache(|cache| cache.remember_host(&named));
    Ok(named)
}

/// The value of the one session cookie, and the live session behind it.
pub type Identified<'s> = (Option<&'s str>, Option<Arc<dyn UserSession>>);

pub fn identify<'s>(header: &'s RequestHeader, context: &mut Context, info: &RequestInfo) -> Identified<'s> {
    let lines = header.headers.get_all(header::COOKIE);
    match context.snapshot.cookies.presented(lines.iter(), info.secure) {
        Presented::None => (None, None),
        Presented::Unusable => {
            context.expire_cookie = true;
            (None, None)
        }
        Presented::One(token) => match look_up(token, info, context) {
            Lookup::Live(user_session) => (Some(token), Some(user_session)),
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

/// Most requests carry a cookie that an earlier request carried too.
fn look_up(token: &str, info: &RequestInfo, context: &Context) -> Lookup {
    let recent = with_cache(|cache| cache.session(token)).flatten();
    if let Some(user_session) = recent.filter(|user_session| user_session.accepts(token, info.secure, context.at)) {
        return Lookup::Live(user_session);
    }
    let found = context.host().session(token, info.secure, context.at);
    if let Lookup::Live(user_session) = &found {
        with_cache(|cache| cache.remember_session(token, user_session));
    }
    found
}

pub fn decide(
    header: &RequestHeader,
    context: &mut Context,
    info: &Arc<RequestInfo>,
    path: &Path<'_>,
    (token, user_session): Identified<'_>,
) -> Action {
    let identity: Option<Identity> = user_session.as_ref().map(|v| v.identity());
    context.log.user = identity.as_ref().map(|i| Arc::clone(&i.person));
    let disguise = match parse::disguise(header) {
        Ok(disguise) => disguise,
        Err(refusal) => return stop(refusal.status, Outcome::Refused, refusal.reason),
    };
    match policy::check_both(disguise.as_ref(), &context.snapshot, info, path, identity.as_ref(), context.at) {
        Verdict::Admit(admission) => {
            let named = policy::person(&admission).is_some();
            let lease = Arc::new(Lease {
                seen: CheckedAgainst::new(&context.snapshot, identity.as_ref().filter(|_| named)),
                user_session: user_session.filter(|_| named),
                host: Arc::clone(context.shared_host()),
                info: Arc::clone(info),
                target: Arc::clone(&context.log.target),
                disguise,
                at: context.at,
                use_clock: UseClock::new(context.started(), context.snapshot.config.session.idle_timeout),
            });
            revocation::depends_on(Arc::clone(&lease));
            context.lease = Some(lease);
            context.admission = Some(admission);
            forward(header, info, named)
        }
        Verdict::Challenge { route, .. } if context.session_unknown => {
            context.log.route = Some(Arc::clone(&route.name));
            stop(StatusCode::SERVICE_UNAVAILABLE, Outcome::Failed, SESSION_UNKNOWN)
        }
        Verdict::Challenge { route, reason } => {
            context.log.route = Some(Arc::clone(&route.name));
            Action::Challenge { reason, route, token: token.map(str::to_owned) }
        }
        Verdict::Forbid { route, reason } => {
            context.log.route = Some(Arc::clone(&route.name));
            stop(StatusCode::FORBIDDEN, Outcome::Forbidden, reason)
        }
        Verdict::NoRoute => stop(StatusCode::NOT_FOUND, Outcome::NoRoute, "no_route"),
        Verdict::Refuse(reason) => stop(StatusCode::BAD_REQUEST, Outcome::Refused, reason),
    }
}

/// `named`: the upstream is told who it is. A route that anybody may use (`bypass`) has nothing that another site could abuse.
fn forward(header: &RequestHeader, info: &RequestInfo, named: bool) -> Action {
    if !websocket::is_wanted(header) {
        return Action::Forward;
    }
    if named && let Err(reason) = websocket::check_origin(header, &info.authority, info.secure) {
        return stop(StatusCode::FORBIDDEN, Outcome::Forbidden, reason);
    }
    match websocket::check_request(&header.headers) {
        Ok(()) => Action::Tunnel,
        Err(reason) => stop(StatusCode::BAD_REQUEST, Outcome::Refused, reason),
    }
}

/// Whether a session is live cannot be known at the moment: the reason of a 503 instead of a challenge.
pub const SESSION_UNKNOWN: &str = "session_unknown";
