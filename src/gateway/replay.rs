//! A kept form on its way, confirmed by its owner. Guarantees that it goes through the same decision as any request, with the
//! identity of this moment, and out only with an admission; to the same URL, with the bytes that came. pingora has read the
//! confirmation's body by now and cannot send another, so that the gateway carries the form itself.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, Version, header};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};

use super::carry::{self, Answered, Failed, HOP_BY_HOP, INTERNAL};
use super::context::Context;
use super::course::{self, Course};
use super::dial::Io;
use super::front::Outcome;
use super::{judge, keep, respond};
use crate::service::kept::Form;

/// Sends a form, if its URL lets its owner; where that wants more of them, or the upstream cannot be reached, the
/// form is kept again under the same name.
///
/// # Errors
/// Where the client is gone, or the upstream in the middle of its answer.
pub async fn send(session: &mut Session, context: &mut Context, token: Option<&str>, form: Form) -> Result<()> {
    context.navigation = true;
    context.story.target = form.target.as_bytes().into();
    let same_place = context.asked.as_ref().is_some_and(|asked| {
        asked.method == Method::POST && asked.authority.eq_ignore_ascii_case(&form.authority) && asked.secure == form.secure
    });
    if !same_place {
        return respond::refuse(session, context, StatusCode::NOT_FOUND, Outcome::Refused, "other_host").await;
    }
    match course::plot_for(form.target.as_bytes(), session, context) {
        Course::Forward => forward(session, context, token, form).await,
        Course::Challenge { reason, route, .. } => {
            let target = form.target.clone();
            let resume = if route.keep_post { keep::keep(context, token, form).await } else { None };
            respond::challenge(session, context, reason, resume.unwrap_or(target).as_bytes()).await
        }
        Course::Stop { status, outcome, reason } => respond::refuse(session, context, status, outcome, reason).await,
        Course::Tunnel | Course::Portal { .. } => {
            respond::refuse(session, context, StatusCode::INTERNAL_SERVER_ERROR, Outcome::Failed, "internal").await
        }
    }
}

async fn forward(session: &mut Session, context: &mut Context, token: Option<&str>, form: Form) -> Result<()> {
    let io = match carry::connect(context).await {
        Ok(io) => io,
        Err((status, reason)) => {
            // Nothing was sent: whoever tries the same page again finds the form there.
            keep::keep(context, token, form).await;
            return respond::refuse(session, context, status, Outcome::Failed, reason).await;
        }
    };
    match ask(session, context, io, form).await {
        Ok(response) if response.status() != StatusCode::SWITCHING_PROTOCOLS => relay(session, context, response).await,
        Ok(_) => respond::refuse(session, context, StatusCode::BAD_GATEWAY, Outcome::Failed, "upstream_answer").await,
        Err((status, reason)) => respond::refuse(session, context, status, Outcome::Failed, reason).await,
    }
}

/// Sends, and waits for the answer's head.
async fn ask(session: &Session, context: &Context, io: Io, form: Form) -> Result<Answered, Failed> {
    let timeout = read_timeout(context).ok_or(INTERNAL)?;
    let request = request(session.req_header(), context, form)?;
    let answer = async {
        let builder = hyper::client::conn::http1::Builder::new().title_case_headers(true).handshake(TokioIo::new(io));
        let (mut sender, connection) = builder.await?;
        tokio::spawn(connection);
        sender.send_request(request).await
    };
    match tokio::time::timeout(timeout, answer).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(_)) => Err((StatusCode::BAD_GATEWAY, "upstream_answer")),
        Err(_) => Err((StatusCode::GATEWAY_TIMEOUT, "upstream_timeout")),
    }
}

fn read_timeout(context: &Context) -> Option<Duration> {
    judge::route(&context.snapshot, context.admission.as_ref()).map(|route| route.proxy.read_timeout)
}

/// The form as it goes out: the browser's headers of this request, but what tells of the body and of where it came from.
fn request(header: &RequestHeader, context: &Context, form: Form) -> Result<http::Request<Full<Bytes>>, Failed> {
    let mut outgoing = carry::outgoing(header, context)?;
    for name in [header::EXPECT, header::CONTENT_ENCODING] {
        outgoing.remove_header(&name);
    }
    let value = |text: &str| HeaderValue::from_str(text).map_err(|_| INTERNAL);
    let origin = format!("{}://{}", if form.secure { "https" } else { "http" }, form.authority);
    let referer = format!("{origin}{}/resume", context.snapshot.config.portal.prefix);
    let mut request = http::Request::new(Full::new(form.body.clone()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = carry::exact_uri(form.target.as_bytes()).ok_or((StatusCode::BAD_REQUEST, "target_form"))?;
    let headers = request.headers_mut();
    *headers = outgoing.headers.clone();
    headers.insert(header::CONTENT_TYPE, value(&form.content_type)?);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(form.body.len()));
    headers.insert(header::ORIGIN, value(&origin)?);
    headers.insert(header::REFERER, value(&referer)?);
    Ok(request)
}

/// Passes the answer on as it comes.
///
/// # Errors
/// Where the client is gone, or the upstream in the middle of its answer.
pub async fn relay(session: &mut Session, context: &mut Context, response: Answered) -> Result<()> {
    let timeout = read_timeout(context).unwrap_or_default();
    let (parts, mut body) = response.into_parts();
    let mut header = head(&parts, &body, session.req_header().version)?;
    course::tame(&mut header, context)?;
    context.ends(Outcome::Forwarded, "");
    let downstream = &mut session.downstream_session;
    downstream.write_response_header(Box::new(header)).await?;
    let cut = |kind| Error::new(kind).into_up();
    while let Some(frame) = tokio::time::timeout(timeout, body.frame()).await.map_err(|_| cut(ErrorType::ReadTimedout))? {
        let frame = frame.map_err(|_| cut(ErrorType::ConnectionClosed))?;
        if let Ok(data) = frame.into_data() {
            downstream.write_response_body(data, false).await?;
        }
    }
    downstream.finish_body().await
}

/// The answer's head without the headers of the upstream's connection.
fn head(parts: &http::response::Parts, body: &Incoming, version: Version) -> Result<ResponseHeader> {
    let nominated = carry::nominated(&parts.headers);
    let mut header = ResponseHeader::build(parts.status, Some(parts.headers.len()))?;
    let ends_here = |name: &str| HOP_BY_HOP.contains(&name) || name == "upgrade" || nominated.iter().any(|other| other == name);
    for (name, value) in parts.headers.iter().filter(|(name, _)| !ends_here(name.as_str())) {
        header.append_header(name.clone(), value.clone())?;
    }
    let bodiless = matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    match body.size_hint().exact() {
        _ if bodiless => {}
        Some(length) => header.insert_header(header::CONTENT_LENGTH, length.to_string())?,
        None if version == Version::HTTP_11 => header.insert_header(header::TRANSFER_ENCODING, "chunked")?,
        None => {}
    }
    Ok(header)
}
