//! What a route or rule demands, with what a rule leaves out taken from its route.

use std::time::Duration;

use super::login::methods;
use crate::config::document::problem::Fault;
use crate::config::document::section::Section;
use crate::config::readers::value;
use crate::config::readers::value::{DAY, SECOND};
use crate::factor::{Method, MethodSet};
use crate::policy::{CertificateUse, Level, Requirement};

/// As written or inherited; unlike a [`Requirement`] it keeps `factors` and `max_age` for the rules that inherit them.
#[derive(Clone, Debug)]
pub(in crate::config) struct Terms {
    /// `None`: not given, or wrong.
    pub level: Option<Level>,
    groups: Option<Vec<String>>,
    factors: Option<MethodSet>,
    max_age: Option<Duration>,
    client_certificate: CertificateUse,
    enforce: bool,
}

impl Terms {
    /// What stands in `s`, put over the route's where `s` is a rule.
    pub fn read(s: &Section, route: Option<&Self>) -> Self {
        let levels = Level::ALL.map(|level| (level.name(), level));
        let policy = value::choice(&levels);
        let level = match route {
            None => s.required("policy", "write policy = \"two_factor\" (or bypass, one_factor, deny)", policy),
            Some(route) => s.maybe("policy", policy).or(route.level),
        };
        let groups = s.some("groups", value::group);
        let factors = methods(s, "factors");
        let max_age = s.maybe("max_age", value::span(SECOND..=30 * DAY));
        let uses = CertificateUse::ALL.map(|one| (one.name(), one));
        let inherited = route.map_or(CertificateUse::None, |route| route.client_certificate);
        let terms = Self {
            level,
            client_certificate: s.or("client_certificate", inherited, value::choice(&uses)),
            groups: groups.or_else(|| route.and_then(|r| r.groups.clone())),
            factors: factors.or_else(|| route.and_then(|r| r.factors)),
            max_age: max_age.or_else(|| route.and_then(|r| r.max_age)),
            enforce: s.or("enforce", route.is_none_or(|r| r.enforce), value::flag),
        };
        warn_of_weak(s, factors);
        terms
    }

    /// Whether guests can get in: one factor is enough, and no group is wanted.
    pub fn takes_guests(&self) -> bool {
        self.level == Some(Level::OneFactor) && self.groups.is_none()
    }

    /// Reports what is written beside a policy that does not use it. A route may hold `factors` and `max_age` for its rules.
    pub fn check(&self, s: &Section, rules: &[Self]) {
        let Some(level) = self.level else { return };
        let uses = |wanted: fn(Level) -> bool| wanted(level) || rules.iter().any(|rule| rule.level.is_some_and(wanted));
        for key in ["factors", "max_age"] {
            if s.has(key) && !uses(|level| level == Level::TwoFactor) {
                let what = format!("{key} has no meaning with policy {}", level.name());
                s.error(key, Fault::new(what, format!("set policy = \"two_factor\", or remove {key}")));
            }
        }
        if s.has("client_certificate") && self.client_certificate != CertificateUse::None && !uses(|level| level != Level::Deny) {
            let remedy = "set policy = \"one_factor\", or remove client_certificate";
            s.error("client_certificate", Fault::new("client_certificate has no meaning with policy deny", remedy));
        }
        if s.has("groups") && !uses(|level| matches!(level, Level::OneFactor | Level::TwoFactor)) {
            let what = format!("groups has no meaning with policy {}: nobody is asked to sign in", level.name());
            s.error("groups", Fault::new(what, "set policy = \"one_factor\" or \"two_factor\", or remove groups"));
        }
    }

    /// What a decision is made on; `Deny` where the level is not known, as errors keep the policy from being used anyway.
    pub fn requirement(self) -> Requirement {
        let level = self.level.unwrap_or(Level::Deny);
        let second = level == Level::TwoFactor;
        let signed_in = second || level == Level::OneFactor;
        Requirement {
            level,
            groups: self.groups.filter(|_| signed_in),
            factors: self.factors.filter(|_| second),
            max_age: self.max_age.filter(|_| second),
            client_certificate: self.client_certificate,
            enforce: self.enforce,
        }
    }
}

fn warn_of_weak(s: &Section, factors: Option<MethodSet>) {
    for (method, why) in [
        (Method::Email, "a code by e-mail is no AAL2 authenticator (NIST SP 800-63B-4 section 3.1.3.1)"),
        (Method::Sms, "a code by SMS is a restricted authenticator (NIST SP 800-63B-4 section 3.1.3.3)"),
    ] {
        if factors.is_some_and(|set| set.contains(method)) {
            s.warn("factors", why, "prefer factors = [\"totp\", \"webauthn\"]");
        }
    }
}
