//! Policy tests (`[[expect]]`): what is demanded of somebody, over every reading. `check` and every reload run them, and refuse
//! a configuration that breaks one.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use crate::base::{ClientAddr, Host};
use crate::path::{Path, Refusal};

use super::application::device::DeviceRule;
use super::decide::is_member;
use super::identity::Person;
use super::table::{Ask, Certificate, Hit, Policy, PortalMatch};
use super::types::{Expectation, Level, Outcome};

/// Where a test that says no `from` comes from: a documentation address (RFC 5737), in nobody's network.
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// A policy test that does not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Where it stands: `file:line`.
    pub at: String,
    /// What was asked and what came, in one line.
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.message)
    }
}

/// What became of the policy tests.
#[derive(Clone, Default, Debug)]
pub struct Results {
    pub failures: Vec<Failure>,
    /// Tests that were skipped because their user cannot be looked up, one line each.
    pub warnings: Vec<String>,
}

/// Runs policy tests. `lookup` finds a user by name; `None` where it cannot, which skips the test with a warning.
pub fn run_expectations(policy: &Policy, tests: &[Expectation], lookup: impl Fn(&str) -> Option<Person>) -> Results {
    let mut results = Results::default();
    for test in tests {
        let groups = match &test.user {
            None => Some(test.groups.clone()).filter(|groups| !groups.is_empty()),
            Some(name) => match lookup(name) {
                Some(person) => Some(person.groups),
                None => {
                    results.warnings.push(format!("{}: skipped: the account “{name}” cannot be looked up", test.at));
                    continue;
                }
            },
        };
        if let Err(message) = run(policy, test, groups.as_deref()) {
            results.failures.push(Failure { at: test.at.clone(), message });
        }
    }
    results
}

fn run(policy: &Policy, test: &Expectation, groups: Option<&[String]>) -> Result<(), String> {
    let what = format!("{} {}", test.method, test.url);
    let host = test.url.host_str().and_then(|host| Host::parse(host.as_bytes()).ok());
    let host = host.ok_or_else(|| format!("{what}: the URL names no host"))?;
    let target = test.url.query().map_or_else(|| test.url.path().to_owned(), |query| format!("{}?{query}", test.url.path()));
    let path = Path::parse(target.as_bytes()).map_err(|refusal| format!("{what} is refused: {refusal}"))?;
    let client = ClientAddr::new(test.from.unwrap_or(STRANGER));
    // What the body says is not known here: the strictest that may be demanded is.
    let ask = Ask { host: &host, method: &test.method, client, path: &path, form: true, certificate: Certificate::Absent };
    let outcome = demanded(policy, &ask, groups).map_err(|refusal| format!("{what} is refused: {refusal}"))?;
    if outcome != test.outcome {
        return Err(format!("{what} should be {} and is {}", test.outcome.name(), outcome.name()));
    }
    let device = wanted_of_device(policy, &ask).map_or(OFF, DeviceRule::name);
    match test.device_bound {
        Some(wanted) if wanted != device => Err(format!("{what} should be device_bound = {wanted:?} and is {device:?}")),
        _ => Ok(()),
    }
}

/// What is said where nothing is wanted of sessions that are bound to a device.
pub const OFF: &str = "off";

/// What a route wants of the sessions of whoever must be signed in there.
pub(super) fn device_rule(hit: &Hit<'_>) -> Option<DeviceRule> {
    hit.route.application.device.filter(|_| matches!(hit.requirement.level, Level::OneFactor | Level::TwoFactor))
}

/// The same over every reading.
fn wanted_of_device(policy: &Policy, ask: &Ask<'_>) -> Option<DeviceRule> {
    if policy.under_prefix(ask.path) != PortalMatch::No {
        return None;
    }
    let mut rules = Vec::new();
    policy.visit(ask, |hit, _| rules.extend(hit.as_ref().and_then(device_rule)));
    DeviceRule::together(rules.into_iter())
}

/// What is demanded, the strictest over every reading. `groups` are those of somebody signed in; `None`: nobody is, and groups are not judged.
///
/// # Errors
/// [`Refusal::EncodedSlash`] where a route does not let `%2f` through.
pub(super) fn demanded(policy: &Policy, ask: &Ask<'_>, groups: Option<&[String]>) -> Result<Outcome, Refusal> {
    if policy.under_prefix(ask.path) != PortalMatch::No {
        return Ok(Outcome::NoRoute);
    }
    let mut strictest = Outcome::Bypass;
    let mut refused = false;
    policy.visit(ask, |hit, _| {
        refused |= hit.is_some_and(|hit| ask.path.has_encoded_slash() && !hit.route.encoded_slash);
        let outcome = outcome(hit.as_ref(), groups);
        if rank(outcome) > rank(strictest) {
            strictest = outcome;
        }
    });
    if refused { Err(Refusal::EncodedSlash) } else { Ok(strictest) }
}

