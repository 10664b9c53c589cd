//! Known differences are found, none is invented, and nothing that opens is called stricter. The random policies are built from the edges where
//! two policies can differ by little.

use std::net::IpAddr;

use http::Method;
use proptest::prelude::*;

use super::super::testing::sample::*;
use super::super::*;
use super::direction::direction_for;
use super::view::Judged;
use super::*;
use crate::account::MfaPolicy;
use crate::base::{ClientAddr, Host};
use crate::factor::{Method as Factor, MethodSet};
use crate::path::Path;
use crate::token::{CountsAs, Scope, Way};

fn one_line(change: &Change) -> String {
    let side = |side: &Side| {
        let factors = side.factors.as_ref().map_or(String::new(), |factors| format!("{factors:?}"));
        let age = side.max_age.map_or(String::new(), |age| format!("{age:?}"));
        let observed = if side.enforce { "" } else { "observed" };
        let away = if side.maintenance { "away" } else { "" };
        let tokens = side.tokens.as_ref().map_or(String::new(), |tokens| format!("({tokens})"));
        let guests = side.guests.as_ref().map_or(String::new(), |guests| format!("({guests})"));
        let certificate = side.client_certificate.map_or(String::new(), |word| format!("[{word}]"));
        let outcome = side.outcome.to_owned();
        let parts = [outcome, side.groups.join("+"), factors, age, observed.to_owned(), away.to_owned(), tokens, guests, certificate];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    };
    format!(
        "{:?} {}{} {} {}: {} -> {}",
        change.direction,
        change.hosts.join(","),
        change.path,
        change.methods.join(","),
        change.who,
        side(&change.before),
        side(&change.after)
    )
}

fn differences(old: Vec<Route>, new: Vec<Route>) -> Comparison {
    compare(&policy(old), &policy(new), Effort::FULL)
}

fn lines(old: Vec<Route>, new: Vec<Route>) -> Vec<String> {
    let found = differences(old, new);
    assert!(found.complete);
    let directions = found.changes.iter().map(|change| change.direction);
    assert_eq!(found.verdict, Overall::of(directions));
    found.changes.iter().map(one_line).collect()
}

fn wiki(rules: Vec<Rule>) -> Vec<Route> {
    vec![Route { rules, ..route("wiki", &["wiki.example"], "/", Level::OneFactor) }]
}

#[test]
fn the_same_is_the_same_however_it_is_written() {
    let rules = || vec![rule(&["/admin/"], Level::TwoFactor), rule(&["/Open"], Level::Bypass)];
    assert_eq!(lines(wiki(rules()), wiki(rules())), Vec::<String>::new());
    let by_rule = wiki(vec![rule(&["/a"], Level::TwoFactor)]);
    let mut by_route = wiki(vec![]);
    by_route.push(route("a", &["wiki.example"], "/a", Level::TwoFactor));
    assert_eq!(lines(by_rule, by_route), Vec::<String>::new(), "a rule or a route");
    let shadowed = vec![rule(&["/a"], Level::TwoFactor), rule(&["/a/b"], Level::Bypass)];
    assert_eq!(lines(wiki(vec![rule(&["/a"], Level::TwoFactor)]), wiki(shadowed)), Vec::<String>::new(), "never reached");
}

#[test]
fn a_stricter_rule_is_one_line() {
    let new = wiki(vec![rule(&["/admin/"], Level::TwoFactor), rule(&["/admin/keys"], Level::TwoFactor)]);
    assert_eq!(lines(wiki(vec![]), new), ["Stricter wiki.example/admin * everybody: one_factor -> two_factor"]);
}

