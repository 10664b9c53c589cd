//! Conditions on the query of a request, for applications that have one front controller (`query = { do = ["admin"] }`). They
//! only ever make a demand stricter, so every doubt counts as a match: each occurrence of a parameter is read in every way in which
//! an application might read it, and one that says the value is enough.
//!
//! A reading is the query as it was sent, decoded once, or decoded twice, split at `&` and `;`; names and values without letter
//! case, accents and look-alikes, blanks and NUL cut off the edges, `name[]`, `name[0]` and `name[value]` taken for `name`. The work is bounded
//! ([`MOST_TEXT`]); what would take more counts as a match.

mod text;

use self::text::{canonical_name, canonical_value, decode, texts};

/// How much text is looked at for one request, in bytes.
const MOST_TEXT: usize = 128 * 1024;

/// A parameter, and the values of which any makes the condition hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Condition {
    name: String,
    values: Vec<String>,
}

impl Condition {
    pub fn new(name: &str, values: &[String]) -> Self {
        Self { name: canonical_name(name), values: values.iter().map(|value| canonical_value(value)).collect() }
    }
}

impl Condition {
    /// Queries that say each of the values.
    pub(super) fn examples(&self) -> impl Iterator<Item = String> + '_ {
        let encode = |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
        self.values.iter().map(move |value| format!("{}={}", encode(&self.name), encode(value)))
    }
}

/// Whether all of these may hold for a query, in one reading or another. `None` is no query at all.
pub fn may_match(conditions: &[Condition], query: Option<&[u8]>) -> bool {
    let Some(query) = query else { return false };
    let mut search = Search { conditions, held: vec![false; conditions.len()], left: MOST_TEXT };
    search.read(query).is_none() || search.held.iter().all(|held| *held)
}

/// Which of the conditions were seen to hold so far.
struct Search<'c> {
    conditions: &'c [Condition],
    held: Vec<bool>,
    /// Bytes that may still be looked at.
    left: usize,
}

/// There is no work left to spend: the caller counts it as a match.
type Spent = Option<()>;

impl Search<'_> {
    fn spend(&mut self, bytes: usize) -> Spent {
        self.left = self.left.checked_sub(bytes)?;
        Some(())
    }

    /// The whole query as it is, decoded once and decoded twice, before it is split: some applications decode first.
    fn read(&mut self, query: &[u8]) -> Spent {
        let once = decode(query);
        let twice = decode(&once);
        self.split(query)?;
        if once != query {
            self.split(&once)?;
        }
        if twice != once {
            self.split(&twice)?;
        }
        Some(())
    }

    fn split(&mut self, query: &[u8]) -> Spent {
        self.spend(query.len())?;
        // A second `?` or a `#` that was encoded begins the query anew for some.
        for pair in query.split(|b| matches!(b, b'&' | b';' | b'?' | b'#')) {
            let at = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
            self.pair(pair.get(..at).unwrap_or_default(), pair.get(at + 1..).unwrap_or_default())?;
        }
        Some(())
    }

    /// A name and its value, each as it is, decoded once and decoded twice.
    fn pair(&mut self, name: &[u8], value: &[u8]) -> Spent {
        for name in self.readings(name)? {
            let (base, keys) = parts(&name);
            let base = canonical_name(base);
            for at in 0..self.conditions.len() {
                if self.conditions.get(at).is_some_and(|condition| condition.name == base) {
                    self.value_of(at, &keys, value)?;
                }
            }
        }
        Some(())
    }

    fn value_of(&mut self, at: usize, keys: &[&str], value: &[u8]) -> Spent {
        let mut found: Vec<String> = keys.iter().map(|key| canonical_value(key)).collect();
        found.extend(self.readings(value)?.iter().map(|text| canonical_value(text)));
        let wanted = self.conditions.get(at).map(|condition| condition.values.as_slice()).unwrap_or_default();
        let holds = found.iter().any(|text| wanted.iter().any(|value| text == value || before_nul(text) == value));
        if let Some(held) = self.held.get_mut(at) {
            *held |= holds;
        }
        Some(())
    }

    fn readings(&mut self, bytes: &[u8]) -> Option<Vec<String>> {
        let mut all = texts(bytes);
        if bytes.contains(&b'%') {
            let once = decode(bytes);
            let twice = decode(&once);
            all.extend(texts(&once));
            if twice != once {
                all.extend(texts(&twice));
            }
        }
        self.spend(all.iter().map(String::len).sum())?;
        Some(all)
    }
}

/// A program in C ends the text there.
fn before_nul(text: &str) -> &str {
    text.split('\0').next().unwrap_or_default()
}

/// The name before its brackets, and what stands in them.
fn parts(name: &str) -> (&str, Vec<&str>) {
    // `[name]` and `[[name` begin with brackets: some take the name without them.
    let name = name.trim_start_matches(['[', ' ']);
    match name.split_once(['[', ']']) {
        None => (name, Vec::new()),
        Some((base, keys)) => (base, keys.split(['[', ']']).filter(|key| !key.is_empty()).collect()),
    }
}

#[cfg(test)]
mod tests;
