//! One `server`: its names, its listeners, and its locations as routes. nginx takes the longest prefix of letters and then asks expressions;
//! a route is a prefix of whole segments. What lies between the two becomes rules by pattern at the front of the route around it.

mod exception;

use super::condition::{self, is_refusal, redirects_to_https, status};
use super::listen::{self, Listen};
use super::location::{Handling, Matcher, Place, Setting};
use super::tree::{Directive, Tree};
use crate::cli::init::draft::{RouteDraft, RuleDraft};
use crate::cli::init::pattern::{self, Patterns};

use exception::{exception, goes_as, route, send};

/// What a server comes to.
pub(super) struct Server {
    /// Names and wildcards; empty with `catch_all`.
    pub hosts: Vec<String>,
    /// Names that cannot be said in our configuration: they have no route.
    pub unsaid: Vec<String>,
    /// Names that are sent elsewhere: nothing is forwarded for them here.
    pub gone: Vec<String>,
    pub catch_all: bool,
    pub listens: Vec<Listen>,
    pub routes: Vec<RouteDraft>,
    /// Sends everything to HTTPS.
    pub redirect: bool,
}

/// Reads the names: exact ones, `*.x`, and `.x` for both.
pub(super) fn names(server: &Directive) -> (Vec<String>, Vec<String>, bool) {
    let (mut hosts, mut unsaid, mut catch_all) = (Vec::new(), Vec::new(), false);
    let given: Vec<&str> = server.children().iter().filter(|d| d.name == "server_name").flat_map(|d| &d.args).map(String::as_str).collect();
    for name in &given {
        let lower = name.to_ascii_lowercase();
        let valid = |name: &str| crate::base::Host::parse(name.as_bytes()).is_ok_and(|host| host.as_str() == name);
        match lower.strip_prefix('.') {
            _ if matches!(lower.as_str(), "_" | "") => catch_all = true,
            Some(domain) if valid(domain) => hosts.extend([domain.to_owned(), format!("*.{domain}")]),
            None if valid(lower.strip_prefix("*.").unwrap_or(&lower)) && !lower.starts_with("*.[") => hosts.push(lower),
            _ => unsaid.push((*name).to_owned()),
        }
    }
    hosts.sort();
    hosts.dedup();
    let nameless =
        given.is_empty() || server.children().iter().any(|d| d.name == "listen" && d.args.iter().any(|arg| arg.starts_with("default")));
    catch_all = hosts.is_empty() && unsaid.is_empty() && (catch_all || nameless);
    (hosts, unsaid, catch_all)
}

/// Reads a server. `setting.scope` is what holds in it.
pub(super) fn read(server: &Directive, setting: &Setting<'_>) -> Server {
    let (mut hosts, unsaid, catch_all) = names(server);
    let gone = hosts.extract_if(.., |host| setting.scope.gone.contains(host)).collect();
    let block = server.children();
    let is_away = |d: &Directive| condition::is_away(d) && setting.scope.proxying.away.is_some();
    let goes_elsewhere = block.iter().find(|d| d.name == "return" && !is_away(d) || redirects_to_https(d));
    let redirect = goes_elsewhere.is_some_and(|d| !is_refusal(d) && (d.name == "rewrite" || (300..400).contains(&status(d))));
    let places = if goes_elsewhere.is_some() { Vec::new() } else { setting.places(block, setting.scope, None) };
    let mut routes = Routes { routes: Vec::new(), still: Vec::new() };
    routes.prefixes(&places);
    if let Some(d) = goes_elsewhere {
        routes.root(Handling::closed(setting.tree.quote(d, 5)));
    } else if !routes.routes.iter().any(|route| route.path.is_empty()) {
        routes.root(Handling::closed(vec!["no `location /`: nginx served files here, or nothing".to_owned()]));
    }
    routes.exceptions(&places);
    routes.rewrites(block, setting.tree);
    let routes = routes.routes.into_iter().map(|route| RouteDraft { hosts: hosts.clone(), ..route }).collect();
    Server { hosts, unsaid, gone, catch_all, listens: listen::of(server), routes, redirect }
}

struct Routes {
    routes: Vec<RouteDraft>,
    /// Paths of the routes in which no expression is asked.
    still: Vec<String>,
}

impl Routes {
    /// Each prefix becomes a route of its own.
    fn prefixes(&mut self, places: &[Place]) {
        let mut sorted: Vec<&Place> = places.iter().filter(|place| matches!(place.matcher, Matcher::Prefix | Matcher::Still)).collect();
        // `/x/` before `/x`: below it the first is what counts.
        sorted.sort_by(|a, b| (path_of(&a.text), b.text.len()).cmp(&(path_of(&b.text), a.text.len())));
        for place in sorted {
            let path = path_of(&place.text);
            if !pattern::is_path(&place.text) {
                continue;
            }
            if self.routes.iter().any(|route| route.path == path) {
                self.exactly(&path, &place.handling);
                continue;
            }
            self.routes.push(route(&path, &place.handling));
            if place.matcher == Matcher::Still {
                self.still.push(path);
            }
        }
    }