pub(super) fn outcome(hit: Option<&Hit<'_>>, groups: Option<&[String]>) -> Outcome {
    let Some(hit) = hit else { return Outcome::NoRoute };
    match hit.requirement.level {
        Level::Bypass => Outcome::Bypass,
        Level::Deny => Outcome::Deny,
        _ if groups.is_some_and(|groups| !is_member(hit.requirement, groups)) => Outcome::Forbidden,
        Level::OneFactor => Outcome::OneFactor,
        Level::TwoFactor => Outcome::TwoFactor,
    }
}

/// The order of the decision's table.
pub(super) const fn rank(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Bypass => 0,
        Outcome::OneFactor => 1,
        Outcome::TwoFactor => 2,
        Outcome::Forbidden => 3,
        Outcome::NoRoute => 4,
        Outcome::Deny => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::testing::sample::{policy, route, rule, with_groups};

    fn expect(url: &str, groups: &[&str], outcome: Outcome) -> Expectation {
        Expectation {
            url: url.parse().unwrap(),
            groups: groups.iter().map(|g| (*g).to_owned()).collect(),
            user: None,
            from: None,
            method: http::Method::GET,
            outcome,
            device_bound: None,
            at: "a.toml:7".into(),
        }
    }

    fn wiki() -> Policy {
        let mut wiki = route("wiki", &["wiki.example"], "/", Level::OneFactor);
        wiki.requirement = with_groups(wiki.requirement, &["staff"]);
        wiki.rules = vec![rule(&["/admin/"], Level::TwoFactor), rule(&["/gone"], Level::Deny), rule(&["/open"], Level::Bypass)];
        wiki.rules[0].requirement = with_groups(wiki.rules[0].requirement.clone(), &["staff"]);
        policy(vec![wiki])
    }

    #[test]
    fn each_outcome_can_be_expected() {
        let tests = [
            expect("http://wiki.example/", &[], Outcome::OneFactor),
            expect("http://wiki.example:8080/ADMIN/x?y", &["staff"], Outcome::TwoFactor),
            expect("http://wiki.example/admin/x", &["guests"], Outcome::Forbidden),
            expect("http://wiki.example/gone/x", &["staff"], Outcome::Deny),
            expect("http://wiki.example/open", &["guests"], Outcome::Bypass),
            expect("http://other.example/", &[], Outcome::NoRoute),
            expect("http://wiki.example/.vestibule/login", &[], Outcome::NoRoute),
        ];
        let results = run_expectations(&wiki(), &tests, |_| None);
        assert_eq!(results.failures, []);
    }

    #[test]
    fn a_broken_expectation_says_where_it_stands_and_what_came() {
        let results = run_expectations(&wiki(), &[expect("http://wiki.example/admin/users", &["staff"], Outcome::Bypass)], |_| None);
        assert_eq!(results.failures[0].to_string(), "a.toml:7: GET http://wiki.example/admin/users should be bypass and is two_factor");
        let results = run_expectations(&wiki(), &[expect("http://wiki.example/a%2fb", &[], Outcome::OneFactor)], |_| None);
        assert!(results.failures[0].message.contains("refused"), "{}", results.failures[0]);
    }

    #[test]
    fn what_is_wanted_of_bound_sessions_can_be_expected() {
        let (mut vault, mut app) = (route("vault", &[], "/vault", Level::TwoFactor), route("app", &[], "/", Level::OneFactor));
        vault.application.device = Some(DeviceRule::Require { age: None });
        app.application.device = Some(DeviceRule::Prefer);
        app.rules = vec![rule(&["/open"], Level::Bypass)];
        let policy = policy(vec![vault, app]);
        let broken = |url: &str, outcome, wanted| {
            let test = Expectation { device_bound: Some(wanted), ..expect(url, &["staff"], outcome) };
            run_expectations(&policy, &[test], |_| None).failures.pop().map(|failure| failure.message)
        };
        assert_eq!(broken("http://h/vault", Outcome::TwoFactor, "require"), None);
        assert_eq!(broken("http://h/", Outcome::OneFactor, "prefer"), None);
        assert_eq!(broken("http://h/open", Outcome::Bypass, OFF), None);
        assert_eq!(broken("http://other/.vestibule/account", Outcome::NoRoute, OFF), None);
        let said = "GET http://h/ should be device_bound = \"require\" and is \"prefer\"";
        assert_eq!(broken("http://h/", Outcome::OneFactor, "require").as_deref(), Some(said));
    }

    #[test]
    fn a_user_who_cannot_be_looked_up_is_a_warning() {
        let mut test = expect("http://wiki.example/", &[], Outcome::Forbidden);
        test.user = Some("bob".into());
        let results = run_expectations(&wiki(), std::slice::from_ref(&test), |_| None);
        assert_eq!((results.failures.len(), results.warnings.len()), (0, 1));
        let bob = crate::policy::testing::sample::person(&["guests"]);
        let results = run_expectations(&wiki(), &[test], |name| (name == "bob").then(|| bob.clone()));
        assert_eq!((results.failures.len(), results.warnings.len()), (0, 0));
    }
}
