//! Setting up a second factor: chosen, confirmed, and the recovery codes read. A stolen password is not enough for the first one.

pub mod choose;
mod codes;
mod confirm;
mod grace;

pub(in crate::service) use choose::tidy;
pub use choose::{Confirmed, EnrolPage, Enrolment, FRESH};
pub(in crate::service) use confirm::Added;
