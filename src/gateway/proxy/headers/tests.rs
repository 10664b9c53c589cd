//! Property: whatever a client sends and however it spells it, the upstream sees the gateway's values, once each.

use std::sync::Arc;

use http::Method;
use proptest::prelude::*;

use super::*;
use crate::account::MfaPolicy;
use crate::base::{ClientAddr, Host, Time};
use crate::factor::MethodSet;
use crate::gateway::authorize::revocation::within_a_request;
use crate::gateway::request::header_names::{INITIALS, OVERRIDES, OWNED, same};
use crate::gateway::request::parse::RequestInfo;
use crate::gateway::upstream::pool::{Pool, Upstreams};
use crate::identity::Names;
use crate::policy::{Application, CertificateUse, Level, Person, ProxyOptions, Requirement, Route, Upstream};

fn person() -> Person {
    Person {
        name: "bob".into(),
        display_name: "Bob Müller".into(),
        email: "bob@example".into(),
        groups: vec!["staff".into(), "ops".into()],
        mfa: MfaPolicy::Optional,
        methods: MethodSet::EMPTY,
        guest: None,
        applications: Vec::new(),
    }
}

fn route() -> Route {
    Route {
        name: "r".into(),
        hosts: vec![],
        path: String::new(),
        upstreams: vec![upstream()],
        requirement: Requirement {
            level: Level::OneFactor,
            groups: None,
            factors: None,
            max_age: None,
            client_certificate: CertificateUse::None,
            enforce: true,
        },
        rules: vec![],
        encoded_slash: false,
        keep_post: true,
        proxy: ProxyOptions::default(),
        application: Application::default(),
    }
}

fn upstream() -> Upstream {
    Upstream::new(false, "127.0.0.1".into(), 8000)
}

fn info(trusted: bool) -> RequestInfo {
    let peer = "192.0.2.9".parse().unwrap();
    RequestInfo {
        host: Host::parse(b"a.example").unwrap(),
        authority: "a.example:8080".into(),
        method: Method::GET,
        client: ClientAddr::new(peer),
        peer,
        trusted,
        secure: false,
        form: false,
        certificate: None,
        certificate_fault: None,
    }
}

/// What one of them is sent with.
struct Sender {
    info: RequestInfo,
    pool: Arc<Pool>,
    cookies: OwnCookies,
    route: Route,
    names: Names,
}

impl Sender {
    fn new(trusted: bool) -> Self {
        let route = route();
        let pool = Arc::clone(Upstreams::new(std::slice::from_ref(&route)).unwrap().of(0, &route).unwrap());
        Self { info: info(trusted), pool, cookies: OwnCookies::new("vestibule", None), route, names: Names::default() }
    }

    fn out<'a>(&'a self, person: Option<&'a Arc<Person>>, version: Version) -> Outgoing<'a> {
        Outgoing {
            info: &self.info,
            pool: &self.pool,
            at: 0,
            person,
            route: &self.route,
            speaker: None,
            names: &self.names,
            credential: None,
            token_came: false,
            now: Time::from_secs(1),
            request_id: "id-1",
            cookies: &self.cookies,
            version,
        }
    }
}

