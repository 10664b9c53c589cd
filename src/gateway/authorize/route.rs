//! The decision about a request: it is read, its session is found, the policy is asked. Nothing here waits. What is not expressly
//! admitted stops.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode, header};
use pingora::http::RequestHeader;
use pingora::proxy::Session;

use crate::acme::Answer;
use crate::base::{Host, host};
use crate::gateway::authorize::action::{Action, stop};
use crate::gateway::authorize::challenge;
use crate::gateway::authorize::context::{Context, OwnCredential};
use crate::gateway::authorize::credentials::certificate;
use crate::gateway::authorize::credentials::session::{self, Identified};
use crate::gateway::authorize::credentials::shown::Shown;
use crate::gateway::authorize::credentials::token::{self, ByToken};
use crate::gateway::authorize::lease::{CheckedAgainst, Lease, UseClock};
use crate::gateway::authorize::policy::{self, Admission, Asker, Path, Portal, Reason, Verdict};
use crate::gateway::authorize::revocation::{self, with_cache};
use crate::gateway::authorize::{sticky, upstream_auth};
use crate::gateway::connection::https::HttpsHosts;
use crate::gateway::connection::tls_peer::TlsPeers;
use crate::gateway::host::{Outcome, UserSession};
use crate::gateway::request::parse::{self, Origin, RequestInfo};
use crate::gateway::request::{destination, prefix, websocket};
use crate::policy::{DeviceLack, Identity};
use crate::token::Way;

/// What is known of connections, beside what their requests say.
pub struct Seen {
    pub https: Arc<HttpsHosts>,
    pub peers: Arc<TlsPeers>,
}

/// Decides, and leaves in the context what later stages require.
pub fn authorize(session: &Session, context: &mut Context, seen: &Seen) -> Action {
    let action = find(session, context, seen);
    if !matches!(action, Action::Forward) {
        context.note_navigation(session.req_header());
    }
    action
}

fn find(session: &Session, context: &mut Context, seen: &Seen) -> Action {
    let header = session.req_header();
    context.log.method = header.method.clone();
    context.log.target = header.raw_path().into();
    let mut info = match read(session, context) {
        Ok(info) => info,
        Err(refusal) => return stop(refusal.status, Outcome::Refused, refusal.reason),
    };
    let found = certificate::find(session, &mut info, context, &seen.peers);
    let info = Arc::new(info);
    if let Err(refusal) = found {
        context.info = Some(info);
        return stop(refusal.status, Outcome::Refused, refusal.reason);
    }
    let path = match policy::path(header.raw_path()) {
        Ok(path) => path,
        Err(reason) => return stop(StatusCode::BAD_REQUEST, Outcome::Refused, reason),
    };
    if let Some(action) = challenge(&info, &path, context) {
        context.info = Some(info);
        return action;
    }
    if let Some(origins) = registering(&info, header.raw_path(), context) {
        context.info = Some(info);
        return Action::Registering(origins);
    }
    if let Some(location) = https_location(&info, header.raw_path(), context, &seen.https) {
        context.info = Some(info);
        return Action::ToHttps { location };
    }
    let action = match policy::portal(&context.snapshot, &info, &path) {
        Portal::Yes => Action::Portal { token: session::identify(header, context, &info).0.map(str::to_owned) },
        Portal::Hidden => stop(StatusCode::NOT_FOUND, Outcome::NoRoute, "no_route"),
        Portal::No => decide(header, context, &info, &path),
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
        Ok(path) if challenge(&info, &path, context).is_some() => stop(StatusCode::NOT_FOUND, Outcome::NoRoute, "no_route"),
        Ok(path) => match policy::portal(&context.snapshot, &info, &path) {
            Portal::Yes | Portal::Hidden => stop(StatusCode::NOT_FOUND, Outcome::NoRoute, "no_route"),
            Portal::No => decide(session.req_header(), context, &info, &path),
        },
    };
    context.info = Some(info);
    action
}

/// What to do with an authority's question; `None` for every other request.
fn challenge(info: &RequestInfo, path: &Path<'_>, context: &Context) -> Option<Action> {
    match challenge::answer(info, path, context) {
        Answer::NotOurs => None,
        Answer::Unknown => Some(stop(StatusCode::NOT_FOUND, Outcome::NoRoute, "no_route")),
        Answer::Authorization(authorization) => Some(Action::Prove { authorization }),
    }
}

/// What browsers ask the registrable domain before another host binds sessions for all of it.
fn registering(info: &RequestInfo, target: &[u8], context: &Context) -> Option<String> {
    let session = &context.snapshot.config.session;
    let domain = session.domain.as_deref().filter(|_| session.device_bound.is_some())?;
    let is_asked = target == REGISTERING && info.secure && info.host.as_str() == domain && context.snapshot.policy.knows_host(&info.host);
    is_asked.then(|| crate::config::registering_origins(&context.snapshot.config, domain, host::port(&info.authority)))
}

