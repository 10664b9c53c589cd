//! Password hashes on threads of their own, few and at low priority, so that a storm of sign-ins queues here and leaves the traffic
//! alone (OWASP ASVS 15.2.2).

pub mod concurrency;
pub mod hasher;
pub mod queue;
mod threads;
mod time_floor;

pub use concurrency::ConcurrencyLimit;
pub use hasher::{Busy, Hasher};
pub use queue::Load;
pub use time_floor::{Begun, Effort, TimeFloor};
