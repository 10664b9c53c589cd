//! Everything between a client's connection and the upstream's. pingora is used here and nowhere else.
//!
//! The rooms from top to bottom; each uses only those below it:
//!
//! ```text
//! listener      sockets, TLS, one shard per core; start and stop
//! pipeline      pingora's hooks: where each request passes through
//! saved_post    an interrupted form: saved, and sent later
//! proxy         headers to and from the upstream; WebSockets; requests that pingora does not send
//! reply         the gateway's own answers, and the way to the portal
//! authorize     the decision about a request, its lease, and its revocation
//! host          what the gateway asks of the rest of the program
//! upstream      pools of endpoints, name resolution, connections
//! connection    a client's connection: limits and deadlines
//! request       a request as it was sent
//! ```

mod authorize;
mod client_certificate;
mod connection;
pub mod host;
mod listener;
mod pipeline;
mod proxy;
mod reply;
mod request;
mod saved_post;
mod upstream;

#[cfg(test)]
mod tests;

pub use client_certificate::{BadCertificate, ClientCertificate};
pub use connection::certificates::{Certificates, Fresh};
pub use host::{
    AccessRecord, Bound, DeviceShown, ErrorPage, Facts, FindingSession, GatewayHost, Lookup, Opened, Outcome, PortalAnswer, PortalContext,
    SavingPost, Shape, Snapshot, TokenLookup, UserSession,
};
pub use listener::sockets::CannotListen;
pub use listener::start::{CannotStart, Listener, Running, Settings, start, start_with};
pub use proxy::headers::clean;
pub use request::body::large_bodies;
pub use request::cookies::OwnCookies;
pub use upstream::health::HealthChecks;
pub use upstream::pool::{BadUpstream, Upstreams};
