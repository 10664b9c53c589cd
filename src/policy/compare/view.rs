//! What a request meets in a policy, freed of where it stands: two requests with the same key are decided alike, whoever asks.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::super::application::device::{self, DeviceRule, DeviceState};
use super::super::application::guest::GuestPattern;
use super::super::decide::{Decision, decide_on};
use super::super::demand::Demand;
use super::super::expect::{outcome, rank};
use super::super::identity::Identity;
use super::super::table::{Ask, Hit, Policy, PortalMatch};
use super::super::types::{CertificateUse, Level, Outcome, Requirement, Route};
use crate::base::Time;
use crate::factor::Method;
use crate::path::Path;
use crate::token::{CountsAs, Way, Ways};

/// What one reading meets.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Meets {
    NoRoute,
    /// `%2f` where the route does not let it through.
    Refused,
    Met {
        level: Level,
        groups: Option<Vec<String>>,
        factors: Option<Vec<Method>>,
        max_age: Option<Duration>,
        enforce: bool,
        /// What a client's certificate is, and what a service account's is worth.
        certificate: (CertificateUse, bool),
        /// What is wanted of sessions that are bound to a device.
        device: Option<DeviceRule>,
        /// How API tokens may come, and what they are worth.
        tokens: String,
        /// Which guests are taken.
        guests: BTreeSet<String>,
        /// Who gets through if the application is away.
        away: Option<BTreeSet<String>>,
    },
}

/// The demands of all readings, and who gets through if the application that is asked is away.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Key {
    meets: BTreeSet<Meets>,
    away: Option<BTreeSet<String>>,
}

/// A route and a rule, by their places; `None`: no route.
type Place = Option<(usize, Option<usize>)>;

/// Where every reading led, and by which route it goes on: two requests that were led to the same places meet the same.
pub type Places = (Vec<Place>, Option<usize>);

/// A decision, and whether the application is away for whoever is admitted, or could do something about it.
#[derive(Clone, Debug)]
pub struct Judged {
    pub decision: Decision,
    pub away: bool,
}

/// What a request meets.
pub struct View<'p> {
    hits: Vec<Option<Hit<'p>>>,
    refused: bool,
    portal: bool,
}

/// What is demanded of somebody: an outcome as in `[[expect]]`, and what more there is to it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
pub struct Side {
    /// Or `refused`: answered 400.
    pub outcome: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub factors: Option<Vec<Method>>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "seconds")]
    pub max_age: Option<Duration>,
    /// `false`: only recorded.
    #[serde(skip_serializing_if = "is_true")]
    pub enforce: bool,
    /// What is wanted of sessions that are bound to a device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_bound: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "seconds")]
    pub device_age: Option<Duration>,
    /// Whoever is admitted gets a page instead: the application is away.
    #[serde(skip_serializing_if = "is_false")]
    pub maintenance: bool,
    /// For API tokens: how they may come, and what they are worth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<String>,
    /// For guests: the addresses that are taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guests: Option<String>,
    /// What a client's certificate is there, if it is anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<&'static str>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_true(enforce: &bool) -> bool {
    *enforce
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_false(maintenance: &bool) -> bool {
    !*maintenance
}

fn seconds<S: Serializer>(age: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&format!("{}s", age.unwrap_or_default().as_secs()))
}

impl<'p> View<'p> {
    pub fn of(policy: &'p Policy, ask: &Ask<'_>) -> Self {
        let portal = policy.under_prefix(ask.path) != PortalMatch::No;
        let mut hits = Vec::new();
        if !portal {
            policy.visit(ask, |hit, _| hits.push(hit));
        }
        let slash = ask.path.has_encoded_slash();
        let refused = hits.iter().flatten().any(|hit| slash && !hit.route.encoded_slash);
        Self { hits, refused, portal }
    }

    /// What is demanded. `path` is the one that was asked.
    pub fn key(&self, path: &Path<'_>) -> Key {
        let portal = self.portal.then_some(Meets::NoRoute);
        let meets = self.hits.iter().map(|hit| normal(hit.as_ref(), path)).chain(portal).collect();
        Key { meets, away: self.goes_by().and_then(through) }
    }

    /// Sorted, each once.
    pub fn places(&self) -> Places {
        let mut places: Vec<Place> = self.hits.iter().map(|hit| hit.map(|hit| (hit.at, hit.rule))).collect();
        places.extend(self.portal.then_some(None));
        places.sort_unstable();
        places.dedup();
        (places, self.hits.iter().flatten().next().map(|hit| hit.at))
    }

