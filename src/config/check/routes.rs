//! `[[routes]]` and their rules: names, hosts, paths and upstreams, each with one meaning only.

mod proxy;

use std::collections::HashMap;
use std::sync::Arc;

use self::proxy::proxy;
use super::application::{application, query};
use super::geo::whereabouts;
use super::terms::Terms;
use crate::config::document::outline::Shape;
use crate::config::document::problem::Fault;
use crate::config::document::section::{Entry, Section};
use crate::config::readers::path::{covers, host_pattern, pattern, prefix};
use crate::config::readers::upstream;
use crate::config::readers::value;
use crate::geo::Geo;
use crate::policy::{HostPattern, Level, Route, Rule};

/// What earlier routes have taken, with their places.
#[derive(Default)]
struct Taken {
    names: HashMap<String, String>,
    targets: HashMap<(Option<HostPattern>, String), String>,
}

pub(in crate::config) fn routes(root: &Section, portal: &str, geo: Option<&Arc<Geo>>) -> Vec<Route> {
    let mut taken = Taken::default();
    let binds_devices = root.section("session").section("device_bound").is_present();
    root.sections("routes").into_iter().filter_map(|s| route(s, (portal, binds_devices), geo, &mut taken)).collect()
}

fn route(s: Section, (portal, binds_devices): (&str, bool), geo: Option<&Arc<Geo>>, taken: &mut Taken) -> Option<Route> {
    let name = s.required("name", "give the route a name, for messages and `explain`", name);
    let hosts = s.some("hosts", host_pattern).unwrap_or_default();
    let path = s.or("path", String::new(), prefix);
    taken.check(&s, name.as_deref(), &hosts, &path);
    if covers(portal, &path) {
        s.error("path", Fault::new("the path is below portal.prefix and would never be reached", "choose another path, or another prefix"));
    }
    let terms = Terms::read(&s, None);
    let (rules, rule_terms): (Vec<_>, Vec<_>) =
        s.sections("rules").into_iter().map(|rule_section| rule(rule_section, &path, geo, &terms)).unzip();
    terms.check(&s, &rule_terms);
    warn_of_unreachable(&s, &rules);
    let upstreams = s.list("upstreams", upstream::upstream).unwrap_or_default();
    let forwards = terms.level != Some(Level::Deny) || rule_terms.iter().any(|t| t.level != Some(Level::Deny));
    if forwards && s.entries("upstreams").is_none_or(|entries| entries.is_empty()) {
        s.error("upstreams", Fault::new("the route has no upstream", "write upstreams = [\"http://127.0.0.1:3000\"]"));
    }
    if terms.level == Some(Level::Bypass) && path.is_empty() && rules.is_empty() {
        s.warn("policy", "everything below this route is open to everybody", "add rules, or a narrower path");
    }
    let encoded_slash = s.or("encoded_slash", false, value::flag);
    let keep_post = s.or("keep_post", true, value::flag);
    let proxy = proxy(&s, &path, &upstreams);
    let application = application(&s, binds_devices);
    if s.has("guests") && !terms.takes_guests() && !rule_terms.iter().any(Terms::takes_guests) {
        let what = "no guest can get in: they come with one factor and are in no group";
        s.error("guests", Fault::new(what, "set policy = \"one_factor\" without groups, on the route or a rule, or remove guests"));
    }
    s.finish();
    let requirement = terms.requirement();
    Some(Route { name: name?.into(), hosts, path, upstreams, requirement, rules, encoded_slash, keep_post, proxy, application })
}

impl Taken {
    fn check(&mut self, s: &Section, name: Option<&str>, hosts: &[HostPattern], path: &str) {
        if let Some(name) = name
            && let Some(place) = self.names.insert(name.to_owned(), s.place("name"))
        {
            s.error("name", Fault::new(format!("another route is called “{name}” ({place})"), "give each route a name of its own"));
        }
        let every = [None];
        let mut patterns: Vec<Option<HostPattern>> = hosts.iter().cloned().map(Some).collect();
        if !s.has("hosts") {
            patterns.extend(every);
        }
        let key = if s.has("path") { "path" } else { "hosts" };
        for pattern in patterns {
            let shown = show(pattern.as_ref());
            if let Some(place) = self.targets.insert((pattern, path.to_owned()), s.place(key)) {
                let what = format!("{shown} with path “{path}/” is routed already ({place})");
                s.error(key, Fault::new(what, "give one of them another host or path, or make it a rule of the other"));
            }
        }
    }
}

