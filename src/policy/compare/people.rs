//! Who is affected by a change of demands. People are told apart by the lists of groups that they are in, by their policy and methods, and
//! by what they have proved; every kind is asked of both policies, by the gateway's own decision.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::super::decide::{ChallengeReason, Decision, ForbidReason, Reason};
use super::super::identity::{Identity, Person, Proof};
use super::super::table::Ask;
use super::view::{Side, View};
use crate::account::MfaPolicy;
use crate::base::Time;
use crate::factor::{Method, MethodSet};

/// Late enough for every age that a policy can name.
const NOW: Time = Time::from_secs(4_000_000_000);

/// Every second factor that a proof can hold; a recovery code is none by itself, and stays apart.
const METHODS: [Method; 5] = [Method::Totp, Method::Webauthn, Method::Email, Method::Sms, Method::Recovery];

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    Stricter,
    Laxer,
    /// For some stricter and for some laxer, or closed in another way.
    Different,
}

/// What a change means for some people.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Effect {
    pub direction: Direction,
    pub who: String,
    pub before: Side,
    pub after: Side,
}

/// How strict a decision is: what stops, then what would have stopped were it enforced.
fn strictness(decision: &Decision) -> (u8, u8) {
    match decision {
        Decision::Allow(admission) => (0, admission.observed().map_or(0, degree)),
        Decision::Challenge { reason, .. } => (degree(Reason::Challenge(*reason)), 0),
        Decision::Forbid { reason, .. } => (degree(Reason::Forbid(*reason)), 0),
        Decision::NoRoute => (6, 0),
        Decision::Refuse(_) => (8, 0),
    }
}

/// In the order of the decision's table.
const fn degree(reason: Reason) -> u8 {
    match reason {
        Reason::Challenge(ChallengeReason::SecondFactor) => 1,
        Reason::Challenge(ChallengeReason::Enrol) => 2,
        Reason::Challenge(ChallengeReason::SignIn) => 3,
        Reason::Forbid(ForbidReason::MfaOff) => 4,
        Reason::Forbid(ForbidReason::Group) => 5,
        // Of tokens, which are not asked here.
        Reason::Challenge(ChallengeReason::Token) | Reason::Forbid(ForbidReason::TokenWorth | ForbidReason::TokenScope) => 5,
        Reason::Forbid(ForbidReason::Deny) => 7,
    }
}

/// Between two decisions for the same request and person; `None`: alike.
pub fn direction_for(before: &Decision, after: &Decision) -> Option<Direction> {
    let (before, after) = (strictness(before), strictness(after));
    let closed = |strictness: (u8, u8)| strictness.0 >= 6;
    match before.cmp(&after) {
        std::cmp::Ordering::Equal => None,
        std::cmp::Ordering::Less => Some(Direction::Stricter),
        // From `deny` to no route nothing opens.
        std::cmp::Ordering::Greater if closed(before) && closed(after) => Some(Direction::Different),
        std::cmp::Ordering::Greater => Some(Direction::Laxer),
    }
}

/// A kind of people: which of the lists of groups they are in, by an example.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Kind {
    member: Vec<bool>,
    groups: Vec<String>,
}

/// Everything that a change from one view to the other does to anybody. `ask` is what both saw.
pub fn effects(before: &View<'_>, after: &View<'_>, ask: &Ask<'_>) -> Vec<Effect> {
    let requirements = || before.requirements().chain(after.requirements());
    let lists: Vec<BTreeSet<String>> = requirements()
        .filter_map(|r| r.groups.as_ref())
        .map(|list| list.iter().cloned().collect())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let stranger = direction_for(&before.decision(ask, None, NOW), &after.decision(ask, None, NOW));
    let mut rows: BTreeMap<(Direction, Side, Side), Vec<Kind>> = BTreeMap::new();
    let kinds = kinds(&lists);
    for kind in &kinds {
        if let Some(direction) = effect_for(before, after, ask, Some(&kind.groups)) {
            let sides = (before.side(Some(&kind.groups)), after.side(Some(&kind.groups)));
            rows.entry((direction, sides.0, sides.1)).or_default().push(kind.clone());
        }
    }
    let mut effects: Vec<Effect> = rows
        .into_iter()
        .map(|((direction, before, after), of)| Effect { direction, who: name(&of, kinds.len(), &lists), before, after })
        .collect();
    let covered = effects.iter().any(|effect| Some(effect.direction) == stranger && effect.who == EVERYBODY);
    if let Some(direction) = stranger.filter(|_| !covered) {
        effects.push(Effect { direction, who: STRANGERS.to_owned(), before: before.side(None), after: after.side(None) });
    }
    if before.tokens() != after.tokens() {
        effects.push(Effect {
            direction: Direction::Different,
            who: TOKENS.to_owned(),
            before: before.side(None),
            after: after.side(None),
        });
    }
    effects
}

