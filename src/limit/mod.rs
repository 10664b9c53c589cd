//! Rate limits and lockouts. Pure arithmetic over [`crate::account::Failures`] and over [`Bucket`], which the store keeps; governor keeps
//! the rates of what is sent, in tables of a fixed size. And how many of a thing there may be at once.

mod bucket;
mod lockout;
mod places;
mod rate;
mod sends;

pub use bucket::Bucket;
pub use lockout::{HARD_LIMIT, is_locked, record_failure};
pub use places::{Place, Places};
pub use rate::{RateLimiter, Throttled};
pub use sends::{Counted, Sending};
