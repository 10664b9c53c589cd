//! What a configuration says of routes, in the form that decisions are made on. Durations and names are checked before.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::base::ClientAddr;
use crate::factor::MethodSet;
use crate::geo::Whereabouts;

use super::application::Application;
use super::query::Condition;
use super::upstream::{ProxyOptions, Upstream};

/// What a route or rule demands, from nothing to everything.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Level {
    Bypass,
    OneFactor,
    TwoFactor,
    Deny,
}

impl Level {
    pub const ALL: [Self; 4] = [Self::Bypass, Self::OneFactor, Self::TwoFactor, Self::Deny];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::OneFactor => "one_factor",
            Self::TwoFactor => "two_factor",
            Self::Deny => "deny",
        }
    }
}

/// A host pattern of a route.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum HostPattern {
    /// `wiki.example`, in [`crate::base::Host`]'s form.
    Exact(String),
    /// `*.wiki.example`, kept without the `*.`: one or more labels below it, not the name itself.
    Below(String),
}

impl HostPattern {
    pub fn matches(&self, host: &crate::base::Host) -> bool {
        match self {
            Self::Exact(name) => host.as_str() == name,
            Self::Below(domain) => host.as_str() != domain && host.is_within(domain),
        }
    }
}

/// What a client's certificate is on a route, or for a rule.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum CertificateUse {
    /// It is not looked at.
    #[default]
    None,
    /// A service account's stands for the account, where nobody is signed in.
    Accept,
    /// The same, and nothing passes without a valid one: not a session, not a token, not what is open to everybody.
    Require,
}

impl CertificateUse {
    pub const ALL: [Self; 3] = [Self::None, Self::Accept, Self::Require];

    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Accept => "accept",
            Self::Require => "require",
        }
    }
}

/// What must hold for a request to go out. A rule's is its route's with what the rule says put over it.
#[derive(Clone, Debug)]
pub struct Requirement {
    pub level: Level,
    /// Any of them; absent: every signed-in user.
    pub groups: Option<Vec<String>>,
    /// Which second factors count; absent: all, recovery codes and trusted browsers too.
    pub factors: Option<MethodSet>,
    /// How old the second factor may be.
    pub max_age: Option<Duration>,
    /// What a client's certificate is here.
    pub client_certificate: CertificateUse,
    /// `false`: forward all the same, and record who would have been stopped.
    pub enforce: bool,
}

/// An exception of a route. All that is given must match.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Prefixes on segment boundaries; empty: every path of the route.
    pub paths: Vec<String>,
    /// Whole paths with `*` for any characters, slashes too; empty: every path.
    pub patterns: Vec<String>,
    /// Upper-case method names; `GET` includes `HEAD`; empty: every method.
    pub methods: Vec<http::Method>,
    /// Client networks; empty: every address.
    pub networks: Vec<IpNet>,
    /// Parameters of the query. A rule with any is asked beside the first that matches without, and can only add to what that demands.
    pub query: Vec<Condition>,
    /// Countries and network operators; absent: every client.
    pub whereabouts: Option<Whereabouts>,
    pub requirement: Requirement,
    /// What its author says of it; decides nothing.
    pub comment: Option<String>,
}

impl Rule {
    /// `GET` includes `HEAD`.
    pub(super) fn takes_method(&self, method: &http::Method) -> bool {
        let named = |name: &http::Method| self.methods.contains(name);
        self.methods.is_empty() || named(method) || (*method == http::Method::HEAD && named(&http::Method::GET))
    }

    pub(super) fn takes_client(&self, client: ClientAddr) -> bool {
        (self.networks.is_empty() || client.is_in(&self.networks)) && self.whereabouts.as_ref().is_none_or(|there| there.has(client))
    }
}

/// A route.
#[derive(Clone, Debug)]
pub struct Route {
    pub name: Arc<str>,
    /// Empty: every host.
    pub hosts: Vec<HostPattern>,
    /// A prefix, without the trailing slash; the root is the empty string.
    pub path: String,
    pub upstreams: Vec<Upstream>,
    pub requirement: Requirement,
    pub rules: Vec<Rule>,
    pub encoded_slash: bool,
    pub keep_post: bool,
    pub proxy: ProxyOptions,
    pub application: Application,
}

impl Route {
    /// What people read: the title, else the name.
    pub fn called(&self) -> &str {
        self.application.title.as_deref().unwrap_or(&self.name)
    }
}

/// What a policy test demands (`[[expect]]`), and what `explain` answers as `requires`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    Bypass,
    OneFactor,
    TwoFactor,
    Forbidden,
    Deny,
    NoRoute,
}

impl Outcome {
    pub const ALL: [Self; 6] = [Self::Bypass, Self::OneFactor, Self::TwoFactor, Self::Forbidden, Self::Deny, Self::NoRoute];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::OneFactor => "one_factor",
            Self::TwoFactor => "two_factor",
            Self::Forbidden => "forbidden",
            Self::Deny => "deny",
            Self::NoRoute => "no_route",
        }
    }
}

/// A policy test.
#[derive(Clone, Debug)]
pub struct Expectation {
    pub url: url::Url,
    pub groups: Vec<String>,
    pub user: Option<String>,
    pub from: Option<std::net::IpAddr>,
    pub method: http::Method,
    pub outcome: Outcome,
    /// What is wanted of sessions that are bound to a device: a rule's name, or `off`.
    pub device_bound: Option<&'static str>,
    /// Where it stands in the configuration, for messages: `file:line`.
    pub at: String,
}
