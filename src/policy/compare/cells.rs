//! One request of every kind that two policies can tell apart: hosts by the patterns that they match, methods and addresses by the rules that
//! name them, paths by the prefixes and patterns around them.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::net::IpAddr;

use http::Method;
use ipnet::IpNet;

use super::super::table::{Ask, Certificate, Policy};
use super::super::types::{HostPattern, Route, Rule};
use super::paths::{self, PathKind};
use super::search::Searches;
use super::view::View;
use crate::base::{ClientAddr, Host};
use crate::path::Path;
use crate::token::Ways;

/// A host that stands for all of its kind.
pub struct HostKind {
    pub host: Host,
    pub label: String,
}

pub struct MethodKind {
    pub method: Method,
    pub label: String,
}

pub struct ClientKind {
    pub client: ClientAddr,
    pub label: String,
}

/// A query, or a form, that stands for all of its kind.
pub struct QueryKind {
    /// With its question mark; empty: none.
    pub query: String,
    /// The body is a form.
    pub form: bool,
}

/// How many queries are looked at for a host.
const MOST_QUERIES: usize = 1000;

/// What can be asked of one host.
pub struct Kinds {
    pub paths: Vec<PathKind>,
    pub methods: Vec<MethodKind>,
    pub clients: Vec<ClientKind>,
    pub queries: Vec<QueryKind>,
    pub complete: bool,
}

impl Kinds {
    pub const fn count(&self) -> usize {
        self.paths.len().saturating_mul(self.queries.len()).saturating_mul(self.methods.len()).saturating_mul(self.clients.len())
    }
}

fn routes<'p>(old: &'p Policy, new: &'p Policy) -> impl Iterator<Item = &'p Route> {
    old.routes().iter().chain(new.routes()).map(AsRef::as_ref)
}

/// Every name; a fresh one below each wildcard; and one that nobody names. Which wildcards a host lies below depends on the longest of them.
pub fn hosts(old: &Policy, new: &Policy) -> Vec<HostKind> {
    let patterns: BTreeSet<(bool, &str)> = routes(old, new)
        .flat_map(|route| &route.hosts)
        .map(|pattern| match pattern {
            HostPattern::Exact(name) => (false, name.as_str()),
            HostPattern::Below(name) => (true, name.as_str()),
        })
        .collect();
    let named = |host: &str| patterns.contains(&(false, host)) || patterns.contains(&(true, host));
    let fresh = |end: &str| (0..).map(|n| format!("host{n}{end}")).find(|name| !named(name)).unwrap_or_default();
    let kinds = patterns.iter().map(|(wildcard, name)| match wildcard {
        false => ((*name).to_owned(), (*name).to_owned()),
        true => (fresh(&format!(".{name}")), format!("*.{name}")),
    });
    // A single label lies below no domain.
    let every = [(fresh(""), "*".to_owned())];
    let parsed = kinds.chain(every).filter_map(|(name, label)| Some(HostKind { host: Host::parse(name.as_bytes()).ok()?, label }));
    parsed.collect()
}

/// What the routes of a host can tell apart.
pub fn kinds(old: &Policy, new: &Policy, host: &Host, searches: &mut Searches) -> Kinds {
    let here = |route: &&Route| route.hosts.is_empty() || route.hosts.iter().any(|pattern| pattern.matches(host));
    let routes: Vec<&Route> = routes(old, new).filter(here).collect();
    let rules: Vec<&Rule> = routes.iter().flat_map(|route| &route.rules).collect();
    // Which addresses a database has in a country is not looked at: where such a rule's route changes, not everything is known.
    let placed = Cell::new(false);
    let differs = |target: &str| {
        let routes = differing(old, new, host, target);
        placed.set(placed.get() || routes.iter().any(|route| route.rules.iter().any(|rule| rule.whereabouts.is_some())));
        routes
    };
    let (paths, complete) = paths::kinds(&routes, [old.prefix(), new.prefix()], searches, differs);
    let complete = complete && !placed.get();
    // Every condition of a rule is named here, so that a new one is not forgotten.
    let conditions = rules
        .iter()
        .map(|Rule { paths: _, patterns: _, methods, networks, query: _, whereabouts: _, requirement: _, comment: _ }| (methods, networks));
    let (methods, networks): (Vec<_>, Vec<_>) = conditions.unzip();
    let queries = query_kinds(&rules);
    let bodies = if queries.len() > 1 { vec![Method::POST, Method::PUT, Method::PATCH] } else { Vec::new() };
    let complete = complete && queries.len() < MOST_QUERIES;
    Kinds { paths, complete, methods: method_kinds(methods.into_iter().chain([&bodies])), clients: client_kinds(networks), queries }
}

