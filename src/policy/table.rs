//! The policy compiled for look-ups whose cost does not grow with the number of routes or rules: a hash by host, then by prefix, the
//! longest first (contract, "Which route"), then the first rule there that takes the method and the client.
//!
//! Prefixes are compiled as written, in lower case, and folded, for the readings that are to be compared so. They are read as text; one that is
//! written percent-encoded is decoded first, so that it means what its author sees in the browser.

mod patterned;
pub(super) mod prefixes;
mod query_rules;
pub(super) mod rule_match;

use std::collections::HashMap;
use std::sync::Arc;

// The keys are the configuration's: nobody can make them collide by what they ask for.
use foldhash::fast::FixedState;

use crate::base::{ClientAddr, Host};
use crate::path::{Path, Reading, fold, lower};

use super::identity::Identity;
use super::types::{HostPattern, Requirement, Route, Rule};
use patterned::{Patterned, patterned};
pub(super) use prefixes::below;

use prefixes::Prefixes;
use query_rules::{Asked, Found};
use rule_match::MatchingRules;

/// A request, as far as a decision needs to know it.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    pub host: &'a Host,
    pub method: &'a http::Method,
    pub client: ClientAddr,
    pub path: &'a Path<'a>,
    /// Whether it has a form for a body, whose fields are not looked at.
    pub form: bool,
    /// The client's certificate.
    pub certificate: Certificate<'a>,
}

/// A client's certificate, as far as a decision needs to know it.
#[derive(Clone, Copy, Debug, Default)]
pub enum Certificate<'a> {
    /// None came, or none that is valid for the host.
    #[default]
    Absent,
    /// A valid one. If it is a service account's, then with the account.
    Valid(Option<&'a Identity>),
}

impl<'a> Certificate<'a> {
    pub(super) const fn is_valid(self) -> bool {
        matches!(self, Self::Valid(_))
    }

    /// The service account that it stands for.
    pub(super) const fn holder(self) -> Option<&'a Identity> {
        match self {
            Self::Absent => None,
            Self::Valid(holder) => holder,
        }
    }
}

/// Every route, ready to be asked. Unchanging: a reload makes another.
#[derive(Debug)]
pub struct Policy {
    routes: Vec<Arc<Route>>,
    written: Tables,
    /// Absent where every prefix is its own lower case: then `written` serves both.
    lowered: Option<Tables>,
    /// Absent where every prefix's fold is its lower case: then that serves both.
    folded: Option<Tables>,
    prefix: String,
    folded_prefix: String,
}

/// What one reading meets: a route, and what it demands there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit<'p> {
    /// The route's place in the policy.
    pub at: usize,
    pub route: &'p Arc<Route>,
    /// Index of the first rule that matches.
    pub rule: Option<usize>,
    pub requirement: &'p Requirement,
}

/// Where a request stands to the gateway's own pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PortalMatch<'a> {
    /// Not below the prefix in any reading.
    No,
    /// Plainly below it; what follows the prefix, empty or starting with `/`.
    Exactly(&'a str),
    /// Below it in some reading only: answered 404 and never forwarded.
    Disguised,
}

impl Policy {
    /// Compiles routes as the configuration gives them. `prefix` is where the gateway's own pages live: lower case, no trailing slash.
    pub fn new(routes: Vec<Route>, prefix: &str) -> Self {
        let routes: Vec<_> = routes.into_iter().map(Arc::new).collect();
        let written = Tables::new(&routes, prefix_form);
        let prefixes = || {
            routes
                .iter()
                .flat_map(|r| std::iter::once(&r.path).chain(r.rules.iter().flat_map(|rule| rule.paths.iter().chain(&rule.patterns))))
        };
        let lowered = prefixes().any(|p| lowered_form(p) != prefix_form(p)).then(|| Tables::new(&routes, lowered_form));
        let folded = prefixes().any(|p| folded_form(p) != lowered_form(p)).then(|| Tables::new(&routes, folded_form));
        let prefix = prefix.trim_end_matches('/').to_owned();
        let folded_prefix = fold(&prefix).into_owned();
        Self { routes, written, lowered, folded, prefix, folded_prefix }
    }

    pub fn routes(&self) -> &[Arc<Route>] {
        &self.routes
    }

    /// Where the gateway's own pages live.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether a route names this host; a route without hosts names every host.
    pub fn knows_host(&self, host: &Host) -> bool {
        self.written.classes(host.as_str()).any(|table| !table.is_empty())
    }

