//! The only file of the gateway that names the policy core's functions: it asks, and says what the answer means here.
//!
//! Guarantees that a request goes on only with an [`Admission`], which the core alone can make.

use std::sync::Arc;

use http::Method;

use super::front::Snapshot;
use super::request::Asked;
use super::upstream::Pool;
use crate::base::Time;
pub use crate::path::Path;
pub use crate::policy::{Admission, ChallengeReason as Reason, Policy, Route};
use crate::policy::{Ask, Decision, Identity, Person, PortalMatch};

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
/// A word for a form that no honest client sends.
pub fn path(raw: &[u8]) -> Result<Path<'_>, &'static str> {
    Path::parse(raw).map_err(|refusal| {
        tracing::debug!(%refusal, "a request target was refused");
        MALFORMED
    })
}

/// One word for every form; the log has the exact one.
const MALFORMED: &str = "malformed_path";

/// Decides a request.
pub fn judge(snapshot: &Snapshot, asked: &Asked, path: &Path<'_>, who: Option<&Identity>, now: Time) -> Verdict {
    judge_as(&asked.method, snapshot, asked, path, who, now)
}

/// Decides a request that its application may take for one of another method: both must admit.
pub fn judge_both(
    disguise: Option<&Method>,
    snapshot: &Snapshot,
    asked: &Asked,
    path: &Path<'_>,
    who: Option<&Identity>,
    now: Time,
) -> Verdict {
    let (first, other) = match (judge(snapshot, asked, path, who, now), disguise) {
        (Verdict::Admit(admission), Some(other)) => (admission, other),
        (verdict, _) => return verdict,
    };
    match judge_as(other, snapshot, asked, path, who, now) {
        // The route is the same; the identity goes out where either method wants it.
        Verdict::Admit(second) if second.person().is_none() => Verdict::Admit(first),
        verdict => verdict,
    }
}

fn judge_as(method: &Method, snapshot: &Snapshot, asked: &Asked, path: &Path<'_>, who: Option<&Identity>, now: Time) -> Verdict {
    let ask = Ask { host: &asked.host, method, path, client: asked.client };
    match crate::policy::decide(&snapshot.policy, &ask, who, now) {
        Decision::Allow(admission) => Verdict::Admit(admission),
        Decision::Challenge { route, reason, .. } => Verdict::Challenge { route, reason },
        Decision::Forbid { route, reason } => Verdict::Forbid { route, reason: reason.name() },
        Decision::NoRoute => Verdict::NoRoute,
        Decision::Refuse(refusal) => {
            tracing::debug!(%refusal, "a request target was refused");
            Verdict::Refuse(MALFORMED)
        }
    }
}

/// Whether a request is the portal's.
pub fn portal(snapshot: &Snapshot, asked: &Asked, path: &Path<'_>) -> Portal {
    match snapshot.policy.under_prefix(path) {
        PortalMatch::No => Portal::No,
        PortalMatch::Exactly(_) if snapshot.policy.knows_host(&asked.host) => Portal::Yes,
        PortalMatch::Exactly(_) | PortalMatch::Disguised => Portal::Hidden,
    }
}

/// The route that an admission is for, by the policy that gave it.
pub fn route<'s>(snapshot: &'s Snapshot, admission: Option<&Admission>) -> Option<&'s Arc<Route>> {
    snapshot.policy.admitted(admission?).map(|(_, route)| route)
}

/// The upstreams of that route.
pub fn pool<'s>(snapshot: &'s Snapshot, admission: Option<&Admission>) -> Option<&'s Arc<Pool>> {
    snapshot.policy.admitted(admission?).and_then(|(at, route)| snapshot.upstreams.of(at, route))
}

/// Who the upstream is to be told of; `None` for `bypass`.
pub fn person(admission: &Admission) -> Option<&Arc<Person>> {
    admission.person()
}

/// What would have stopped the request, had the route been enforced.
pub fn observed(admission: &Admission) -> Option<&'static str> {
    admission.observed().map(crate::policy::Reason::name)
}
