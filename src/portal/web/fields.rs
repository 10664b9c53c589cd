//! Form and query fields, as sent: the first of a name counts, and none is too long to be true.

/// Decoded `application/x-www-form-urlencoded` pairs.
#[derive(Default)]
pub struct Fields(Vec<(String, zeroize::Zeroizing<String>)>);

/// No form of ours has more.
const MOST: usize = 64;

impl Fields {
    pub fn parse(bytes: &[u8]) -> Self {
        let pairs = url::form_urlencoded::parse(bytes).take(MOST);
        Self(pairs.map(|(name, value)| (name.into_owned(), zeroize::Zeroizing::new(value.into_owned()))).collect())
    }

    /// A field's value; empty if it is absent.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value.as_str())
    }

    pub fn secret(&self, name: &str) -> crate::base::Secret {
        crate::base::Secret::new(self.get(name))
    }

    pub fn has(&self, name: &str) -> bool {
        !self.get(name).is_empty()
    }

    /// All of them, in their order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// All values of a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}
