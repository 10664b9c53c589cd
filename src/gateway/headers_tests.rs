//! Property: whatever a client sends and however it spells it, the upstream sees the gateway's values, once each.

use proptest::prelude::*;

use super::*;
use crate::account::MfaPolicy;
use crate::base::{ClientAddr, Host};
use crate::factor::MethodSet;
use crate::policy::{Level, ProxyOptions, Requirement};

fn person() -> Person {
    Person {
        name: "bob".into(),
        display_name: "Bob Müller".into(),
        email: "bob@example".into(),
        groups: vec!["staff".into(), "ops".into()],
        mfa: MfaPolicy::Optional,
        methods: MethodSet::EMPTY,
    }
}

fn route() -> Route {
    Route {
        name: "r".into(),
        hosts: vec![],
        path: String::new(),
        upstreams: vec![upstream()],
        requirement: Requirement { level: Level::OneFactor, groups: None, factors: None, max_age: None, enforce: true },
        rules: vec![],
        encoded_slash: false,
        keep_post: true,
        proxy: ProxyOptions::default(),
    }
}

fn upstream() -> Upstream {
    Upstream { tls: false, host: "127.0.0.1".into(), port: 8000 }
}

fn asked(trusted: bool) -> Asked {
    let peer = "192.0.2.9".parse().unwrap();
    Asked {
        host: Host::parse(b"a.example").unwrap(),
        authority: "a.example:8080".into(),
        method: Method::GET,
        client: ClientAddr::new(peer),
        peer,
        trusted,
        secure: false,
    }
}

fn sent(header: &mut RequestHeader, trusted: bool, person: Option<&Person>) {
    let (asked, route, upstream, cookies) = (asked(trusted), route(), upstream(), OwnCookies::new("vestibule", None));
    let out = Outgoing {
        asked: &asked,
        route: &route,
        upstream: &upstream,
        person,
        request_id: "id-1",
        cookies: &cookies,
        version: header.version,
    };
    rewrite(header, &out).unwrap();
}

fn request(headers: &[(String, String)]) -> RequestHeader {
    let mut header = RequestHeader::build("GET", b"/", None).unwrap();
    header.insert_header("Host", "a.example:8080").unwrap();
    for (name, value) in headers {
        header.append_header(name.clone(), value.as_str()).unwrap();
    }
    header
}

#[test]
fn the_chain_is_continued_only_from_a_trusted_proxy() {
    let received = [("X-Forwarded-For".to_owned(), "1.1.1.1".to_owned()), ("x-forwarded-for".to_owned(), "2.2.2.2".to_owned())];
    let mut header = request(&received);
    sent(&mut header, true, None);
    assert_eq!(header.headers["x-forwarded-for"], "1.1.1.1, 2.2.2.2, 192.0.2.9");
    let mut header = request(&received);
    sent(&mut header, false, None);
    assert_eq!(header.headers["x-forwarded-for"], "192.0.2.9");
}

#[test]
fn without_an_identity_no_identity_header_is_sent() {
    let mut header = request(&[("Remote_User".into(), "root".into()), ("remote-groups".into(), "admins".into())]);
    sent(&mut header, false, None);
    assert!(!header.headers.keys().any(|n| n.as_str().starts_with("remote")), "{:?}", header.headers);
}

#[test]
fn names_travel_as_utf_8_and_a_comma_is_refused() {
    let mut header = request(&[]);
    sent(&mut header, false, Some(&person()));
    assert_eq!(header.headers["remote-name"].as_bytes(), "Bob Müller".as_bytes());
    assert_eq!(header.headers["remote-groups"], "staff,ops");
    let mut bad = person();
    bad.groups.push("a,admins".into());
    assert!(identify(&mut request(&[]), &bad).is_err());
}

#[test]
fn a_method_override_passes_with_post_alone() {
    let mut header = request(&[("X-HTTP-Method-Override".into(), "DELETE".into())]);
    sent(&mut header, false, None);
    assert!(!header.headers.contains_key("x-http-method-override"));
    let mut header = request(&[("X-HTTP-Method".into(), "MERGE".into())]);
    header.set_method(Method::POST);
    sent(&mut header, false, None);
    assert!(header.headers.contains_key("x-http-method"));
}

#[test]
fn equal_lengths_become_one_and_crumbs_of_http_2_one_cookie_line() {
    let twice = |name: &str, a: &str, b: &str| [(name.to_owned(), a.to_owned()), (name.to_owned(), b.to_owned())];
    let mut header = request(&twice("Content-Length", "5", "5"));
    sent(&mut header, false, None);
    assert_eq!(header.headers.get_all("content-length").iter().count(), 1);
    // pingora gives some HTTP/2 requests without an authority in their URI: the version alone tells.
    for (version, lines) in [(Version::HTTP_2, 1), (Version::HTTP_11, 2)] {
        let mut header = request(&twice("Cookie", "a=1", "b=2"));
        header.set_version(version);
        sent(&mut header, false, None);
        assert_eq!(header.headers.get_all("cookie").iter().count(), lines);
    }
}

#[test]
fn every_name_of_ours_begins_as_the_short_cut_says() {
    assert!(OWNED.iter().all(|name| name.bytes().next().is_some_and(|initial| INITIALS.contains(&initial))));
    assert!(OVERRIDES.iter().all(|name| name.starts_with('x')));
}

proptest! {
    #[test]
    fn no_spelling_gets_a_clients_value_through(
        attacks in proptest::collection::vec((0..OWNED.len(), proptest::collection::vec(any::<bool>(), 24), "[-_.!~+*'|#$%&^`]"), 0..12),
    ) {
        let spelled = attacks.iter().map(|(which, upper, glue)| {
            let name = OWNED[*which].replace('-', glue);
            let name: String = name.chars().zip(upper.iter().chain(std::iter::repeat(&false)))
                .map(|(c, u)| if *u { c.to_ascii_uppercase() } else { c }).collect();
            (name, "spoofed".to_owned())
        }).collect::<Vec<_>>();
        let mut header = request(&spelled);
        sent(&mut header, false, Some(&person()));
        prop_assert!(header.headers.values().all(|v| v != "spoofed"));
        let mut wire = Vec::new();
        header.header_to_h1_wire(&mut wire);
        let wire = String::from_utf8(wire).unwrap();
        for name in ["Remote-User: bob", "Remote-Email: bob@example", "X-Forwarded-For: 192.0.2.9", "X-Forwarded-Host: a.example:8080"] {
            prop_assert_eq!(wire.matches(name).count(), 1, "{}", wire);
        }
        for line in wire.lines() {
            let name = line.split(':').next().unwrap_or_default();
            let reads_as_ours = OWNED.iter().filter(|o| same(name, o)).count();
            prop_assert!(reads_as_ours <= 1);
        }
    }
}