    fn root(&mut self, handling: Handling) {
        self.routes.insert(0, route("", &handling));
    }

    /// What is no prefix of segments, in the order in which nginx asks: paths, prefixes that end the search, expressions, other prefixes.
    fn exceptions(&mut self, places: &[Place]) {
        let of = |wanted: Matcher| places.iter().filter(move |place| place.matcher == wanted);
        let mut rules: Vec<(usize, Patterns, &Handling)> = Vec::new();
        for place in of(Matcher::Exact) {
            self.exact_route(place);
            rules.extend(self.around(&place.text).map(|at| (at, pattern::only(&place.text), &place.handling)));
        }
        rules.extend(of(Matcher::Still).filter_map(|place| self.between(place)));
        for place in of(Matcher::Expression) {
            let patterns = pattern::of_expression(&place.text);
            for (at, route) in self.routes.iter().enumerate() {
                let inside = place.outer.as_ref().is_none_or(|outer| covers(&path_of(outer), &route.path));
                if inside && !self.still.contains(&route.path) && patterns.texts.iter().any(|text| may_lie_in(text, &route.path)) {
                    rules.push((at, patterns.clone(), &place.handling));
                }
            }
        }
        rules.extend(of(Matcher::Prefix).filter_map(|place| self.between(place)));
        let mut at_front: Vec<Vec<RuleDraft>> = vec![Vec::new(); self.routes.len()];
        for (number, (at, patterns, handling)) in rules.iter().enumerate() {
            let shields = rules.iter().skip(number + 1).any(|(other, _, later)| other == at && later.is_closed());
            if let (Some(route), Some(front)) = (self.routes.get_mut(*at), at_front.get_mut(*at)) {
                front.extend(exception(route, patterns, handling, shields));
            }
        }
        for (route, front) in self.routes.iter_mut().zip(at_front) {
            route.rules.splice(0..0, front);
        }
    }

    /// A path of its own upstream: a route, closed but for the path itself.
    fn exact_route(&mut self, place: &Place) {
        let Some(forward) = place.handling.forward.as_ref().filter(|_| pattern::is_path(&place.text) && place.text.len() > 1) else {
            return;
        };
        let path = path_of(&place.text);
        let same = |route: &RouteDraft| goes_as(route, forward);
        if self.around(&place.text).and_then(|at| self.routes.get(at)).is_none_or(|around| !same(around) && around.path != path) {
            let mut closed = route(&path, &Handling::closed(vec![]));
            send(&mut closed, forward);
            closed.notes.push("nginx sent only this path there; what lies below it is closed".to_owned());
            self.routes.push(closed);
        }
    }

    /// The path of a route, without what lies below it, where nginx says something else.
    fn exactly(&mut self, path: &str, handling: &Handling) {
        if let Some(route) = self.routes.iter_mut().find(|route| route.path == path) {
            let front = exception(route, &pattern::only(path), handling, false);
            route.rules.splice(0..0, front);
        }
    }

    /// What a prefix takes beyond its segment: `/admin` takes `/administrator`, which lies in the route around it.
    fn between<'p>(&self, place: &'p Place) -> Option<(usize, Patterns, &'p Handling)> {
        let plain = pattern::is_plain(&place.text);
        if plain && place.text.ends_with('/') {
            return None;
        }
        let parent = place.text.rsplit_once('/').map_or("", |(parent, _)| parent);
        let at = self.longest(|path| covers(path, parent) && path != place.text)?;
        Some((at, pattern::beginning_with(&place.text), &place.handling))
    }

    fn around(&self, text: &str) -> Option<usize> {
        let text = path_of(text);
        self.longest(|path| covers(path, &text))
    }

    fn longest(&self, fits: impl Fn(&str) -> bool) -> Option<usize> {
        let fitting = self.routes.iter().enumerate().filter(|(_, route)| fits(&route.path));
        fitting.max_by_key(|(_, route)| route.path.len()).map(|(at, _)| at)
    }

    /// A `rewrite` of the whole server: where it applies, everything is closed.
    fn rewrites(&mut self, block: &[Directive], tree: &Tree) {
        for d in block.iter().filter(|d| d.name == "rewrite" && !redirects_to_https(d)) {
            let (patterns, handling) = (pattern::of_expression(d.arg()), Handling::closed(tree.quote(d, 5)));
            for route in self.routes.iter_mut().filter(|route| patterns.texts.iter().any(|text| may_lie_in(text, &route.path))) {
                let front = exception(route, &patterns, &handling, false);
                route.rules.splice(0..0, front);
            }
        }
    }
}

/// A prefix as a route's path: without the trailing slash.
fn path_of(text: &str) -> String {
    text.trim_end_matches('/').to_owned()
}

fn covers(prefix: &str, path: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a pattern may match something in a route.
fn may_lie_in(pattern: &str, path: &str) -> bool {
    let literal = pattern.split('*').next().unwrap_or_default();
    literal.starts_with(path) || path.starts_with(literal)
}
