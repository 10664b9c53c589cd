//! The use cases: sign in, enrol, my account, administration. Each is a struct whose fields are all that it may touch; [`Services`]
//! only puts them together. Knows no HTTP.
//!
//! An arrow points down only:
//!
//! ```text
//! admin  import  keys
//! tokens  gateways
//! profile  provider
//! enrolment  links
//! sign_in
//! sources
//! new_password  notices  saved_post  backup
//! audit
//! sessions  password_hashing  accounts
//! known_browsers  relying_party  context  client  refused
//! ```

pub mod accounts;
pub mod admin;
mod assemble;
pub mod audit;
pub mod backup;
pub mod client;
pub mod context;
pub mod enrolment;
pub mod gateways;
pub mod import;
pub mod keys;
mod known_browsers;
mod links;
mod new_password;
mod notices;
mod password_hashing;
mod profile;
pub mod provider;
pub mod refused;
mod relying_party;
pub mod saved_post;
mod services;
pub mod sessions;
mod sign_in;
pub mod sources;
pub mod tokens;

pub use client::{Client, DeviceId, browser_name};
pub use context::Context;
pub use enrolment::{Confirmed, EnrolPage};
pub use notices::Notices;
pub use password_hashing::{Busy, Hasher, Load};
pub use profile::{ApplicationError, ApplicationView, ContactChange, Removal};
pub use refused::{ContactProblem, EnrolProblem, Refused, SecondProblem};
pub use services::Services;
pub use sessions::{LiveSession, LiveSessions};
pub use sign_in::{Entry, Given, NotInvited, Pending, Shown, Signed};

#[cfg(test)]
mod tests;
