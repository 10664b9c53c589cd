//! How much a decision looks at, counted in tests: it must not grow with the number of routes and rules.

use std::cell::Cell;

use super::sample::*;
use crate::policy::*;

thread_local!(static LOOKS: Cell<usize> = const { Cell::new(0) });

/// A look at one place where something might stand.
pub(in crate::policy) fn count() {
    LOOKS.set(LOOKS.get() + 1);
}

fn looks(policy: &Policy, url: &str) -> usize {
    LOOKS.set(0);
    ask(policy, "GET", url, "10.1.2.3", None);
    LOOKS.get()
}

/// Routes over exact and wildcard hosts and over paths, each with as many rules: half with prefixes of their own, half for networks and methods at
/// the same one.
fn many(routes: usize, rules: usize) -> Policy {
    let rule_at = |n: usize| match n % 2 {
        0 => rule(&[&format!("/area-{n}/of{}/things", "x".repeat(n % 40))], Level::TwoFactor),
        _ => Rule {
            methods: vec![http::Method::POST],
            networks: vec![format!("10.{}.{}.0/24", n / 256 % 256, n % 256).parse().unwrap()],
            ..rule(&["/hooks"], Level::Bypass)
        },
    };
    let all = (0..routes).map(|n| {
        let host = match n % 3 {
            0 => format!("h{n}.example"),
            1 => format!("*.w{n}.example"),
            _ => "shared.example".to_owned(),
        };
        let path = if n % 3 == 2 { format!("/app{n}/{}", "p".repeat(n % 50)) } else { String::new() };
        Route { rules: (0..rules).map(rule_at).collect(), ..route(&format!("r{n}"), &[&host], &path, Level::OneFactor) }
    });
    policy(all.collect())
}

const URLS: [&str; 7] = [
    "h3.example/",
    "h3.example/area-4/ofxxxx/things/5/edit",
    "h3.example/hooks/a",
    "a.b.w4.example/area-2/ofxx/things",
    "shared.example/app2/pp/area-4/ofxxxx/things",
    "shared.example/nothing/here/at/all",
    "unknown.example/a/b/c",
];

#[test]
fn a_hundred_times_the_routes_and_rules_are_no_more_to_look_at() {
    let (few, most) = (many(10, 10), many(1000, 10));
    let one = many(4, 10_000);
    for url in URLS {
        let looked = looks(&few, url);
        assert!(looked <= 20, "{url}: {looked}");
        assert!(looks(&most, url) <= looked + 3, "{url}: {} after {looked}", looks(&most, url));
        assert!(looks(&one, url) <= looked + 3, "{url}: {} after {looked}", looks(&one, url));
    }
}
