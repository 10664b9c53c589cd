//! What the store keeps in files of its own: keys, snapshots, the audit log as lines.

pub mod ended;
pub mod journal;
pub mod keyfile;
pub mod member;
pub(super) mod private;
pub mod snapshot;
