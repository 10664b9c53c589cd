//! Writes the gateway's own answers. What is left of a request's body is never read as the next request: it is read and dropped for a
//! moment, so that the client gets to see the answer, and then the connection is closed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode, Version, header};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};

use crate::forward_auth::Dialect;
use crate::gateway::authorize::context::Context;
use crate::gateway::authorize::policy::{Reason, Route};
use crate::gateway::host::{Outcome, Shape};
use crate::gateway::reply::page::{self, Reply, ReplyContext};
use crate::gateway::request::navigation;
use crate::session::origin;
use crate::token::Way;

/// How much of an unwanted body is read after the answer, and for how long, before the connection is closed.
const LINGER_BYTES: usize = 256 * 1024;
const LINGER: Duration = Duration::from_secs(1);

/// Writes an answer; it expires the session cookie if the request had an invalid one.
pub async fn write(session: &mut Session, context: &mut Context, answer: Reply) -> Result<()> {
    let unread = !session.is_body_done();
    let upgrade = session.req_header().headers.contains_key(header::UPGRADE);
    if unread || upgrade || answer.status == StatusCode::BAD_REQUEST {
        session.set_keepalive(None);
    }
    let secure = context.info.as_ref().is_some_and(|a| a.secure);
    let mut header = ResponseHeader::build(answer.status, Some(answer.headers.len() + 4))?;
    for value in context.expire_cookie.then(|| context.snapshot.cookies.expiries(secure)).into_iter().flatten() {
        header.append_header(header::SET_COOKIE, value)?;
    }
    if let Some(value) = context.snapshot.cookies.bound_expiry(secure).filter(|_| context.expire_bound) {
        header.append_header(header::SET_COOKIE, value)?;
    }
    for (name, value) in answer.headers {
        header.append_header(name, value)?;
    }
    if secure && context.snapshot.config.portal.hsts && !header.headers.contains_key(header::STRICT_TRANSPORT_SECURITY) {
        header.insert_header(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000")?;
    }
    header.insert_header(header::CONTENT_LENGTH, answer.body.len().to_string())?;
    context.log.status = answer.status.as_u16();
    context.log.bytes_out = answer.body.len() as u64;
    send(session, header, answer.body).await?;
    if unread {
        let _ = tokio::time::timeout(LINGER, drain(session)).await;
    }
    Ok(())
}

async fn send(session: &mut Session, header: ResponseHeader, body: Bytes) -> Result<()> {
    let empty = body.is_empty() || session.req_header().method == Method::HEAD || header.status == StatusCode::NO_CONTENT;
    let session = &mut session.downstream_session;
    session.write_response_header(Box::new(header)).await?;
    if !empty {
        session.write_response_body(body, true).await?;
    }
    session.finish_body().await
}

/// An HTTP/1.0 client gets no interim answers (RFC 9110 section 15.2).
pub fn adapt_to_version(session: &mut Session) {
    if session.req_header().version == Version::HTTP_10 {
        session.as_downstream_mut().set_ignore_info_resp(true);
    }
}

/// An HTTP/1.0 client does not know chunks (RFC 9112 section 6.1): a body of unknown length ends with its connection.
pub fn adapt_response(session: &mut Session, response: &mut ResponseHeader) {
    if session.req_header().version == Version::HTTP_10 && response.remove_header(&header::TRANSFER_ENCODING).is_some() {
        session.set_keepalive(None);
    }
}

async fn drain(session: &mut Session) {
    let mut read = 0;
    while let Ok(Some(chunk)) = session.downstream_session.read_request_body().await {
        read += chunk.len();
        if read > LINGER_BYTES {
            return;
        }
    }
}

/// Sends the user to sign in or to prove more; `target` is where they come back to.
pub async fn challenge(session: &mut Session, context: &mut Context, (reason, route): (Reason, &Route), target: &[u8]) -> Result<()> {
    context.set_outcome(Outcome::Challenged, page::word(reason));
    let snapshot = Arc::clone(&context.snapshot);
    let challenge = {
        let language = language(session);
        let schemes = schemes(route, &session.req_header().headers, false);
        page::challenge(reason, &snapshot.config.portal.prefix, target, &schemes, &about(session, context, language.as_deref()))
    };
    write(session, context, challenge).await
}

/// As [`challenge`], to another proxy that asked. The user comes back to the target that was asked about.
pub async fn challenge_by_proxy(
    session: &mut Session,
    context: &mut Context,
    (reason, route): (Reason, &Route),
    dialect: Dialect,
) -> Result<()> {
    context.set_outcome(Outcome::Challenged, page::word(reason));
    let info = context.info.clone().ok_or_else(|| internal("no request"))?;
    let scheme = if info.secure { "https" } else { "http" };
    let base = format!("{scheme}://{}{}", info.authority, context.snapshot.config.portal.prefix);
    let target = Arc::clone(&context.log.target);
    let challenge = {
        let language = language(session);
        let schemes = schemes(route, &session.req_header().headers, false);
        page::challenge_by_proxy(reason, &base, &target, &schemes, dialect, &about(session, context, language.as_deref()))
    };
    write(session, context, challenge).await
}

/// Redirects plain HTTP to HTTPS; the method stays (RFC 9110 section 15.4.9).
pub async fn to_https(session: &mut Session, context: &mut Context, location: &[u8]) -> Result<()> {
    context.set_outcome(Outcome::Refused, "plain_http");
    write(session, context, page::redirect(StatusCode::PERMANENT_REDIRECT, location)).await
}

/// Answers an authority's challenge (RFC 8555 section 8.3).
pub async fn prove(session: &mut Session, context: &mut Context, authorization: String) -> Result<()> {
    context.set_outcome(Outcome::Portal, "acme_challenge");
    write(session, context, page::plain(authorization.into())).await
}

/// Says which hosts may bind sessions for the whole domain.
pub async fn registering(session: &mut Session, context: &mut Context, origins: String) -> Result<()> {
    context.set_outcome(Outcome::Portal, "device_bound_sessions");
    write(session, context, page::json(origins.into())).await
}

/// Says that an application is away, with its operator's page.
pub async fn away(session: &mut Session, context: &mut Context, route: &Route) -> Result<()> {
    context.set_outcome(Outcome::Refused, page::AWAY);
    let mut answer = {
        let language = language(session);
        let html = route.application.maintenance.as_ref().map_or("", |away| &*away.page);
        page::away(html, &about(session, context, language.as_deref()))
    };
    // Another proxy would make a 500 of a 503.
    if context.question.is_some() {
        answer.status = StatusCode::FORBIDDEN;
    }
    write(session, context, answer).await
}

/// Refuses an API token: 401, or 429 with the time to wait.
pub async fn refuse_token(
    session: &mut Session,
    context: &mut Context,
    route: &Route,
    reason: &'static str,
    wait: Option<Duration>,
) -> Result<()> {
    context.set_outcome(Outcome::Refused, reason);
    let answer = {
        let language = language(session);
        let schemes = schemes(route, &session.req_header().headers, true);
        page::token(reason, wait, &schemes, &about(session, context, language.as_deref()))
    };
    write(session, context, answer).await
}

/// What to say in `WWW-Authenticate` of the ways in which a route takes tokens. A browser never hears of Basic: it would ask for a
/// password and send it with everything from then on.
fn schemes(route: &Route, headers: &http::HeaderMap, invalid: bool) -> Vec<String> {
    let ways = route.application.tokens;
    let is_browser = navigation::loads_a_page(headers) || headers.keys().any(|name| name.as_str().starts_with("sec-fetch-"));
    let basic = (ways.takes(Way::Basic) && !is_browser).then(|| format!("Basic realm=\"{}\", charset=\"UTF-8\"", route.name));
    let error = if invalid { ", error=\"invalid_token\"" } else { "" };
    let bearer = ways.takes(Way::Bearer).then(|| format!("Bearer realm=\"{}\"{error}", route.name));
    basic.into_iter().chain(bearer).collect()
}

/// Writes an error page or problem document.
pub async fn refuse(
    session: &mut Session,
    context: &mut Context,
    status: StatusCode,
    outcome: Outcome,
    reason: &'static str,
) -> Result<()> {
    context.set_outcome(outcome, reason);
    let answer = {
        let language = language(session);
        page::error(status, reason, &about(session, context, language.as_deref()))
    };
    write(session, context, answer).await
}

/// What an answer needs to know about the request.
pub fn about<'a>(session: &'a Session, context: &'a Context, language: Option<&'a str>) -> ReplyContext<'a> {
    let headers = &session.req_header().headers;
    let snapshot = &context.snapshot;
    let known = context.info.as_ref().filter(|info| snapshot.policy.knows_host(&info.host) || snapshot.config.is_portal(&info.host));
    let shape = match known {
        None => Shape::Inline,
        Some(_) if navigation::is_framed(headers) => Shape::Framed,
        Some(info) if origin::is_foreign(headers, &info.authority, info.secure) => Shape::FromAnotherSite,
        Some(_) => Shape::Usual,
    };
    let framed_by = known.and_then(|info| navigation::framing_page(headers, &info.authority, info.secure));
    ReplyContext {
        host: context.host().as_ref(),
        navigation: context.navigation,
        page: navigation::shows_a_page(headers),
        request_id: &context.request_id,
        language,
        user: context.log.user.as_ref().map(|person| person.name.as_str()),
        shape,
        framed_by,
    }
}

fn language(session: &Session) -> Option<String> {
    session.req_header().headers.get(header::ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok()).map(str::to_owned)
}

/// An error that stands for an internal failure of the gateway.
pub fn internal(why: &'static str) -> Box<Error> {
    Error::explain(ErrorType::InternalError, why).into_in()
}