#[test]
fn a_demand_for_a_certificate_is_stricter_and_an_acceptance_laxer() {
    let using = |one| {
        let mut wiki = wiki(vec![]);
        wiki[0].requirement.client_certificate = one;
        wiki
    };
    let (none, accept, require) = (using(CertificateUse::None), using(CertificateUse::Accept), using(CertificateUse::Require));
    assert_eq!(
        lines(none.clone(), accept.clone()),
        ["Laxer wiki.example/ * clients with a certificate: one_factor -> one_factor [accept]"]
    );
    assert_eq!(differences(accept.clone(), none.clone()).verdict, Overall::Stricter);
    assert_eq!(lines(accept, require.clone()), ["Stricter wiki.example/ * everybody: one_factor [accept] -> one_factor [require]"]);
    let found = lines(none.clone(), require.clone());
    assert!(found.contains(&"Stricter wiki.example/ * everybody: one_factor -> one_factor [require]".to_owned()), "{found:?}");
    assert!(found.iter().any(|line| line.starts_with("Laxer wiki.example/ * clients with a certificate")), "{found:?}");
    assert_eq!(differences(require, none).verdict, Overall::Laxer);
    let rule = |used| {
        let mut rule = rule(&["/admin"], Level::OneFactor);
        rule.requirement.client_certificate = used;
        wiki(vec![rule])
    };
    assert_eq!(lines(rule(CertificateUse::None), rule(CertificateUse::None)), Vec::<String>::new());
    let mut observed = rule(CertificateUse::Require);
    observed[0].rules[0].requirement.enforce = false;
    assert_eq!(differences(rule(CertificateUse::Require), observed).verdict, Overall::Laxer);
}

#[test]
fn the_order_of_rules_is_a_difference() {
    let (admin, open) = (rule(&["/admin"], Level::TwoFactor), rule(&["/admin/help"], Level::Bypass));
    let found = lines(wiki(vec![open.clone(), admin.clone()]), wiki(vec![admin, open]));
    assert_eq!(found, ["Stricter wiki.example/admin/help * everybody: bypass -> two_factor"]);
}

#[test]
fn the_edge_of_a_wildcard_is_found() {
    let old = vec![route("all", &["*.example"], "/", Level::OneFactor), route("a", &["*.a.example"], "/", Level::TwoFactor)];
    let new = vec![route("all", &["*.example"], "/", Level::OneFactor), route("a", &["a.example", "*.a.example"], "/", Level::TwoFactor)];
    assert_eq!(lines(old, new), ["Stricter a.example/ * everybody: one_factor -> two_factor"]);
}

#[test]
fn letter_case_and_encoded_slashes_are_found() {
    let upper = wiki(vec![rule(&["/Admin"], Level::TwoFactor)]);
    let lower = wiki(vec![rule(&["/admin"], Level::TwoFactor)]);
    assert_eq!(lines(upper, lower), Vec::<String>::new(), "every spelling is held to both");
    let upper = wiki(vec![rule(&["/Open"], Level::Bypass)]);
    let lower = wiki(vec![rule(&["/open"], Level::Bypass)]);
    assert_eq!(lines(upper, lower).len(), 2, "a spelling opens for itself alone");
    let mut slashed = wiki(vec![]);
    slashed[0].encoded_slash = true;
    assert_eq!(lines(wiki(vec![]), slashed), ["Laxer wiki.example/…%2f… * everybody: refused -> one_factor"]);
}

#[test]
fn groups_say_who_is_meant() {
    let with = |groups: &[&str]| {
        let mut wiki = wiki(vec![]);
        wiki[0].requirement = with_groups(requirement(Level::OneFactor), groups);
        wiki
    };
    let found = lines(with(&["staff"]), with(&["dev", "staff"]));
    assert_eq!(found, ["Laxer wiki.example/ * members of dev who are not in staff: forbidden -> one_factor dev+staff"]);
    let found = lines(wiki(vec![]), with(&["staff"]));
    assert_eq!(found, ["Stricter wiki.example/ * everybody who is not in staff: one_factor -> forbidden"]);
    assert_eq!(lines(with(&["a", "b"]), with(&["b", "a", "a"])), Vec::<String>::new());
}

#[test]
fn networks_and_methods_are_named() {
    let inside = Rule { networks: vec!["10.0.0.0/8".parse().unwrap()], methods: vec![Method::GET], ..rule(&[], Level::Bypass) };
    let found = lines(wiki(vec![]), wiki(vec![inside]));
    assert_eq!(found, ["Laxer wiki.example/ GET,HEAD requests without a sign-in from 10.0.0.0/8: one_factor -> bypass"]);
}

