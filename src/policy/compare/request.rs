//! Single requests asked of two policies, as a log has them; and the memory that makes a million of them quick: what was led to the same
//! places needs to be judged once.

use std::collections::HashMap;

use super::super::table::{Ask, Policy};
use super::direction::Direction;
use super::people::{Effect, effect_for, effects};
use super::view::{Places, Side, View};

/// Where a request was led by both policies, and whether it has an encoded slash.
type Met = (Places, Places, bool);
/// Of somebody signed in.
type Groups = Option<Vec<String>>;

/// Two policies, and what is known of them so far. The memory grows with the policies, not with the requests.
pub struct Requests<'p> {
    old: &'p Policy,
    new: &'p Policy,
    effects: HashMap<Met, (Vec<Effect>, Option<String>)>,
    people: HashMap<(Met, Groups, bool), Option<Asked>>,
}

/// What changes for one request.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Asked {
    pub direction: Direction,
    pub route: Option<String>,
    /// Where the rule or route stands that decides now.
    pub path: String,
    pub before: Side,
    pub after: Side,
}

impl<'p> Requests<'p> {
    pub fn new(old: &'p Policy, new: &'p Policy) -> Self {
        Self { old, new, effects: HashMap::new(), people: HashMap::new() }
    }

    /// What changes for whomever, and the route that decides.
    pub(super) fn effects(&mut self, ask: &Ask<'_>) -> &(Vec<Effect>, Option<String>) {
        let (before, after) = (View::of(self.old, ask), View::of(self.new, ask));
        let slash = ask.path.has_encoded_slash();
        self.effects.entry((before.places(), after.places(), slash)).or_insert_with(|| {
            let same = before.key(ask.path) == after.key(ask.path);
            let effects = if same { Vec::new() } else { effects(&before, &after, ask) };
            (effects, after.route().or_else(|| before.route()))
        })
    }

    /// What changes for a member of these groups, whatever they have proved; or for a stranger. `None`: nothing.
    pub fn asked(&mut self, ask: &Ask<'_>, groups: Option<&[String]>) -> Option<&Asked> {
        let (before, after) = (View::of(self.old, ask), View::of(self.new, ask));
        let slash = ask.path.has_encoded_slash();
        let known =
            self.people.entry(((before.places(), after.places(), slash), groups.map(<[String]>::to_vec), ask.certificate.is_valid()));
        let asked = known.or_insert_with(|| {
            let same = before.key(ask.path) == after.key(ask.path);
            let direction = if same { None } else { effect_for(&before, &after, ask, groups) };
            direction.map(|direction| Asked {
                direction,
                route: after.route().or_else(|| before.route()),
                path: after.edge().or_else(|| before.edge()).unwrap_or_else(|| "/".to_owned()),
                before: before.side(groups),
                after: after.side(groups),
            })
        });
        asked.as_ref()
    }

    /// The groups that a route demanded of somebody whom it let through, for people who cannot be looked up.
    pub fn groups_before(&self, ask: &Ask<'_>) -> Vec<String> {
        let view = View::of(self.old, ask);
        let mut groups: Vec<String> =
            view.requirements().filter_map(|requirement| requirement.groups.as_ref()).flatten().cloned().collect();
        groups.sort();
        groups.dedup();
        groups
    }
}
