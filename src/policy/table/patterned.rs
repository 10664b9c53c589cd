//! Rules with patterns. They are asked in turn, in the order in which they are written.

use http::Method;

use super::prefixes::below;
use crate::base::ClientAddr;
use crate::policy::glob::Glob;
use crate::policy::types::{Route, Rule};

/// A rule with patterns, under one way of writing them.
#[derive(Debug)]
pub(super) struct Patterned {
    place: usize,
    /// Empty: every path of the route.
    paths: Vec<String>,
    patterns: Vec<Glob>,
}

/// The rules of a route that have patterns, with or without a query.
pub(super) fn patterned(rules: &[Rule], query: bool, form: fn(&str) -> String) -> Vec<Patterned> {
    let wanted = rules.iter().enumerate().filter(|(_, rule)| !rule.patterns.is_empty() && rule.query.is_empty() != query);
    wanted.map(|(place, rule)| Patterned::new(place, rule, form)).collect()
}

impl Patterned {
    fn new(place: usize, rule: &Rule, form: fn(&str) -> String) -> Self {
        // A pattern keeps its trailing slash, and a lone slash is the root itself.
        let end = |text: &str| text.get(text.trim_end_matches('/').len()..).unwrap_or_default().to_owned();
        let pattern = |text: &String| Glob::new(&format!("{}{}", form(text), end(text)));
        Self { place, paths: rule.paths.iter().map(|path| form(path)).collect(), patterns: rule.patterns.iter().map(pattern).collect() }
    }

    /// The place of the rule in its route.
    pub const fn place(&self) -> usize {
        self.place
    }

    pub const fn is_at(&self, place: usize) -> bool {
        self.place == place
    }

    pub fn takes(&self, route: &Route, method: &Method, client: ClientAddr, path: &str) -> bool {
        #[cfg(test)]
        crate::policy::testing::effort::count();
        let rule = route.rules.get(self.place);
        rule.is_some_and(|rule| rule.takes_method(method) && rule.takes_client(client)) && self.is_below(path) && self.has(path)
    }

    /// Whether one of the patterns is of this path.
    pub fn has(&self, path: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(path))
    }

    fn is_below(&self, path: &str) -> bool {
        self.paths.is_empty() || self.paths.iter().any(|prefix| below(path, prefix).is_some())
    }
}
