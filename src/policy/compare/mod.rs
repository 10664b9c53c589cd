//! What a new policy changes, exactly: not by samples, but over one request of every kind that the two policies can tell apart.
//!
//! `cells` makes the kinds (hosts, paths around every edge, methods, networks), `paths` those of paths; `people` makes the kinds of people and
//! proofs, and says for each pair of demands who is affected and in which direction; `visitors` do the same for those who
//! come without a password, or show a certificate beside it; `lines` puts equal changes together.
//!
//! Guarantees: if nothing is found, the two policies decide alike on every request of everybody; what lets somebody through who was stopped
//! before is never called stricter. Where requests go, and how, is not compared.

mod cells;
mod change;
mod direction;
mod lines;
mod paths;
mod people;
mod request;
mod search;
#[cfg(test)]
mod tests;
mod view;
mod visitors;

use std::collections::BTreeSet;

use super::table::{Ask, Certificate, Policy};

pub use change::{Change, Comparison, Overall};
pub use direction::Direction;
use search::Searches;

pub use request::{Asked, Requests};
pub use view::Side;

/// How much work a comparison may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Effort {
    /// How many kinds of requests are looked at; every rule with a network and a path of its own makes more.
    kinds: usize,
    /// How many states the search for paths goes through, for each set of patterns.
    states: usize,
}

impl Effort {
    /// For somebody who waits for the answer.
    pub const FULL: Self = Self { kinds: 4_000_000, states: 200_000 };
    /// For a reload, which others wait for.
    pub const QUICK: Self = Self { kinds: 200_000, states: 20_000 };
}

/// Compares two policies.
pub fn compare(old: &Policy, new: &Policy, effort: Effort) -> Comparison {
    let mut searches = Searches::new(effort.states);
    let mut requests = Requests::new(old, new);
    let mut found = Vec::new();
    let (mut complete, mut left) = (true, effort.kinds);
    for host in cells::hosts(old, new) {
        let kinds = cells::kinds(old, new, &host.host, &mut searches);
        complete &= kinds.complete;
        left = left.saturating_sub(kinds.count());
        if left == 0 {
            complete = false;
            break;
        }
        for (path, query) in kinds.paths.iter().flat_map(|path| kinds.queries.iter().map(move |query| (path, query))) {
            let target = format!("{}{}", path.target, query.query);
            let Ok(parsed) = crate::path::Path::parse(target.as_bytes()) else { continue };
            let shown = path.with(&query.query, query.form);
            for (method, client) in kinds.methods.iter().flat_map(|method| kinds.clients.iter().map(move |client| (method, client))) {
                let ask = Ask {
                    host: &host.host,
                    method: &method.method,
                    client: client.client,
                    path: &parsed,
                    form: query.form,
                    certificate: Certificate::Absent,
                };
                let (effects, route) = requests.effects(&ask);
                found.extend(effects.iter().map(|effect| lines::Found {
                    host: host.label.clone(),
                    path: shown.clone(),
                    method: method.label.clone(),
                    client: client.label.clone(),
                    route: route.clone(),
                    effect: effect.clone(),
                }));
            }
        }
        let all = lines::All { methods: kinds.methods.len(), clients: kinds.clients.len() };
        lines::close_host(&mut found, all);
    }
    let changes = lines::merged(found);
    let directions: BTreeSet<Direction> = changes.iter().map(|change| change.direction).collect();
    // What was not looked at may be anything.
    let verdict = if complete { Overall::of(directions) } else { Overall::Laxer };
    Comparison { verdict, changes, complete }
}