const REGISTERING: &[u8] = b"/.well-known/device-bound-sessions";

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

/// By the API token, if there is one, and else by the session.
pub fn decide(header: &RequestHeader, context: &mut Context, info: &Arc<RequestInfo>, path: &Path<'_>) -> Action {
    match token::identify(header, context, info) {
        ByToken::Absent => {
            let identified = session::identify(header, context, info);
            decide_for(header, context, info, path, identified)
        }
        ByToken::Live(owner, way) => {
            context.token_came = way != Way::Header;
            context.log.token = owner.token_id();
            decide_for(header, context, info, path, (None, Some(owner)))
        }
        ByToken::Refused { reason, wait } => refuse_token(context, info, path, (reason, wait)),
        ByToken::Unknown => stop(StatusCode::SERVICE_UNAVAILABLE, Outcome::Failed, SESSION_UNKNOWN),
    }
}

/// What is closed or not there stays so; everywhere else the route says which tokens it takes.
fn refuse_token(context: &mut Context, info: &RequestInfo, path: &Path<'_>, (reason, wait): (&'static str, Option<Duration>)) -> Action {
    let route = match policy::check(&context.snapshot, info, path, Asker::new(None, info.certificate.is_some(), None), context.at) {
        Verdict::Admit(admission) => policy::route(&context.snapshot, Some(&admission)).map(Arc::clone),
        Verdict::Challenge { route, .. } => Some(route),
        Verdict::Forbid { route, reason } => {
            context.log.route = Some(Arc::clone(&route.name));
            return stop(StatusCode::FORBIDDEN, Outcome::Forbidden, certificate::precisely(reason, info));
        }
        Verdict::NoRoute => None,
        Verdict::Refuse(reason) => return stop(StatusCode::BAD_REQUEST, Outcome::Refused, reason),
    };
    let Some(route) = route else { return stop(StatusCode::NOT_FOUND, Outcome::NoRoute, "no_route") };
    context.log.route = Some(Arc::clone(&route.name));
    Action::RefuseToken { route, reason, wait }
}

fn decide_for(
    header: &RequestHeader,
    context: &mut Context,
    info: &Arc<RequestInfo>,
    path: &Path<'_>,
    identified: Identified<'_>,
) -> Action {
    let shown = Shown::of(header, context, info, identified);
    let asker = shown.asker();
    let disguise = match parse::disguise(header) {
        Ok(disguise) => disguise,
        Err(refusal) => return stop(refusal.status, Outcome::Refused, refusal.reason),
    };
    let destination = match destination::target(header, disguise.as_ref(), &info.host) {
        Ok(destination) => destination,
        Err(refusal) => return stop(refusal.status, Outcome::Refused, refusal.reason),
    };
    let verdict = match (policy::check_both(disguise.as_ref(), &context.snapshot, info, path, asker, context.at), destination) {
        (Verdict::Admit(first), Some(target)) => {
            policy::check_destination(first, target, disguise.as_ref(), &context.snapshot, info, asker, context.at)
        }
        (verdict, _) => verdict,
    };
    if let Verdict::Challenge { route, .. } = &verdict
        && route.application.is_away(asker.identity().map(|who| who.person.groups.as_slice()))
    {
        context.log.route = Some(Arc::clone(&route.name));
        return Action::Away { route: Arc::clone(route) };
    }
    match verdict {
        Verdict::Admit(admission) => admit(header, context, info, shown, (admission, disguise, destination)),
        Verdict::Challenge { route, .. } if context.session_unknown || context.session_elsewhere => {
            context.log.route = Some(Arc::clone(&route.name));
            stop(StatusCode::SERVICE_UNAVAILABLE, Outcome::Failed, SESSION_UNKNOWN)
        }
        Verdict::Challenge { route, reason: Reason::Token } => {
            context.log.route = Some(Arc::clone(&route.name));
            Action::RefuseToken { route, reason: Reason::Token.name(), wait: None }
        }
        Verdict::Challenge { route, reason } => {
            context.log.route = Some(Arc::clone(&route.name));
            if reason == Reason::Device(DeviceLack::Cookie)
                && let (Some(session), Some(who)) = (&shown.user_session, &shown.identity)
                && session.misses_device()
            {
                context.host().device_missing(&who.person.name, (info.client, &info.host), &context.request_id);
            }
            Action::Challenge { reason, route, token: shown.cookie.map(str::to_owned) }
        }
        Verdict::Forbid { route, reason } => {
            context.log.route = Some(Arc::clone(&route.name));
            stop(StatusCode::FORBIDDEN, Outcome::Forbidden, certificate::precisely(reason, info))
        }
        Verdict::NoRoute => stop(StatusCode::NOT_FOUND, Outcome::NoRoute, "no_route"),
        Verdict::Refuse(reason) => stop(StatusCode::BAD_REQUEST, Outcome::Refused, reason),
    }
}

