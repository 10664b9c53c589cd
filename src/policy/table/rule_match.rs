//! The rules of a route that stand at one prefix, and which of them is the first that takes a request.
//!
//! Mostly there are one or two, and they are asked in turn. Where there are many they are looked up by method and network, in as many steps as
//! the networks have different sizes, however many rules there are. Rules by country or network operator are asked in turn in any case.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use http::Method;
use ipnet::IpNet;

use crate::base::ClientAddr;

use crate::policy::types::Rule;

/// Up to here it is quicker to ask them in turn.
const FEW: usize = 8;

/// Rules by their place in the route, in order.
#[derive(Debug, Default)]
pub(in crate::policy) struct MatchingRules {
    places: Vec<usize>,
    /// Those of them that ask where the client is, and that the index leaves out.
    located: Vec<usize>,
    /// One of them takes every request: none that comes later can be the first.
    closed: bool,
    index: Option<Box<Index>>,
}

impl MatchingRules {
    /// The next rule that stands here. `rules` are all of the route.
    pub fn add(&mut self, place: usize, rules: &[Rule]) {
        let Some(rule) = rules.get(place).filter(|_| !self.closed && self.places.last() != Some(&place)) else { return };
        self.closed = rule.methods.is_empty() && rule.networks.is_empty() && rule.whereabouts.is_none();
        self.places.push(place);
        if rule.whereabouts.is_some() {
            self.located.push(place);
        }
        match &mut self.index {
            Some(index) => index.add(place, rule),
            None if self.places.len() > FEW => {
                let mut index = Box::<Index>::default();
                for (place, rule) in self.places.iter().filter_map(|place| Some((*place, rules.get(*place)?))) {
                    index.add(place, rule);
                }
                self.index = Some(index);
            }
            None => {}
        }
    }

    /// The first that takes a request with this method from this client.
    pub fn first(&self, rules: &[Rule], method: &Method, client: ClientAddr) -> Option<usize> {
        if let Some(index) = &self.index {
            let located = first_of(&self.located, rules, method, client);
            return index.first(method, client).into_iter().chain(located).min();
        }
        first_of(&self.places, rules, method, client)
    }
}

fn first_of(places: &[usize], rules: &[Rule], method: &Method, client: ClientAddr) -> Option<usize> {
    let applies = |place: &&usize| {
        #[cfg(test)]
        crate::policy::testing::effort::count();
        rules.get(**place).is_some_and(|rule| rule.takes_method(method) && rule.takes_client(client))
    };
    places.iter().find(applies).copied()
}

/// The first rule for each method and network; `None` stands for every one.
#[derive(Debug, Default)]
struct Index {
    first: HashMap<(Option<Method>, Option<IpNet>), usize, FixedState>,
    /// The sizes that networks have, IPv4's and IPv6's.
    sizes: [Vec<u8>; 2],
}

impl Index {
    fn add(&mut self, place: usize, rule: &Rule) {
        if rule.whereabouts.is_some() {
            return;
        }
        for network in &rule.networks {
            let sizes = self.sizes_of(matches!(network, IpNet::V6(_)));
            if !sizes.contains(&network.prefix_len()) {
                sizes.push(network.prefix_len());
            }
        }
        for method in every(&rule.methods) {
            for network in every(&rule.networks) {
                self.first.entry((method.clone(), network.map(|network| network.trunc()))).or_insert(place);
            }
        }
    }

    const fn sizes_of(&mut self, is_v6: bool) -> &mut Vec<u8> {
        let [v4, v6] = &mut self.sizes;
        if is_v6 { v6 } else { v4 }
    }

    fn first(&self, method: &Method, client: ClientAddr) -> Option<usize> {
        let [v4, v6] = &self.sizes;
        let sizes = if client.ip().is_ipv6() { v6 } else { v4 };
        let around = sizes.iter().filter_map(|size| IpNet::new(client.ip(), *size).ok()).map(|network| network.trunc());
        // One that nobody vouches for is in none of them.
        let networks = std::iter::once(None).chain(around.filter(|network| client.is_in(&[*network])).map(Some));
        networks.filter_map(|network| self.of(method, network)).min()
    }

    /// `GET` includes `HEAD`.
    fn of(&self, method: &Method, network: Option<IpNet>) -> Option<usize> {
        let also = (*method == Method::HEAD).then_some(Method::GET);
        [None, Some(method.clone()), also.clone()]
            .into_iter()
            .take(if also.is_some() { 3 } else { 2 })
            .filter_map(|method| {
                #[cfg(test)]
                crate::policy::testing::effort::count();
                self.first.get(&(method, network))
            })
            .min()
            .copied()
    }
}

/// Each of them, or `None` once where there are none.
fn every<T: Clone>(these: &[T]) -> impl Iterator<Item = Option<T>> {
    let none = these.is_empty().then_some(None);
    none.into_iter().chain(these.iter().cloned().map(Some))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::geo::tests::{Value, database};
    use crate::geo::{Country, Geo, Whereabouts};
    use crate::policy::testing::sample::rule;
    use crate::policy::types::Level;

    /// 10.0.0.0/8 is in Germany.
    fn whereabouts(in_country: bool) -> Whereabouts {
        static GEO: std::sync::LazyLock<std::sync::Arc<Geo>> = std::sync::LazyLock::new(|| {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("country.mmdb");
            let germany = Value::Map(vec![("country_code", Value::Text("DE"))]);
            std::fs::write(&file, database(&[(10, germany)])).unwrap();
            Geo::open(vec![file]).unwrap()
        });
        let country = Country::parse(if in_country { "DE" } else { "FR" }).unwrap();
        Whereabouts { geo: GEO.clone(), countries: vec![country], asns: vec![] }
    }

    fn some_rule() -> impl Strategy<Value = Rule> {
        let methods = prop::collection::vec(prop::sample::select(vec![Method::GET, Method::HEAD, Method::POST]), 0..3);
        let networks = vec!["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "0.0.0.0/0", "::/0", "2001:db8::/32", "2001:db8::1/128"];
        let networks = prop::collection::vec(prop::sample::select(networks).prop_map(|n| n.parse().unwrap()), 0..3);
        (methods, networks, any::<Option<bool>>()).prop_map(|(methods, networks, there)| {
            let whereabouts = there.map(whereabouts);
            Rule { methods, networks, whereabouts, ..rule(&[], Level::Deny) }
        })
    }

    proptest! {
        #[test]
        fn the_first_is_the_one_that_asking_in_turn_finds(
            rules in prop::collection::vec(some_rule(), 0..40),
            method in prop::sample::select(vec![Method::GET, Method::HEAD, Method::POST, Method::PUT]),
            from in prop::sample::select(vec!["10.1.2.3", "10.9.9.9", "192.0.2.1", "2001:db8::1", "2001:db9::1", "::ffff:10.1.2.3"]),
            vouched in any::<bool>(),
        ) {
            let mut matching = MatchingRules::default();
            (0..rules.len()).for_each(|place| matching.add(place, &rules));
            let proxy: std::net::IpAddr = from.parse().unwrap();
            let client = if vouched { ClientAddr::new(proxy) } else { ClientAddr::resolve(proxy, None, &["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()]) };
            let naive = rules.iter().position(|rule| rule.takes_method(&method) && rule.takes_client(client));
            prop_assert_eq!(matching.first(&rules, &method, client), naive);
        }
    }
}
