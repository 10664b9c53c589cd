//! The policy core: pure, shared by the gateway, `explain` and policy tests.
//!
//! `types` is what a configuration says; `table` finds what each reading of a path meets there; `decide` judges; `wanted` says which
//! proofs count; `explain` and `expect` put the same answers into words and tests.

mod candidates;
mod decide;
mod expect;
mod explain;
mod identity;
mod prefixes;
mod table;
mod types;
mod wanted;

pub use decide::{Admission, ChallengeReason, Decision, ForbidReason, Reason, decide};
pub use expect::{Failure, Results, run_expectations};
pub use explain::{Considered, Explanation, explain};
pub use identity::{Identity, Person, Proof};
pub use table::{Ask, Policy, PortalMatch};
pub use types::{Expectation, HostHeader, HostPattern, Level, Outcome, ProxyOptions, Requirement, Route, Rule, Upstream};
pub use wanted::{Wanted, accepted_methods};

#[cfg(test)]
mod effort;
#[cfg(test)]
mod naive;
#[cfg(test)]
mod sample;
