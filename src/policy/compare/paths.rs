//! One path of every kind: what a path meets depends on the longest prefix that it lies under, as written and without letter case, on the
//! patterns that it matches, and on whether it has an encoded slash. What has several readings meets what each of them meets, so that one
//! reading of each kind tells everything.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use super::super::glob::Glob;
use super::super::table::prefix_form;
use super::super::types::Route;
use crate::path::lower;

/// How many states the search for paths of every kind may go through.
const MOST: usize = 30_000;

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

/// Paths of every kind, and whether that is all of them.
pub fn kinds(routes: &[&Route], portals: [&str; 2]) -> (Vec<PathKind>, bool) {
    let of_rules = routes.iter().flat_map(|route| route.rules.iter().flat_map(|rule| &rule.paths));
    let own = routes.iter().map(|route| &route.path);
    let prefixes: BTreeSet<String> =
        own.chain(of_rules).map(|path| prefix_form(path)).chain(portals.map(str::to_owned)).chain([String::new()]).collect();
    let patterns: BTreeSet<&str> =
        routes.iter().flat_map(|route| route.rules.iter().flat_map(|rule| &rule.patterns)).map(String::as_str).collect();
    let mut texts: Vec<(String, String)> = of_prefixes(&prefixes).into_iter().map(|text| (text.clone(), encoded(&text))).collect();
    let mut complete = true;
    if !patterns.is_empty() {
        let (found, all) = Search::new(&prefixes, &patterns).run();
        complete = all;
        texts.extend(found.into_iter().map(|text| (label(&text, &prefixes, &patterns), encoded(&text))));
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

/// A search, shortest first, through all texts that prefixes and patterns can tell apart: each is a small machine that reads the text letter by
/// letter, and two texts that leave every machine in the same state are of one kind from there on.
struct Search {
    machines: Vec<Machine>,
    alphabet: Vec<u8>,
}

/// A prefix (`tail` then stands for a slash and anything) or a pattern.
struct Machine {
    letters: Vec<u8>,
    is_prefix: bool,
    /// Reads without letter case.
    lower: bool,
}

/// For each machine, the places in it that the text so far can have come to.
type State = Vec<Vec<u16>>;

impl Search {
    fn new(prefixes: &BTreeSet<String>, patterns: &BTreeSet<&str>) -> Self {
        let mut machines = Vec::new();
        let texts = prefixes.iter().map(|prefix| (prefix.as_str(), true)).chain(patterns.iter().map(|pattern| (*pattern, false)));
        let mut letters: BTreeSet<u8> = BTreeSet::from([b'/', b'x']);
        for (text, is_prefix) in texts {
            letters.extend(text.bytes().filter(|byte| *byte != b'*'));
            machines.push(Machine { letters: text.as_bytes().to_vec(), is_prefix, lower: false });
            let low = lower(text);
            if low != text {
                letters.extend(low.bytes().filter(|byte| *byte != b'*'));
                machines.push(Machine { letters: low.as_bytes().to_vec(), is_prefix, lower: true });
            }
        }
        // A letter that nobody names, if there is one: the search is only complete with it.
        letters.extend((b'a'..=b'z').chain(b'0'..=b'9').find(|byte| !letters.contains(byte)));
        Self { machines, alphabet: letters.into_iter().collect() }
    }

    /// A text of each kind, and whether these are all.
    fn run(&self) -> (Vec<String>, bool) {
        let start: State = self.machines.iter().map(|machine| machine.closed(vec![0])).collect();
        let mut seen: HashSet<State> = HashSet::from([start.clone()]);
        let mut queue = VecDeque::from([(start, String::new())]);
        let mut kinds: HashMap<Vec<bool>, String> = HashMap::new();
        while let Some((state, text)) = queue.pop_front() {
            if is_one_reading(&text) {
                let kind = self.machines.iter().zip(&state).map(|(machine, places)| machine.accepts(places)).collect();
                kinds.entry(kind).or_insert_with(|| text.clone());
            }
            for byte in &self.alphabet {
                if text.is_empty() && *byte != b'/' || *byte == b'/' && text.ends_with(['/', '.']) {
                    continue;
                }
                let next: State = self.machines.iter().zip(&state).map(|(machine, places)| machine.step(places, *byte)).collect();
                // Texts that end in a slash or a dot may not be followed by every letter.
                let mut marked = next.clone();
                marked.push(vec![u16::from(*byte == b'/') + 2 * u16::from(*byte == b'.')]);
                if seen.insert(marked) {
                    queue.push_back((next, format!("{text}{}", char::from(*byte))));
                }
            }
            if seen.len() > MOST {
                return (kinds.into_values().collect(), false);
            }
        }
        (kinds.into_values().collect(), true)
    }
}

/// A path that has no reading but itself, letter case aside.
fn is_one_reading(text: &str) -> bool {
    text.starts_with('/') && !text.ends_with('.') && !text.contains("//") && !text.contains("./")
}

impl Machine {
    /// The star may stand for nothing.
    fn closed(&self, mut places: Vec<u16>) -> Vec<u16> {
        let mut at = 0;
        while let Some(place) = places.get(at).copied() {
            if !self.is_prefix && self.letters.get(usize::from(place)) == Some(&b'*') && !places.contains(&(place + 1)) {
                places.push(place + 1);
            }
            at += 1;
        }
        places.sort_unstable();
        places.dedup();
        places
    }

    fn step(&self, places: &[u16], byte: u8) -> Vec<u16> {
        let byte = if self.lower { byte.to_ascii_lowercase() } else { byte };
        let length = self.letters.len();
        let mut next = Vec::new();
        for place in places {
            match self.letters.get(usize::from(*place)) {
                Some(b'*') if !self.is_prefix => next.push(*place),
                Some(letter) if *letter == byte => next.push(place + 1),
                Some(_) => {}
                // Below the prefix: one place past its end.
                None if self.is_prefix && (usize::from(*place) > length || byte == b'/') => {
                    next.push(u16::try_from(length + 1).unwrap_or(u16::MAX))
                }
                None => {}
            }
        }
        self.closed(next)
    }

    fn accepts(&self, places: &[u16]) -> bool {
        places.iter().any(|place| usize::from(*place) >= self.letters.len())
    }
}
