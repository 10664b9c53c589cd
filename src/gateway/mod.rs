//! The pingora front: everything between a client's connection and the upstream's.
//!
//! A request comes over a `shard`'s listener and a `socket`, through the `edge` into pingora's proxy, whose `hooks`
//! have the `course` plotted: `request` reads it, `cookies` find the session, `judge` asks the policy core. Then it is
//! answered (`answer`, `respond`), taken to the portal (`bridge`), carried as a WebSocket (`handshake`, `tunnel`), or forwarded by
//! pingora to an `upstream` with the gateway's `headers`. For as long as it lasts it has a `tenure`, and is `recall`ed when that no longer holds. A form that meets a lost session is `keep`t and
//! comes back in a `replay`. `front` is all that this room asks of the rest.

mod answer;
mod bridge;
mod carry;
mod context;
mod cookies;
mod course;
mod crowd;
mod dial;
mod edge;
mod failure;
pub mod front;
mod handshake;
mod headers;
mod hooks;
pub mod judge;
mod keep;
mod line;
mod listen;
mod memory;
mod recall;
mod replay;
mod request;
mod respond;
mod serve;
mod shard;
mod socket;
mod tenure;
mod tls;
mod tunnel;
mod upstream;

#[cfg(test)]
mod live_flood_support;
#[cfg(test)]
mod live_flood_tests;
#[cfg(test)]
mod live_guard_tests;
#[cfg(test)]
mod live_support;
#[cfg(test)]
mod live_tests;
#[cfg(test)]
mod live_tunnel_tests;
#[cfg(test)]
mod tls_tests;

pub use cookies::OwnCookies;
pub use front::{AccessRecord, ErrorPage, Front, Keeping, Lookup, Outcome, PortalAnswer, PortalContext, Snapshot, Visitor};
pub use headers::clean;
pub use listen::CannotListen;
pub use serve::{CannotStart, Listener, Running, Settings, start, start_with};
pub use tls::{BadCertificate, Certificates, Fresh};
pub use upstream::{BadUpstream, Upstreams};
