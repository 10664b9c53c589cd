//! A search, shortest first, through all texts that prefixes and patterns can tell apart: each is a small machine that reads the text letter by
//! letter, and two texts that leave every machine in the same state are of one kind from there on.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use crate::path::lower;

/// Texts of every kind, and whether these are all.
type Found = (Vec<String>, bool);
/// What two texts can be told apart by: prefixes and patterns.
type Telling = (BTreeSet<String>, BTreeSet<String>);

/// Searches that were made: many hosts are served by the same routes.
pub struct Searches {
    made: HashMap<Telling, Found>,
    /// How many states a search may go through.
    most: usize,
}

impl Searches {
    pub fn new(most: usize) -> Self {
        Self { made: HashMap::new(), most }
    }

    /// A text of each kind, and whether these are all.
    pub fn find(&mut self, prefixes: &BTreeSet<String>, patterns: &BTreeSet<&str>) -> &Found {
        let telling = (prefixes.clone(), patterns.iter().map(|pattern| (*pattern).to_owned()).collect());
        self.made.entry(telling).or_insert_with(|| Search::new(prefixes, patterns).run(self.most))
    }
}

/// A pattern's places are the bits of a number.
const LONGEST: usize = 127;

struct Search {
    machines: Vec<Machine>,
    alphabet: Vec<u8>,
    /// Whether every pattern has a machine.
    complete: bool,
}

/// For each machine, the places in it that the text so far can have come to; and whether the text ends in a slash or a dot.
type State = Box<[u128]>;

impl Search {
    fn new(prefixes: &BTreeSet<String>, patterns: &BTreeSet<&str>) -> Self {
        let mut machines = Vec::new();
        let texts = prefixes.iter().map(|prefix| (prefix.as_str(), true)).chain(patterns.iter().map(|pattern| (*pattern, false)));
        let mut letters: BTreeSet<u8> = BTreeSet::from([b'/', b'x']);
        let mut complete = true;
        for (text, is_prefix) in texts {
            complete &= is_prefix || text.len() <= LONGEST;
            let low = lower(text);
            letters.extend(text.bytes().chain(low.bytes()).filter(|byte| *byte != b'*'));
            machines.push(Machine { letters: text.as_bytes().to_vec(), is_prefix, lower: false });
            if low != text {
                machines.push(Machine { letters: low.as_bytes().to_vec(), is_prefix, lower: true });
            }
        }
        // A letter that nobody names, if there is one: the search is only complete with it.
        letters.extend((b'a'..=b'z').chain(b'0'..=b'9').find(|byte| !letters.contains(byte)));
        Self { machines, alphabet: letters.into_iter().collect(), complete }
    }

    fn run(&self, most: usize) -> Found {
        let start: State = self.machines.iter().map(Machine::start).chain([0]).collect();
        let mut seen: HashSet<State> = HashSet::from([start.clone()]);
        let mut queue = VecDeque::from([(start, String::new())]);
        let mut kinds: HashMap<Vec<bool>, String> = HashMap::new();
        while let Some((state, text)) = queue.pop_front() {
            if is_one_reading(&text) {
                let kind = self.machines.iter().zip(&state).map(|(machine, places)| machine.accepts(*places)).collect();
                kinds.entry(kind).or_insert_with(|| text.clone());
            }
            for byte in &self.alphabet {
                if text.is_empty() && *byte != b'/' || *byte == b'/' && text.ends_with(['/', '.']) {
                    continue;
                }
                let end = u128::from(*byte == b'/') + 2 * u128::from(*byte == b'.');
                let next: State =
                    self.machines.iter().zip(&state).map(|(machine, places)| machine.step(*places, *byte)).chain([end]).collect();
                if !seen.contains(&next) {
                    seen.insert(next.clone());
                    queue.push_back((next, format!("{text}{}", char::from(*byte))));
                }
            }
            if seen.len() > most {
                return (kinds.into_values().collect(), false);
            }
        }
        (kinds.into_values().collect(), self.complete)
    }
}

/// A path that has no reading but itself, letter case aside.
fn is_one_reading(text: &str) -> bool {
    text.starts_with('/') && !text.ends_with('.') && !text.contains("//") && !text.contains("./")
}

/// A prefix (of which the rest is a slash and anything) or a pattern.
struct Machine {
    letters: Vec<u8>,
    is_prefix: bool,
    /// Reads without letter case.
    lower: bool,
}

/// A prefix that cannot be reached any more.
const LOST: u128 = u128::MAX;

impl Machine {
    /// Of a prefix the place itself, of a pattern a bit for each place.
    fn start(&self) -> u128 {
        if self.is_prefix { 0 } else { self.closed(1) }
    }

    /// The star may stand for nothing; behind a last star everything is taken, whatever else there is.
    fn closed(&self, mut places: u128) -> u128 {
        for (place, _) in self.stars() {
            if places & (1 << place) != 0 {
                places |= 1 << (place + 1);
            }
        }
        match self.letters.len() {
            length if length == 0 || length > LONGEST => places,
            length if self.letters.last() == Some(&b'*') && places & (1 << (length - 1)) != 0 => (1 << length) | (1 << (length - 1)),
            _ => places,
        }
    }

    fn stars(&self) -> impl Iterator<Item = (usize, &u8)> {
        self.letters.iter().enumerate().take(LONGEST).filter(|(_, letter)| **letter == b'*')
    }

    fn step(&self, places: u128, byte: u8) -> u128 {
        let byte = if self.lower { byte.to_ascii_lowercase() } else { byte };
        if self.is_prefix {
            return self.follow(places, byte);
        }
        let mut next = 0;
        for (place, letter) in self.letters.iter().enumerate().take(LONGEST).filter(|(place, _)| places & (1 << place) != 0) {
            match letter {
                b'*' => next |= 1 << place,
                letter if *letter == byte => next |= 1 << (place + 1),
                _ => {}
            }
        }
        self.closed(next)
    }

    /// One place past its end is below the prefix.
    fn follow(&self, place: u128, byte: u8) -> u128 {
        let length = self.letters.len() as u128;
        match usize::try_from(place).ok().and_then(|place| self.letters.get(place)) {
            _ if place == LOST => LOST,
            Some(letter) if *letter == byte => place + 1,
            Some(_) => LOST,
            None if place > length || byte == b'/' => length + 1,
            None => LOST,
        }
    }

    fn accepts(&self, places: u128) -> bool {
        match (self.is_prefix, self.letters.len()) {
            (true, length) => places != LOST && places >= length as u128,
            (false, length) if length <= LONGEST => places & (1 << length) != 0,
            (false, _) => false,
        }
    }
}
