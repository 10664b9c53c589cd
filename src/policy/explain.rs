//! A decision in words: what `vestibule explain` prints. Asks the same [`decide`]; sends nothing.

use serde::Serialize;

use crate::base::Time;
use crate::factor::Method;
use crate::path::Reading;

use super::application::device::DeviceRule;
use super::decide::{Decision, Verdict, decide, judge};
use super::demand::Demand;
use super::expect::{device_rule, outcome};
use super::glob::Glob;
use super::identity::Identity;
use super::query;
use super::table::{Ask, Hit, Policy, PortalMatch, below, folded_form, prefix_form};
use super::types::{CertificateUse, Level, Route, Rule};
use super::upstream::Upstream;

/// Which route and rule decide a request, and why.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The route that decides: of all readings, the strictest one's.
    pub route: Option<String>,
    /// The rule that decides, counted from 1 as the file has them; absent: the route's own words.
    pub rule: Option<usize>,
    /// `bypass`, `one_factor`, `two_factor`, `forbidden`, `deny`, `no_route`.
    pub requires: &'static str,
    /// The second factors that count, where two are wanted.
    pub factors: Vec<Method>,
    /// What a client's certificate is there: `none`, `accept`, `require`.
    pub client_certificate: &'static str,
    /// What is wanted of sessions that are bound to a device: `observe`, `prefer`, `require`; absent: nothing. Of all readings, the strictest.
    pub device_bound: Option<&'static str>,
    /// How recently the device must have been shown, in seconds.
    pub device_age: Option<u64>,
    /// `allow`, `challenge`, `forbid`, `no_route`, `refuse`; `portal` for the gateway's own pages.
    pub outcome: &'static str,
    /// Why not, or why it would be without `enforce = false`: `sign_in`, `second_factor`, `enrol`, `deny`, `group`, `mfa_off`, `client_certificate`, `device`, or a sentence.
    pub reason: Option<String>,
    /// Where an admitted request goes; several, with a comma, where they are balanced.
    pub upstream: Option<String>,
    pub considered: Vec<Considered>,
}

