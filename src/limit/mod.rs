//! Rate limits and lockouts. Pure arithmetic over [`crate::account::Failures`]; governor keeps the rates, in tables of a fixed size.

mod lockout;
mod rate;
mod sends;

pub use lockout::{HARD_LIMIT, is_locked, record_failure};
pub use rate::{RateLimiter, Throttled};
pub use sends::{SendLimits, Sending};
