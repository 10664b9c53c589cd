//! The only file of the gateway that names the policy core's functions: it asks, and says what the answer means here.
//!
//! Guarantees that a request goes on only with an [`Admission`], which the core alone can make.

use std::sync::Arc;

use super::front::Snapshot;
use super::request::Asked;
use crate::base::Time;
use crate::policy::{Identity, Person, Route};

// To be replaced by `crate::policy::{Admission, Challenge, Decision, Policy, ...}` and `crate::path::Path` when they stand.
pub use super::stub::{Admission, Ask, Decision, Path, Policy, PortalMatch, Reason};

/// What is to be done with a request.
pub enum Verdict {
    Admit(Admission),
    Challenge { route: Arc<Route>, reason: Reason },
    Forbid { route: Arc<Route>, reason: &'static str },
    NoRoute,
    Refuse(&'static str),
}

/// Where a request for the portal's prefix belongs.
pub enum Portal {
    /// Not below the prefix.
    No,
    Yes,
    /// It only looks as if, or comes to a host that no route names: 404.
    Hidden,
}

/// Reads a raw request target.
///
/// # Errors
/// A word that says which form was refused.
pub fn path(raw: &[u8]) -> Result<Path, &'static str> {
    Path::parse(raw).map_err(|refusal| refusal.reason())
}

/// Decides a request.
pub fn judge(snapshot: &Snapshot, asked: &Asked, who: Option<&Identity>, now: Time) -> Verdict {
    let ask = Ask { host: &asked.host, method: &asked.method, path: &asked.path, client: asked.client };
    match super::stub::decide(&snapshot.policy, &ask, who, now) {
        Decision::Allow(admission) => Verdict::Admit(admission),
        Decision::Challenge { route, reason } => Verdict::Challenge { route, reason },
        Decision::Forbid { route, reason } => Verdict::Forbid { route, reason },
        Decision::NoRoute => Verdict::NoRoute,
        Decision::Refuse(refusal) => Verdict::Refuse(refusal.reason()),
    }
}

/// Whether a request is the portal's.
pub fn portal(snapshot: &Snapshot, asked: &Asked) -> Portal {
    match snapshot.policy.under_prefix(&asked.path) {
        PortalMatch::No => Portal::No,
        PortalMatch::Exactly if snapshot.policy.knows_host(&asked.host) => Portal::Yes,
        PortalMatch::Exactly | PortalMatch::Disguised => Portal::Hidden,
    }
}

/// The route that an admission is for.
pub fn route(admission: &Admission) -> &Arc<Route> {
    admission.route()
}

/// Who the upstream is to be told of; `None` for `bypass`.
pub fn person(admission: &Admission) -> Option<&Arc<Person>> {
    admission.person()
}

/// What would have stopped the request, had the route been enforced.
pub fn observed(admission: &Admission) -> Option<&'static str> {
    admission.observed()
}