#[test]
fn factors_age_and_observing_have_a_direction() {
    let with = |change: fn(&mut Requirement)| {
        let mut wiki = wiki(vec![]);
        wiki[0].requirement.level = Level::TwoFactor;
        change(&mut wiki[0].requirement);
        wiki
    };
    let totp = |r: &mut Requirement| r.factors = Some(MethodSet::EMPTY.with(Factor::Totp));
    let key = |r: &mut Requirement| r.factors = Some(MethodSet::EMPTY.with(Factor::Webauthn));
    let of = |old, new| differences(old, new).changes.iter().map(|c| c.direction).collect::<Vec<_>>();
    assert_eq!(of(with(|_| {}), with(totp)), [Direction::Stricter]);
    assert_eq!(of(with(totp), with(key)), [Direction::Different]);
    assert_eq!(of(with(|r| r.max_age = Some(std::time::Duration::from_secs(60))), with(|_| {})), [Direction::Laxer]);
    assert_eq!(of(with(|r| r.enforce = false), with(|_| {})), [Direction::Stricter]);
    let observed = lines(with(|_| {}), with(|r| r.enforce = false));
    assert_eq!(observed, ["Laxer wiki.example/ * everybody: two_factor -> two_factor observed"]);
}

#[test]
fn what_has_no_route_or_loses_it_is_told() {
    assert_eq!(lines(vec![], wiki(vec![])), ["Laxer wiki.example/ * everybody: no_route -> one_factor"]);
    assert_eq!(lines(wiki(vec![]), vec![]), ["Stricter wiki.example/ * everybody: one_factor -> no_route"]);
    let denied = || vec![route("wiki", &["wiki.example"], "/", Level::Deny)];
    assert_eq!(lines(denied(), wiki(vec![])), ["Laxer wiki.example/ * everybody: deny -> one_factor"]);
    assert_eq!(differences(denied(), vec![]).verdict, Overall::Laxer, "nothing opens, and nothing is stricter");
}

#[test]
fn patterns_are_compared_exactly() {
    let closing = |pattern: &str| Rule { patterns: vec![pattern.to_owned()], ..rule(&[], Level::Deny) };
    let found = lines(wiki(vec![]), wiki(vec![closing("*.php")]));
    assert_eq!(found, ["Stricter wiki.example/ (*.php) * everybody: one_factor -> deny"]);
    assert_eq!(lines(wiki(vec![closing("/a*")]), wiki(vec![closing("/a**")])), Vec::<String>::new());
    let found = lines(wiki(vec![closing("*a*b")]), wiki(vec![closing("*a*"), closing("*b")]));
    assert!(found.iter().all(|line| line.starts_with("Stricter")) && !found.is_empty(), "{found:?}");
}

#[test]
fn many_patterns_cost_nothing_in_routes_that_stay_as_they_are() {
    let closing = |n: usize| Rule { patterns: vec![format!("*/secret{n}*"), format!("*.x{n}")], ..rule(&[], Level::Deny) };
    let busy = || Route { rules: (0..40).map(closing).collect(), ..route("busy", &["wiki.example"], "/busy", Level::OneFactor) };
    let pair = |level| vec![route("wiki", &["wiki.example"], "/", level), busy()];
    let found = lines(pair(Level::OneFactor), pair(Level::TwoFactor));
    assert_eq!(found, ["Stricter wiki.example/ * everybody: one_factor -> two_factor"]);
}

#[test]
fn what_cannot_be_looked_at_in_full_is_never_called_the_same() {
    let dotted = |level| wiki(vec![rule(&["/a./b"], level)]);
    let found = differences(dotted(Level::Deny), dotted(Level::OneFactor));
    assert!(!found.complete && found.verdict == Overall::Laxer);
}

#[test]
fn a_form_is_met_by_a_rule_with_a_query_whatever_methods_are_named() {
    let open = |rules| vec![Route { rules, ..route("wiki", &["wiki.example"], "/", Level::Bypass) }];
    let condition = vec![query::Condition::new("do", &["admin".to_owned()])];
    let asked = Rule { query: condition, ..rule(&["/doku.php"], Level::TwoFactor) };
    let found = lines(open(vec![]), open(vec![asked]));
    let (form, query) = ("wiki.example/doku.php (form) PATCH,POST,PUT", "wiki.example/doku.php?do=admin *");
    assert!(found.len() == 2 && found.iter().all(|line| line.starts_with("Stricter")), "{found:#?}");
    assert!([form, query].iter().all(|place| found.iter().any(|line| line.contains(place))), "{found:#?}");
}

