//! The store as a file: exports, restores, and the rolling snapshot of the embedded store.

pub mod export;
mod renewed;
pub mod snapshot;

pub use export::Backup;
pub use snapshot::RollingSnapshot;
