//! Rules by query, wherever they stand and whatever they say: they let nothing through that the same rules without them stop.

use proptest::prelude::*;

use super::naive::{routes, somebody, target};
use super::sample::*;
use crate::base::{ClientAddr, Host};
use crate::path::Path;
use crate::policy::query::Condition;
use crate::policy::*;

/// A rule about the query at a place among the others, the most careless level included.
fn by_query() -> impl Strategy<Value = (prop::sample::Index, Rule)> {
    let values = prop::sample::select(vec![vec!["admin"], vec!["show"], vec!["admin", "show"]]);
    let paths = prop::sample::select(vec![vec![], vec![], vec!["/admin"], vec!["/pub"]]);
    let methods = prop::sample::select(vec![vec![], vec![], vec![http::Method::GET], vec![http::Method::POST]]);
    let groups = prop::sample::select(vec![None, None, Some(["staff"]), Some(["guests"])]);
    let level = prop::sample::select(Level::ALL.to_vec());
    (any::<prop::sample::Index>(), values, paths, methods, groups, level).prop_map(|(at, values, paths, methods, groups, level)| {
        let values: Vec<String> = values.into_iter().map(str::to_owned).collect();
        let wanted = groups.map_or_else(|| requirement(level), |groups| with_groups(requirement(level), &groups));
        (at, Rule { methods, query: vec![Condition::new("do", &values)], requirement: wanted, ..rule(&paths, level) })
    })
}

fn query() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "do=admin",
        "do=show",
        "do=x",
        "a=b",
        "DO=Admin",
        "d%6f=%61dmin",
        "do[]=admin",
        "do",
        "=",
        ";",
        "%26do=admin",
        "do=ad",
    ]);
    prop::collection::vec(piece, 0..4).prop_map(|pieces| if pieces.is_empty() { String::new() } else { format!("?{}", pieces.join("&")) })
}

fn allows(routes: &[Route], ask: &Ask<'_>, who: Option<&Identity>) -> bool {
    matches!(decide(&policy(routes.to_vec()), ask, who, NOW), Decision::Allow(_))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn rules_by_query_only_ever_make_a_demand_stricter(
        without in routes(),
        more in prop::collection::vec(by_query(), 1..4),
        target in target(),
        query in query(),
        post: bool,
        form: bool,
        who in somebody(),
    ) {
        let mut with = without.clone();
        for (at, rule) in more {
            let route = with.len() - 1;
            let rules = &mut with[at.index(route + 1)].rules;
            rules.insert(at.index(rules.len() + 1), rule);
        }
        let target = format!("{target}{query}");
        let Ok(path) = Path::parse(target.as_bytes()) else { return Ok(()) };
        let host = Host::parse(b"a.example").unwrap();
        let method = if post { http::Method::POST } else { http::Method::GET };
        let client = ClientAddr::new([192, 0, 2, 1].into());
        let ask = Ask { host: &host, method: &method, client, path: &path, form: form && post, certificate: Certificate::Absent };
        prop_assert!(allows(&without, &ask, who.as_ref()) || !allows(&with, &ask, who.as_ref()), "{target} by {:?}", with);
    }
}
