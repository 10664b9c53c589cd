//! The store as a file: exports, restores, and the rolling snapshot of the embedded store.

pub mod export;
pub mod lines;
mod refusal;
mod renewed;
pub mod snapshot;
mod taking_in;

pub use export::Backup;
pub use snapshot::RollingSnapshot;
pub use taking_in::Opener;
