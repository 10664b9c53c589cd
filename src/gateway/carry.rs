//! What the gateway carries itself needs: a connection to one of the route's upstreams, and a request head without the headers
//! of the client's connection and with the gateway's own.

use http::{StatusCode, header};
use pingora::http::RequestHeader;

use super::context::Context;
use super::dial::{self, Io};
use super::headers::{self, Outgoing};
use super::judge;

/// Headers of one connection alone (RFC 9110 section 7.6.1).
pub const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "content-length",
];

/// What to answer instead, and a word for the record.
pub type Failed = (StatusCode, &'static str);

pub const INTERNAL: Failed = (StatusCode::INTERNAL_SERVER_ERROR, "internal");

pub type Answered = http::Response<hyper::body::Incoming>;

/// A connection to one of the route's upstreams, the next one where one cannot be reached.
///
/// # Errors
/// Where none can be.
pub async fn connect(context: &mut Context) -> Result<Io, Failed> {
    let pool = judge::pool(&context.snapshot, context.admission.as_ref()).cloned().ok_or(INTERNAL)?;
    let timeout = pool.connect_timeout();
    context.goes_on();
    let mut last = (StatusCode::SERVICE_UNAVAILABLE, "upstream_unknown");
    while let Some((at, endpoint)) = pool.pick(&context.tried) {
        context.tried.push(at);
        match tokio::time::timeout(timeout, dial::dial(&pool, endpoint)).await {
            Ok(Ok(io)) => return Ok(io),
            Ok(Err(_)) => last = (StatusCode::BAD_GATEWAY, "upstream_unreachable"),
            Err(_) => last = (StatusCode::GATEWAY_TIMEOUT, "upstream_connect_timeout"),
        }
        endpoint.rest();
    }
    Err(last)
}

/// The request's head as it goes out: no header of the client's connection, and the gateway's headers, written last. Needs the
/// admission.
///
/// # Errors
/// Where there is none, or an identity cannot be sent.
pub fn outgoing(header: &RequestHeader, context: &Context) -> Result<RequestHeader, Failed> {
    let admission = context.admission.as_ref().ok_or(INTERNAL)?;
    let pool = judge::pool(&context.snapshot, Some(admission));
    let (pool, at) = pool.zip(context.tried.last()).ok_or(INTERNAL)?;
    let mut outgoing = header.clone();
    for name in nominated(&header.headers).iter().map(String::as_str).chain(HOP_BY_HOP).chain(["upgrade"]) {
        outgoing.remove_header(name);
    }
    let out = Outgoing {
        asked: context.asked.as_ref().ok_or(INTERNAL)?,
        pool,
        at: *at,
        person: judge::person(admission),
        request_id: &context.request_id,
        cookies: &context.snapshot.cookies,
        version: header.version,
    };
    headers::rewrite(&mut outgoing, &out).map_err(|_| INTERNAL)?;
    headers::trace(&mut outgoing, context.trace.as_deref());
    Ok(outgoing)
}

/// What `Connection:` names besides.
pub fn nominated(headers: &http::HeaderMap) -> Vec<String> {
    let lines = headers.get_all(header::CONNECTION).iter().filter_map(|v| v.to_str().ok());
    let names = lines.flat_map(|l| l.split(',')).map(|n| n.trim().to_ascii_lowercase());
    names.filter(|n| !n.is_empty() && n != "host" && n != "cookie").collect()
}

/// The target, where it goes out byte for byte.
pub fn exact_uri(target: &[u8]) -> Option<http::Uri> {
    http::Uri::try_from(target).ok().filter(|uri| uri.path_and_query().is_some_and(|p| p.as_str().as_bytes() == target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_goes_out_byte_for_byte_or_not_at_all() {
        assert!(exact_uri(b"/a%20b//c;x?q=1").is_some());
        assert!(exact_uri(b"/a b").is_none());
        assert!(exact_uri(b"/a#b").is_none());
    }
}
