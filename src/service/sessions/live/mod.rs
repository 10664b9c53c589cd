//! The live sessions in memory: the table, and everything that is done with it.

mod bulk;
pub mod cached_session;
mod end;
mod evict;
mod family;
mod hold;
mod insert;
pub mod registry;
pub mod session;
pub mod sources;
pub mod table;
pub mod user_state;

pub use bulk::Freshness;
pub use cached_session::CachedSession;
pub use hold::{Hold, SourceTimes, TimesOfSources};
pub use registry::{Found, LiveSessions};
pub use session::LiveSession;
pub use sources::Due;
pub use table::PARTS;
pub use user_state::{UserState, person};
