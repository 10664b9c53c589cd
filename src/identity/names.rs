//! The names that clients may not use: those of every preset, of every table and assertion of the configuration, and of the
//! token header. Guarantees that no spelling of one gets through: names are compared with everything but letters and digits
//! read as `-`, as CGI, WSGI, PHP, Rack and Java servers do when they make variables of them (RFC 3875 section 4.1.18).

use super::table::{Preset, Table};

/// The header in which a token leaves `Authorization` to the application.
pub const TOKEN_HEADER: &str = "x-vestibule-token";

/// Stripped although no route sends them: what other gateways' applications read as a name.
const OTHERS: [&str; 4] = [TOKEN_HEADER, "x-vestibule-assertion", "oam-remote-user", "x-remote-user"];

/// Initials: a letter or digit each, and one place for everything else.
const INITIALS: usize = 37;

/// Names, ready to be compared with. Most names of a request are told apart by their first letter and their length.
#[derive(Clone, Debug)]
pub struct Names {
    /// For each initial, the lengths that names with it have, a bit each; the last for all longer ones.
    lengths: [u64; INITIALS],
    names: Vec<Box<str>>,
}

impl Default for Names {
    fn default() -> Self {
        Self::new(std::iter::empty::<&[u8]>())
    }
}

impl Names {
    /// The built-in names, and `more` of the configuration's.
    pub fn new<'n>(more: impl IntoIterator<Item = &'n [u8]>) -> Self {
        let mut names = Self { lengths: [0; INITIALS], names: Vec::new() };
        for table in Preset::ALL.map(Preset::table) {
            names.add_table(&table);
        }
        OTHERS.iter().for_each(|name| names.add(name.as_bytes()));
        more.into_iter().for_each(|name| names.add(name));
        names
    }

    /// All of them, with everything but letters and digits as `-`.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(AsRef::as_ref)
    }

    fn add_table(&mut self, table: &Table) {
        table.names().for_each(|name| self.add(name));
    }

    /// One more name.
    pub fn add(&mut self, name: &[u8]) {
        let normal: String = name.iter().map(|b| char::from(dashed(*b))).collect();
        if normal.is_empty() || self.has(&normal) {
            return;
        }
        if let Some(lengths) = self.lengths.get_mut(initial(normal.as_bytes())) {
            *lengths |= length_bit(normal.len());
        }
        self.names.push(normal.into());
    }

    /// Whether a server might read a header of this name as one of these.
    pub fn has(&self, name: &str) -> bool {
        let bytes = name.as_bytes();
        let known = self.lengths.get(initial(bytes)).copied().unwrap_or(u64::MAX);
        known & length_bit(bytes.len()) != 0 && self.names.iter().any(|own| same(bytes, own.as_bytes()))
    }
}

fn same(name: &[u8], normal: &[u8]) -> bool {
    name.len() == normal.len() && name.iter().zip(normal).all(|(a, b)| dashed(*a) == *b)
}

const fn dashed(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

fn initial(name: &[u8]) -> usize {
    match name.first().copied().map(dashed) {
        Some(letter @ b'a'..=b'z') => usize::from(letter - b'a'),
        Some(digit @ b'0'..=b'9') => 26 + usize::from(digit - b'0'),
        _ => INITIALS - 1,
    }
}

fn length_bit(length: usize) -> u64 {
    1 << length.min(63)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a server that makes variables of header names calls this one.
    fn variable(name: &str) -> String {
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
    }

    fn all() -> Vec<String> {
        let presets = Preset::ALL.map(Preset::table);
        let mut all: Vec<String> =
            presets.iter().flat_map(|t| t.names().map(|name| String::from_utf8(name.to_vec()).unwrap()).collect::<Vec<_>>()).collect();
        all.push(TOKEN_HEADER.to_owned());
        all
    }

    #[test]
    fn every_presets_names_are_known_and_ordinary_ones_are_not() {
        let names = Names::default();
        for name in all() {
            assert!(names.has(&name.to_ascii_lowercase()), "{name}");
        }
        for name in ["accept", "host", "authorization", "cookie", "remote-user2", "x-forwarded", "user", "iv-use", "", "x-csrf-token"] {
            assert!(!names.has(name), "{name}");
        }
    }

    #[test]
    fn the_configurations_own_names_are_added() {
        let names = Names::new([&b"X-User"[..], b"Ssl_Client"]);
        assert!(names.has("x_user") && names.has("SSL-CLIENT") && !names.has("x-users"));
    }

    proptest! {
        #[test]
        fn no_spelling_of_any_presets_name_gets_through(
            pick in any::<prop::sample::Index>(),
            marks in proptest::collection::vec(prop::sample::select(&b"-_.~!#$&'*+^`|"[..]), 12),
            capitals in any::<u64>(),
        ) {
            let all = all();
            let name = pick.get(&all);
            let mut next = marks.iter().cycle();
            let spelt: String = name.chars().enumerate().map(|(at, c)| match c {
                c if !c.is_ascii_alphanumeric() => char::from(*next.next().unwrap()),
                c if capitals >> (at % 64) & 1 == 1 => c.to_ascii_uppercase(),
                c => c.to_ascii_lowercase(),
            }).collect();
            prop_assert!(Names::default().has(&spelt), "{spelt}");
        }

        /// A naive server that makes variables of names finds none of the identity's.
        #[test]
        fn what_is_let_through_makes_no_identity_variable(name in "[a-zA-Z_.~-]{1,14}") {
            let identity: Vec<String> = all().iter().map(|name| variable(name)).collect();
            prop_assert!(Names::default().has(&name) || !identity.contains(&variable(&name)));
        }
    }
}