fn sent(header: &mut RequestHeader, trusted: bool, person: Option<&Person>) {
    let person = person.cloned().map(Arc::new);
    rewrite(header, &Sender::new(trusted).out(person.as_ref(), header.version)).unwrap();
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
fn a_tab_in_the_chain_is_no_fault_of_the_gateways() {
    let mut header = request(&[("X-Forwarded-For".to_owned(), "1.1.1.1,\t2.2.2.2".to_owned())]);
    sent(&mut header, true, None);
    assert_eq!(header.headers["x-forwarded-for"], "1.1.1.1, 2.2.2.2, 192.0.2.9");
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
    let bad = Arc::new(bad);
    assert!(rewrite(&mut request(&[]), &Sender::new(false).out(Some(&bad), Version::HTTP_11)).is_err());
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

/// The lines of a header in the order of their names, which are in lower case, with the request line's target before them.
fn lines(header: &RequestHeader) -> Vec<String> {
    let mut wire = Vec::new();
    header.header_to_h1_wire(&mut wire);
    let lower = |line: &str| line.split_once(':').map(|(name, value)| format!("{}:{value}", name.to_ascii_lowercase()));
    let mut lines: Vec<String> = String::from_utf8(wire).unwrap().lines().filter_map(lower).collect();
    lines.sort_by_cached_key(|line| line.split(':').next().unwrap_or_default().to_owned());
    lines.insert(0, format!("{} {:?}", header.method, header.raw_path()));
    lines
}

#[test]
fn what_was_prepared_for_one_is_not_sent_for_another() {
    let (bob, mut sender) = (Arc::new(person()), Sender::new(false));
    let carol = Arc::new(Person { name: "carol".into(), ..person() });
    let other_host = Sender { pool: Arc::clone(&sender.pool), ..Sender::new(false) };
    let user = |sender: &Sender, person: Option<&Arc<Person>>| {
        let mut header = request(&[]);
        rewrite(&mut header, &sender.out(person, Version::HTTP_11)).unwrap();
        (
            header.headers.get("remote-user").cloned(),
            header.headers["x-forwarded-proto"].clone(),
            header.headers["x-forwarded-host"].clone(),
        )
    };
    within_a_request(|| {
        for _ in 0..2 {
            assert_eq!(user(&sender, Some(&bob)).0.unwrap(), "bob");
            assert_eq!(user(&sender, Some(&carol)).0.unwrap(), "carol");
            assert_eq!(user(&sender, None).0, None);
        }
        sender.info.secure = true;
        assert_eq!(user(&sender, Some(&bob)).1, "https");
        sender.info.authority = "b.example".into();
        assert_eq!(user(&sender, Some(&bob)).2, "b.example");
        assert_eq!(user(&other_host, Some(&bob)).2, "a.example:8080");
        let renamed = Arc::new(Person { name: "robert".into(), ..person() });
        assert_eq!(user(&other_host, Some(&renamed)).0.unwrap(), "robert");
    });
}

#[test]
fn a_target_that_is_not_text_is_sent_as_it_came() {
    let mut header = RequestHeader::build("GET", b"/a\xffb?c", None).unwrap();
    header.insert_header("Host", "a.example:8080").unwrap();
    sent(&mut header, false, None);
    assert_eq!(header.raw_path(), b"/a\xffb?c");
}

proptest! {
    #[test]
    fn copied_onto_ours_or_written_among_the_clients_it_is_the_same(
        sends in proptest::collection::vec((prop_oneof![
            Just("Cookie".to_owned()), Just("cookie".to_owned()), Just("content-length".to_owned()), Just("X-Forwarded-For".to_owned()),
            Just("REMOTE_USER".to_owned()), Just("X-HTTP-Method".to_owned()), "[A-Za-z][A-Za-z0-9_-]{0,14}"],
            prop_oneof![Just("vestibule=x; a=1".to_owned()), Just("vestibule_flow=y".to_owned()), Just("5".to_owned()), "[ -~]{0,20}"]), 0..7),
        named: bool, trusted: bool, post: bool, http2: bool,
    ) {
        let (bob, sender) = (Arc::new(person()), Sender::new(trusted));
        let out = sender.out(named.then_some(&bob), if http2 { Version::HTTP_2 } else { Version::HTTP_11 });
        // Whatever names the host is refused long before.
        let sends: Vec<_> = sends.into_iter().filter(|(name, _)| !name.eq_ignore_ascii_case("host")).collect();
        let mut header = request(&sends);
        if post {
            header.set_method(Method::POST);
        }
        if http2 {
            header = RequestHeader::from(header.as_owned_parts());
            header.set_uri("https://a.example:8080/x?y".parse().unwrap());
        }
        let mut amended = header.clone();
        amend(&mut amended, &out).unwrap();
        amended.insert_header("X-Request-Id", "").unwrap();
        within_a_request(|| {
            for _ in 0..2 {
                let joined = prepared::join(&header, &out).unwrap();
                prop_assert_eq!(lines(&joined), lines(&amended));
            }
            Ok(())
        })?;
    }

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
