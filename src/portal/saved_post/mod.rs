//! The interrupted form: what it holds, for its owner to read before it is sent.

pub(super) mod page;
pub(super) mod preview;
