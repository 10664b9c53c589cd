//! The invariant against a second, deliberately simple model: whatever is admitted, no application that decodes, merges, strips or
//! folds in any order finds a place that wants more than the client had. Shares no code with what it tests.

use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization;

use super::sample::*;
use crate::base::{ClientAddr, Host};
use crate::factor::{Method, MethodSet};
use crate::path::Path;
use crate::policy::*;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Step {
    Decode,
    Dots,
    Merge,
    Backslash,
    Parameters,
    Lower,
    /// Lower case one character for one.
    Simple,
    /// Neither letter case nor accents, as databases compare names.
    Accents,
    Nfkc,
}

const STEPS: [Step; 9] =
    [Step::Decode, Step::Dots, Step::Merge, Step::Backslash, Step::Parameters, Step::Lower, Step::Simple, Step::Accents, Step::Nfkc];

/// The first character of the lower case is its simple mapping.
fn simple(text: &str) -> String {
    text.chars().filter_map(|letter| letter.to_lowercase().next()).collect()
}

fn without_accents(text: &str) -> String {
    simple(text).nfkd().filter(|letter| !unicode_normalization::char::is_combining_mark(*letter)).collect()
}

/// How an application that took these steps writes the prefixes that it compares with.
fn caseless(order: &[Step]) -> Option<fn(&str) -> String> {
    if order.contains(&Step::Accents) {
        Some(without_accents)
    } else if order.contains(&Step::Simple) {
        Some(simple)
    } else {
        order.contains(&Step::Lower).then_some(str::to_lowercase)
    }
}

fn decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn remove_dots(text: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in text.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    format!("/{}", kept.join("/"))
}

fn step(text: &str, step: Step) -> String {
    match step {
        Step::Decode => decode(text),
        Step::Dots => remove_dots(text),
        Step::Merge => {
            let mut text = text.to_owned();
            while text.contains("//") {
                text = text.replace("//", "/");
            }
            text
        }
        Step::Backslash => text.replace(['\\', '¥', '₩'], "/"),
        Step::Parameters => text.split('/').map(|s| s.split(';').next().unwrap()).collect::<Vec<_>>().join("/"),
        Step::Lower => text.to_lowercase(),
        Step::Simple => simple(text),
        Step::Accents => without_accents(text),
        Step::Nfkc => text.nfkc().collect(),
    }
}

fn is_under(path: &str, prefix: &str) -> bool {
    let prefix = prefix.trim_end_matches('/');
    path == prefix || path.starts_with(&format!("{prefix}/"))
}

/// Whether a path is of a pattern, by an expression.
fn is_like(path: &str, pattern: &str) -> bool {
    let pieces: Vec<String> = pattern.split('*').map(regex::escape).collect();
    regex::Regex::new(&format!("(?s)^{}$", pieces.join(".*"))).unwrap().is_match(path)
}

fn host_rank(route: &Route, host: &str) -> Option<usize> {
    if route.hosts.is_empty() {
        return Some(0);
    }
    let rank = |pattern: &HostPattern| match pattern {
        HostPattern::Exact(name) => (name == host).then_some(usize::MAX),
        HostPattern::Below(name) => host.ends_with(&format!(".{name}")).then_some(name.len()),
    };
    route.hosts.iter().filter_map(rank).max()
}