#[test]
fn an_application_that_goes_away_is_closed_for_all_but_some() {
    let away = |groups: &[&str]| {
        let mut wiki = wiki(vec![]);
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        wiki[0].application.maintenance = Some(Maintenance { page: "away".into(), groups });
        wiki
    };
    let found = lines(wiki(vec![]), away(&["ops"]));
    let who = ["everybody who is not in ops", "requests without a sign-in"];
    assert_eq!(found, who.map(|who| format!("Stricter wiki.example/ * {who}: one_factor -> one_factor away")));
    assert_eq!(differences(away(&[]), away(&["ops"])).verdict, Overall::Laxer);
    assert_eq!(lines(away(&["a", "b"]), away(&["b", "a"])), Vec::<String>::new());
}

#[test]
fn guests_have_a_direction_of_their_own() {
    let taking = |patterns: &[&str], level: Level| {
        let mut wiki = route("wiki", &["wiki.example"], "/", level);
        wiki.application.guests = patterns.iter().map(|pattern| GuestPattern::parse(pattern).expect("a pattern")).collect();
        vec![wiki]
    };
    let one = Level::OneFactor;
    let found = lines(taking(&[], one), taking(&["*@partner.example"], one));
    assert_eq!(found, ["Laxer wiki.example/ * guests: one_factor (none) -> one_factor (*@partner.example)"]);
    let found = lines(taking(&["*@partner.example"], one), taking(&["bob@partner.example"], one));
    assert_eq!(found, ["Stricter wiki.example/ * guests: one_factor (*@partner.example) -> one_factor (bob@partner.example)"]);
    let found = lines(taking(&["*@one.example"], one), taking(&["*@two.example"], one));
    assert_eq!(found, ["Different wiki.example/ * guests: one_factor (*@one.example) -> one_factor (*@two.example)"]);
    assert!(lines(taking(&["*@one.example"], Level::TwoFactor), taking(&[], Level::TwoFactor)).is_empty(), "guests never pass there");
}

#[test]
fn api_tokens_have_a_direction_of_their_own() {
    let with = |name: &str, ways: &[Way], worth, level| {
        let mut wiki = route(name, &["wiki.example"], "/", level);
        (wiki.application.tokens, wiki.application.tokens_count_as) = (ways.iter().copied().collect(), worth);
        vec![wiki]
    };
    let (one, two) = (CountsAs::OneFactor, CountsAs::TwoFactor);
    let found = lines(with("w", &[], one, Level::OneFactor), with("w", &[Way::Bearer], one, Level::OneFactor));
    assert_eq!(found, ["Laxer wiki.example/ * API tokens: one_factor (none) -> one_factor (bearer as one_factor)"]);
    assert_eq!(
        lines(with("w", &[Way::Basic], one, Level::OneFactor), with("w", &[Way::Basic], two, Level::OneFactor)),
        Vec::<String>::new()
    );
    let found = lines(with("w", &[Way::Basic], two, Level::TwoFactor), with("w", &[Way::Basic], one, Level::TwoFactor));
    assert!(found.len() == 1 && found[0].starts_with("Stricter"), "{found:?}");
    let renamed = lines(with("w", &[Way::Basic], one, Level::OneFactor), with("v", &[Way::Basic], one, Level::OneFactor));
    assert!(renamed.len() == 1 && renamed[0].starts_with("Different"), "a token can be for one route alone: {renamed:?}");
    let found = lines(with("w", &[Way::Basic], one, Level::OneFactor), with("w", &[Way::Basic], one, Level::TwoFactor));
    assert_eq!(found, ["Stricter wiki.example/ * everybody: one_factor -> two_factor"]);
}

const HOSTS: [&str; 6] = ["a.example", "b.a.example", "c.b.a.example", "x.example", "example", "other"];
const PATHS: [&str; 8] = ["", "/a", "/A", "/a/b", "/a/B/c", "/ab", "/b.c", "/d"];