fn show(pattern: Option<&HostPattern>) -> String {
    match pattern {
        None => "every host".into(),
        Some(HostPattern::Exact(host)) => host.clone(),
        Some(HostPattern::Below(host)) => format!("*.{host}"),
    }
}

fn name(entry: &Entry) -> Result<String, Fault> {
    entry.takes(|| Shape::Pattern("^[A-Za-z0-9_.-]{1,64}$"));
    let text = value::text(entry)?;
    if text.is_empty() || text.len() > 64 || !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
        return Err(Fault::new(format!("“{}” is no route name", text.escape_default()), "use 1 to 64 letters, digits, “-”, “_” and “.”"));
    }
    Ok(text)
}

fn rule(s: Section, route_path: &str, geo: Option<&Arc<Geo>>, route: &Terms) -> (Rule, Terms) {
    let paths = s.some("paths", prefix).unwrap_or_default();
    let outside = paths.iter().find(|path| !covers(route_path, path) && !covers(path, route_path));
    if let Some(path) = outside {
        s.warn(
            "paths",
            format!("“{path}” is outside its route (“{route_path}/”): it never matches"),
            "write the whole path, from the root",
        );
    }
    let terms = Terms::read(&s, Some(route));
    terms.check(&s, &[]);
    let rule = Rule {
        paths,
        patterns: s.some("patterns", pattern).unwrap_or_default(),
        methods: s.some("methods", method).unwrap_or_default(),
        networks: s.some("networks", value::network).unwrap_or_default(),
        query: query(&s, &terms),
        whereabouts: whereabouts(&s, geo),
        requirement: terms.clone().requirement(),
        comment: s.maybe("comment", comment),
    };
    s.finish();
    (rule, terms)
}

/// For people: a line of text.
fn comment(entry: &Entry) -> Result<String, Fault> {
    let text = value::text(entry)?;
    if text.chars().count() > 200 || text.chars().any(char::is_control) {
        return Err(Fault::new("the comment is too long, or has more than one line", "write one line of at most 200 characters"));
    }
    Ok(text)
}

/// A method in upper case: names are compared as they stand (RFC 9110 section 9.1).
pub(in crate::config) fn method(entry: &Entry) -> Result<http::Method, Fault> {
    entry.takes(|| Shape::Pattern("^[^a-z]+$"));
    let text = value::text(entry)?;
    let upper = text.to_ascii_uppercase();
    match http::Method::from_bytes(upper.as_bytes()) {
        Ok(method) if upper == text => Ok(method),
        Ok(_) => Err(Fault::new(format!("“{text}” is not in upper case"), format!("write “{upper}”"))),
        Err(_) => Err(Fault::new(format!("“{}” is no method", text.escape_default()), "write GET, POST, PUT, DELETE …")),
    }
}

fn warn_of_unreachable(s: &Section, rules: &[Rule]) {
    let sections = s.sections("rules");
    let placed: Vec<(&Section, &Rule)> = sections.iter().zip(rules).collect();
    for (index, (section, later)) in placed.iter().enumerate() {
        // What is written counts, not what was read: a list whose entries were all wrong is not the absence of one.
        if !later.query.is_empty() {
            continue;
        }
        let hides = |(earlier_section, earlier): &(&Section, &Rule)| {
            let whole = !earlier_section.has("paths");
            let each = !later.paths.is_empty() && later.paths.iter().all(|path| earlier.paths.iter().any(|above| covers(above, path)));
            let narrower = ["patterns", "methods", "networks", "countries", "asns", "query"].iter().any(|key| earlier_section.has(key));
            !narrower && (whole || each)
        };
        if let Some(earlier) = placed.iter().take(index).position(hides) {
            let what = format!("never reached: rule {} of the route covers it", earlier + 1);
            section.warn(if section.has("paths") { "paths" } else { "policy" }, what, "move it before that rule");
        }
    }
}
