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
use crate::gateway::authorize::policy::Reason;
use crate::gateway::host::Outcome;
use crate::gateway::reply::page::{self, Reply, ReplyContext};
use crate::gateway::request::navigation;

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
    for (name, value) in answer.headers {
        header.append_header(name, value)?;
    }
    if secure && !header.headers.contains_key(header::STRICT_TRANSPORT_SECURITY) {
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
pub async fn challenge(session: &mut Session, context: &mut Context, reason: Reason, target: &[u8]) -> Result<()> {
    context.set_outcome(Outcome::Challenged, page::word(reason));
    let snapshot = Arc::clone(&context.snapshot);
    let challenge = {
        let language = language(session);
        page::challenge(reason, &snapshot.config.portal.prefix, target, &about(session, context, language.as_deref()))
    };
    write(session, context, challenge).await
}

/// Redirects plain HTTP to HTTPS; the method stays (RFC 9110 section 15.4.9).
pub async fn to_https(session: &mut Session, context: &mut Context, location: &[u8]) -> Result<()> {
    context.set_outcome(Outcome::Refused, "plain_http");
    write(session, context, page::redirect(StatusCode::PERMANENT_REDIRECT, location)).await
}

/// As [`challenge`], to another proxy that asked. The user comes back to the target that was asked about.
pub async fn challenge_by_proxy(session: &mut Session, context: &mut Context, reason: Reason, dialect: Dialect) -> Result<()> {
    context.set_outcome(Outcome::Challenged, page::word(reason));
    let info = context.info.clone().ok_or_else(|| internal("no request"))?;
    let scheme = if info.secure { "https" } else { "http" };
    let base = format!("{scheme}://{}{}", info.authority, context.snapshot.config.portal.prefix);
    let target = Arc::clone(&context.log.target);
    let challenge = {
        let language = language(session);
        page::challenge_by_proxy(reason, &base, &target, dialect, &about(session, context, language.as_deref()))
    };
    write(session, context, challenge).await
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
pub fn about<'a>(session: &Session, context: &'a Context, language: Option<&'a str>) -> ReplyContext<'a> {
    let page = navigation::shows_a_page(&session.req_header().headers);
    ReplyContext { host: context.host().as_ref(), navigation: context.navigation, page, request_id: &context.request_id, language }
}

fn language(session: &Session) -> Option<String> {
    session.req_header().headers.get(header::ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok()).map(str::to_owned)
}

/// An error that stands for an internal failure of the gateway.
pub fn internal(why: &'static str) -> Box<Error> {
    Error::explain(ErrorType::InternalError, why).into_in()
}