fn demand() -> impl Strategy<Value = Requirement> {
    let level = prop::sample::select(Level::ALL.to_vec());
    let groups = prop::sample::select(vec![None, None, Some(vec!["g"]), Some(vec!["h"]), Some(vec!["g", "h"])]);
    let factors = prop::sample::select(vec![
        None,
        None,
        Some(MethodSet::EMPTY.with(Factor::Totp)),
        Some(MethodSet::EMPTY.with(Factor::Totp).with(Factor::Webauthn)),
    ]);
    let age = prop::sample::select(vec![None, None, Some(60u64), Some(600)]);
    let certificate =
        prop::sample::select(vec![CertificateUse::None, CertificateUse::None, CertificateUse::Accept, CertificateUse::Require]);
    let all = (level, groups, factors, age, certificate, prop::bool::weighted(0.8));
    all.prop_map(|(level, groups, factors, age, client_certificate, enforce)| Requirement {
        level,
        groups: groups.map(|all| all.into_iter().map(str::to_owned).collect()),
        factors,
        max_age: age.map(std::time::Duration::from_secs),
        client_certificate,
        enforce,
    })
}

fn some_query() -> impl Strategy<Value = Vec<query::Condition>> {
    let one = |name, values: &[&str]| query::Condition::new(name, &values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>());
    prop::sample::select(vec![vec![one("q", &["1", "2"])], vec![one("q", &["2"])], vec![one("q", &["1"]), one("r", &["3"])]])
}

/// What a route says of tokens, and whom it lets through while it is away.
fn some_application() -> impl Strategy<Value = Application> {
    let ways = prop::sample::select(vec![vec![], vec![], vec![Way::Bearer], vec![Way::Bearer, Way::Basic]]);
    let away = prop::option::weighted(0.15, prop::sample::select(vec![vec![], vec!["g"]]));
    let age = Some(std::time::Duration::from_secs(300));
    let rules = vec![DeviceRule::Observe, DeviceRule::Prefer, DeviceRule::Require { age: None }, DeviceRule::Require { age }];
    let device = prop::option::weighted(0.3, prop::sample::select(rules));
    (ways, prop::sample::select(vec![CountsAs::OneFactor, CountsAs::TwoFactor]), away, device).prop_map(
        |(ways, tokens_count_as, away, device)| Application {
            device,
            tokens: ways.into_iter().collect(),
            tokens_count_as,
            maintenance: away.map(|groups| Maintenance { page: "away".into(), groups: groups.into_iter().map(str::to_owned).collect() }),
            ..Application::default()
        },
    )
}

fn some_rule() -> impl Strategy<Value = Rule> {
    let paths = prop::collection::vec(prop::sample::select(PATHS.to_vec()), 0..3);
    let patterns = prop::collection::vec(prop::sample::select(vec!["/a*", "*.c", "*B*"]), 0..2);
    let methods = prop::collection::vec(prop::sample::select(vec![Method::GET, Method::HEAD, Method::POST]), 0..2);
    let networks = prop::collection::vec(prop::sample::select(vec!["10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32"]), 0..2);
    (paths, prop::bool::weighted(0.2), patterns, methods, networks, demand(), prop::option::weighted(0.15, some_query())).prop_map(
        |(paths, with, patterns, methods, networks, requirement, query)| Rule {
            query: query.unwrap_or_default(),
            patterns: if with { patterns.into_iter().map(str::to_owned).collect() } else { Vec::new() },
            methods,
            networks: networks.into_iter().map(|n| n.parse().unwrap()).collect(),
            requirement,
            ..rule(&paths, Level::Deny)
        },
    )
}

fn some_route() -> impl Strategy<Value = Route> {
    let hosts = prop::collection::vec(prop::sample::select(vec!["a.example", "*.a.example", "*.example", "x.example"]), 0..3);
    let path = prop::sample::select(PATHS.to_vec());
    let name = prop::sample::select(vec!["r", "s"]);
    let rules = prop::collection::vec(some_rule(), 0..4);
    (name, hosts, path, demand(), rules, prop::bool::weighted(0.2), some_application()).prop_map(
        |(name, hosts, path, requirement, rules, encoded_slash, application)| Route {
            requirement,
            rules,
            encoded_slash,
            application,
            ..route(name, &hosts, path, Level::Deny)
        },
    )
}

