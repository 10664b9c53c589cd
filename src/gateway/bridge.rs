//! The way to the portal: a request's body under a cap and a deadline, the portal's answer written back. The portal works on
//! another runtime; here is only waiting.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Method, StatusCode, Version, header};
use pingora::http::RequestHeader;
use pingora::proxy::Session;
use pingora::{Error, Result};

use super::answer::Answer;
use super::context::Context;
use super::front::{Outcome, PortalContext};
use super::respond;
use crate::service::kept::{Form, Replay};

/// What a page of the gateway's may be sent, in bytes.
const MAX_BODY: usize = 64 * 1024;
/// How long that may take, in all.
pub const BODY_DEADLINE: Duration = Duration::from_secs(15);
/// How long the portal may take; it queues for password hashes.
const ANSWER_DEADLINE: Duration = Duration::from_secs(60);

/// Has the portal answer a request. A kept form that its owner confirmed is handed back instead, to be sent.
///
/// # Errors
/// Where the client is gone.
pub async fn cross(session: &mut Session, context: &mut Context, token: Option<String>) -> Result<Option<Form>> {
    let (mut parts, body) = match ask(session, context, token).await? {
        Ok(answer) => answer.into_parts(),
        Err((status, outcome, reason)) => return respond::refuse(session, context, status, outcome, reason).await.map(|()| None),
    };
    if let Some(Replay(form)) = parts.extensions.remove().filter(|_| session.req_header().method == Method::POST) {
        return Ok(Some(form));
    }
    context.ends(Outcome::Portal, "");
    let headers = parts.headers.iter().filter(|(name, _)| **name != header::CONTENT_LENGTH && **name != header::TRANSFER_ENCODING);
    let headers = headers.map(|(name, value)| (name.clone(), value.clone())).collect();
    respond::write(session, context, Answer { status: parts.status, headers, body }).await.map(|()| None)
}

type Refused = (StatusCode, Outcome, &'static str);

async fn ask(session: &mut Session, context: &mut Context, token: Option<String>) -> Result<Result<http::Response<Bytes>, Refused>> {
    let body = match tokio::time::timeout(BODY_DEADLINE, read_body(session, MAX_BODY)).await {
        Ok(body) => body?,
        Err(_) => return Ok(Err((StatusCode::REQUEST_TIMEOUT, Outcome::Refused, "body_timeout"))),
    };
    let Some(body) = body else { return Ok(Err((StatusCode::PAYLOAD_TOO_LARGE, Outcome::Refused, "body_too_large"))) };
    context.story.bytes_in = body.len() as u64;
    let Some((request, about)) = request(session, context, body, token) else {
        return Ok(Err((StatusCode::BAD_REQUEST, Outcome::Refused, "malformed")));
    };
    let answer = tokio::time::timeout(ANSWER_DEADLINE, context.front().portal(request, about)).await;
    Ok(answer.map_err(|_| (StatusCode::SERVICE_UNAVAILABLE, Outcome::Failed, "portal_timeout")))
}

/// The whole body; `None` where it is larger than `most` bytes. The caller sets the deadline.
pub async fn read_body(session: &mut Session, most: usize) -> Result<Option<Bytes>> {
    if expects_continue(session.req_header()) {
        session.downstream_session.write_continue_response().await?;
    }
    let mut body = BytesMut::new();
    // Whatever is wrong with a client's body is the client's fault, also where pingora does not say so.
    while let Some(chunk) = session.downstream_session.read_request_body().await.map_err(Error::into_down)? {
        if body.len() + chunk.len() > most {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body.freeze()))
}

/// Whether the client waits before it sends the body (RFC 9110 section 10.1.1); of HTTP/1.0, none does.
fn expects_continue(header: &RequestHeader) -> bool {
    let is_named = || header.headers.get(header::EXPECT).is_some_and(|word| word.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    header.version != Version::HTTP_10 && is_named()
}

fn request(session: &Session, context: &Context, body: Bytes, token: Option<String>) -> Option<(http::Request<Bytes>, PortalContext)> {
    let asked = context.asked.as_ref()?;
    let header = session.req_header();
    let mut request = http::Request::new(body);
    *request.method_mut() = header.method.clone();
    *request.uri_mut() = http::Uri::try_from(header.raw_path()).ok()?;
    *request.headers_mut() = header.headers.clone();
    let about = PortalContext {
        snapshot: std::sync::Arc::clone(&context.snapshot),
        host: asked.host.clone(),
        authority: asked.authority.to_string(),
        secure: asked.secure,
        client: asked.client,
        now: context.at,
        token,
        request_id: context.request_id.clone(),
    };
    Some((request, about))
}
