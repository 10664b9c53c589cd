//! What may become of a request: whoever does it (`pipeline::dispatch`) need not know why.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use crate::gateway::authorize::policy::{Reason, Route};
use crate::gateway::host::Outcome;

/// What is to be done with a request.
pub enum Action {
    /// To the upstream, by pingora.
    Forward,
    /// To the upstream, as a WebSocket.
    Tunnel,
    /// Another proxy may forward it.
    Admit,
    Portal {
        token: Option<String>,
    },
    /// The user must sign in, or prove more; `token` is the value of the well-signed session cookie in the request.
    Challenge {
        reason: Reason,
        route: Arc<Route>,
        token: Option<String>,
    },
    /// The answer to an authority that checks that the host is ours.
    Prove {
        authorization: String,
    },
    /// The hosts that may bind sessions for all of `session.domain`, as JSON.
    Registering(String),
    /// Plain HTTP for a host that has a certificate.
    ToHttps {
        location: Vec<u8>,
    },
    /// The application is away: its operator's page.
    Away {
        route: Arc<Route>,
    },
    /// A credential with the gateway's prefix that is not valid, or not taken here.
    RefuseToken {
        route: Arc<Route>,
        reason: &'static str,
        wait: Option<Duration>,
    },
    Stop {
        status: StatusCode,
        outcome: Outcome,
        reason: &'static str,
    },
}

pub const fn stop(status: StatusCode, outcome: Outcome, reason: &'static str) -> Action {
    Action::Stop { status, outcome, reason }
}