/// A policy, and another that differs from it in a few places, or not at all.
fn pair() -> impl Strategy<Value = (Vec<Route>, Vec<Route>)> {
    let application = prop::option::weighted(0.2, some_application());
    let edit = (any::<prop::sample::Index>(), demand(), prop::option::of(some_rule()), any::<bool>(), application);
    let edit = prop::option::weighted(0.7, edit);
    (prop::collection::vec(some_route(), 1..4), prop::collection::vec(edit, 0..3)).prop_map(|(old, edits)| {
        let mut new = old.clone();
        for (at, requirement, rule, swap, application) in edits.into_iter().flatten() {
            let at = at.index(new.len());
            let route = &mut new[at];
            match (rule, application) {
                (_, Some(application)) => route.application = application,
                (Some(rule), None) => route.rules.insert(0, rule),
                _ if swap && route.rules.len() > 1 => route.rules.swap(0, 1),
                _ => route.requirement = requirement,
            }
        }
        (old, new)
    })
}

fn target() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "/a",
        "/A",
        "/b",
        "/B",
        "/c",
        "/ab",
        "/b.c",
        "/B.C",
        "/d",
        "//a",
        "/;x",
        "/a;y",
        "%2fb",
        "/%61",
        "/x",
        "/.vestibule",
        "/",
        "%2E",
        "/%C3%A9",
    ]);
    prop::collection::vec(part, 1..4).prop_map(|parts| {
        let text = parts.concat();
        if text.starts_with('/') { text } else { format!("/{text}") }
    })
}

/// None, one of nobody's, or a service account's.
fn certificate() -> impl Strategy<Value = Option<Option<Identity>>> {
    let groups = prop::sample::select(vec![vec![], vec!["g"], vec!["h"], vec!["g", "h"], vec!["k"]]);
    let account = groups.prop_map(|groups| {
        let grant = Grant { scope: std::sync::Arc::default(), way: Way::Certificate };
        Identity { token: Some(grant), ..identity(person(&groups), Proof::Password) }
    });
    prop_oneof![2 => Just(None), 1 => Just(Some(None)), 2 => account.prop_map(|account| Some(Some(account)))]
}

fn somebody() -> impl Strategy<Value = Option<Identity>> {
    let second = (
        prop::sample::select(vec![Factor::Totp, Factor::Webauthn, Factor::Email, Factor::Recovery]),
        prop::sample::select(vec![0u64, 59, 60, 61, 599, 601]),
    );
    let second = second.prop_map(|(method, age)| Proof::Second { method, at: NOW.minus(std::time::Duration::from_secs(age)) });
    let proof = prop_oneof![Just(Proof::Password), Just(Proof::TrustedBrowser), second.clone(), second];
    let groups = prop::sample::select(vec![vec![], vec!["g"], vec!["h"], vec!["g", "h"], vec!["k"]]);
    let methods = prop::sample::subsequence(vec![Factor::Totp, Factor::Webauthn, Factor::Email, Factor::Recovery], 0..4);
    let routes = prop::sample::select(vec![vec![], vec!["r"], vec!["s"], vec!["r", "s"]]);
    let token = prop::option::weighted(0.3, (prop::sample::select(Way::ALL.to_vec()), routes)).prop_map(|token| {
        let scope = |routes: Vec<&str>| Scope { routes: routes.into_iter().map(str::to_owned).collect(), ..Scope::default() };
        token.map(|(way, routes)| Grant { scope: scope(routes).into(), way })
    });
    let proved = [0, 299, 301].map(|age| DeviceState::Proved(NOW.minus(std::time::Duration::from_secs(age))));
    let states = [DeviceState::Unbound, DeviceState::Binding, DeviceState::Settling, DeviceState::Missing];
    let device = prop::sample::select(states.into_iter().chain(proved).collect::<Vec<_>>());
    prop::option::weighted(
        0.8,
        (groups, proof, methods, any::<bool>(), token, device).prop_map(|(groups, proof, methods, off, token, device)| {
            let mut person = person(&groups);
            person.methods = methods.into_iter().collect();
            person.mfa = if off { MfaPolicy::Off } else { MfaPolicy::Optional };
            Identity { token, device, ..identity(person, proof) }
        }),
    )
}