    /// The route of the primary reading.
    fn goes_by(&self) -> Option<&'p Route> {
        self.hits.iter().flatten().next().map(|hit| &**hit.route)
    }

    /// The routes of all readings.
    pub fn routes(&self) -> Vec<&'p Route> {
        self.hits.iter().flatten().map(|hit| &**hit.route).collect()
    }

    /// The lists of groups that something depends on.
    pub fn lists(&self) -> impl Iterator<Item = BTreeSet<String>> {
        let away = self.hits.iter().flatten().filter_map(|hit| through(hit.route));
        let lists = self.requirements().filter_map(|requirement| requirement.groups.as_ref());
        lists.map(|list| list.iter().cloned().collect()).chain(away)
    }

    /// The prefixes that lead to what demands most.
    pub fn edge(&self) -> Option<String> {
        let hit = self.hits.iter().flatten().rev().max_by_key(|hit| hit.requirement.level)?;
        let rule = hit.rule.and_then(|at| hit.route.rules.get(at));
        let named = rule.map(|rule| rule.paths.iter().chain(&rule.patterns).cloned().collect::<Vec<_>>()).filter(|named| !named.is_empty());
        let own = if hit.route.path.is_empty() { "/".to_owned() } else { hit.route.path.clone() };
        Some(named.map_or(own, |named| named.join(", ")))
    }

    /// The route of the primary reading.
    pub fn route(&self) -> Option<String> {
        self.goes_by().map(|route| route.name.to_string())
    }

    /// The gateway's own decision.
    pub fn judged(&self, ask: &Ask<'_>, who: Option<&Identity>, now: Time) -> Judged {
        let decision = if self.portal { Decision::NoRoute } else { decide_on(self.hits.iter().copied(), ask, who, now) };
        let groups = who.map(|who| who.person.groups.as_slice());
        let route = match &decision {
            Decision::Challenge { route, .. } => Some(&**route),
            _ => self.goes_by(),
        };
        let away = route.is_some_and(|route| route.application.is_away(groups));
        Judged { decision, away }
    }

    /// What is demanded of a member of these groups, or of a stranger.
    pub fn side(&self, groups: Option<&[String]>) -> Side {
        let mut side = Side {
            outcome: Outcome::Bypass.name(),
            groups: Vec::new(),
            factors: None,
            max_age: None,
            enforce: true,
            device_bound: None,
            device_age: None,
            maintenance: false,
            tokens: None,
            guests: None,
            client_certificate: self.certificate_use().map(CertificateUse::name),
        };
        if self.refused {
            return Side { outcome: "refused", ..side };
        }
        let strictest = self.hits.iter().map(|hit| outcome(hit.as_ref(), groups)).max_by_key(|outcome| rank(*outcome));
        let strictest = if self.portal { Outcome::NoRoute } else { strictest.unwrap_or(Outcome::NoRoute) };
        side.outcome = strictest.name();
        let may_pass = matches!(strictest, Outcome::Bypass | Outcome::OneFactor | Outcome::TwoFactor);
        side.maintenance = may_pass && self.goes_by().is_some_and(|route| route.application.is_away(groups));
        let deciding = self.hits.iter().flatten().filter(|hit| outcome(Some(hit), groups) == strictest).map(|hit| hit.requirement);
        let wanted = deciding.clone().map(Demand::from).reduce(Demand::and);
        side.enforce = strictest == Outcome::NoRoute || deciding.clone().any(|requirement| requirement.enforce);
        if matches!(strictest, Outcome::OneFactor | Outcome::TwoFactor) {
            let device = groups.and_then(|_| self.devices().max());
            side.device_bound = device.map(DeviceRule::name);
            side.device_age = self.devices().filter_map(DeviceRule::age).min().filter(|_| device.is_some());
            let named = deciding.filter_map(|requirement| requirement.groups.as_ref()).flatten().cloned();
            side.groups = named.collect::<BTreeSet<_>>().into_iter().collect();
            side.factors = wanted.and_then(|wanted| wanted.factors).map(|factors| factors.iter().collect());
            side.max_age = wanted.and_then(|wanted| wanted.max_age);
        }
        side
    }

    /// What the routes want of sessions that are bound to a device.
    pub fn devices(&self) -> impl Iterator<Item = DeviceRule> {
        self.hits.iter().flatten().filter(|hit| is_for_people(hit.requirement)).filter_map(|hit| hit.route.application.device)
    }

    /// The routes that take API tokens.
    pub fn routes_for_tokens(&self) -> impl Iterator<Item = &'p Route> {
        self.hits.iter().flatten().map(|hit| &**hit.route).filter(|route| route.application.tokens != Ways::NONE)
    }

    /// What is demanded of an API token whose owner is in no group.
    pub fn side_for_tokens(&self) -> Side {
        let said: BTreeSet<String> = self.routes_for_tokens().map(worth).collect();
        let said = if said.is_empty() { "none".to_owned() } else { said.into_iter().collect::<Vec<_>>().join("; ") };
        Side { tokens: Some(said), ..self.side(None) }
    }

    /// Which guests the routes take where one factor is enough and no group is wanted.
    pub fn guests(&self) -> impl Iterator<Item = &'p GuestPattern> {
        self.hits.iter().flatten().filter(|hit| is_for_guests(hit.requirement)).flat_map(|hit| &hit.route.application.guests)
    }

    /// What is demanded of a guest.
    pub fn side_for_guests(&self) -> Side {
        let said: BTreeSet<String> = self.guests().map(ToString::to_string).collect();
        let said = if said.is_empty() { "none".to_owned() } else { said.into_iter().collect::<Vec<_>>().join(", ") };
        Side { guests: Some(said), ..self.side(Some(&[])) }
    }

    /// The most that any reading makes of a client's certificate; `None`: nothing.
    pub fn certificate_use(&self) -> Option<CertificateUse> {
        let uses = self.requirements().filter(|requirement| !is_closed(requirement)).map(|requirement| requirement.client_certificate);
        uses.max().filter(|most| *most != CertificateUse::None)
    }

    /// The requirements of all readings that have one.
    pub fn requirements(&self) -> impl Iterator<Item = &'p Requirement> {
        self.hits.iter().flatten().map(|hit| hit.requirement)
    }
}

