//! A request's body, read whole: under a cap, and under a deadline that the caller sets.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Version, header};
use pingora::http::RequestHeader;
use pingora::proxy::Session;
use pingora::{Error, Result};

/// How long a body that the gateway reads itself may take, in all.
pub const BODY_DEADLINE: Duration = Duration::from_secs(15);

/// The whole body; `None` if it is larger than `most` bytes. The caller sets the deadline.
pub async fn read_body(session: &mut Session, most: usize) -> Result<Option<Bytes>> {
    if expects_continue(session.req_header()) {
        session.downstream_session.write_continue_response().await?;
    }
    let mut body = BytesMut::new();
    // Whatever is wrong with a client's body is the client's fault, even if pingora does not say so.
    while let Some(chunk) = session.downstream_session.read_request_body().await.map_err(Error::into_down)? {
        if body.len() + chunk.len() > most {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body.freeze()))
}

/// Whether the client waits before it sends the body (RFC 9110 section 10.1.1); HTTP/1.0 clients never do.
fn expects_continue(header: &RequestHeader) -> bool {
    let is_named = || header.headers.get(header::EXPECT).is_some_and(|word| word.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    header.version != Version::HTTP_10 && is_named()
}
