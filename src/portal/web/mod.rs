//! What every page shares: a checked request, an answer, form fields, form tokens.

mod binding;
pub(super) mod bound_for;
pub(super) mod csrf;
pub(super) mod device;
pub(super) mod extract;
pub(super) mod fields;
pub(super) mod headers;
pub(super) mod page_request;
pub mod reply;
pub(super) mod state;
