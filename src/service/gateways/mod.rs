//! The gateways that share a store: which there are, whether they run the same configuration, and how far a change has reached them.

mod members;
mod reach;

pub use members::{BEAT, Gateways, Member};
pub use reach::{Missing, Reach};
