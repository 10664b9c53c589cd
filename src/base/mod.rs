//! Leaf types with no knowledge of the gateway: time, identifiers, secrets, hosts, client addresses, random numbers.

pub mod address;
pub mod clock;
pub mod credentials;
pub mod hangup;
pub mod host;
pub mod id;
pub mod language;
pub mod random;
pub mod secret;
pub mod subject;
pub mod trace;

pub use address::ClientAddr;
pub use clock::{Clock, Time};
pub use hangup::{Hangup, Line};
pub use host::Host;
pub use id::{BindingId, FlowId, SavedPostId, SessionId, TokenId, UserId};
pub use secret::Secret;
pub use subject::Subject;
