//! Which factors are enough for a route of two, and for how long.

use std::time::Duration;

use super::*;

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
    let wanted = with_ask("GET", "h/A", HERE, |ask| policy.demand_for(ask)).unwrap();
    assert_eq!(wanted.max_age, Some(Duration::from_secs(60)));
    assert!(!wanted.accepts(Method::Recovery) && wanted.accepts(Method::Email));
}
