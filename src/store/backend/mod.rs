//! The small seam and what stands behind it: sled, PostgreSQL, and a measure of either.

pub mod kv;
pub(super) mod measured;
pub(crate) mod postgres;
pub(super) mod sled;
