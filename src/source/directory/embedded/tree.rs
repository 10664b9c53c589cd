//! What is in the embedded directory, and whether an entry matches a filter.

use ldap3_proto::proto::{LdapFilter, LdapSearchScope, LdapSubstringFilter};

use crate::config::directory::Dn;

/// An entry: attributes with their values, and a password that no search shows.
#[derive(Clone, Debug, Default)]
pub struct Record {
    pub dn: String,
    pub attributes: Vec<(String, Vec<u8>)>,
    pub password: Option<String>,
}

impl Record {
    pub fn new(dn: &str, attributes: &[(&str, &str)]) -> Self {
        let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        Self { dn: dn.to_owned(), attributes, password: None }
    }

    /// The same with a password.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// Puts one value in the place of all values of an attribute.
    pub fn set(&mut self, attribute: &str, value: &str) {
        self.remove(attribute);
        self.attributes.push((attribute.to_owned(), value.as_bytes().to_vec()));
    }

    pub fn remove(&mut self, attribute: &str) {
        self.attributes.retain(|(name, _)| !name.eq_ignore_ascii_case(attribute));
    }

    /// The values of an attribute, as text as far as they are.
    pub fn values<'a>(&'a self, attribute: &'a str) -> impl Iterator<Item = String> + 'a {
        let named = self.attributes.iter().filter(move |(name, _)| name.eq_ignore_ascii_case(attribute));
        named.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    }

    fn any(&self, attribute: &str, fits: impl Fn(&str) -> bool) -> bool {
        self.values(attribute).any(|value| fits(&folded(&value)))
    }
}

/// All entries.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    pub records: Vec<Record>,
}

impl Tree {
    /// The entry with this name.
    pub fn at(&mut self, dn: &str) -> Option<&mut Record> {
        let wanted = Dn::parse(dn).ok()?;
        self.records.iter_mut().find(|record| Dn::parse(&record.dn).is_ok_and(|dn| dn == wanted))
    }

    /// Those below a base that match, in the order in which they were put in.
    pub fn search(&self, base: &str, scope: &LdapSearchScope, filter: &LdapFilter) -> Vec<&Record> {
        let Ok(base) = Dn::parse(base) else { return Vec::new() };
        let is_in = |record: &&Record| {
            let Ok(dn) = Dn::parse(&record.dn) else { return false };
            if *scope == LdapSearchScope::Base { dn == base } else { dn.is_within(&base) }
        };
        self.records.iter().filter(|record| matches(record, filter)).filter(is_in).collect()
    }
}

fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

fn matches(record: &Record, filter: &LdapFilter) -> bool {
    match filter {
        LdapFilter::And(all) => all.iter().all(|filter| matches(record, filter)),
        LdapFilter::Or(any) => any.iter().any(|filter| matches(record, filter)),
        LdapFilter::Not(filter) => !matches(record, filter),
        LdapFilter::Equality(attribute, value) | LdapFilter::Approx(attribute, value) => {
            let value = folded(value);
            record.any(attribute, |own| own == value)
        }
        LdapFilter::Present(attribute) => attribute.eq_ignore_ascii_case("objectClass") || record.any(attribute, |_| true),
        LdapFilter::Substring(attribute, parts) => record.any(attribute, |own| has_parts(own, parts)),
        LdapFilter::GreaterOrEqual(attribute, value) => record.any(attribute, |own| own >= folded(value).as_str()),
        LdapFilter::LessOrEqual(attribute, value) => record.any(attribute, |own| own <= folded(value).as_str()),
        LdapFilter::Extensible(_) => false,
    }
}

fn has_parts(own: &str, parts: &LdapSubstringFilter) -> bool {
    let mut rest = own;
    if let Some(initial) = &parts.initial {
        let Some(after) = rest.strip_prefix(folded(initial).as_str()) else { return false };
        rest = after;
    }
    if let Some(last) = &parts.final_ {
        let Some(before) = rest.strip_suffix(folded(last).as_str()) else { return false };
        rest = before;
    }
    parts.any.iter().all(|part| match rest.split_once(folded(part).as_str()) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}
