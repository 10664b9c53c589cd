//! A rule's lists of countries and network operators, with the databases that they are looked up in.

use std::sync::Arc;

use super::lookup::Geo;
use super::origin::Country;
use crate::base::ClientAddr;

/// Any of the countries (if some are listed), and any of the operators (if some are listed).
#[derive(Clone)]
pub struct Whereabouts {
    pub geo: Arc<Geo>,
    pub countries: Vec<Country>,
    /// Numbers of autonomous systems.
    pub asns: Vec<u32>,
}

impl Whereabouts {
    /// Whether a client is there. One that nobody vouches for, or that no database knows, is nowhere.
    pub fn has(&self, client: ClientAddr) -> bool {
        let Some(address) = client.vouched() else { return false };
        let origin = self.geo.origin(address);
        let in_country = self.countries.is_empty() || origin.country.is_some_and(|country| self.countries.contains(&country));
        let at_operator = self.asns.is_empty() || origin.asn.is_some_and(|asn| self.asns.contains(&asn));
        in_country && at_operator
    }
}

/// Without the databases: two rules are alike if they name the same places.
impl std::fmt::Debug for Whereabouts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

impl std::fmt::Display for Whereabouts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let countries = self.countries.iter().map(ToString::to_string);
        let all: Vec<String> = countries.chain(self.asns.iter().map(|asn| format!("AS{asn}"))).collect();
        f.write_str(&all.join(", "))
    }
}
