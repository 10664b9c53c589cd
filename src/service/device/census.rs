//! How many sessions are bound to a device, for each route that asks for it, and whom it would refuse if it required that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::devices::Devices;
use crate::policy::{DeviceRule, Level, Route};

/// How many names are shown for a route.
const NAMES: usize = 20;

/// The sessions that may open a route.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RouteDevices {
    pub route: String,
    pub wants: DeviceRule,
    pub bound: u64,
    pub all: u64,
    /// Who has a session that is not bound, by name; the first few.
    pub refused: Vec<String>,
    /// How many more there are.
    pub more: usize,
}

/// All sessions, and by route.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DeviceCensus {
    pub bound: u64,
    pub all: u64,
    pub routes: Vec<RouteDevices>,
}

/// Somebody's sessions.
struct Counted {
    groups: Vec<String>,
    bound: u64,
    all: u64,
}

impl Devices {
    /// Counts the sessions that are there now; `None` if sessions are bound to no device.
    pub fn census(&self, routes: &[Arc<Route>]) -> Option<DeviceCensus> {
        self.lifetime()?;
        let mut people: BTreeMap<String, Counted> = BTreeMap::new();
        self.live.each(|session| {
            let person = session.identity().person;
            let of = people.entry(person.name.clone()).or_insert_with(|| Counted { groups: person.groups.clone(), bound: 0, all: 0 });
            of.all += 1;
            of.bound += u64::from(session.is_bound());
        });
        let mut census = DeviceCensus::default();
        for counted in people.values() {
            census.bound += counted.bound;
            census.all += counted.all;
        }
        census.routes = routes.iter().filter_map(|route| count(route, &people)).collect();
        Some(census)
    }
}

fn count(route: &Route, people: &BTreeMap<String, Counted>) -> Option<RouteDevices> {
    let wants = route.application.device?;
    let demands = || std::iter::once(&route.requirement).chain(route.rules.iter().map(|rule| &rule.requirement));
    let signed_in: Vec<_> = demands().filter(|demand| matches!(demand.level, Level::OneFactor | Level::TwoFactor)).collect();
    if signed_in.is_empty() {
        return None;
    }
    let may = |groups: &[String]| {
        let is_in = |any: &Vec<String>| any.iter().any(|group| groups.contains(group));
        signed_in.iter().any(|demand| demand.groups.as_ref().is_none_or(is_in))
    };
    let (mut bound, mut all, mut names) = (0, 0, BTreeSet::new());
    for (name, counted) in people.iter().filter(|(_, counted)| may(&counted.groups)) {
        bound += counted.bound;
        all += counted.all;
        if counted.bound < counted.all {
            names.insert(name.clone());
        }
    }
    let more = names.len().saturating_sub(NAMES);
    Some(RouteDevices { route: route.called().to_owned(), wants, bound, all, refused: names.into_iter().take(NAMES).collect(), more })
}
