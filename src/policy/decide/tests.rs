//! Each line of the contract about routes, rules and users, as a sentence.

mod factors;

use super::super::identity::Proof;
use super::super::types::Rule;
use super::*;
use crate::policy::Application;
use crate::policy::testing::sample::*;

const HERE: &str = "192.0.2.1";

fn short(policy: &Policy, decision: &Decision) -> String {
    match decision {
        Decision::Allow(a) => {
            let (name, who) = (&policy.admitted(a).unwrap().1.name, a.person().map_or("", |_| " as alice"));
            a.observed().map_or_else(|| format!("{name}{who}"), |reason| format!("{name}{who} but {}", reason.name()))
        }
        Decision::Challenge { reason, .. } => reason.name().to_owned(),
        Decision::Forbid { reason, .. } => reason.name().to_owned(),
        Decision::NoRoute => "no_route".to_owned(),
        Decision::Refuse(_) => "refuse".to_owned(),
    }
}

fn get(policy: &Policy, url: &str, who: Option<&Identity>) -> String {
    short(policy, &ask(policy, "GET", url, HERE, who))
}

fn open(name: &str, hosts: &[&str], path: &str) -> Route {
    route(name, hosts, path, Level::Bypass)
}

fn second(method: Method) -> Proof {
    Proof::Second { method, at: NOW }
}

#[test]
fn an_exact_host_goes_before_wildcards_and_the_longer_wildcard_before_the_shorter() {
    let policy = policy(vec![
        open("any", &[], "/"),
        open("wide", &["*.example"], "/"),
        open("narrow", &["*.wiki.example"], "/"),
        open("exact", &["a.wiki.example"], "/"),
    ]);
    for (host, name) in [
        ("a.wiki.example", "exact"),
        ("A.Wiki.Example.:8080", "exact"),
        ("b.wiki.example", "narrow"),
        ("x.y.wiki.example", "narrow"),
        ("wiki.example", "wide"),
        ("example", "any"),
        ("evilexample", "any"),
        ("127.0.0.1", "any"),
    ] {
        assert_eq!(get(&policy, &format!("{host}/x"), None), name, "{host}");
    }
}

#[test]
fn the_longest_path_wins_on_segment_boundaries() {
    let policy = policy(vec![open("root", &[], "/"), open("app", &[], "/app"), open("deep", &[], "/app/deep/")]);
    for (path, name) in
        [("/", "root"), ("/app", "app"), ("/app/", "app"), ("/apple", "root"), ("/app/deep", "deep"), ("/app/deeper", "app")]
    {
        assert_eq!(get(&policy, &format!("h{path}"), None), name, "{path}");
    }
}

#[test]
fn where_the_best_host_has_no_route_for_the_path_the_next_class_is_tried() {
    let policy = policy(vec![open("exact", &["a.example"], "/app"), open("wild", &["*.example"], "/wild"), open("any", &[], "/any")]);
    assert_eq!(get(&policy, "a.example/wild", None), "wild");
    assert_eq!(get(&policy, "a.example/any", None), "any");
    assert_eq!(get(&policy, "a.example/", None), "no_route");
}

#[test]
fn nothing_is_forwarded_by_default() {
    let policy = policy(vec![open("a", &["a.example"], "/")]);
    assert_eq!(get(&policy, "b.example/", None), "no_route");
    assert_eq!(get(&crate::policy::testing::sample::policy(vec![]), "a/", None), "no_route");
    assert!(policy.knows_host(&crate::base::Host::parse(b"A.example:1").unwrap()));
    assert!(!policy.knows_host(&crate::base::Host::parse(b"b.example").unwrap()));
}

#[test]
fn a_rules_path_is_absolute_and_the_first_match_wins() {
    let mut app = route("app", &[], "/app", Level::OneFactor);
    app.rules =
        vec![rule(&["/app/open/", "/other"], Level::Bypass), rule(&["/app/open/not"], Level::Deny), rule(&["/app/no"], Level::Deny)];
    let policy = policy(vec![app]);
    for (path, answer) in
        [("/app/open", "app"), ("/app/open/not", "app"), ("/app/opener", "sign_in"), ("/app/no/x", "deny"), ("/app/other", "sign_in")]
    {
        assert_eq!(get(&policy, &format!("h{path}"), None), answer, "{path}");
    }
}

