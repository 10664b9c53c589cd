//! Places as routes and rules. Nothing comes out more open than nginx had it: what would is a `deny`.

use super::super::access::{Demands, Exception};
use super::super::backend::Forward;
use super::super::location::Handling;
use crate::cli::init::draft::{Demand, RouteDraft, RuleDraft};
use crate::cli::init::pattern::Patterns;
use crate::policy::Level;

/// A route as its location says, without exceptions inside it.
pub(super) fn route(path: &str, handling: &Handling) -> RouteDraft {
    let mut route = RouteDraft::new(String::new(), Vec::new(), path.to_owned());
    let Some(forward) = handling.forward.as_ref().filter(|_| !handling.is_closed()) else {
        handling.original.clone_into(&mut route.original);
        return route;
    };
    send(&mut route, forward);
    route.notes = forward.notes.clone();
    if handling.demands.exceptions.is_empty() {
        route.demand = handling.demands.rest.clone();
    } else {
        route.rules = rules(&handling.demands, &[]);
    }
    route
}

/// Sends what a route lets through where a place was sent.
pub(super) fn send(route: &mut RouteDraft, forward: &Forward) {
    route.upstreams = forward.upstreams.clone();
    route.proxy = forward.proxy.clone();
    route.keys = forward.keys.clone();
    route.travel = forward.travel.clone();
}

/// Whether a route's requests go as those of a place did, as far as it matters.
pub(super) fn goes_as(route: &RouteDraft, forward: &Forward) -> bool {
    route.upstreams == forward.upstreams && route.proxy == forward.proxy && route.keys == forward.keys
}

/// The demands of a place as rules, the last one for everybody else.
fn rules(demands: &Demands, patterns: &[String]) -> Vec<RuleDraft> {
    let exceptions = demands.exceptions.iter().map(|exception| RuleDraft {
        patterns: patterns.to_vec(),
        methods: exception.methods.clone(),
        networks: exception.networks.clone(),
        ..RuleDraft::new(exception.demand.clone())
    });
    let rest = RuleDraft { patterns: patterns.to_vec(), ..RuleDraft::new(demands.rest.clone()) };
    let wanted = !patterns.is_empty() || demands.rest != Demand::DENY;
    exceptions.chain(wanted.then_some(rest)).collect()
}

/// The rules for a place that lies in a route without being a prefix of segments. Nothing comes out more open than nginx had it: patterns
/// that match more than the place may only close. `shields`: a later rule closes, from which this one may keep something.
pub(super) fn exception(route: &mut RouteDraft, patterns: &Patterns, handling: &Handling, shields: bool) -> Vec<RuleDraft> {
    let deny = |original: &[String]| {
        let rule = RuleDraft { patterns: patterns.texts.clone(), original: original.to_vec(), ..RuleDraft::new(Demand::DENY) };
        vec![rule]
    };
    if patterns.texts.is_empty() {
        return Vec::new();
    }
    if handling.is_closed() {
        return if route.is_closed() { Vec::new() } else { deny(&handling.original) };
    }
    // Files of nginx itself: the upstream is asked for them now, under the same demands.
    let forward = handling.forward.as_ref();
    if let Some(forward) = forward.filter(|_| route.upstreams.is_empty() && patterns.exact) {
        send(route, forward);
    }
    let elsewhere = forward.is_some_and(|forward| !goes_as(route, forward));
    if let Some(forward) = forward.filter(|_| !elsewhere) {
        let notes = route.travel.widen(&forward.travel);
        route.notes.extend(notes.into_iter().filter(|note| !route.notes.contains(note)).collect::<Vec<_>>());
    }
    let own = own_demands(route);
    let same = own == handling.demands;
    if same && !elsewhere && !(shields && patterns.exact) {
        return Vec::new();
    }
    let single = own.exceptions.is_empty() && handling.demands.exceptions.is_empty();
    let only_stricter = single && is_stricter(&handling.demands.rest, &own.rest);
    // What nginx opened inside stays as closed as it is around.
    if single && !elsewhere && !patterns.exact && is_stricter(&own.rest, &handling.demands.rest) {
        return Vec::new();
    }
    if elsewhere || route.upstreams.is_empty() || !patterns.exact && !only_stricter {
        return if route.is_closed() { Vec::new() } else { deny(&handling.original) };
    }
    rules(&handling.demands, &patterns.texts)
}

/// What a route demands by itself, as it was made from its location.
fn own_demands(route: &RouteDraft) -> Demands {
    let own = route.rules.iter().filter(|rule| rule.patterns.is_empty());
    let mut exceptions: Vec<_> =
        own.map(|rule| Exception { methods: rule.methods.clone(), networks: rule.networks.clone(), demand: rule.demand.clone() }).collect();
    let last = exceptions.pop_if(|last| last.methods.is_empty() && last.networks.is_empty());
    Demands { exceptions, rest: last.map_or_else(|| route.demand.clone(), |last| last.demand) }
}

fn is_stricter(this: &Demand, than: &Demand) -> bool {
    let groups = than.groups.is_empty() || than.groups == this.groups;
    this.level == Level::Deny || this.level >= than.level && (this.enforce || !than.enforce) && groups
}
