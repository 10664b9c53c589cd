//! What becomes of a request, and how that is taken back: nothing is forwarded without an `Admission`, and nothing goes on when
//! the admission no longer holds.

pub mod action;
pub mod cache;
pub mod challenge;
pub mod context;
pub mod credentials;
pub mod in_flight;
pub mod lease;
pub mod policy;
pub mod question;
pub mod revocation;
pub mod route;
pub mod sticky;
pub mod upstream_auth;