/// By the gateway's own way to a decision, without anything of the comparison.
fn judged(policy: &Policy, ask: &Ask<'_>, who: Option<&Identity>) -> Judged {
    let decision = decide(policy, ask, who, NOW);
    let groups = who.map(|who| who.person.groups.as_slice());
    let away = match &decision {
        Decision::Allow(admission) => policy.admitted(admission).is_some_and(|(_, route)| route.application.is_away(groups)),
        Decision::Challenge { route, .. } => route.application.is_away(groups),
        _ => false,
    };
    Judged { decision, away }
}

fn opens(judged: &Judged) -> bool {
    matches!(judged.decision, Decision::Allow(_)) && !judged.away
}

#[test]
fn what_a_route_wants_of_bound_sessions_is_compared() {
    let with = |device| {
        policy(vec![Route { application: Application { device, ..Application::default() }, ..route("r", &[], "/", Level::OneFactor) }])
    };
    let age = |secs| Some(DeviceRule::Require { age: Some(std::time::Duration::from_secs(secs)) });
    let require = Some(DeviceRule::Require { age: None });
    let order = [None, Some(DeviceRule::Observe), Some(DeviceRule::Prefer), require, age(600), age(300)];
    for (at, laxer) in order.iter().enumerate() {
        for (later, stricter) in order.iter().enumerate() {
            let expected = match at.cmp(&later) {
                std::cmp::Ordering::Less => Overall::Stricter,
                std::cmp::Ordering::Equal => Overall::Same,
                std::cmp::Ordering::Greater => Overall::Laxer,
            };
            let found = compare(&with(*laxer), &with(*stricter), Effort::FULL);
            assert_eq!(found.verdict, expected, "{laxer:?} to {stricter:?}: {found:#?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]
    #[test]
    fn what_is_called_the_same_decides_alike_and_nothing_that_opens_is_called_stricter(
        (old, new) in pair(),
        asks in prop::collection::vec((target(), prop::sample::select(HOSTS.to_vec()), somebody(), prop::sample::select(vec!["GET", "HEAD", "POST", "PUT"]),
            prop::sample::select(vec!["10.1.2.3", "10.2.0.1", "192.0.2.1", "2001:db8::1"]), prop::sample::select(vec!["", "", "?q=1", "?Q=2", "?r=3&q=1"]), any::<bool>(), certificate()), 120),
    ) {
        let (old, new) = (policy(old), policy(new));
        let (there, back) = (compare(&old, &new, Effort::FULL), compare(&new, &old, Effort::FULL));
        prop_assert!(there.complete && back.complete);
        prop_assert_eq!(there.verdict == Overall::Same, back.verdict == Overall::Same);
        for (target, host, who, method, from, query, form, shown) in asks {
            let target = format!("{target}{query}");
            let Ok(path) = Path::parse(target.as_bytes()) else { continue };
            let (host, method) = (Host::parse(host.as_bytes()).unwrap(), method.parse().unwrap());
            let certificate = shown.as_ref().map_or(Certificate::Absent, |holder| Certificate::Valid(holder.as_ref()));
            let client = ClientAddr::new(from.parse::<IpAddr>().unwrap());
            let ask = Ask { host: &host, method: &method, client, path: &path, form, certificate };
            let (before, after) = (judged(&old, &ask, who.as_ref()), judged(&new, &ask, who.as_ref()));
            let direction = direction_for(&before, &after);
            let what = format!("{target} {host} {method} {from} {who:?} {shown:?}: {before:?} then {after:?}\n{there:#?}");
            match there.verdict {
                Overall::Same => prop_assert!(direction.is_none(), "the same: {what}"),
                Overall::Stricter => prop_assert!(matches!(direction, None | Some(Direction::Stricter)), "stricter: {what}"),
                Overall::Laxer => {}
            }
            if opens(&after) && !opens(&before) {
                prop_assert_eq!(there.verdict, Overall::Laxer, "{}", what);
            }
        }
    }
}