#[test]
fn a_rule_applies_where_path_method_and_network_all_match_and_get_includes_head() {
    let mut app = route("app", &[], "/", Level::Deny);
    app.rules = vec![
        Rule { methods: vec![http::Method::POST], networks: vec!["10.0.0.0/8".parse().unwrap()], ..rule(&["/hooks/"], Level::Bypass) },
        Rule { methods: vec![http::Method::GET], ..rule(&["/read"], Level::Bypass) },
    ];
    let policy = policy(vec![app]);
    let tried = |method: &str, path: &str, from: &str| short(&policy, &ask(&policy, method, &format!("h{path}"), from, None));
    assert_eq!(tried("POST", "/hooks/x", "10.1.2.3"), "app");
    assert_eq!(tried("POST", "/hooks/x", "::ffff:10.1.2.3"), "app");
    assert_eq!(tried("GET", "/hooks/x", "10.1.2.3"), "deny");
    assert_eq!(tried("POST", "/hooks/x", "192.0.2.1"), "deny");
    assert_eq!(tried("POST", "/hook", "10.1.2.3"), "deny");
    assert_eq!(tried("HEAD", "/read", HERE), "app");
    assert_eq!(tried("get", "/read", HERE), "deny");
}

#[test]
fn disguised_paths_get_the_strictest_answer_of_their_readings() {
    let mut app = route("app", &[], "/", Level::Bypass);
    app.rules = vec![rule(&["/Admin/"], Level::TwoFactor), rule(&["/my%20files"], Level::OneFactor)];
    let policy = policy(vec![app]);
    for path in ["/Admin", "/admin/x", "/ADMIN", "/%41dmin", "/%2541dmin", "//admin", "/admin;x", "/%EF%BD%81dmin", "//x/admin"] {
        assert_eq!(get(&policy, &format!("h{path}"), None), "sign_in", "{path}");
    }
    assert_eq!(get(&policy, "h/my%20files/x", None), "sign_in");
    assert_eq!(get(&policy, "h/administer", None), "app");
}

#[test]
fn a_bypass_holds_in_every_reading_or_not_at_all() {
    let mut app = route("app", &[], "/", Level::OneFactor);
    app.rules = vec![rule(&["/Public/", "/é t"], Level::Bypass)];
    let policy = policy(vec![app]);
    for path in ["/Public", "/Public/App.JS", "/Public//x;y", "/%C3%A9%20t/A"] {
        assert_eq!(get(&policy, &format!("h{path}"), None), "app", "{path}");
    }
    for path in ["/public", "/%50ublic", "/Public;x", "//Public", "/%C3%89%20t"] {
        assert_eq!(get(&policy, &format!("h{path}"), None), "sign_in", "{path}");
    }
}

#[test]
fn an_encoded_slash_needs_every_readings_route_to_let_it_through() {
    let gitlab = Route { encoded_slash: true, ..open("gitlab", &[], "/api") };
    let policy = policy(vec![gitlab, open("root", &[], "/")]);
    assert_eq!(get(&policy, "h/api/projects/a%2fb", None), "gitlab");
    assert_eq!(get(&policy, "h/api%2fprojects", None), "refuse");
    assert_eq!(get(&policy, "h/x%2fy", None), "refuse");
}

#[test]
fn deny_stops_everybody_without_a_sign_in() {
    let policy = policy(vec![route("r", &[], "/", Level::Deny)]);
    let alice = identity(person(&[]), second(Method::Totp));
    assert_eq!(get(&policy, "h/", None), "deny");
    assert_eq!(get(&policy, "h/", Some(&alice)), "deny");
}

#[test]
fn bypass_sends_no_identity_even_where_somebody_is_signed_in() {
    let alice = identity(person(&[]), Proof::Password);
    assert_eq!(get(&policy(vec![open("r", &[], "/")]), "h/", Some(&alice)), "r");
    assert_eq!(get(&policy(vec![route("r", &[], "/", Level::OneFactor)]), "h/", Some(&alice)), "r as alice");
    let mut mixed = open("r", &[], "/");
    mixed.rules = vec![rule(&["/a"], Level::OneFactor)];
    assert_eq!(get(&policy(vec![mixed]), "h/A", Some(&alice)), "r as alice");
}

#[test]
fn groups_are_compared_exactly_and_any_of_them_is_enough() {
    let mut staff = route("r", &[], "/", Level::TwoFactor);
    staff.requirement = with_groups(staff.requirement, &["staff", "admins"]);
    let policy = policy(vec![staff]);
    for groups in [&["Staff"][..], &["staff "], &[], &["staff,admins"]] {
        assert_eq!(get(&policy, "h/", Some(&identity(person(groups), Proof::Password))), "group", "before any second factor");
    }
    assert_eq!(get(&policy, "h/", Some(&identity(person(&["x", "admins"]), Proof::Password))), "second_factor");
    assert_eq!(get(&policy, "h/", None), "sign_in");
}

