//! The audit log: a chain of records, the names in them, and the point that the chain begins at.

pub(super) mod anchor;
pub(super) mod log;
pub mod names;
pub(super) mod record;
