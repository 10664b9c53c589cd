//! The policy core: pure, shared by the gateway, `explain` and policy tests.

mod identity;
mod types;

pub use identity::{Identity, Person, Proof};
pub use types::{Expectation, HostHeader, HostPattern, Level, Outcome, ProxyOptions, Requirement, Route, Rule, Upstream};
