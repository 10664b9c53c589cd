//! A request's body, read whole: under a cap and a deadline, and large ones a few at a time.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{StatusCode, Version, header};
use pingora::http::RequestHeader;
use pingora::proxy::Session;
use pingora::{BError, Error};

use crate::limit::{Place, Places};

/// How long a body that the gateway reads itself may take, in all.
const BODY_DEADLINE: Duration = Duration::from_secs(15);

/// A body of up to so many bytes is read at any time: every sign-in's is smaller. Larger ones are read a few at a time.
const SMALL: usize = 8 * 1024;
/// How many larger bodies of one address are in memory at once, and how many in all.
const LARGE_PER_ADDRESS: usize = 16;
const LARGE: usize = 128;

/// Room for the larger ones, for all of a gateway.
pub fn large_bodies() -> Arc<Places> {
    Places::new(LARGE_PER_ADDRESS, LARGE)
}

/// A body, with its place among the large ones: keep it for as long as the body is in memory.
pub struct Body {
    pub bytes: Bytes,
    pub place: Option<Place>,
}

/// Why a body is not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unread {
    OverLimit,
    TimedOut,
    /// There are too many large ones in memory: of this address, or in all.
    NoRoom,
}

impl Unread {
    /// How it is answered.
    pub const fn refusal(self) -> (StatusCode, &'static str) {
        match self {
            Self::OverLimit => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::TimedOut => (StatusCode::REQUEST_TIMEOUT, "body_timeout"),
            Self::NoRoom => (StatusCode::SERVICE_UNAVAILABLE, TOO_MANY_BODIES),
        }
    }
}

/// The reason of a 503 for a body for which there is no room just now.
pub const TOO_MANY_BODIES: &str = "too_many_bodies";

/// The whole body, if it has at most `most` bytes and arrives within [`BODY_DEADLINE`]. Strangers can send bodies: what is in memory
/// of them at once is bounded. `place` gives a large one its place, if there is one.
///
/// # Errors
/// If the client is gone, or sends a body that is none.
pub async fn read_body(session: &mut Session, most: usize, place: impl Fn() -> Option<Place>) -> Result<Result<Body, Unread>, BError> {
    let reading = tokio::time::timeout(BODY_DEADLINE, read(session, most, place)).await;
    reading.unwrap_or(Ok(Err(Unread::TimedOut)))
}

async fn read(session: &mut Session, most: usize, free: impl Fn() -> Option<Place>) -> Result<Result<Body, Unread>, BError> {
    let mut place = None;
    let mut room = |length: usize| {
        if length > most {
            return Err(Unread::OverLimit);
        }
        if length > SMALL && place.is_none() {
            place = Some(free().ok_or(Unread::NoRoom)?);
        }
        Ok(())
    };
    if let Err(unread) = room(declared(session.req_header())) {
        return Ok(Err(unread));
    }
    if expects_continue(session.req_header()) {
        session.downstream_session.write_continue_response().await?;
    }
    let mut bytes = BytesMut::new();
    // Whatever is wrong with a client's body is the client's fault, even if pingora does not say so.
    while let Some(chunk) = session.downstream_session.read_request_body().await.map_err(Error::into_down)? {
        if let Err(unread) = room(bytes.len() + chunk.len()) {
            return Ok(Err(unread));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Ok(Body { bytes: bytes.freeze(), place }))
}

/// How long the body says that it is; zero if it does not say.
fn declared(header: &RequestHeader) -> usize {
    header.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0)
}

/// Whether the client waits before it sends the body (RFC 9110 section 10.1.1); HTTP/1.0 clients never do.
fn expects_continue(header: &RequestHeader) -> bool {
    let is_named = || header.headers.get(header::EXPECT).is_some_and(|word| word.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    header.version != Version::HTTP_10 && is_named()
}