#[test]
fn without_enforcement_a_request_goes_out_and_what_would_have_stopped_it_is_known() {
    let mut watched = route("r", &[], "/", Level::TwoFactor);
    watched.requirement.enforce = false;
    watched.rules = vec![rule(&["/strict"], Level::OneFactor)];
    let policy = policy(vec![watched]);
    let alice = identity(person(&[]), Proof::Password);
    assert_eq!(get(&policy, "h/", None), "r but sign_in");
    assert_eq!(get(&policy, "h/", Some(&alice)), "r as alice but second_factor");
    assert_eq!(get(&policy, "h/STRICT", None), "sign_in", "one reading is enforced");
    assert_eq!(get(&policy, "h/STRICT", Some(&alice)), "r as alice but second_factor");
    assert_eq!(get(&policy, "h/a%2fb", None), "refuse");
}

#[test]
fn the_verdicts_are_ordered_as_the_table_says() {
    use Verdict::*;
    let table = [EncodedSlash, Deny, NoRoute, Group, MfaOff, SignIn, Enrol, SecondFactor, Admit];
    assert!(table.is_sorted_by(|stricter, laxer| stricter > laxer));
}

#[test]
fn the_gateways_own_pages_are_never_forwarded() {
    let policy = policy(vec![open("r", &[], "/")]);
    let at = |url| {
        with_ask("GET", url, HERE, |ask| match policy.under_prefix(ask.path) {
            PortalMatch::Exactly(rest) => format!("exactly {rest}"),
            PortalMatch::Disguised => "disguised".to_owned(),
            PortalMatch::No => "no".to_owned(),
        })
    };
    assert_eq!(at("h/.vestibule/login?x"), "exactly /login");
    assert_eq!(at("h/.vestibule"), "exactly ");
    for url in
        ["h/.VESTIBULE/login", "h/%2evestibule/", "h//.vestibule/login", "h/.vestibule;x/login", "h/.vestibule./x", "h/.vestibule%3Fx"]
    {
        assert_eq!(at(url), "disguised", "{url}");
        assert_eq!(get(&policy, url, None), "no_route", "{url}");
    }
    for url in ["h/.vestibules", "h/x/.vestibule", "h/vestibule"] {
        assert_eq!(at(url), "no", "{url}");
    }
}

#[test]
fn a_certificate_stands_for_a_service_account_where_it_counts_and_meets_a_demand_for_one() {
    use crate::policy::table::Certificate;
    use crate::token::{CountsAs, Way};

    let wanting = |level, used, worth| {
        let mut route = route("app", &[], "/", level);
        route.requirement.client_certificate = used;
        route.application.tokens_count_as = worth;
        policy(vec![route])
    };
    let grant = Grant { scope: Arc::default(), way: Way::Certificate };
    let account = Identity { token: Some(grant), ..identity(person(&[]), Proof::Password) };
    let session = identity(person(&[]), Proof::Password);
    let asked = |policy: &Policy, certificate: Certificate<'_>, who: Option<&Identity>| {
        let decision = with_ask("GET", "h/", HERE, |ask| decide(policy, &Ask { certificate, ..*ask }, who, NOW));
        let rests = matches!(&decision, Decision::Allow(admission) if admission.is_certified());
        (short(policy, &decision), rests)
    };
    let (none, any, own) = (Certificate::Absent, Certificate::Valid(None), Certificate::Valid(Some(&account)));
    use CertificateUse::{Accept, None as Unused, Require};
    use Level::{Bypass, Deny, OneFactor, TwoFactor};
    for (level, used, certificate, who, expected) in [
        (OneFactor, Unused, own, None, ("sign_in", false)),
        (OneFactor, Accept, none, None, ("sign_in", false)),
        (OneFactor, Accept, any, None, ("sign_in", false)),
        (OneFactor, Accept, own, None, ("app as alice", true)),
        (OneFactor, Accept, none, Some(&session), ("app as alice", false)),
        (OneFactor, Require, none, None, ("client_certificate", false)),
        (OneFactor, Require, none, Some(&session), ("client_certificate", false)),
        (OneFactor, Require, any, Some(&session), ("app as alice", true)),
        (OneFactor, Require, any, None, ("sign_in", false)),
        (OneFactor, Require, own, None, ("app as alice", true)),
        (Bypass, Require, none, None, ("client_certificate", false)),
        (Bypass, Require, any, None, ("app", true)),
        (Bypass, Accept, none, None, ("app", false)),
        (TwoFactor, Accept, own, None, ("token_worth", false)),
        (TwoFactor, Require, any, Some(&session), ("second_factor", false)),
        (Deny, Require, none, None, ("deny", false)),
        (Deny, Require, own, None, ("deny", false)),
    ] {
        let found = asked(&wanting(level, used, CountsAs::OneFactor), certificate, who);
        assert_eq!((found.0.as_str(), found.1), expected, "{level:?} {used:?} {certificate:?} {who:?}");
    }
    assert_eq!(asked(&wanting(TwoFactor, Accept, CountsAs::TwoFactor), own, None).0, "app as alice");
    let mut fresh = route("app", &[], "/", TwoFactor);
    fresh.requirement = Requirement { client_certificate: Require, max_age: Some(std::time::Duration::from_secs(60)), ..fresh.requirement };
    fresh.application.tokens_count_as = CountsAs::TwoFactor;
    assert_eq!(asked(&policy(vec![fresh]), own, None).0, "token_worth");
    // A reading of the path that takes no certificate is a reading that nobody has signed in for.
    let mut lax = route("app", &[], "/", OneFactor);
    lax.requirement.client_certificate = Accept;
    lax.rules = vec![rule(&["/admin"], OneFactor)];
    let policy = policy(vec![lax]);
    for path in ["h/admin", "h/%61dmin", "h/ADMIN", "h//admin", "h/x;/admin"] {
        let decision = with_ask("GET", path, HERE, |ask| decide(&policy, &Ask { certificate: own, ..*ask }, None, NOW));
        let opens = matches!(decision, Decision::Allow(_));
        assert_eq!(opens, path == "h/x;/admin", "{path}");
    }
}