/// What a change does to a member of these groups, whatever they have proved; or to a stranger.
pub fn effect_for(before: &View<'_>, after: &View<'_>, ask: &Ask<'_>, groups: Option<&[String]>) -> Option<Direction> {
    let Some(groups) = groups else {
        return direction_for(&before.decision(ask, None, NOW), &after.decision(ask, None, NOW));
    };
    let methods = methods(before, after);
    let proofs = proofs(&ages(before, after), &methods);
    let directions = identities(groups, &methods, &proofs)
        .filter_map(|who| direction_for(&before.decision(ask, Some(&who), NOW), &after.decision(ask, Some(&who), NOW)));
    together(directions)
}

/// One method of every kind: those that the same lists of factors name are alike.
fn methods(before: &View<'_>, after: &View<'_>) -> Vec<Method> {
    let lists: Vec<MethodSet> = before.requirements().chain(after.requirements()).filter_map(|requirement| requirement.factors).collect();
    let mut seen = BTreeSet::new();
    let kind = |method: &Method| (*method == Method::Recovery, lists.iter().map(|list| list.contains(*method)).collect::<Vec<bool>>());
    METHODS.into_iter().filter(|method| seen.insert(kind(method))).collect()
}

fn ages(before: &View<'_>, after: &View<'_>) -> BTreeSet<Duration> {
    before.requirements().chain(after.requirements()).filter_map(|requirement| requirement.max_age).collect()
}

const EVERYBODY: &str = "everybody";
/// How they may come, or what they are worth.
const TOKENS: &str = "API tokens";
const STRANGERS: &str = "requests without a sign-in";

fn together(directions: impl Iterator<Item = Direction>) -> Option<Direction> {
    directions.fold(None, |so_far: Option<Direction>, next| match so_far {
        None => Some(next),
        Some(before) if before == next => Some(before),
        Some(_) => Some(Direction::Different),
    })
}

/// Every kind that somebody can be of: what one is in by several groups is what one is in by either.
fn kinds(lists: &[BTreeSet<String>]) -> Vec<Kind> {
    let mut known: BTreeMap<Vec<bool>, Vec<String>> = BTreeMap::from([(vec![false; lists.len()], Vec::new())]);
    let groups: BTreeSet<&String> = lists.iter().flatten().collect();
    for group in groups {
        let own: Vec<bool> = lists.iter().map(|list| list.contains(group)).collect();
        let grown: Vec<(Vec<bool>, Vec<String>)> = known
            .iter()
            .map(|(member, by)| {
                let both = member.iter().zip(&own).map(|(a, b)| *a || *b).collect();
                (both, by.iter().cloned().chain([group.clone()]).collect())
            })
            .collect();
        for (member, by) in grown {
            let shorter = known.get(&member).is_none_or(|so_far: &Vec<String>| so_far.len() > by.len());
            if shorter {
                known.insert(member, by);
            }
        }
    }
    known.into_iter().map(|(member, groups)| Kind { member, groups }).collect()
}

fn name(of: &[Kind], all: usize, lists: &[BTreeSet<String>]) -> String {
    if of.len() == all {
        return EVERYBODY.to_owned();
    }
    let words = |list: &BTreeSet<String>| list.iter().cloned().collect::<Vec<_>>().join(" or ");
    let one = |kind: &Kind| {
        let outside: Vec<String> = lists.iter().zip(&kind.member).filter(|(_, member)| !**member).map(|(list, _)| words(list)).collect();
        match (kind.groups.as_slice(), outside.as_slice()) {
            ([], outside) => format!("everybody who is not in {}", outside.join(", ")),
            (groups, []) => format!("members of {}", groups.join(" and ")),
            (groups, outside) => format!("members of {} who are not in {}", groups.join(" and "), outside.join(", ")),
        }
    };
    of.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn proofs(ages: &BTreeSet<Duration>, methods: &[Method]) -> Vec<Proof> {
    let spans = ages.iter().flat_map(|age| [*age, *age + Duration::from_secs(1)]).chain([Duration::ZERO]);
    let spans: BTreeSet<Duration> = spans.collect();
    let second = methods.iter().flat_map(|method| spans.iter().map(|span| Proof::Second { method: *method, at: NOW.minus(*span) }));
    [Proof::Password, Proof::TrustedBrowser].into_iter().chain(second).collect()
}

/// Everybody of these groups: each policy, no method, each method, each two of them, all.
fn identities<'a>(groups: &'a [String], methods: &'a [Method], proofs: &'a [Proof]) -> impl Iterator<Item = Identity> + 'a {
    let each = methods.iter().enumerate().flat_map(|(at, a)| methods.iter().skip(at).map(|b| MethodSet::EMPTY.with(*a).with(*b)));
    let sets: Vec<MethodSet> = each.chain([MethodSet::EMPTY, methods.iter().copied().collect()]).collect();
    let people = sets.into_iter().flat_map(move |methods| [MfaPolicy::Off, MfaPolicy::Optional].map(|mfa| somebody(groups, mfa, methods)));
    people.flat_map(move |person| proofs.iter().map(move |proof| Identity { person: Arc::clone(&person), proof: *proof, token: None }))
}

fn somebody(groups: &[String], mfa: MfaPolicy, methods: MethodSet) -> Arc<Person> {
    Arc::new(Person { name: String::new(), display_name: String::new(), email: String::new(), groups: groups.to_vec(), mfa, methods })
}
