//! One file for each subcommand: reads its arguments, asks, prints.

pub(super) mod audit;
pub(super) mod check;
pub(super) mod directory;
pub(super) mod explain;
pub(super) mod extras;
pub(super) mod forward_auth;
pub(super) mod inspect;
pub(super) mod key;
pub(super) mod provider;
pub(super) mod session;
pub(super) mod store;
pub(super) mod token;
pub(super) mod user;
