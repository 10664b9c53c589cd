//! How the gateway that runs is, and whether mail goes out.

pub(in crate::cli) mod mail;
pub(in crate::cli) mod status;
