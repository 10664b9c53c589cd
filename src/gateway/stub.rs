//! Stands in for the policy core and the path reader until they are merged, with the shapes that [`super::judge`] expects.
//! It decides by exact host, longest prefix and level alone. To be removed; nothing but `judge.rs` and tests name it.

use std::sync::Arc;

use crate::base::{ClientAddr, Host, Time};
use crate::policy::{HostPattern, Identity, Level, Person, Proof, Route};

pub struct Path(String);

#[derive(Debug)]
pub struct Refusal(&'static str);

impl Refusal {
    pub const fn reason(&self) -> &'static str {
        self.0
    }
}

impl Path {
    pub fn parse(raw: &[u8]) -> Result<Self, Refusal> {
        let text = std::str::from_utf8(raw).map_err(|_| Refusal("utf8"))?;
        let path = text.split('?').next().unwrap_or_default();
        if !path.starts_with('/') || path.contains('\\') || path.split('/').any(|s| s == "." || s == "..") {
            return Err(Refusal("malformed_path"));
        }
        Ok(Self(path.to_owned()))
    }
}

pub struct Ask<'a> {
    pub host: &'a Host,
    pub method: &'a http::Method,
    pub path: &'a Path,
    pub client: ClientAddr,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    SignIn,
    SecondFactor,
    Enrol,
}

pub struct Admission {
    route: Arc<Route>,
    person: Option<Arc<Person>>,
}

impl Admission {
    pub fn route(&self) -> &Arc<Route> {
        &self.route
    }

    pub fn person(&self) -> Option<&Arc<Person>> {
        self.person.as_ref()
    }

    pub fn observed(&self) -> Option<&'static str> {
        None
    }
}

pub enum Decision {
    Allow(Admission),
    Challenge { route: Arc<Route>, reason: Reason },
    Forbid { route: Arc<Route>, reason: &'static str },
    NoRoute,
    Refuse(Refusal),
}

pub enum PortalMatch {
    No,
    Exactly,
    Disguised,
}

pub struct Policy {
    routes: Vec<Arc<Route>>,
    prefix: String,
}

impl Policy {
    pub fn new(routes: &[Route], prefix: &str) -> Self {
        Self { routes: routes.iter().cloned().map(Arc::new).collect(), prefix: prefix.to_owned() }
    }

    pub fn under_prefix(&self, path: &Path) -> PortalMatch {
        if under(&path.0, &self.prefix) {
            PortalMatch::Exactly
        } else if under(&path.0.to_lowercase(), &self.prefix) {
            PortalMatch::Disguised
        } else {
            PortalMatch::No
        }
    }

    pub fn knows_host(&self, host: &Host) -> bool {
        self.routes.iter().any(|r| matches(r, host))
    }
}

fn matches(route: &Route, host: &Host) -> bool {
    route.hosts.is_empty() || route.hosts.iter().any(|h| matches!(h, HostPattern::Exact(name) if name == host.as_str()))
}

fn under(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

pub fn decide(policy: &Policy, ask: &Ask<'_>, who: Option<&Identity>, _now: Time) -> Decision {
    let found = policy.routes.iter().filter(|r| matches(r, ask.host) && under(&ask.path.0, &r.path)).max_by_key(|r| r.path.len());
    let Some(route) = found.cloned() else { return Decision::NoRoute };
    let second = who.is_some_and(|w| matches!(w.proof, Proof::Second { .. }));
    match route.requirement.level {
        Level::Bypass => Decision::Allow(Admission { route, person: None }),
        Level::Deny => Decision::Forbid { route, reason: "deny" },
        Level::OneFactor | Level::TwoFactor if who.is_none() => Decision::Challenge { route, reason: Reason::SignIn },
        Level::TwoFactor if !second => Decision::Challenge { route, reason: Reason::SecondFactor },
        Level::OneFactor | Level::TwoFactor => Decision::Allow(Admission { route, person: who.map(|w| Arc::clone(&w.person)) }),
    }
}
