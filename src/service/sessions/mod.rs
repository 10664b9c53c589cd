//! Sessions: the live table in memory, how it follows the store and other gateways, and which sessions ended recently.

mod flights;
pub mod handover;
pub mod live;
pub mod loading;
pub mod recently_ended;
pub mod replication;
mod restore;
pub mod tokens;
mod write_through;

pub use handover::{Handed, Handover};
pub use live::{CachedSession, Due, Found, LiveSession, LiveSessions, PARTS, SourceTimes, TimesOfSources, UserState, person};
pub use loading::Loading;
pub use replication::{Replication, follow, listening};
pub use restore::restore;
pub use tokens::{CertificateHolders, LiveToken, LiveTokens, MachineVisitor, SeenCertificate, TokenMemory, TokenVisitor};
pub use write_through::Sessions;
