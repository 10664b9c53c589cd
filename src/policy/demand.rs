//! What a route wants of a sign-in, and whether a proof or a user's methods meet it. One place, so that the decision, the choice page
//! and the code pages cannot differ.

use std::sync::Arc;
use std::time::Duration;

use crate::base::Time;
use crate::factor::{Method, MethodSet};

use super::application::device::DeviceRule;
use super::identity::{Person, Proof};
use super::table::{Ask, Policy};
use super::types::{Level, Requirement};

/// What is wanted of a sign-in, taken over every reading: the highest level, the factors that all accept, the shortest age.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Demand {
    pub level: Level,
    /// Which second factors count; `None`: all, recovery codes and trusted browsers too.
    pub factors: Option<MethodSet>,
    pub max_age: Option<Duration>,
}

impl From<&Requirement> for Demand {
    fn from(requirement: &Requirement) -> Self {
        let two = requirement.level == Level::TwoFactor;
        Self { level: requirement.level, factors: requirement.factors.filter(|_| two), max_age: requirement.max_age.filter(|_| two) }
    }
}

impl Demand {
    #[must_use]
    pub(super) fn and(self, other: Self) -> Self {
        let factors = match (self.factors, other.factors) {
            (Some(a), Some(b)) => Some(a.and(b)),
            (a, b) => a.or(b),
        };
        let max_age = [self.max_age, other.max_age].into_iter().flatten().min();
        Self { level: self.level.max(other.level), factors, max_age }
    }

    /// Whether this second factor counts. A recovery code does where no factors are named; a trusted browser only where no age is either.
    pub fn accepts(&self, method: Method) -> bool {
        self.factors.is_none_or(|factors| method != Method::Recovery && factors.contains(method))
    }

    /// Whether what a session has proved is enough for two factors.
    pub fn is_met_by(&self, proof: Proof, now: Time) -> bool {
        match proof {
            Proof::Password => false,
            Proof::TrustedBrowser => self.factors.is_none() && self.max_age.is_none(),
            Proof::Second { method, at } => self.accepts(method) && self.max_age.is_none_or(|age| at.is_fresh(age, now)),
        }
    }
}

/// The methods that a user may answer with where this is wanted, recovery codes included where they count.
pub fn accepted_methods(wanted: &Demand, person: &Person) -> MethodSet {
    person.methods.iter().filter(|method| wanted.accepts(*method)).collect()
}

/// Recovery codes stand in for a method; they are none by themselves.
pub(super) fn can_answer(wanted: &Demand, person: &Person) -> bool {
    accepted_methods(wanted, person).iter().any(|method| method != Method::Recovery)
}

impl Policy {
    /// What people call the place that a request is for: the title of its route, as the first reading has it.
    pub fn title_for(&self, ask: &Ask<'_>) -> Option<Arc<str>> {
        let mut route = None;
        self.visit(ask, |hit, _| route = route.or(hit.map(|hit| hit.route)));
        route.and_then(|route| route.application.title.clone())
    }

    /// What the route of a request wants, whoever asks: for a portal that is told a return URL. `None` where a reading has no route.
    pub fn demand_for(&self, ask: &Ask<'_>) -> Option<Demand> {
        let mut all: Option<Demand> = None;
        let mut routed = true;
        self.visit(ask, |hit, _| match hit {
            Some(hit) => all = Some(all.map_or_else(|| hit.requirement.into(), |so_far| so_far.and(hit.requirement.into()))),
            None => routed = false,
        });
        all.filter(|_| routed)
    }

    /// What the routes of a request want of sessions that are bound to a device: the strictest over every reading.
    pub fn device_for(&self, ask: &Ask<'_>) -> Option<DeviceRule> {
        let mut strictest = None;
        self.visit(ask, |hit, _| strictest = strictest.max(hit.and_then(|hit| hit.route.application.device)));
        strictest
    }

    /// Whether a route that a request may lead to takes any guests.
    pub fn welcomes_guests(&self, ask: &Ask<'_>) -> bool {
        let mut welcomes = false;
        self.visit(ask, |hit, _| welcomes |= hit.is_some_and(|hit| !hit.route.application.guests.is_empty()));
        welcomes
    }
}
