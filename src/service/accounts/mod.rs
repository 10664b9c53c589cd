//! What an account may hold, and why it may not. The administration, the import and a user's own pages ask here.

pub mod error;
pub mod fields;
pub mod new;
mod recovery_codes;

pub use error::{AccountError, BadLink, Unfit};
pub use fields::{good_display_name, good_email, good_groups, good_name, good_phone, good_subject};
pub use new::NewAccount;
pub(in crate::service) use recovery_codes::fresh_codes;
