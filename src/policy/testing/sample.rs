//! Routes, people and requests for tests.

use std::sync::Arc;

use crate::account::MfaPolicy;
use crate::base::{ClientAddr, Host, Time};
use crate::factor::{Method, MethodSet};
use crate::path::Path;
use crate::policy::*;

pub const NOW: Time = Time::from_secs(1_000_000);

pub fn requirement(level: Level) -> Requirement {
    Requirement { level, groups: None, factors: None, max_age: None, client_certificate: CertificateUse::None, enforce: true }
}

pub fn with_groups(requirement: Requirement, groups: &[&str]) -> Requirement {
    Requirement { groups: Some(groups.iter().map(|g| (*g).to_owned()).collect()), ..requirement }
}

/// Hosts as a file writes them.
pub fn route(name: &str, hosts: &[&str], path: &str, level: Level) -> Route {
    let pattern = |host: &&str| match host.strip_prefix("*.") {
        Some(name) => HostPattern::Below(name.to_owned()),
        None => HostPattern::Exact((*host).to_owned()),
    };
    Route {
        name: name.into(),
        hosts: hosts.iter().map(pattern).collect(),
        path: path.trim_end_matches('/').to_owned(),
        upstreams: vec![Upstream::new(false, "127.0.0.1".into(), 3000)],
        requirement: requirement(level),
        rules: Vec::new(),
        encoded_slash: false,
        keep_post: true,
        proxy: ProxyOptions::default(),
        application: Application::default(),
    }
}

pub fn rule(paths: &[&str], level: Level) -> Rule {
    Rule {
        paths: paths.iter().map(|p| (*p).to_owned()).collect(),
        patterns: Vec::new(),
        methods: Vec::new(),
        networks: Vec::new(),
        query: Vec::new(),
        whereabouts: None,
        requirement: requirement(level),
        comment: None,
    }
}

pub fn policy(routes: Vec<Route>) -> Policy {
    Policy::new(routes, "/.vestibule")
}

pub fn person(groups: &[&str]) -> Person {
    Person {
        name: "alice".into(),
        display_name: "Alice".into(),
        email: "alice@example".into(),
        groups: groups.iter().map(|g| (*g).to_owned()).collect(),
        mfa: MfaPolicy::Optional,
        methods: MethodSet::EMPTY.with(Method::Totp),
        guest: None,
        applications: Vec::new(),
    }
}

pub fn identity(person: Person, proof: Proof) -> Identity {
    Identity { person: Arc::new(person), proof, token: None, device: DeviceState::Unbound }
}

/// Asks for a URL without its scheme.
pub fn ask(policy: &Policy, method: &str, url: &str, from: &str, who: Option<&Identity>) -> Decision {
    with_ask(method, url, from, |ask| decide(policy, ask, who, NOW))
}

pub fn with_ask<T>(method: &str, url: &str, from: &str, then: impl FnOnce(&Ask<'_>) -> T) -> T {
    let (host, target) = url.split_at(url.find('/').unwrap());
    let host = Host::parse(host.as_bytes()).unwrap();
    let path = Path::parse(target.as_bytes()).unwrap();
    let method = method.parse().unwrap();
    then(&Ask {
        host: &host,
        method: &method,
        client: ClientAddr::new(from.parse().unwrap()),
        path: &path,
        form: false,
        certificate: Certificate::Absent,
    })
}
