//! What can be known of an address: a country, and a network operator.

/// A country by its two letters (ISO 3166-1 alpha-2), upper case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Country([u8; 2]);

impl Country {
    /// Reads two letters; case does not count.
    pub fn parse(text: &str) -> Option<Self> {
        match text.as_bytes() {
            [a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => Some(Self([a.to_ascii_uppercase(), b.to_ascii_uppercase()])),
            _ => None,
        }
    }
}

impl std::fmt::Display for Country {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b] = self.0.map(char::from);
        write!(f, "{a}{b}")
    }
}

/// What is known of an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Origin {
    pub country: Option<Country>,
    /// The number of its autonomous system.
    pub asn: Option<u32>,
}

/// What a set of databases can tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Knows {
    pub countries: bool,
    pub asns: bool,
}