    /// Whether a route names this host in so many words, itself or by a wildcard; a route without hosts names none here. What a
    /// return address may lead to.
    pub fn names_host(&self, host: &Host) -> bool {
        self.written.classes(host.as_str()).any(|table| !table.is_empty() && !std::ptr::eq(table, &self.written.any))
    }

    /// Whether a route writes this host out; neither a wildcard nor a route without hosts does.
    pub fn writes_host_out(&self, host: &Host) -> bool {
        let mut patterns = self.routes.iter().flat_map(|route| &route.hosts);
        patterns.any(|pattern| matches!(pattern, HostPattern::Exact(name) if name == host.as_str()))
    }

    /// Whether a request is for the gateway's own pages. Compares what was sent; nothing that only looks like the prefix is served.
    pub fn under_prefix<'a>(&self, path: &Path<'a>) -> PortalMatch<'a> {
        if self.prefix.is_empty() {
            return PortalMatch::No;
        }
        if let Some(rest) = below(path.as_sent(), &self.prefix) {
            return PortalMatch::Exactly(rest);
        }
        match path.readings().any(|r| below(r.text, &self.prefix).is_some() || below(r.text, &self.folded_prefix).is_some()) {
            true => PortalMatch::Disguised,
            false => PortalMatch::No,
        }
    }

    /// Shows `see` what every reading meets, the primary first; `None` where there is no route.
    pub(super) fn visit<'p>(&'p self, ask: &Ask<'_>, mut see: impl FnMut(Option<Hit<'p>>, &Reading<'_>)) {
        let found = Found::default();
        for reading in ask.path.readings() {
            let lowered = self.lowered.as_ref().unwrap_or(&self.written);
            let folded = self.folded.as_ref().unwrap_or(lowered);
            let mut seen: [Option<&Tables>; 2] = [None; 2];
            for (wanted, tables) in [(reading.plain, &self.written), (reading.lowered, lowered), (reading.folded, folded)] {
                if wanted && !seen.iter().flatten().any(|other| std::ptr::eq(*other, tables)) {
                    self.look_up(tables, (ask, &found), &reading, &mut see);
                    seen = [seen[1], Some(tables)];
                }
            }
        }
    }

    /// Routes whose prefixes only folding makes the same are all asked.
    fn look_up<'p>(
        &'p self,
        tables: &'p Tables,
        (ask, known): (&Ask<'_>, &Found),
        reading: &Reading<'_>,
        see: &mut impl FnMut(Option<Hit<'p>>, &Reading<'_>),
    ) {
        let found = tables.routes(ask.host.as_str(), reading.text);
        if found.is_empty() {
            see(None, reading);
        }
        for id in found {
            let hit = self.routes.get(*id).map(|route| {
                let rule = tables.rule(*id, route, ask, reading.text);
                let exception = rule.and_then(|at| route.rules.get(at));
                Hit { at: *id, route, rule, requirement: exception.map_or(&route.requirement, |rule| &rule.requirement) }
            });
            see(hit, reading);
            if let (Some(hit), Some(rules)) = (hit, tables.query_rules.get(*id).filter(|rules| !rules.is_empty())) {
                let asked = Asked { method: ask.method, client: ask.client, query: ask.path.query_bytes(), form: ask.form };
                let matching = rules
                    .above(reading.text)
                    .flatten()
                    .filter(|at| tables.has_pattern(*id, **at, reading.text) && known.matches((*id, **at), hit.route, hit.rule, &asked));
                for at in matching {
                    let requirement = hit.route.rules.get(*at).map_or(hit.requirement, |rule| &rule.requirement);
                    see(Some(Hit { rule: Some(*at), requirement, ..hit }), reading);
                }
            }
        }
    }
}

/// The routes at each prefix: one, or several that only folding makes the same.
type Paths = Prefixes<Vec<usize>>;

/// Route and rule prefixes under one way of writing them.
#[derive(Debug)]
struct Tables {
    exact: HashMap<Box<str>, Paths, FixedState>,
    below: HashMap<Box<str>, Paths, FixedState>,
    any: Paths,
    /// For each route, its rules without patterns.
    rules: Vec<Prefixes<MatchingRules>>,
    /// And those with conditions on the query.
    query_rules: Vec<Prefixes<Vec<usize>>>,
    /// For each route, its rules with patterns and without a query, in order: these are asked in turn.
    patterned: Vec<Vec<Patterned>>,
    /// And those with both.
    query_patterned: Vec<Vec<Patterned>>,
}

