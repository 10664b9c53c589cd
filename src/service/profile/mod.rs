//! My account: what users change themselves, each time only after a full and recent sign-in.

mod applications;
mod contact;
mod methods;

pub use applications::{ApplicationError, ApplicationView, Applications};
pub use contact::{ContactChange, ContactChanges};
pub use methods::{Profile, Removal};
