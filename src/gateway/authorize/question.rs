//! Another proxy's question (contract, section 6): the request that it is about is put together and decided as one that came here
//! itself. Guarantees that nobody but the proxies of `forward_auth.from` is answered, that what is refused here is refused there, and
//! that nothing but an `Admission` becomes a 200.

use std::sync::Arc;

use http::{HeaderName, Method, StatusCode, header};
use pingora::http::RequestHeader;
use pingora::proxy::Session;

use crate::base::ClientAddr;
use crate::config::ForwardAuth;
use crate::forward_auth::{Dialect, Place, Question};
use crate::gateway::authorize::action::{self, Action};
use crate::gateway::authorize::context::Context;
use crate::gateway::authorize::credentials::certificate;
use crate::gateway::authorize::policy::{self, Admission, Portal};
use crate::gateway::authorize::route;
use crate::gateway::client_certificate::header::{CLIENT_CERT, CLIENT_CERT_CHAIN};
use crate::gateway::host::{Outcome, Snapshot};
use crate::gateway::request::parse::{self, Origin, RequestInfo};
use crate::gateway::request::{header_names, navigation, websocket};

/// Decides a question that was asked at `place`.
pub fn authorize(session: &Session, context: &mut Context, place: Place<'_>) -> Action {
    let snapshot = Arc::clone(&context.snapshot);
    let peer = session.client_addr().and_then(|a| a.as_inet()).map(std::net::SocketAddr::ip);
    let asks = |proxies: &&ForwardAuth| peer.is_some_and(|peer| ClientAddr::new(peer).is_in(&proxies.from));
    let (Some(proxies), Some(peer)) = (snapshot.config.forward_auth.as_ref().filter(asks), peer) else {
        return action::stop(StatusCode::NOT_FOUND, Outcome::NoRoute, "no_route");
    };
    context.question = Some(place.dialect);
    let asked = match original(session.req_header(), &snapshot, place) {
        Ok((asked, secure)) => (asked, secure),
        Err(reason) => return forbid(reason),
    };
    let tls = session.digest().is_some_and(|digest| digest.ssl_digest.is_some());
    let origin = Origin { peer, tls: asked.1.unwrap_or(tls), trusted_proxies: &proxies.believed };
    decide(&asked.0, origin, context)
}

/// The request that is asked about, with the headers of the client's own, and its scheme if the question says it.
fn original(question: &RequestHeader, snapshot: &Snapshot, place: Place<'_>) -> Result<(RequestHeader, Option<bool>), &'static str> {
    let read = Question::read(place, &question.method, &question.headers).map_err(|malformed| {
        tracing::warn!(%malformed, "another proxy's question cannot be read; does its configuration come from `vestibule forward-auth snippet`?");
        "question"
    })?;
    let mut asked = RequestHeader::build(read.method.clone(), read.target, Some(question.headers.len())).map_err(|_| "malformed_path")?;
    // A “#”, which no request has, would be cut off here and perhaps not there.
    if asked.raw_path() != read.target {
        return Err("malformed_path");
    }
    let own = |name: &HeaderName| is_of_the_question(name, place.dialect) || (read.secure.is_some() && name == "x-forwarded-proto");
    // The proxy's own word, as for its other requests.
    let is_certificate =
        |name: &HeaderName| snapshot.config.server.client_certificate_header && matches!(name.as_str(), CLIENT_CERT | CLIENT_CERT_CHAIN);
    for (name, value) in question.headers.iter().filter(|(name, _)| !own(name)) {
        if let Some(reason) = header_names::unforwardable(&snapshot.names, name, &read.method).filter(|_| !is_certificate(name)) {
            tracing::warn!(
                header = name.as_str(),
                reason,
                "another proxy passed on a header that no client may send; the request was refused"
            );
            return Err(reason);
        }
        asked.append_header(name.clone(), value.clone()).map_err(|_| "question")?;
    }
    match read.authority {
        Some(authority) => asked.insert_header(header::HOST, authority).map_err(|_| "host")?,
        None => {
            let host = parse::authority(question).map_err(|refusal| refusal.reason)?.to_owned();
            asked.insert_header(header::HOST, host).map_err(|_| "host")?;
        }
    }
    Ok((asked, read.secure))
}

/// What says how the question itself travels, or what it is about.
fn is_of_the_question(name: &HeaderName, dialect: Dialect) -> bool {
    let of_the_connection = [
        header::HOST,
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::TE,
        header::TRAILER,
        header::UPGRADE,
        header::EXPECT,
    ];
    of_the_connection.contains(name) || dialect.headers().contains(&name.as_str())
}

fn decide(asked: &RequestHeader, origin: Origin<'_>, context: &mut Context) -> Action {
    context.log.method = asked.method.clone();
    context.log.target = asked.raw_path().into();
    let mut info = match parse::read(asked, || b"", origin, route::host_of) {
        // The question has no body, and does not say whether the request has one: without a type it may be a form.
        Ok(info) => RequestInfo { form: info.form || may_be_form(asked), ..info },
        Err(refusal) => return forbid(refusal.reason),
    };
    if let Err(refusal) = certificate::from_proxy(&asked.headers, &mut info, context) {
        return forbid(refusal.reason);
    }
    let info = Arc::new(info);
    let opens_websocket = asked.headers.contains_key("sec-websocket-key");
    context.navigation = navigation::is_navigation(&asked.method, &asked.headers) && !opens_websocket;
    context.info = Some(Arc::clone(&info));
    let path = match policy::path(asked.raw_path()) {
        Ok(path) => path,
        Err(reason) => return forbid(reason),
    };
    if !matches!(policy::portal(&context.snapshot, &info, &path), Portal::No) {
        return forbid("no_route");
    }
    let action = route::decide(asked, context, &info, &path);
    // A cookie that is no good is expired by the pages, where it goes to the browser for certain.
    context.expire_cookie = false;
    match action {
        Action::Forward | Action::Tunnel if opens_websocket && context.admission.as_ref().is_some_and(is_guarded) => {
            match websocket::check_origin(asked, &info.authority, info.secure) {
                Ok(()) => Action::Admit,
                Err(reason) => forbid(reason),
            }
        }
        Action::Forward | Action::Tunnel => Action::Admit,
        Action::Stop { reason, .. } | Action::RefuseToken { reason, wait: Some(_), .. } => forbid(reason),
        other => other,
    }
}

/// Whether somebody is named to the application, or a certificate was needed: what another site could abuse.
fn is_guarded(admission: &Admission) -> bool {
    policy::person(admission).is_some() || admission.is_certified()
}

fn may_be_form(asked: &RequestHeader) -> bool {
    matches!(asked.method, Method::POST | Method::PUT | Method::PATCH) && !asked.headers.contains_key(header::CONTENT_TYPE)
}

/// What has no route, is malformed or cannot be known just now is 403 as well: nginx makes a 500 of anything else.
const fn forbid(reason: &'static str) -> Action {
    Action::Stop { status: StatusCode::FORBIDDEN, outcome: Outcome::Forbidden, reason }
}
