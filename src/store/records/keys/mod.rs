//! What the store does with its keys: secrets sealed under them, the proof that they are the right ones, and those that gateways share.

mod canary;
mod sealed;
mod shared;

pub use shared::is_keyring;
