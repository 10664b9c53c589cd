//! The sign-in: password, second factor, passkey, and the one place where a finished sign-in becomes a session.

pub mod directory_password;
pub mod expired_password;
pub mod failures;
pub mod finish;
pub mod flows;
pub mod guest;
pub mod one_time_code;
pub mod passkey;
pub mod password;
pub mod pending;
pub mod second_factor;
pub mod security_key;

pub(in crate::service) use finish::Follows;
pub use finish::{Signed, SignedDevice};
pub use guest::NotInvited;
pub(in crate::service) use one_time_code::{judge_sent, next_code};
pub use password::Entry;
pub use pending::{Given, Pending, Shown};
