//! Who comes with an API token, of whatever scope: in each way, for each route alone and for all.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::direction::{Direction, NOW, direction_for, somebody, together};
use super::super::view::View;
use crate::account::MfaPolicy;
use crate::factor::MethodSet;
use crate::policy::application::device::DeviceState;
use crate::policy::grant::Grant;
use crate::policy::identity::{Identity, Proof};
use crate::policy::table::Ask;
use crate::token::{Scope, Way};

/// What a change does to tokens whose owners are in these groups; `None`: nothing, or none are taken.
pub fn direction<'g>(before: &View<'_>, after: &View<'_>, ask: &Ask<'_>, groups: impl Iterator<Item = &'g [String]>) -> Option<Direction> {
    let names: BTreeSet<&str> = before.routes_for_tokens().chain(after.routes_for_tokens()).map(|route| &*route.name).collect();
    if names.is_empty() {
        return None;
    }
    // Further limits, of methods and networks, are the same on both sides.
    let one = |name: &str| Arc::new(Scope { routes: vec![name.to_owned()], ..Scope::default() });
    let scopes: Vec<Arc<Scope>> = names.into_iter().map(one).chain([Arc::default()]).collect();
    let people = groups.map(|groups| somebody(groups, MfaPolicy::Optional, MethodSet::EMPTY));
    let tokens = people.flat_map(|person| {
        let each = scopes.iter().flat_map(|scope| Way::ALL.map(|way| Grant { scope: Arc::clone(scope), way }));
        each.map(move |grant| Identity {
            person: Arc::clone(&person),
            proof: Proof::Password,
            token: Some(grant),
            device: DeviceState::Unbound,
        })
        .collect::<Vec<_>>()
    });
    together(tokens.filter_map(|who| direction_for(&before.judged(ask, Some(&who), NOW), &after.judged(ask, Some(&who), NOW))))
}
