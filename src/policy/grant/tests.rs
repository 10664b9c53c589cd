//! Tokens against routes: what they open, and what nothing can make them open.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::account::MfaPolicy;
use crate::factor::{Method, MethodSet};
use crate::policy::testing::sample::{NOW, person, policy, requirement, route, rule, with_ask, with_groups};
use crate::policy::{Application, Decision, DeviceState, ForbidReason, Identity, Policy, Proof, decide};
use crate::token::Ways;

fn taking(ways: &[Way], level: Level) -> Route {
    let application = Application { tokens: ways.iter().copied().collect(), ..Application::default() };
    Route { application, ..route("app", &["app.example"], "/", level) }
}

fn bearer(scope: Scope, groups: &[&str]) -> Identity {
    let grant = Grant { scope: Arc::new(scope), way: Way::Bearer };
    Identity { person: Arc::new(person(groups)), proof: Proof::Password, token: Some(grant), device: DeviceState::Unbound }
}

fn outcome(policy: &Policy, method: &str, url: &str, who: &Identity) -> &'static str {
    with_ask(method, url, "192.0.2.1", |ask| match decide(policy, ask, Some(who), NOW) {
        Decision::Allow(admission) if admission.person().is_some() => "allow",
        Decision::Allow(_) => "allow nobody",
        Decision::Challenge { reason, .. } => reason.name(),
        Decision::Forbid { reason, .. } => reason.name(),
        Decision::NoRoute => "no_route",
        Decision::Refuse(_) => "refuse",
    })
}

#[test]
fn a_token_opens_what_takes_it_and_nothing_else() {
    let who = bearer(Scope::default(), &[]);
    let at = |route: Route| outcome(&policy(vec![route]), "GET", "app.example/", &who);
    assert_eq!(at(taking(&[Way::Bearer], Level::OneFactor)), "allow");
    assert_eq!(at(taking(&[Way::Basic, Way::Header], Level::OneFactor)), "token");
    assert_eq!(at(taking(&[], Level::Bypass)), "token", "ours on every route");
    assert_eq!(at(taking(&[Way::Bearer], Level::Bypass)), "allow nobody");
    assert_eq!(at(taking(&[Way::Bearer], Level::Deny)), "deny");
}

#[test]
fn two_factors_are_a_matter_of_the_routes_word_and_a_named_or_fresh_factor_never_is() {
    let who = bearer(Scope::default(), &[]);
    let at = |change: fn(&mut Route)| {
        let mut route = taking(&[Way::Bearer], Level::TwoFactor);
        route.application.tokens_count_as = CountsAs::TwoFactor;
        change(&mut route);
        outcome(&policy(vec![route]), "GET", "app.example/", &who)
    };
    assert_eq!(at(|_| {}), "allow");
    assert_eq!(at(|route| route.application.tokens_count_as = CountsAs::OneFactor), "token_worth");
    assert_eq!(at(|route| route.requirement.max_age = Some(Duration::from_secs(900))), "token_worth");
    assert_eq!(at(|route| route.requirement.factors = Some(MethodSet::EMPTY.with(Method::Totp))), "token_worth");
}

#[test]
fn a_users_mfa_policy_does_not_concern_tokens_and_their_groups_do() {
    let mut off = person(&["staff"]);
    off.mfa = MfaPolicy::Off;
    let who = Identity { person: Arc::new(off), ..bearer(Scope::default(), &[]) };
    let mut route = taking(&[Way::Bearer], Level::TwoFactor);
    route.application.tokens_count_as = CountsAs::TwoFactor;
    route.requirement = with_groups(requirement(Level::TwoFactor), &["staff"]);
    let policy = policy(vec![route]);
    assert_eq!(outcome(&policy, "GET", "app.example/", &who), "allow");
    assert_eq!(outcome(&policy, "GET", "app.example/", &bearer(Scope::default(), &["guests"])), ForbidReason::Group.name());
}

#[test]
fn a_route_that_only_observes_lets_no_token_through_that_it_does_not_take() {
    let mut route = taking(&[], Level::OneFactor);
    route.requirement.enforce = false;
    assert_eq!(outcome(&policy(vec![route]), "GET", "app.example/", &bearer(Scope::default(), &[])), "token");
}

#[test]
fn every_reading_of_a_path_is_held_against_the_scope() {
    let mine = taking(&[Way::Bearer], Level::OneFactor);
    let other = Route { name: "other".into(), path: "/other".into(), ..taking(&[Way::Bearer], Level::OneFactor) };
    let policy = policy(vec![mine, other]);
    let who = bearer(Scope { routes: vec!["app".into()], ..Scope::default() }, &[]);
    assert_eq!(outcome(&policy, "GET", "app.example/x", &who), "allow");
    for path in ["/other", "/OTHER/x", "//other", "/oth%2565r", "/other;x"] {
        assert_eq!(outcome(&policy, "GET", &format!("app.example{path}"), &who), "token_scope", "{path}");
    }
}

#[test]
fn methods_and_rules_narrow_it_further() {
    let mut route = taking(&[Way::Bearer], Level::OneFactor);
    route.rules = vec![rule(&["/admin"], Level::TwoFactor)];
    let policy = policy(vec![route]);
    let who = bearer(Scope { methods: vec!["GET".into()], ..Scope::default() }, &[]);
    assert_eq!(outcome(&policy, "HEAD", "app.example/", &who), "allow");
    assert_eq!(outcome(&policy, "POST", "app.example/", &who), "token_scope");
    assert_eq!(outcome(&policy, "GET", "app.example/admin", &who), "token_worth");
}

proptest! {
    /// Whatever a token opens, it opens by a way that the route names.
    #[test]
    fn no_token_is_admitted_in_a_way_that_is_not_taken(taken in 0u8..8, way in 0usize..3, level in 0usize..4, two in any::<bool>(), enforce in any::<bool>()) {
        let ways: Vec<Way> = Way::ALL.into_iter().filter(|way| taken >> *way as u8 & 1 == 1).collect();
        let mut route = taking(&ways, Level::ALL[level]);
        route.application.tokens_count_as = if two { CountsAs::TwoFactor } else { CountsAs::OneFactor };
        route.requirement.enforce = enforce;
        let mut who = bearer(Scope::default(), &[]);
        if let Some(grant) = &mut who.token {
            grant.way = Way::ALL[way];
        }
        // Its word on groups, levels and factors may go by, where a route only observes; the way in never does.
        let admitted = outcome(&policy(vec![route]), "GET", "app.example/", &who).starts_with("allow");
        let takes = ways.iter().copied().collect::<Ways>().takes(Way::ALL[way]);
        prop_assert!(!admitted || takes);
    }
}