/// One state of every kind that the routes tell apart.
pub fn device_states(before: &View<'_>, after: &View<'_>, now: Time) -> Vec<DeviceState> {
    let rules: BTreeSet<DeviceRule> = before.devices().chain(after.devices()).collect();
    if rules.is_empty() { vec![DeviceState::Unbound] } else { device::kinds(rules.into_iter().filter_map(DeviceRule::age), now) }
}

/// Without what a level does not use.
fn normal(hit: Option<&Hit<'_>>, path: &Path<'_>) -> Meets {
    let Some(hit) = hit else { return Meets::NoRoute };
    if path.has_encoded_slash() && !hit.route.encoded_slash {
        return Meets::Refused;
    }
    // Every part of a requirement is named here, so that a new one is not forgotten.
    let Requirement { level, groups, factors, max_age, client_certificate, enforce } = hit.requirement;
    let signed_in = matches!(level, Level::OneFactor | Level::TwoFactor);
    let two = *level == Level::TwoFactor;
    let sorted = |groups: &Vec<String>| groups.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect();
    Meets::Met {
        level: *level,
        groups: groups.as_ref().filter(|_| signed_in).map(sorted),
        factors: factors.filter(|_| two).map(|set| set.iter().collect()),
        max_age: max_age.filter(|_| two),
        enforce: *enforce || (*level == Level::Bypass && *client_certificate != CertificateUse::Require),
        certificate: if is_closed(hit.requirement) {
            (CertificateUse::None, false)
        } else {
            let worth = *client_certificate != CertificateUse::None && hit.route.application.tokens_count_as == CountsAs::TwoFactor;
            (*client_certificate, worth)
        },
        device: hit.route.application.device.filter(|_| signed_in),
        tokens: if is_closed(hit.requirement) { String::new() } else { tokens(hit.route) },
        guests: hit.route.application.guests.iter().filter(|_| is_for_guests(hit.requirement)).map(ToString::to_string).collect(),
        away: through(hit.route),
    }
}

/// Nobody gets in, whatever they show.
const fn is_closed(requirement: &Requirement) -> bool {
    matches!(requirement.level, Level::Deny) && requirement.enforce
}

/// Where somebody signs in.
const fn is_for_people(requirement: &Requirement) -> bool {
    matches!(requirement.level, Level::OneFactor | Level::TwoFactor)
}

/// Where guests may be taken.
const fn is_for_guests(requirement: &Requirement) -> bool {
    matches!(requirement.level, Level::OneFactor) && requirement.groups.is_none()
}

/// The groups that get through to an application that is away.
fn through(route: &Route) -> Option<BTreeSet<String>> {
    route.application.maintenance.as_ref().map(|away| away.groups.iter().cloned().collect())
}

/// Tokens can be limited to some routes by name.
fn tokens(route: &Route) -> String {
    if route.application.tokens == Ways::NONE { String::new() } else { format!("{} {}", worth(route), route.name) }
}

/// `bearer, basic as one_factor`
fn worth(route: &Route) -> String {
    let ways = Way::ALL.into_iter().filter(|way| route.application.tokens.takes(*way)).map(Way::name);
    format!(
        "{} as {}",
        ways.collect::<Vec<_>>().join(", "),
        match route.application.tokens_count_as {
            CountsAs::OneFactor => Level::OneFactor.name(),
            CountsAs::TwoFactor => Level::TwoFactor.name(),
        }
    )
}