/// What is known of an admission beside who asks: the other method that the application may take it for, and the target that it writes to.
type Admitted<'h> = (Admission, Option<Method>, Option<&'h [u8]>);

/// Leaves in the context what forwarding requires, and that the request is cut when its admission no longer holds.
fn admit(
    header: &RequestHeader,
    context: &mut Context,
    info: &Arc<RequestInfo>,
    shown: Shown<'_>,
    (admission, disguise, destination): Admitted<'_>,
) -> Action {
    if let Some(action) = stopped_by_route(header, context, info, &admission, shown.asker().identity()) {
        return action;
    }
    let named = policy::person(&admission).is_some();
    let by_certificate = shown.user_session.is_none();
    if named && by_certificate {
        context.log.user = shown.account.as_ref().map(|account| Arc::clone(&account.person));
    }
    let seen = CheckedAgainst::new(&context.snapshot, shown.asker().identity().filter(|_| named));
    let user_session = shown.user_session.or(shown.machine);
    match own_credential(context, &admission, user_session.as_ref()) {
        Ok(credential) => context.credential = credential,
        Err(reason) => return stop(StatusCode::BAD_GATEWAY, Outcome::Refused, reason),
    }
    let lease = Arc::new(Lease {
        seen,
        user_session: user_session.filter(|_| named),
        host: Arc::clone(context.shared_host()),
        info: Arc::clone(info),
        target: Arc::clone(&context.log.target),
        disguise,
        destination: destination.map(Arc::from),
        at: context.at,
        by_certificate,
        certified: admission.is_certified(),
        device: shown.device,
        is_tunnel: websocket::is_wanted(header),
        use_clock: UseClock::new(context.started(), context.snapshot.config.session.idle_timeout),
    });
    revocation::depends_on(Arc::clone(&lease));
    context.lease = Some(lease);
    let is_certified = admission.is_certified();
    context.admission = Some(admission);
    context.preferred = sticky::preferred(&header.headers, info, context);
    forward(header, info, named || is_certified)
}

/// The user's own credentials for the application, if the route asks for them.
fn own_credential(
    context: &mut Context,
    admission: &Admission,
    session: Option<&Arc<dyn UserSession>>,
) -> Result<Option<OwnCredential>, &'static str> {
    // Borrowed: every request of every core comes by here.
    let Some(route) = policy::route(&context.snapshot, Some(admission)) else { return Ok(None) };
    let found = upstream_auth::find(route, policy::person(admission), session, context);
    if found.is_err() {
        let name = Arc::clone(&route.name);
        context.log.route = Some(name);
    }
    found
}

/// What a route refuses of requests that its policy admits: it is away, the body is too long, or the path cannot go without its prefix.
fn stopped_by_route(
    header: &RequestHeader,
    context: &mut Context,
    info: &RequestInfo,
    admission: &Admission,
    who: Option<&Identity>,
) -> Option<Action> {
    // Borrowed: every request of every core comes by here.
    let route = policy::route(&context.snapshot, Some(admission))?;
    let headers = &header.headers;
    let length = || headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse::<u64>().ok();
    let action = if route.application.is_away(who.map(|who| who.person.groups.as_slice())) {
        Action::Away { route: Arc::clone(route) }
    } else if route.application.max_body.is_some_and(|most| length().is_some_and(|length| length > most)) {
        stop(StatusCode::PAYLOAD_TOO_LARGE, Outcome::Refused, BODY_TOO_LARGE)
    } else {
        let prefix = route.proxy.strip_prefix.as_deref()?;
        let lost = |value: &http::HeaderValue| prefix::strip_destination(value, prefix, &info.authority).is_none();
        let is_sent = prefix::strip(&context.log.target, prefix).is_some() && !headers.get_all("destination").iter().any(lost);
        if is_sent {
            return None;
        }
        stop(StatusCode::BAD_REQUEST, Outcome::Refused, "prefix")
    };
    let name = Arc::clone(&route.name);
    context.log.route = Some(name);
    Some(action)
}

/// The reason of a 413.
pub const BODY_TOO_LARGE: &str = "body_too_large";

/// `guarded`: the upstream is told who it is, or a certificate was needed. A route that anybody may use (`bypass`) has nothing that another site
/// could abuse.
fn forward(header: &RequestHeader, info: &RequestInfo, guarded: bool) -> Action {
    if !websocket::is_wanted(header) {
        return Action::Forward;
    }
    if guarded && let Err(reason) = websocket::check_origin(header, &info.authority, info.secure) {
        return stop(StatusCode::FORBIDDEN, Outcome::Forbidden, reason);
    }
    match websocket::check_request(&header.headers) {
        Ok(()) => Action::Tunnel,
        Err(reason) => stop(StatusCode::BAD_REQUEST, Outcome::Refused, reason),
    }
}

/// Whether a session is live cannot be known at the moment: the reason of a 503 instead of a challenge.
pub const SESSION_UNKNOWN: &str = "session_unknown";
