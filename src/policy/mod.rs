//! The policy core: pure, shared by the gateway, `explain` and policy tests.
//!
//! `types` is what a configuration says; `table` finds what each reading of a path meets there; `decide` judges; `wanted` says which
//! proofs count; `explain` and `expect` put the same answers into words and tests.

mod application;
mod compare;
mod decide;
mod demand;
mod expect;
mod explain;
mod glob;
mod grant;
mod identity;
pub mod query;
mod table;
#[cfg(test)]
mod testing;
mod types;
mod upstream;

pub use application::device::{DeviceLack, DeviceRule, DeviceState};
pub use application::guest::{GuestAddress, GuestPattern};
pub use application::{Application, Assertion, HeaderChange, Maintenance, UpstreamAuth};
pub use compare::{Asked, Change, Comparison, Direction, Effort, Overall, Requests, Side, compare};
pub use decide::{Admission, ChallengeReason, Decision, ForbidReason, Reason, decide};
pub use demand::{Demand, accepted_methods};
pub use expect::{Failure, OFF, Results, run_expectations};
pub use explain::{Considered, Explanation, explain};
pub use grant::Grant;
pub use identity::{Identity, Person, Proof};
pub use table::{Ask, Certificate, Policy, PortalMatch};
pub use types::{CertificateUse, Expectation, HostPattern, Level, Outcome, Requirement, Route, Rule};
pub use upstream::{ClientCertificate, HealthCheck, HostHeader, ProxyOptions, Upstream};
