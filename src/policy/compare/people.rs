//! Who is affected by a change of demands. People are told apart by the lists of groups that they are in, by their policy and methods, and
//! by what they have proved; every kind is asked of both policies, by the gateway's own decision.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::super::application::device::DeviceState;
use super::super::identity::{Identity, Proof};
use super::super::table::Ask;
use super::direction::{Direction, NOW, direction_for, somebody, together};
use super::view::{Side, View, device_states};
use super::visitors::{certificates, guests, tokens};
use crate::account::MfaPolicy;
use crate::factor::{Method, MethodSet};

/// What a change means for some people.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Effect {
    pub direction: Direction,
    pub who: String,
    pub before: Side,
    pub after: Side,
}

/// A kind of people: which of the lists of groups they are in, by an example.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Kind {
    member: Vec<bool>,
    groups: Vec<String>,
}

/// Everything that a change from one view to the other does to anybody. `ask` is what both saw.
pub fn effects(before: &View<'_>, after: &View<'_>, ask: &Ask<'_>) -> Vec<Effect> {
    let lists: Vec<BTreeSet<String>> = before.lists().chain(after.lists()).collect::<BTreeSet<_>>().into_iter().collect();
    let stranger = effect_for(before, after, ask, None);
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
    let tokens = tokens::direction(before, after, ask, kinds.iter().map(|kind| kind.groups.as_slice()));
    let covered = effects.iter().any(|effect| Some(effect.direction) == tokens && effect.who == EVERYBODY);
    if let Some(direction) = tokens.filter(|_| !covered) {
        effects.push(Effect { direction, who: TOKENS.to_owned(), before: before.side_for_tokens(), after: after.side_for_tokens() });
    }
    let groups = || kinds.iter().map(|kind| kind.groups.as_slice());
    let shown = certificates::direction(before, after, ask, groups(), |ask, groups| effect_for(before, after, ask, groups));
    let covered = effects.iter().any(|effect| Some(effect.direction) == shown && effect.who == EVERYBODY);
    if let Some(direction) = shown.filter(|_| !covered) {
        effects.push(Effect { direction, who: CERTIFIED.to_owned(), before: before.side(Some(&[])), after: after.side(Some(&[])) });
    }
    if let Some(direction) = guests::direction(before, after, ask) {
        effects.push(Effect { direction, who: GUESTS.to_owned(), before: before.side_for_guests(), after: after.side_for_guests() });
    }
    effects
}

/// What a change does to a member of these groups, whatever they have proved; or to a stranger.
pub fn effect_for(before: &View<'_>, after: &View<'_>, ask: &Ask<'_>, groups: Option<&[String]>) -> Option<Direction> {
    let Some(groups) = groups else {
        return direction_for(&before.judged(ask, None, NOW), &after.judged(ask, None, NOW));
    };
    let methods = methods(before, after);
    let proofs = proofs(&ages(before, after), &methods);
    let states = device_states(before, after, NOW);
    let directions = identities(groups, &methods, &proofs, &states)
        .filter_map(|who| direction_for(&before.judged(ask, Some(&who), NOW), &after.judged(ask, Some(&who), NOW)));
    together(directions)
}

/// One method of every kind: those that the same lists of factors name are alike.
fn methods(before: &View<'_>, after: &View<'_>) -> Vec<Method> {
    let lists: Vec<MethodSet> = before.requirements().chain(after.requirements()).filter_map(|requirement| requirement.factors).collect();
    let mut seen = BTreeSet::new();
    let kind = |method: &Method| (*method == Method::Recovery, lists.iter().map(|list| list.contains(*method)).collect::<Vec<bool>>());
    // Every second factor that a proof can hold; a recovery code is none by itself, and stays apart.
    Method::ENROLLABLE.into_iter().chain([Method::Recovery]).filter(|method| seen.insert(kind(method))).collect()
}

fn ages(before: &View<'_>, after: &View<'_>) -> BTreeSet<Duration> {
    before.requirements().chain(after.requirements()).filter_map(|requirement| requirement.max_age).collect()
}

const EVERYBODY: &str = "everybody";
const GUESTS: &str = "guests";
const CERTIFIED: &str = "clients with a certificate";
const TOKENS: &str = "API tokens";
const STRANGERS: &str = "requests without a sign-in";

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
fn identities<'a>(
    groups: &'a [String],
    methods: &'a [Method],
    proofs: &'a [Proof],
    states: &'a [DeviceState],
) -> impl Iterator<Item = Identity> + 'a {
    let each = methods.iter().enumerate().flat_map(|(at, a)| methods.iter().skip(at).map(|b| MethodSet::EMPTY.with(*a).with(*b)));
    let sets: Vec<MethodSet> = each.chain([MethodSet::EMPTY, methods.iter().copied().collect()]).collect();
    let people = sets.into_iter().flat_map(move |methods| [MfaPolicy::Off, MfaPolicy::Optional].map(|mfa| somebody(groups, mfa, methods)));
    people.flat_map(move |person| {
        let shown = proofs.iter().flat_map(|proof| states.iter().map(move |state| (*proof, *state)));
        shown.map(move |(proof, device)| Identity { person: Arc::clone(&person), proof, token: None, device })
    })
}