/// Whether somebody may see what stands at `path`, where prefixes are written as `form` makes them.
fn admits(routes: &[Route], host: &str, path: &str, form: impl Fn(&str) -> String, who: Option<&Identity>) -> bool {
    let mut best: Option<(usize, usize, &Route)> = None;
    for route in routes {
        let prefix = form(&route.path);
        let Some(rank) = host_rank(route, host) else { continue };
        if is_under(path, &prefix) && best.is_none_or(|(host, length, _)| (rank, prefix.len()) > (host, length)) {
            best = Some((rank, prefix.len(), route));
        }
    }
    let Some((_, _, route)) = best else { return false };
    let below = |rule: &&Rule| rule.paths.is_empty() || rule.paths.iter().any(|p| is_under(path, &form(p)));
    let like = |rule: &&Rule| rule.patterns.is_empty() || rule.patterns.iter().any(|p| is_like(path, &form(p)));
    let rule = route.rules.iter().find(|rule| below(rule) && like(rule));
    let wants = rule.map_or(&route.requirement, |rule| &rule.requirement);
    let in_group = |who: &Identity| wants.groups.as_ref().is_none_or(|any| any.iter().any(|g| who.person.groups.contains(g)));
    match (wants.level, who) {
        (Level::Bypass, _) => true,
        (Level::OneFactor, Some(who)) => in_group(who),
        (Level::TwoFactor, Some(who)) => {
            let Proof::Second { method, .. } = who.proof else { return false };
            in_group(who) && wants.factors.is_none_or(|factors| factors.contains(method))
        }
        _ => false,
    }
}

const PATHS: [&str; 13] =
    ["", "/admin", "/Admin/", "/admin/keys", "/pub", "/PUB", "/pub/a", "/é", "/e", "/É/k", "/k", "/a b", "/admin/pub"];

fn level() -> impl Strategy<Value = Level> {
    prop::sample::select(vec![Level::Bypass, Level::Bypass, Level::OneFactor, Level::OneFactor, Level::TwoFactor, Level::Deny])
}

fn demand() -> impl Strategy<Value = Requirement> {
    (level(), any::<bool>(), any::<bool>()).prop_map(|(level, grouped, keyed)| Requirement {
        groups: grouped.then(|| vec!["staff".to_owned()]),
        factors: keyed.then(|| MethodSet::EMPTY.with(Method::Webauthn)),
        ..requirement(level)
    })
}

fn exception() -> impl Strategy<Value = Rule> {
    let patterns = prop_oneof![4 => Just(vec![]), 1 => prop::sample::select(vec!["/admin*", "*B", "*/KEYS*", "/a*/pub"]).prop_map(|p| vec![p.to_owned()])];
    (prop::collection::vec(prop::sample::select(PATHS.to_vec()), 0..3), patterns, demand())
        .prop_map(|(paths, patterns, requirement)| Rule { patterns, requirement, ..rule(&paths, Level::Deny) })
}

fn some_route() -> impl Strategy<Value = Route> {
    let hosts = prop::sample::select(vec!["", "", "a.example", "*.example", "*.a.example"]);
    let path = prop_oneof![2 => Just(""), 1 => prop::sample::select(PATHS.to_vec())];
    (hosts, path, demand(), prop::collection::vec(exception(), 0..4), any::<bool>()).prop_map(
        |(host, path, requirement, rules, encoded_slash)| {
            let hosts: Vec<_> = Some(host).filter(|h| !h.is_empty()).into_iter().collect();
            Route { requirement, rules, encoded_slash, ..route("r", &hosts, path, Level::Deny) }
        },
    )
}

/// A lax root with exceptions, where a disguise pays, and whatever else.
pub(super) fn routes() -> impl Strategy<Value = Vec<Route>> {
    let lax = prop::sample::select(vec![Level::Bypass, Level::OneFactor]);
    let root = (lax, prop::collection::vec(exception(), 1..4)).prop_map(|(level, rules)| Route {
        rules,
        encoded_slash: true,
        ..route("root", &[], "/", level)
    });
    (root, prop::collection::vec(some_route(), 0..3)).prop_map(|(root, mut others)| {
        others.push(root);
        others
    })
}

