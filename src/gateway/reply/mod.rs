//! The gateway's own answers: challenges, refusals, error pages, and what the portal says.

pub mod device;
pub mod page;
pub mod portal;
pub mod write;
