//! Requests for the portal: the body is read under a cap and a deadline, and the portal's answer is written back. The portal works on
//! another runtime; this one only waits.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode, header};
use pingora::Result;
use pingora::proxy::Session;

use crate::base::Line;
use crate::gateway::authorize::context::Context;
use crate::gateway::host::{Outcome, PortalContext};
use crate::gateway::reply::page::Reply;
use crate::gateway::reply::write;
use crate::gateway::request::body::{Body, read_body};
use crate::service::saved_post::{Confirmation, Form, Replay};

/// The largest body that a page of the gateway takes, in bytes.
const MAX_BODY: usize = 64 * 1024;
/// How long the portal may take; it queues for password hashes.
const ANSWER_DEADLINE: Duration = Duration::from_secs(60);

/// What became of a confirmation.
pub enum Confirmed {
    /// It is valid, and the form is no longer saved.
    Form(Form),
    /// There is no such form: it was sent or thrown away, or it has expired.
    Gone,
    /// Something else was answered.
    Answered,
}

/// Has the portal check a confirmation as it checks every form of its own, and take the saved form.
///
/// # Errors
/// If the client is gone.
pub async fn confirm(
    session: &mut Session,
    context: &mut Context,
    token: Option<String>,
    confirmation: &Confirmation,
) -> Result<Confirmed> {
    let target = format!("{}/resume", context.snapshot.config.portal.prefix);
    let body = format!("id={}&csrf={}&action=send", confirmation.id, confirmation.csrf);
    let asked = request(session, context, target.as_bytes(), Bytes::from(body), token);
    let Some((request, about, _line)) = asked else {
        return write::refuse(session, context, StatusCode::BAD_REQUEST, Outcome::Refused, "malformed").await.map(|()| Confirmed::Answered);
    };
    let mut answer = match from_portal(context, request, about).await {
        Ok(answer) => answer,
        Err((status, outcome, reason)) => {
            return write::refuse(session, context, status, outcome, reason).await.map(|()| Confirmed::Answered);
        }
    };
    if let Some(Replay(form)) = answer.extensions_mut().remove() {
        return Ok(Confirmed::Form(form));
    }
    if answer.status() == StatusCode::NOT_FOUND {
        return Ok(Confirmed::Gone);
    }
    pass_on(session, context, answer).await.map(|()| Confirmed::Answered)
}

/// Has the portal answer a request. Returns a saved form instead, if its owner confirmed that it is to be sent.
///
/// # Errors
/// If the client is gone.
pub async fn answer(session: &mut Session, context: &mut Context, token: Option<String>) -> Result<Option<Form>> {
    let mut answer = match ask(session, context, token).await? {
        Ok(answer) => answer,
        Err((status, outcome, reason)) => return write::refuse(session, context, status, outcome, reason).await.map(|()| None),
    };
    if let Some(Replay(form)) = answer.extensions_mut().remove().filter(|_| session.req_header().method == Method::POST) {
        return Ok(Some(form));
    }
    pass_on(session, context, answer).await.map(|()| None)
}

async fn pass_on(session: &mut Session, context: &mut Context, answer: http::Response<Bytes>) -> Result<()> {
    let (parts, body) = answer.into_parts();
    context.set_outcome(Outcome::Portal, "");
    let headers = parts.headers.iter().filter(|(name, _)| **name != header::CONTENT_LENGTH && **name != header::TRANSFER_ENCODING);
    let headers = headers.map(|(name, value)| (name.clone(), value.clone())).collect();
    write::write(session, context, Reply { status: parts.status, headers, body }).await
}

type Refused = (StatusCode, Outcome, &'static str);

async fn ask(session: &mut Session, context: &mut Context, token: Option<String>) -> Result<Result<http::Response<Bytes>, Refused>> {
    let body = match read_body(session, MAX_BODY, || context.large_body()).await? {
        Ok(body) => body,
        Err(unread) => {
            let (status, reason) = unread.refusal();
            return Ok(Err((status, Outcome::Refused, reason)));
        }
    };
    // Kept until there is an answer.
    let Body { bytes: body, place: _place } = body;
    context.log.bytes_in = body.len() as u64;
    let target = session.req_header().raw_path().to_vec();
    let Some((request, about, line)) = request(session, context, &target, body, token) else {
        return Ok(Err((StatusCode::BAD_REQUEST, Outcome::Refused, "malformed")));
    };
    let has_body = *request.method() == Method::POST;
    let mut answer = pin!(from_portal(context, request, about));
    if has_body {
        tokio::select! {
            biased;
            answer = &mut answer => return Ok(answer),
            () = is_gone(session) => line.hung_up(),
        }
    }
    Ok(answer.await)
}

/// Waits until the client has closed its side, or has reset its stream. Bytes of its next request are kept.
async fn is_gone(session: &mut Session) {
    let _ = session.as_downstream_mut().read_body_or_idle(false).await;
}

async fn from_portal(context: &Context, request: http::Request<Bytes>, about: PortalContext) -> Result<http::Response<Bytes>, Refused> {
    let answer = tokio::time::timeout(ANSWER_DEADLINE, context.host().portal(request, about)).await;
    answer.map_err(|_| (StatusCode::SERVICE_UNAVAILABLE, Outcome::Failed, "portal_timeout"))
}

fn request(
    session: &Session,
    context: &Context,
    target: &[u8],
    body: Bytes,
    token: Option<String>,
) -> Option<(http::Request<Bytes>, PortalContext, Line)> {
    let info = context.info.as_ref()?;
    let header = session.req_header();
    let mut request = http::Request::new(body);
    *request.method_mut() = header.method.clone();
    *request.uri_mut() = http::Uri::try_from(target).ok()?;
    *request.headers_mut() = header.headers.clone();
    let (line, hangup) = Line::open();
    let about = PortalContext {
        snapshot: std::sync::Arc::clone(&context.snapshot),
        host: info.host.clone(),
        authority: info.authority.to_string(),
        secure: info.secure,
        client: info.client,
        now: context.at,
        token,
        request_id: context.request_id.clone(),
        hangup,
    };
    Some((request, about, line))
}