impl Tables {
    fn new(routes: &[Arc<Route>], form: fn(&str) -> String) -> Self {
        let rules = routes.iter().map(|route| rule_prefixes(&route.rules, form)).collect();
        let with_patterns = |query| routes.iter().map(|route| patterned(&route.rules, query, form)).collect();
        let (patterned, query_patterned) = (with_patterns(false), with_patterns(true));
        let query_rules = routes.iter().map(|route| query_rules::prefixes(&route.rules, form)).collect();
        let (exact, below, any) = (HashMap::default(), HashMap::default(), Paths::default());
        let mut tables = Self { exact, below, any, rules, patterned, query_rules, query_patterned };
        for (id, route) in routes.iter().enumerate() {
            let path = form(&route.path);
            for host in &route.hosts {
                let table = match host {
                    HostPattern::Exact(name) => tables.exact.entry(name.as_str().into()),
                    HostPattern::Below(name) => tables.below.entry(name.as_str().into()),
                };
                let here = table.or_default().at(path.clone());
                if here.last() != Some(&id) {
                    here.push(id);
                }
            }
            if route.hosts.is_empty() {
                tables.any.at(path).push(id);
            }
        }
        tables
    }

    /// The host classes that a host belongs to, the most specific first.
    fn classes<'t, 'h>(&'t self, host: &'h str) -> impl Iterator<Item = &'t Paths> + use<'t, 'h> {
        let wildcards = if self.below.is_empty() { "" } else { host };
        let parents = wildcards.match_indices('.').filter_map(|(dot, _)| wildcards.get(dot + 1..));
        let below = parents.filter_map(|name| probe(&self.below, name));
        probe(&self.exact, host).into_iter().chain(below).chain(std::iter::once(&self.any))
    }

    fn routes(&self, host: &str, path: &str) -> &[usize] {
        for table in self.classes(host) {
            if let Some(found) = table.above(path).next() {
                return found;
            }
        }
        &[]
    }

    /// The first rule that matches, in the order in which they are written.
    fn rule(&self, id: usize, route: &Route, ask: &Ask<'_>, path: &str) -> Option<usize> {
        let plain = self.rules.get(id)?.above(path).filter_map(|here| here.first(&route.rules, ask.method, ask.client)).min();
        let patterned = self.patterned.get(id)?.iter().find(|rule| rule.takes(route, ask.method, ask.client, path)).map(Patterned::place);
        plain.into_iter().chain(patterned).min()
    }

    /// Whether a path is of a pattern of a rule with a query; a rule without patterns takes every path.
    fn has_pattern(&self, id: usize, place: usize, path: &str) -> bool {
        let with_patterns = self.query_patterned.get(id).and_then(|rules| rules.iter().find(|rule| rule.is_at(place)));
        with_patterns.is_none_or(|rule| rule.has(path))
    }
}

fn probe<'t>(hosts: &'t HashMap<Box<str>, Paths, FixedState>, name: &str) -> Option<&'t Paths> {
    #[cfg(test)]
    super::testing::effort::count();
    hosts.get(name)
}

fn rule_prefixes(rules: &[Rule], form: fn(&str) -> String) -> Prefixes<MatchingRules> {
    let mut prefixes = Prefixes::<MatchingRules>::default();
    for (at, rule) in rules.iter().enumerate().filter(|(_, rule)| rule.patterns.is_empty() && rule.query.is_empty()) {
        if rule.paths.is_empty() {
            prefixes.at(String::new()).add(at, rules);
        }
        for path in &rule.paths {
            prefixes.at(form(path)).add(at, rules);
        }
    }
    prefixes
}

/// A prefix as it is compared: decoded, without trailing slashes.
pub(super) fn prefix_form(prefix: &str) -> String {
    let decoded = percent_encoding::percent_decode_str(prefix).decode_utf8();
    decoded.as_deref().unwrap_or(prefix).trim_end_matches('/').to_owned()
}

/// The same in lower case.
fn lowered_form(prefix: &str) -> String {
    lower(&prefix_form(prefix)).into_owned()
}

/// The same without letter case, accents and look-alikes.
pub(super) fn folded_form(prefix: &str) -> String {
    fold(&prefix_form(prefix)).into_owned()
}
