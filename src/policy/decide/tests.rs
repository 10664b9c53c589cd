//! Each line of the contract about routes, rules and users, as a sentence.

use std::time::Duration;

use super::super::identity::Proof;
use super::super::sample::*;
use super::super::types::Rule;
use super::*;

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
    assert_eq!(get(&super::super::sample::policy(vec![]), "a/", None), "no_route");
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
fn two_factor_routes_are_closed_to_users_whose_policy_is_off() {
    let policy = policy(vec![route("r", &[], "/", Level::TwoFactor)]);
    let off = Person { mfa: MfaPolicy::Off, ..person(&[]) };
    assert_eq!(get(&policy, "h/", Some(&identity(off.clone(), Proof::Password))), "mfa_off");
    assert_eq!(get(&policy, "h/", Some(&identity(off, second(Method::Totp)))), "mfa_off");
}

/// What a two-factor route with these factors and age answers to somebody with TOTP and a recovery code.
fn two_factor(factors: Option<&[Method]>, max_age: Option<u64>, proof: Proof) -> String {
    let mut vault = route("r", &[], "/", Level::TwoFactor);
    vault.requirement.factors = factors.map(|all| all.iter().copied().collect());
    vault.requirement.max_age = max_age.map(Duration::from_secs);
    let alice = Person { methods: [Method::Totp, Method::Recovery].into_iter().collect(), ..person(&[]) };
    get(&policy(vec![vault]), "h/", Some(&identity(alice, proof)))
}

#[test]
fn a_password_is_never_enough_for_two_factors() {
    assert_eq!(two_factor(None, None, Proof::Password), "second_factor");
}

#[test]
fn any_second_factor_counts_where_none_is_named() {
    for method in [Method::Totp, Method::Webauthn, Method::Email, Method::Sms, Method::Recovery] {
        assert_eq!(two_factor(None, None, second(method)), "r as alice");
    }
}

#[test]
fn named_factors_are_the_only_ones_and_a_recovery_code_is_none() {
    let totp = Some(&[Method::Totp][..]);
    assert_eq!(two_factor(totp, None, second(Method::Totp)), "r as alice");
    assert_eq!(two_factor(totp, None, second(Method::Email)), "second_factor");
    assert_eq!(two_factor(Some(&[Method::Totp, Method::Recovery]), None, second(Method::Recovery)), "second_factor");
    assert_eq!(two_factor(Some(&[Method::Webauthn]), None, second(Method::Totp)), "enrol");
}

#[test]
fn a_factor_is_fresh_up_to_its_age_and_not_beyond() {
    let at = |ago: u64| Proof::Second { method: Method::Totp, at: NOW.minus(Duration::from_secs(ago)) };
    assert_eq!(two_factor(None, Some(60), at(60)), "r as alice");
    assert_eq!(two_factor(None, Some(60), at(61)), "second_factor");
    assert_eq!(two_factor(None, None, at(99_999)), "r as alice");
}

#[test]
fn a_trusted_browser_counts_only_where_neither_factors_nor_age_are_named() {
    assert_eq!(two_factor(None, None, Proof::TrustedBrowser), "r as alice");
    assert_eq!(two_factor(Some(&[Method::Totp]), None, Proof::TrustedBrowser), "second_factor");
    assert_eq!(two_factor(None, Some(999), Proof::TrustedBrowser), "second_factor");
}

#[test]
fn who_has_no_method_must_enrol_and_recovery_codes_are_none() {
    let policy = policy(vec![route("r", &[], "/", Level::TwoFactor)]);
    for methods in [MethodSet::EMPTY, MethodSet::EMPTY.with(Method::Recovery)] {
        assert_eq!(get(&policy, "h/", Some(&identity(Person { methods, ..person(&[]) }, Proof::Password))), "enrol");
    }
}

#[test]
fn a_challenge_names_the_methods_that_every_reading_accepts() {
    let mut app = route("r", &[], "/", Level::TwoFactor);
    app.rules = vec![rule(&["/a"], Level::TwoFactor)];
    app.rules[0].requirement.factors = Some([Method::Totp, Method::Email].into_iter().collect());
    app.rules[0].requirement.max_age = Some(Duration::from_secs(60));
    let policy = policy(vec![app]);
    let methods: MethodSet = [Method::Totp, Method::Webauthn, Method::Recovery].into_iter().collect();
    let alice = identity(Person { methods, ..person(&[]) }, Proof::Password);
    let challenge = |url| match ask(&policy, "GET", url, HERE, Some(&alice)) {
        Decision::Challenge { methods, .. } => methods.iter().collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(challenge("h/b"), [Method::Totp, Method::Webauthn, Method::Recovery]);
    assert_eq!(challenge("h/A"), [Method::Totp]);
    let wanted = with_ask("GET", "h/A", HERE, |ask| policy.requirement_for(ask)).unwrap();
    assert_eq!(wanted.max_age, Some(Duration::from_secs(60)));
    assert!(!wanted.accepts(Method::Recovery) && wanted.accepts(Method::Email));
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