/// The routes that a path leads to, unless they are the same ones before and after.
fn differing<'p>(old: &'p Policy, new: &'p Policy, host: &Host, target: &str) -> Vec<&'p Route> {
    let Ok(path) = Path::parse(target.as_bytes()) else { return Vec::new() };
    let client = ClientAddr::new(IpAddr::from([192, 0, 2, 1]));
    let ask = Ask { host, method: &Method::GET, client, path: &path, form: false, certificate: Certificate::Absent };
    let (before, after) = (View::of(old, &ask).routes(), View::of(new, &ask).routes());
    let shown = |routes: &[&Route]| routes.iter().map(|route| as_decided(route)).collect::<Vec<String>>();
    if shown(&before) == shown(&after) { Vec::new() } else { before.into_iter().chain(after).collect() }
}

/// Everything of a route that a decision can depend on.
fn as_decided(route: &Route) -> String {
    let Route { name, hosts: _, path: _, upstreams: _, requirement, rules, encoded_slash, keep_post: _, proxy: _, application } = route;
    let tokens = (application.tokens != Ways::NONE).then_some((name, application.tokens));
    let worth = application.tokens_count_as;
    let away = application.maintenance.as_ref().map(|away| &away.groups);
    let guests = &application.guests;
    format!("{requirement:?} {rules:?} {encoded_slash} {tokens:?} {worth:?} {guests:?} {away:?}")
}

fn method_kinds<'m>(named: impl Iterator<Item = &'m Vec<Method>>) -> Vec<MethodKind> {
    let mut names: BTreeSet<&str> = named.flatten().map(Method::as_str).collect();
    if names.contains("GET") {
        names.insert("HEAD");
    }
    let known = names.iter().filter_map(|name| Some(MethodKind { method: name.parse().ok()?, label: (*name).to_owned() }));
    let other = (0..).map(|n| format!("OTHER{n}")).find(|name| !names.contains(name.as_str()));
    let other = other.and_then(|name| Some(MethodKind { method: name.parse().ok()?, label: "other".to_owned() }));
    known.chain(other).collect()
}

/// Networks lie in each other or apart: an address is told by the smallest that it is in. One that nobody vouches for is in none.
fn client_kinds(named: Vec<&Vec<IpNet>>) -> Vec<ClientKind> {
    let networks: BTreeSet<IpNet> = named.into_iter().flatten().map(IpNet::trunc).collect();
    let inside = networks.iter().filter_map(|network| {
        let smaller: Vec<&IpNet> = networks.iter().filter(|other| *other != network && network.contains(*other)).collect();
        let after = smaller.iter().filter_map(|other| next(other.broadcast()));
        let free = |address: &IpAddr| network.contains(address) && !smaller.iter().any(|other| other.contains(address));
        let address = std::iter::once(network.network()).chain(after).find(free)?;
        Some(ClientKind { client: ClientAddr::new(address), label: network.to_string() })
    });
    let elsewhere = ClientAddr::resolve(IpAddr::from([127, 0, 0, 1]), None, &[IpNet::from(IpAddr::from([127, 0, 0, 1]))]);
    let elsewhere = ClientKind { client: elsewhere, label: "elsewhere".to_owned() };
    inside.chain([elsewhere]).collect()
}

fn next(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => v4.to_bits().checked_add(1).map(|bits| IpAddr::V4(bits.into())),
        IpAddr::V6(v6) => v6.to_bits().checked_add(1).map(|bits| IpAddr::V6(bits.into())),
    }
}

/// No query, a form, and each query that meets one rule's conditions: what meets several meets what each of them meets.
fn query_kinds(rules: &[&Rule]) -> Vec<QueryKind> {
    let with = rules.iter().filter(|rule| !rule.query.is_empty());
    let mut queries: BTreeSet<String> = BTreeSet::new();
    for rule in with {
        let mut so_far = vec![String::new()];
        for condition in &rule.query {
            so_far = so_far
                .iter()
                .flat_map(|before| condition.examples().map(move |one| format!("{before}&{one}")))
                .take(MOST_QUERIES)
                .collect();
        }
        queries.extend(so_far.into_iter().map(|query| query.replacen('&', "?", 1)));
    }
    let form = (!queries.is_empty()).then(|| QueryKind { query: String::new(), form: true });
    let none = QueryKind { query: String::new(), form: false };
    let each = queries.into_iter().take(MOST_QUERIES).map(|query| QueryKind { query, form: false });
    std::iter::once(none).chain(form).chain(each).collect()
}
