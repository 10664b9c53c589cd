//! The one table from pingora's errors to answers. What is unknown ends as a refusal; nothing internal is shown.

use http::StatusCode;
use pingora::{Error, ErrorSource, ErrorType};

use crate::gateway::authorize::route::BODY_TOO_LARGE;
use crate::gateway::authorize::upstream_auth;
use crate::gateway::host::Outcome;
use crate::gateway::proxy::credentials;

/// What an error means to the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failure {
    /// `None`: the client is gone, so there is nobody to answer.
    pub status: Option<StatusCode>,
    pub reason: &'static str,
}

impl Failure {
    const fn of(status: StatusCode, reason: &'static str) -> Self {
        Self { status: Some(status), reason }
    }

    /// How the access record names it.
    pub const fn outcome(self) -> Outcome {
        match self.status {
            Some(status) if status.as_u16() >= 500 => Outcome::Failed,
            Some(_) => Outcome::Refused,
            None => Outcome::Cut,
        }
    }
}

/// Looks an error up.
pub fn read(error: &Error) -> Failure {
    if let ErrorType::HTTPStatus(code) = error.etype() {
        let status = StatusCode::from_u16(*code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return Failure::of(status, reason_of(status));
    }
    if let ErrorType::Custom(reason) = error.etype()
        && [credentials::REFUSED, upstream_auth::REFUSED, upstream_auth::MISSING].contains(reason)
    {
        return Failure::of(StatusCode::BAD_GATEWAY, reason);
    }
    match error.esource() {
        ErrorSource::Upstream => upstream(error.etype()),
        ErrorSource::Downstream => downstream(error.etype()),
        ErrorSource::Internal | ErrorSource::Unset => Failure::of(StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    }
}

const fn reason_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        503 => "upstream_unknown",
        413 => BODY_TOO_LARGE,
        431 => "identity_too_large",
        _ => "internal",
    }
}

fn upstream(kind: &ErrorType) -> Failure {
    match kind {
        ErrorType::ConnectTimedout | ErrorType::TLSHandshakeTimedout => {
            Failure::of(StatusCode::GATEWAY_TIMEOUT, "upstream_connect_timeout")
        }
        ErrorType::ReadTimedout | ErrorType::WriteTimedout => Failure::of(StatusCode::GATEWAY_TIMEOUT, "upstream_timeout"),
        ErrorType::ConnectRefused | ErrorType::ConnectNoRoute | ErrorType::ConnectError | ErrorType::SocketError => {
            Failure::of(StatusCode::BAD_GATEWAY, "upstream_unreachable")
        }
        ErrorType::TLSHandshakeFailure | ErrorType::InvalidCert | ErrorType::TLSWantX509Lookup => {
            Failure::of(StatusCode::BAD_GATEWAY, "upstream_certificate")
        }
        // pingora's list is open: whatever else went wrong, the upstream did not answer properly.
        _ => Failure::of(StatusCode::BAD_GATEWAY, "upstream_answer"),
    }
}

fn downstream(kind: &ErrorType) -> Failure {
    match kind {
        // A stream that was reset (RFC 9113 section 5.4.2): an event stream that the page closed, a navigation that was stopped.
        ErrorType::WriteError | ErrorType::ReadError | ErrorType::ConnectionClosed | ErrorType::WriteTimedout | ErrorType::H2Error => {
            Failure { status: None, reason: "client_gone" }
        }
        ErrorType::ReadTimedout => Failure::of(StatusCode::REQUEST_TIMEOUT, "body_timeout"),
        _ => Failure::of(StatusCode::BAD_REQUEST, "malformed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_and_refusals_are_told_apart() {
        let status = |kind: ErrorType, up: bool| {
            let error = Error::new(kind);
            let error = if up { error.into_up() } else { error.into_down() };
            read(&error).status.map(|s| s.as_u16())
        };
        assert_eq!(status(ErrorType::ConnectTimedout, true), Some(504));
        assert_eq!(status(ErrorType::ReadTimedout, true), Some(504));
        assert_eq!(status(ErrorType::ConnectRefused, true), Some(502));
        assert_eq!(status(ErrorType::InvalidHTTPHeader, true), Some(502));
        assert_eq!(status(ErrorType::InvalidHTTPHeader, false), Some(400));
        assert_eq!(status(ErrorType::ConnectionClosed, false), None);
        assert_eq!(status(ErrorType::H2Error, false), None, "a client that cancels");
        assert_eq!(read(&Error::new(ErrorType::InternalError)).status.map(|s| s.as_u16()), Some(500));
    }
}
