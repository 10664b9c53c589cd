//! The route decision: which route, which rule, and whether this sign-in is enough (`vestibule::policy::decide`).
//!
//! Budget: 450 ns with 10 routes of 10 rules, and no more than 1.3 times that with 1,000 routes of 10 rules, or with 10,000 rules on one route.

use std::hint::black_box;
use std::sync::Arc;

use criterion::Criterion;
use http::Method;
use vestibule::account::MfaPolicy;
use vestibule::base::{ClientAddr, Host, Time};
use vestibule::factor::{Method as Factor, MethodSet};
use vestibule::path::Path;
use vestibule::policy::{
    Application, Ask, Certificate, CertificateUse, Decision, DeviceState, HostPattern, Identity, Level, Person, Policy, Proof,
    ProxyOptions, Requirement, Route, Rule, Upstream, decide,
};

const NOW: Time = Time::from_secs(1_800_000_000);

pub fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("route decision");
    for (name, routes, rules) in [
        ("10 routes, 100 rules", 10, 10),
        ("100 routes, 1,000 rules", 100, 10),
        ("1,000 routes, 10,000 rules", 1000, 10),
        ("10 routes, 100,000 rules", 10, 10_000),
    ] {
        let policy = policy(routes, rules);
        group.bench_function(name, |b| {
            let who = alice();
            // Those that everybody uses: hosts and wildcards, a rule's place and none.
            let asked: Vec<_> = HOSTS.iter().flat_map(|host| PATHS.map(|path| (Host::parse(host.as_bytes()).unwrap(), path))).collect();
            let mut turn = 0;
            b.iter(|| {
                let (host, path) = &asked[turn % asked.len()];
                turn += 1;
                let path = Path::parse(black_box(path)).unwrap();
                let ask = Ask {
                    host,
                    method: &Method::GET,
                    client: ClientAddr::new([192, 0, 2, 7].into()),
                    path: &path,
                    form: false,
                    certificate: Certificate::Absent,
                };
                let decision = decide(&policy, &ask, Some(&who), NOW);
                assert!(matches!(decision, Decision::Allow(_)));
            });
        });
    }
}

const HOSTS: [&str; 4] = ["app-0.internal.example", "app-3.internal.example", "any.team-1.internal.example", "all.internal.example"];
const PATHS: [&[u8]; 3] = [b"/area-3/reports/2026/11", b"/part-2/articles/how-to-close-a-door", b"/part-2/area-7/x"];

fn policy(routes: usize, rules: usize) -> Policy {
    Policy::new((0..routes).map(|n| route(n, rules)).collect(), "/.vestibule")
}

fn route(n: usize, rules: usize) -> Route {
    let host = match n % 3 {
        0 => HostPattern::Exact(format!("app-{n}.internal.example")),
        1 => HostPattern::Below(format!("team-{n}.internal.example")),
        _ => HostPattern::Exact("all.internal.example".into()),
    };
    Route {
        name: format!("route-{n}").into(),
        hosts: vec![host],
        path: if n % 3 == 2 && n > 2 { format!("/part-{n}") } else { String::new() },
        upstreams: vec![Upstream::new(false, "127.0.0.1".into(), 3000)],
        requirement: requirement(Level::TwoFactor),
        rules: (0..rules).map(rule).collect(),
        encoded_slash: false,
        keep_post: true,
        proxy: ProxyOptions::default(),
        application: Application::default(),
    }
}

fn rule(n: usize) -> Rule {
    Rule {
        paths: vec![format!("/area-{n}")],
        patterns: Vec::new(),
        methods: if n.is_multiple_of(2) { Vec::new() } else { vec![Method::GET, Method::POST] },
        networks: Vec::new(),
        query: Vec::new(),
        whereabouts: None,
        requirement: Requirement { groups: Some(vec!["staff".into()]), ..requirement(Level::TwoFactor) },
        comment: None,
    }
}

const fn requirement(level: Level) -> Requirement {
    Requirement { level, groups: None, factors: None, max_age: None, client_certificate: CertificateUse::None, enforce: true }
}

fn alice() -> Identity {
    let person = Person {
        name: "alice".into(),
        display_name: "Alice Example".into(),
        email: "alice@internal.example".into(),
        groups: vec!["everybody".into(), "staff".into()],
        mfa: MfaPolicy::Optional,
        methods: MethodSet::EMPTY.with(Factor::Totp),
        guest: None,
        applications: Vec::new(),
    };
    Identity { person: Arc::new(person), proof: Proof::Second { method: Factor::Totp, at: NOW }, token: None, device: DeviceState::Unbound }
}