/// Names that the routes know, disguised: separators, spellings and endings that one application or another takes for the plain ones.
pub(super) fn target() -> impl Strategy<Value = String> {
    let between = vec![
        "/",
        "/",
        "/",
        "//",
        "/;x/",
        "%2f",
        "%2F",
        "%252f",
        "%255c",
        "%25255C",
        "%EF%BC%8F",
        "%EF%BC%BC",
        "%25EF%25BC%258F",
        "%C2%A5",
        "%E2%82%A9",
    ];
    let names = vec![
        "admin",
        "admin",
        "ADMIN",
        "Admin",
        "%61dmin",
        "%2561dmin",
        "%25%361dmin",
        "%41DMIN",
        "%EF%BD%81dmin",
        "%EF%BC%A1DMIN",
        "%EF%BC%8561dmin",
        "adm%C4%B0n",
        "%C3%A1dmin",
        "ADM%CC%87IN",
        "e",
        "pub",
        "PUB",
        "%50ub",
        "a",
        "keys",
        "KEY%53",
        "k",
        "K",
        "%E2%84%AA",
        "%C3%A9",
        "%C3%89",
        "e%CC%81",
        "E%CC%81",
        "a%20b",
        "A%2520b",
        "",
        "x",
    ];
    let ends =
        vec!["", "", "", "", ";x", ";", "%3bx", "%253Bx", "%EF%BC%9Bx", "%25EF%25BC%259B", ".", "%2e", "%20", "%3F", "%23", "%25", "z"];
    let part = (prop::sample::select(between), prop::sample::select(names), prop::sample::select(ends));
    let part = part.prop_map(|(between, name, end)| [between, name, end].concat());
    prop::collection::vec(part, 1..4).prop_map(|parts| {
        let target = parts.concat();
        if target.starts_with('/') { target } else { format!("/{target}") }
    })
}

pub(super) fn somebody() -> impl Strategy<Value = Option<Identity>> {
    let proof = prop::sample::select(vec![
        Proof::Password,
        Proof::Second { method: Method::Totp, at: NOW },
        Proof::Second { method: Method::Webauthn, at: NOW },
    ]);
    prop::option::of((any::<bool>(), proof).prop_map(|(staff, proof)| identity(person(if staff { &["staff"] } else { &[] }), proof)))
}

/// Every order of up to three steps, and what is given beyond them; each decodes at least once, as every application does.
fn orders(longer: &[Step]) -> Vec<Vec<Step>> {
    let mut all = vec![vec![]];
    for length in 1..=3 {
        let shorter: Vec<_> = all.iter().filter(|order: &&Vec<Step>| order.len() == length - 1).cloned().collect();
        all.extend(shorter.iter().flat_map(|order| STEPS.iter().map(move |s| [order.as_slice(), &[*s]].concat())));
    }
    all.extend((4..=longer.len()).map(|length| longer[..length].to_vec()));
    all.retain(|order| order.contains(&Step::Decode));
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn what_is_admitted_is_admitted_in_every_reading(
        routes in routes(),
        target in target(),
        host in prop::sample::select(vec!["a.example", "a.example", "b.a.example", "other"]),
        who in somebody(),
        longer in prop::collection::vec(prop::sample::select(STEPS.to_vec()), 9),
    ) {
        let Ok(path) = Path::parse(target.as_bytes()) else { return Ok(()) };
        let host = Host::parse(host.as_bytes()).unwrap();
        let ask = Ask { host: &host, method: &http::Method::GET, client: ClientAddr::new([192, 0, 2, 1].into()), path: &path, form: false, certificate: Certificate::Absent };
        let Decision::Allow(admission) = decide(&policy(routes.clone()), &ask, who.as_ref(), NOW) else { return Ok(()) };
        prop_assert!(admission.person().is_none() || who.is_some());
        for order in orders(&longer) {
            let text = order.iter().fold(target.clone(), |text, s| step(&text, *s));
            let admitted = match caseless(&order) {
                Some(form) => admits(&routes, host.as_str(), &form(&text), form, who.as_ref()),
                None => admits(&routes, host.as_str(), &text, str::to_owned, who.as_ref()),
            };
            prop_assert!(admitted, "{} by {:?} is {:?}", target, order, text);
        }
    }
}