fn bound(rule: DeviceRule, level: Level) -> Policy {
    policy(vec![Route {
        application: Application {
            device: Some(rule),
            tokens: [crate::token::Way::Bearer].into_iter().collect(),
            ..Application::default()
        },
        ..route("r", &["a.example"], "/", level)
    }])
}

#[test]
fn a_bound_session_is_nobodys_until_its_device_is_shown() {
    let shows = |device| Identity { device, ..identity(person(&["g"]), Proof::Password) };
    let at = |rule, level, device| ask(&bound(rule, level), "GET", "a.example/", "10.0.0.1", Some(&shows(device)));
    let require = DeviceRule::Require { age: None };
    for rule in [DeviceRule::Prefer, require] {
        for level in [Level::OneFactor, Level::TwoFactor] {
            let decision = at(rule, level, DeviceState::Missing);
            assert!(matches!(decision, Decision::Challenge { reason: ChallengeReason::Device(DeviceLack::Cookie), .. }), "{decision:?}");
        }
        let Decision::Allow(admission) = at(rule, Level::Bypass, DeviceState::Missing) else { panic!("open to everybody") };
        assert!(admission.person().is_none(), "and told of nobody");
        assert!(matches!(at(rule, Level::OneFactor, DeviceState::Proved(NOW)), Decision::Allow(_)));
    }
    let Decision::Allow(admission) = at(DeviceRule::Observe, Level::OneFactor, DeviceState::Missing) else { panic!("observed") };
    assert_eq!(admission.observed().map(Reason::name), Some("device"));
    assert!(admission.person().is_some());
    assert!(matches!(at(DeviceRule::Prefer, Level::OneFactor, DeviceState::Unbound), Decision::Allow(_)));
    assert!(matches!(at(require, Level::OneFactor, DeviceState::Unbound), Decision::Forbid { reason: ForbidReason::Device, .. }));
}

#[test]
fn a_certificate_is_no_device() {
    use crate::policy::table::Certificate;
    use crate::token::{CountsAs, Way};

    let grant = Grant { scope: Arc::default(), way: Way::Certificate };
    let account = Identity { token: Some(grant), ..identity(person(&[]), Proof::Password) };
    for (rule, passes) in [(DeviceRule::Observe, true), (DeviceRule::Prefer, true), (DeviceRule::Require { age: None }, false)] {
        let mut route = route("app", &[], "/", Level::OneFactor);
        route.requirement.client_certificate = CertificateUse::Accept;
        (route.application.device, route.application.tokens_count_as) = (Some(rule), CountsAs::OneFactor);
        let policy = policy(vec![route]);
        let decision =
            with_ask("GET", "h/", HERE, |ask| decide(&policy, &Ask { certificate: Certificate::Valid(Some(&account)), ..*ask }, None, NOW));
        assert_eq!(matches!(decision, Decision::Allow(_)), passes, "{rule:?}: {decision:?}");
        assert!(passes || matches!(decision, Decision::Forbid { reason: ForbidReason::Device, .. }), "{decision:?}");
    }
}

#[test]
fn a_route_that_only_observes_tells_the_application_of_nobody_whose_device_is_missing() {
    let mut route = route("r", &["a.example"], "/", Level::OneFactor);
    route.requirement.enforce = false;
    route.application.device = Some(DeviceRule::Prefer);
    let who = Identity { device: DeviceState::Missing, ..identity(person(&[]), Proof::Password) };
    let Decision::Allow(admission) = ask(&policy(vec![route]), "GET", "a.example/", "10.0.0.1", Some(&who)) else { panic!("observed") };
    assert!(admission.person().is_none() && admission.observed().is_some());
}
