//! For requests that the gateway sends without pingora's proxy: a connection to one of the route's upstreams, and a request header
//! without what belongs to the client's connection and with the gateway's own headers.

use http::StatusCode;
use pingora::http::RequestHeader;

use crate::gateway::authorize::context::Context;
use crate::gateway::authorize::policy;
use crate::gateway::proxy::fields::Outgoing;
use crate::gateway::proxy::headers;
use crate::gateway::request::hop_by_hop::{HOP_BY_HOP, nominated};
use crate::gateway::upstream::connect::{self, Connected, Speaks};

/// What to answer instead, and the reason for the record.
pub type Failed = (StatusCode, &'static str);

const IDENTITY_TOO_LARGE: Failed = (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "identity_too_large");
pub const INTERNAL: Failed = (StatusCode::INTERNAL_SERVER_ERROR, "internal");

pub type UpstreamResponse = http::Response<hyper::body::Incoming>;

/// A connection to one of the route's upstreams; the next one is tried if one cannot be reached.
///
/// # Errors
/// If none can be reached.
pub async fn connect(context: &mut Context, speaks: Speaks) -> Result<Connected, Failed> {
    let pool = policy::pool(&context.snapshot, context.admission.as_ref()).cloned().ok_or(INTERNAL)?;
    let timeout = pool.connect_timeout();
    context.upstream_starts();
    let mut last = (StatusCode::SERVICE_UNAVAILABLE, "upstream_unknown");
    while let Some((at, endpoint)) = pool.pick(&context.tried, context.preferred) {
        context.tried.push(at);
        match tokio::time::timeout(timeout, connect::connect(&pool, endpoint, speaks)).await {
            Ok(Ok(connected)) => return Ok(connected),
            Ok(Err(_)) => last = (StatusCode::BAD_GATEWAY, "upstream_unreachable"),
            Err(_) => last = (StatusCode::GATEWAY_TIMEOUT, "upstream_connect_timeout"),
        }
        endpoint.mark_down();
    }
    Err(last)
}

/// The request's header as it goes out: without what belongs to the client's connection, and with the gateway's headers, written last.
/// Requires the admission.
///
/// # Errors
/// If there is none, or an identity cannot be sent.
pub fn outgoing(header: &RequestHeader, context: &Context) -> Result<RequestHeader, Failed> {
    let out = Outgoing::new(context, header.version).ok_or(INTERNAL)?;
    let mut outgoing = header.clone();
    for name in nominated(&header.headers).iter().map(String::as_str).chain(HOP_BY_HOP).chain(["upgrade"]) {
        outgoing.remove_header(name);
    }
    headers::rewrite(&mut outgoing, &out).map_err(|e| if e.is_too_large() { IDENTITY_TOO_LARGE } else { INTERNAL })?;
    headers::trace(&mut outgoing, context.trace.as_deref());
    Ok(outgoing)
}
