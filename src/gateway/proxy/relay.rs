//! The answer to a request that the gateway sent itself, passed on as it comes.

use std::time::Duration;

use http::{StatusCode, Version, header};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};

use crate::gateway::authorize::context::Context;
use crate::gateway::authorize::policy;
use crate::gateway::host::Outcome;
use crate::gateway::proxy::direct::UpstreamResponse;
use crate::gateway::proxy::response_headers;
use crate::gateway::request::hop_by_hop::{self, HOP_BY_HOP};

/// Passes the answer on as it arrives.
///
/// # Errors
/// If the client is gone, or the upstream breaks off in the middle of its answer.
pub async fn relay(session: &mut Session, context: &mut Context, response: UpstreamResponse) -> Result<()> {
    let timeout = read_timeout(context).unwrap_or_default();
    let (parts, mut body) = response.into_parts();
    let mut header = head(&parts, &body, session.req_header().version)?;
    response_headers::clean(&mut header, context)?;
    context.set_outcome(Outcome::Forwarded, "");
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

/// The answer's header without what belongs to the upstream's connection.
fn head(parts: &http::response::Parts, body: &Incoming, version: Version) -> Result<ResponseHeader> {
    let nominated = hop_by_hop::nominated(&parts.headers);
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

/// How long the upstream may keep silent.
pub fn read_timeout(context: &Context) -> Option<Duration> {
    policy::route(&context.snapshot, context.admission.as_ref()).map(|route| route.proxy.read_timeout)
}