/// A rule, or a route's own words, that one reading of the path was held against.
#[derive(Clone, Debug, Serialize)]
pub struct Considered {
    pub reading: String,
    pub route: Option<String>,
    /// Counted from 1; absent: the route itself.
    pub rule: Option<usize>,
    pub matched: bool,
    pub why: String,
    /// What the rule's author says of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// Explains what [`decide`] answers.
pub fn explain(policy: &Policy, ask: &Ask<'_>, who: Option<&Identity>, now: Time) -> Explanation {
    match policy.under_prefix(ask.path) {
        PortalMatch::Exactly(_) => return portal("portal", "the gateway answers this itself"),
        PortalMatch::Disguised => return portal("no_route", "one reading of the path is the gateway's own pages: never forwarded"),
        PortalMatch::No => {}
    }
    let (mut strictest, mut primary, mut considered, mut devices) = (None, None, Vec::new(), Vec::new());
    policy.visit(ask, |hit, reading| {
        devices.extend(hit.as_ref().and_then(device_rule));
        primary = primary.or(hit.map(|hit| hit.route));
        let verdict = judge(hit.as_ref(), ask, who, now);
        // What stops the request weighs more than what is only observed, as in the decision.
        let stops = verdict != Verdict::Admit
            && (verdict.reason().is_none() || verdict.is_of_token() || hit.is_none_or(|hit| hit.requirement.enforce));
        let weight = (stops, verdict, hit.map(|hit| hit.requirement.level));
        if strictest.is_none_or(|(so_far, _)| weight > so_far) {
            strictest = Some((weight, hit));
        }
        consider(hit.as_ref(), reading, ask, &mut considered);
    });
    let hit = strictest.and_then(|(_, hit)| hit);
    let device = DeviceRule::together(devices.into_iter());
    let (outcome_name, reason) = answer(&decide(policy, ask, who, now));
    Explanation {
        route: hit.map(|hit| hit.route.name.to_string()),
        rule: hit.and_then(|hit| hit.rule).map(|at| at + 1),
        requires: outcome(hit.as_ref(), who.map(|who| who.person.groups.as_slice())).name(),
        factors: hit.map(|hit| factors(&hit)).unwrap_or_default(),
        device_bound: device.map(DeviceRule::name),
        device_age: device.and_then(DeviceRule::age).map(|age| age.as_secs()),
        client_certificate: hit.map(|hit| hit.requirement.client_certificate).unwrap_or_default().name(),
        outcome: outcome_name,
        reason,
        upstream: primary.map(|route| upstreams(&route.upstreams)),
        considered,
    }
}

fn portal(outcome: &'static str, reason: &str) -> Explanation {
    Explanation {
        route: None,
        rule: None,
        requires: "no_route",
        factors: Vec::new(),
        client_certificate: CertificateUse::None.name(),
        device_bound: None,
        device_age: None,
        outcome,
        reason: Some(reason.to_owned()),
        upstream: None,
        considered: Vec::new(),
    }
}

fn answer(decision: &Decision) -> (&'static str, Option<String>) {
    match decision {
        Decision::Allow(admission) => ("allow", admission.observed().map(|reason| reason.name().to_owned())),
        Decision::Challenge { reason, .. } => ("challenge", Some(reason.name().to_owned())),
        Decision::Forbid { reason, .. } => ("forbid", Some(reason.name().to_owned())),
        Decision::NoRoute => ("no_route", Some("no route for this host and path".to_owned())),
        Decision::Refuse(refusal) => ("refuse", Some(refusal.to_string())),
    }
}

fn factors(hit: &Hit<'_>) -> Vec<Method> {
    if hit.requirement.level != Level::TwoFactor {
        return Vec::new();
    }
    let wanted = Demand::from(hit.requirement);
    Method::ENROLLABLE.into_iter().chain([Method::Recovery]).filter(|method| wanted.accepts(*method)).collect()
}

fn upstreams(all: &[Upstream]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn consider(hit: Option<&Hit<'_>>, reading: &Reading<'_>, ask: &Ask<'_>, out: &mut Vec<Considered>) {
    let line = |route: Option<&Route>, rule: Option<usize>, matched: bool, why: String| Considered {
        reading: reading.text.to_owned(),
        route: route.map(|route| route.name.to_string()),
        rule,
        matched,
        why,
        comment: None,
    };
    let Some(hit) = hit else {
        out.push(line(None, None, false, format!("no route for {}{}", ask.host, reading.text)));
        return;
    };
    for (at, rule) in hit.route.rules.iter().enumerate() {
        let matched = hit.rule == Some(at);
        let why = if matched { format!("matches: {}", rule.requirement.level.name()) } else { why_not(rule, reading, ask) };
        out.push(Considered { comment: rule.comment.clone(), ..line(Some(hit.route), Some(at + 1), matched, why) });
        if matched && rule.query.is_empty() {
            return;
        }
    }
    let why = format!("no rule matches: the route's own policy, {}", hit.requirement.level.name());
    out.push(line(Some(hit.route), None, true, why));
}

fn why_not(rule: &Rule, reading: &Reading<'_>, ask: &Ask<'_>) -> String {
    let is_under = |prefix: &String| {
        let written = reading.plain && below(reading.text, &prefix_form(prefix)).is_some();
        written || (reading.folded && below(reading.text, &folded_form(prefix)).is_some())
    };
    if !rule.paths.is_empty() && !rule.paths.iter().any(is_under) {
        return format!("{} is not under {}", reading.text, rule.paths.join(", "));
    }
    if !rule.patterns.is_empty() && !rule.patterns.iter().any(|pattern| Glob::new(pattern).matches(reading.text)) {
        return format!("{} does not match {}", reading.text, rule.patterns.join(", "));
    }
    if !rule.takes_method(ask.method) {
        return format!("{} is not among {}", ask.method, list(&rule.methods));
    }
    if !rule.takes_client(ask.client) {
        let networks = (!rule.networks.is_empty()).then(|| list(&rule.networks));
        let whereabouts = rule.whereabouts.as_ref().map(ToString::to_string);
        let places: Vec<String> = networks.into_iter().chain(whereabouts).collect();
        return format!("{} is not in {}", ask.client, places.join(", and in "));
    }
    if !rule.query.is_empty() {
        let holds = query::may_match(&rule.query, ask.path.query_bytes());
        return if holds { "judged beside the other rules".to_owned() } else { "its conditions on the query do not hold".to_owned() };
    }
    "its path differs in letter case".to_owned()
}

fn list<T: ToString>(all: &[T]) -> String {
    all.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::application::device::DeviceState;
    use super::super::identity::Proof;
    use super::*;
    use crate::policy::testing::sample::*;

    fn words(method: &str, url: &str, who: Option<&Identity>) -> Explanation {
        let mut app = route("app", &["wiki.example"], "/", Level::OneFactor);
        app.rules = vec![
            Rule { methods: vec![http::Method::POST], ..rule(&["/admin/"], Level::Deny) },
            Rule { networks: vec!["10.0.0.0/8".parse().unwrap()], ..rule(&[], Level::Bypass) },
            rule(&["/Admin/"], Level::TwoFactor),
        ];
        let policy = policy(vec![app]);
        with_ask(method, url, "192.0.2.1", |ask| explain(&policy, ask, who, NOW))
    }

    #[test]
    fn what_a_rule_is_for_is_told() {
        let mut app = route("app", &["wiki.example"], "/", Level::OneFactor);
        app.rules = vec![Rule { comment: Some("for the auditors".into()), ..rule(&["/admin"], Level::TwoFactor) }];
        let policy = policy(vec![app]);
        let told = with_ask("GET", "wiki.example/admin", "192.0.2.1", |ask| explain(&policy, ask, None, NOW));
        assert_eq!(told.considered[0].comment.as_deref(), Some("for the auditors"));
        assert!(serde_json::to_string(&told).unwrap().contains("for the auditors"));
    }

    #[test]
    fn it_names_what_decides_and_why_the_others_did_not() {
        let alice = identity(person(&[]), Proof::Password);
        let told = words("GET", "wiki.example/Admin/x", Some(&alice));
        assert_eq!((told.route.as_deref(), told.rule, told.requires), (Some("app"), Some(3), "two_factor"));
        assert_eq!((told.outcome, told.reason.as_deref()), ("challenge", Some("second_factor")));
        assert_eq!(told.upstream.as_deref(), Some("http://127.0.0.1:3000"));
        assert_eq!(told.factors.len(), 6);
        let why: Vec<_> = told.considered.iter().filter(|c| c.reading == "/admin/x").map(|c| c.why.as_str()).collect();
        assert_eq!(why, ["GET is not among POST", "192.0.2.1 is not in 10.0.0.0/8", "matches: two_factor"]);
        assert!(told.considered.iter().any(|c| c.reading == "/Admin/x" && c.why == "/Admin/x is not under /admin/"));
    }

    #[test]
    fn it_answers_as_the_decision_does() {
        let alice = identity(person(&[]), Proof::Password);
        assert_eq!(words("GET", "wiki.example/", Some(&alice)).outcome, "allow");
        assert_eq!(words("GET", "wiki.example/", None).reason.as_deref(), Some("sign_in"));
        assert_eq!(words("POST", "wiki.example/admin", None).outcome, "forbid");
        assert_eq!(words("GET", "other.example/", None).outcome, "no_route");
        assert_eq!(words("GET", "other.example/", None).requires, "no_route");
        assert_eq!(words("GET", "wiki.example/a%2fb", None).outcome, "refuse");
        assert_eq!(words("GET", "wiki.example/.vestibule/login", None).outcome, "portal");
    }

    #[test]
    fn what_stops_is_named_before_what_is_only_observed() {
        let mut app = route("app", &[], "/", Level::OneFactor);
        let mut observed = rule(&["/Admin/"], Level::Deny);
        observed.requirement.enforce = false;
        app.rules = vec![observed];
        let policy = policy(vec![app]);
        let told = with_ask("GET", "h/Admin;x", "192.0.2.1", |ask| explain(&policy, ask, None, NOW));
        assert_eq!((told.outcome, told.rule, told.requires), ("challenge", None, "one_factor"), "{told:?}");
    }

    #[test]
    fn it_says_what_is_wanted_of_bound_sessions_over_every_reading() {
        let (mut app, mut vault) = (route("app", &[], "/", Level::OneFactor), route("vault", &[], "/Vault", Level::OneFactor));
        app.application.device = Some(DeviceRule::Prefer);
        vault.application.device = Some(DeviceRule::Require { age: Some(std::time::Duration::from_secs(300)) });
        vault.rules = vec![rule(&["/Vault/open"], Level::Bypass)];
        let policy = policy(vec![app, vault]);
        let shown = |url: &str, device| {
            let who = Identity { device, ..identity(person(&[]), Proof::Password) };
            let told = with_ask("GET", url, "192.0.2.1", |ask| explain(&policy, ask, Some(&who), NOW));
            (told.device_bound, told.device_age, told.outcome, told.reason)
        };
        let device = |reason: &str| Some(reason.to_owned());
        assert_eq!(shown("h/", DeviceState::Unbound), (Some("prefer"), None, "allow", None));
        assert_eq!(shown("h/", DeviceState::Missing), (Some("prefer"), None, "challenge", device("device")));
        assert_eq!(shown("h/Vault", DeviceState::Unbound), (Some("require"), Some(300), "forbid", device("device")));
        assert_eq!(shown("h/Vault", DeviceState::Proved(NOW)), (Some("require"), Some(300), "allow", None));
        assert_eq!(shown("h/vault;x", DeviceState::Unbound).0, Some("require"), "one reading leads there");
    }

    #[test]
    fn it_is_one_json_object_with_the_contracts_keys() {
        let json = serde_json::to_value(words("GET", "wiki.example/", None)).unwrap();
        for key in [
            "route",
            "rule",
            "requires",
            "factors",
            "client_certificate",
            "device_bound",
            "device_age",
            "outcome",
            "reason",
            "upstream",
            "considered",
        ] {
            assert!(json.get(key).is_some(), "{key}");
        }
    }
}
