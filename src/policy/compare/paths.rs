//! One path of every kind: what a path meets depends on the longest prefix that it lies under, as written and without letter case, on the
//! patterns that it matches, and on whether it has an encoded slash. What has several readings meets what each of them meets, so that one
//! reading of each kind tells everything.

use std::collections::BTreeSet;

use super::super::glob::Glob;
use super::super::table::prefix_form;
use super::super::types::Route;
use super::search::Searches;
use crate::path::lower;

/// A path that stands for all of its kind.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PathKind {
    /// As it is sent.
    pub target: String,
    /// As it is shown.
    pub label: String,
    /// The label of the kind right above it: a line for that one stands for this one too.
    pub above: Option<String>,
}

impl PathKind {
    /// The same with a query or a form: shown by the line of the path alone, if that says the same.
    pub fn with(&self, query: &str, form: bool) -> Self {
        if query.is_empty() && !form {
            return self.clone();
        }
        let more = if form { " (form)" } else { query };
        Self { target: self.target.clone(), label: format!("{}{more}", self.label), above: Some(self.label.clone()) }
    }
}

/// Paths of every kind, and whether that is all of them. `differs` says whether a path may lead to different routes: elsewhere patterns make
/// no difference.
pub fn kinds<'p>(
    routes: &[&'p Route],
    portals: [&str; 2],
    searches: &mut Searches,
    differs: impl Fn(&str) -> Vec<&'p Route>,
) -> (Vec<PathKind>, bool) {
    let of_rules = routes.iter().flat_map(|route| route.rules.iter().flat_map(|rule| &rule.paths));
    let own = routes.iter().map(|route| &route.path);
    let prefixes: BTreeSet<String> =
        own.chain(of_rules).map(|path| prefix_form(path)).chain(portals.map(str::to_owned)).chain([String::new()]).collect();
    let mut texts: Vec<(String, String)> = of_prefixes(&prefixes).into_iter().map(|text| (text.clone(), encoded(&text))).collect();
    let differing = texts.iter().flat_map(|(_, target)| differs(target));
    let patterns: BTreeSet<&str> =
        differing.flat_map(|route| route.rules.iter().flat_map(|rule| &rule.patterns)).map(String::as_str).collect();
    // Whatever has a dot before a slash or at its end has further readings at all times, which are not told apart here.
    let mut complete =
        !prefixes.iter().map(String::as_str).chain(patterns.iter().copied()).any(|text| text.contains("./") || text.ends_with('.'));
    if !patterns.is_empty() {
        let (found, all) = searches.find(&prefixes, &patterns);
        complete &= all;
        texts.extend(found.iter().map(|text| (label(text, &prefixes, &patterns), encoded(text))));
    }
    if routes.iter().any(|route| route.encoded_slash) {
        let within = texts
            .iter()
            .map(|(label, text)| (format!("{}/…%2f…", label.trim_end_matches('/')), format!("{}/x%2fy", text.trim_end_matches('/'))));
        texts.extend(within.collect::<Vec<_>>());
    }
    let labels: BTreeSet<String> = texts.iter().map(|(label, _)| label.clone()).collect();
    let kind = |(label, target): (String, String)| PathKind { target, above: above(&label, &labels), label };
    (texts.into_iter().map(kind).collect(), complete)
}

/// The longest label that this one lies below, letter case aside.
fn above(label: &str, labels: &BTreeSet<String>) -> Option<String> {
    let low = label.to_lowercase();
    let plain = |label: &str| label.to_lowercase().trim_end_matches('/').to_owned();
    let covers = |other: &&String| {
        let other_low = plain(other);
        let spelt_so = other_low == low && label != other_low && **other == other_low;
        spelt_so
            || *other != label && low.strip_prefix(&other_low).is_some_and(|rest| rest.starts_with('/')) && low != format!("{other_low}/")
    };
    labels.iter().filter(covers).max_by_key(|other| (plain(other).len(), *other)).cloned()
}

/// The patterns that a text matches, below the prefix that it lies under.
fn label(text: &str, prefixes: &BTreeSet<String>, patterns: &BTreeSet<&str>) -> String {
    let low = lower(text);
    let under = |prefix: &&String| low.strip_prefix(&*lower(prefix)).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let prefix = prefixes.iter().filter(under).max_by_key(|prefix| prefix.len()).map_or("", String::as_str);
    let matches = |pattern: &&&str| Glob::new(pattern).matches(text) || Glob::new(&lower(pattern)).matches(&low);
    let matched: Vec<&str> = patterns.iter().filter(matches).copied().collect();
    if matched.is_empty() {
        if prefix.is_empty() { "/".to_owned() } else { prefix.to_owned() }
    } else {
        format!("{prefix}/ ({})", matched.join(", "))
    }
}

/// Each prefix, and if some have capitals, each in several spellings, so that it is met as written and as not written.
fn of_prefixes(prefixes: &BTreeSet<String>) -> BTreeSet<String> {
    let root = |text: &str| if text.is_empty() { "/".to_owned() } else { text.to_owned() };
    let mut texts: BTreeSet<String> = prefixes.iter().map(|prefix| root(prefix)).collect();
    if prefixes.iter().all(|prefix| lower(prefix) == *prefix) {
        return texts;
    }
    for whole in prefixes {
        let low = lower(whole).into_owned();
        texts.extend([root(&low), root(&low.to_uppercase()), root(&toggled(&low))]);
        for written in prefixes {
            let Some(rest) = low.strip_prefix(&*lower(written)).filter(|rest| rest.starts_with('/')) else { continue };
            texts.extend([rest.to_owned(), rest.to_uppercase(), toggled(rest)].map(|rest| format!("{written}{rest}")));
        }
    }
    texts
}

/// Every other letter a capital.
fn toggled(text: &str) -> String {
    let mut up = false;
    let mut turn = |c: char| {
        up ^= c.is_alphabetic();
        if up && c.is_alphabetic() { c.to_uppercase().collect::<String>() } else { c.to_string() }
    };
    text.chars().map(&mut turn).collect()
}

/// As a client sends it.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02x}") }).collect()
}
