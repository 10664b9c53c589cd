//! Users from elsewhere: which sources there are, how a person of theirs becomes an account here, and how live sessions follow what becomes of them.

pub mod records;
pub mod refresh;
pub mod set;
pub mod turns;

pub use records::SourceRecords;
pub use refresh::{SourceRefresh, follow_sources};
pub use set::{Sources, SourcesInForce};
pub use turns::EntryTurns;
