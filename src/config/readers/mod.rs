//! Readers of single values: what they accept, and what they say about anything else.

pub(super) mod path;
pub(super) mod pem;
pub(super) mod secret;
pub(super) mod upstream;
pub(super) mod value;
