//! The only file of the gateway that calls the policy core: it asks, and says what the answer means here.
//!
//! Guarantees that a request goes on only with an [`Admission`], which the core alone can make.

use std::sync::Arc;

use http::Method;

use crate::base::Time;
use crate::gateway::host::Snapshot;
use crate::gateway::request::parse::RequestInfo;
use crate::gateway::upstream::pool::Pool;
pub use crate::path::Path;
pub use crate::policy::{Admission, ChallengeReason as Reason, Route};
use crate::policy::{Ask, Certificate, Decision, Identity, Person, PortalMatch};

/// Who asks: by a session or token, and by a client's certificate.
#[derive(Clone, Copy)]
pub struct Asker<'a> {
    pub who: Option<&'a Identity>,
    pub certificate: Certificate<'a>,
}

impl<'a> Asker<'a> {
    /// `is_certified`: a valid certificate came; `holder` is the service account that it stands for.
    pub const fn new(who: Option<&'a Identity>, is_certified: bool, holder: Option<&'a Identity>) -> Self {
        Self { who, certificate: if is_certified { Certificate::Valid(holder) } else { Certificate::Absent } }
    }

    /// Whoever it is.
    pub fn identity(&self) -> Option<&'a Identity> {
        match self.certificate {
            Certificate::Valid(holder) => self.who.or(holder),
            Certificate::Absent => self.who,
        }
    }
}

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
    /// It only looks like it, or is for a host that no route names: 404.
    Hidden,
}

/// Reads a raw request target.
///
/// # Errors
/// The reason, for a form that no honest client sends.
pub fn path(raw: &[u8]) -> Result<Path<'_>, &'static str> {
    Path::parse(raw).map_err(|refusal| {
        tracing::debug!(%refusal, "a request target was refused");
        MALFORMED
    })
}

/// One reason for every form; the debug log has the exact one.
const MALFORMED: &str = "malformed_path";

/// Decides a request.
pub fn check(snapshot: &Snapshot, info: &RequestInfo, path: &Path<'_>, who: Asker<'_>, now: Time) -> Verdict {
    check_as(&info.method, snapshot, info, path, who, now)
}

/// Decides a request that its application may take for one with another method: both must be admitted.
pub fn check_both(
    disguise: Option<&Method>,
    snapshot: &Snapshot,
    info: &RequestInfo,
    path: &Path<'_>,
    who: Asker<'_>,
    now: Time,
) -> Verdict {
    let (first, other) = match (check(snapshot, info, path, who, now), disguise) {
        (Verdict::Admit(admission), Some(other)) => (admission, other),
        (verdict, _) => return verdict,
    };
    match check_as(other, snapshot, info, path, who, now) {
        // The route is the same; the identity is sent if either method requires it.
        Verdict::Admit(second) if second.person().is_none() => Verdict::Admit(first),
        verdict => verdict,
    }
}

/// Decides the target that a request writes to, once the request itself is admitted: it must be admitted as well, in every reading.
/// `first` is the admission of the request, which forwards it.
pub fn check_destination(
    first: Admission,
    target: &[u8],
    disguise: Option<&Method>,
    snapshot: &Snapshot,
    info: &RequestInfo,
    who: Asker<'_>,
    now: Time,
) -> Verdict {
    let path = match path(target) {
        Ok(path) => path,
        Err(reason) => return Verdict::Refuse(reason),
    };
    if !matches!(portal(snapshot, info, &path), Portal::No) {
        return Verdict::NoRoute;
    }
    match check_both(disguise, snapshot, info, &path, who, now) {
        // The request goes where it was going; the identity is sent if either target requires it and one route has both.
        Verdict::Admit(second) if second.person().is_some() && is_one_route(snapshot, &first, &second) => Verdict::Admit(second),
        Verdict::Admit(_) => Verdict::Admit(first),
        verdict => verdict,
    }
}

fn is_one_route(snapshot: &Snapshot, first: &Admission, second: &Admission) -> bool {
    let place = |admission| snapshot.policy.admitted(admission).map(|(at, _)| at);
    place(first) == place(second)
}

fn check_as(method: &Method, snapshot: &Snapshot, info: &RequestInfo, path: &Path<'_>, who: Asker<'_>, now: Time) -> Verdict {
    let ask = Ask { host: &info.host, method, path, client: info.client, form: info.form, certificate: who.certificate };
    match crate::policy::decide(&snapshot.policy, &ask, who.who, now) {
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
pub fn portal(snapshot: &Snapshot, info: &RequestInfo, path: &Path<'_>) -> Portal {
    let is_portals = snapshot.config.is_portal(&info.host);
    match snapshot.policy.under_prefix(path) {
        // A route for many hosts is not one for the host where people sign in: no application shares its origin by accident.
        PortalMatch::No if is_portals && !snapshot.policy.writes_host_out(&info.host) => {
            if path.as_sent() == "/" {
                Portal::Yes
            } else {
                Portal::Hidden
            }
        }
        PortalMatch::No => Portal::No,
        PortalMatch::Exactly(_) if is_portals || snapshot.policy.knows_host(&info.host) => Portal::Yes,
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

/// The user whom the upstream is told; `None` for `bypass`.
pub fn person(admission: &Admission) -> Option<&Arc<Person>> {
    admission.person()
}

/// What would have stopped the request if the route were enforced.
pub fn observed(admission: &Admission) -> Option<&'static str> {
    admission.observed().map(crate::policy::Reason::name)
}
