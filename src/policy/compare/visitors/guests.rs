//! Guests, who come by their address: one for each pattern, and one that no pattern names.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::direction::{Direction, NOW, direction_for, somebody, together};
use super::super::view::{View, device_states};
use crate::account::MfaPolicy;
use crate::factor::MethodSet;
use crate::policy::application::guest::{GuestAddress, GuestPattern};
use crate::policy::identity::{Identity, Person, Proof};
use crate::policy::table::Ask;

/// What a change does to guests; `None`: nothing, or none are taken.
pub fn direction(before: &View<'_>, after: &View<'_>, ask: &Ask<'_>) -> Option<Direction> {
    let patterns: Vec<&GuestPattern> = before.guests().chain(after.guests()).collect();
    let somebody = somebody(&[], MfaPolicy::Optional, MethodSet::EMPTY);
    let states = device_states(before, after, NOW);
    let guests = examples(&patterns).into_iter().flat_map(|address| {
        let person = Arc::new(Person { guest: Some(address), ..(*somebody).clone() });
        states.iter().map(move |device| Identity { person: Arc::clone(&person), proof: Proof::Password, token: None, device: *device })
    });
    together(guests.filter_map(|who| direction_for(&before.judged(ask, Some(&who), NOW), &after.judged(ask, Some(&who), NOW))))
}

/// An address for each pattern that no other pattern names, where it leaves one.
fn examples(patterns: &[&GuestPattern]) -> Vec<GuestAddress> {
    let named: BTreeSet<String> = patterns.iter().map(ToString::to_string).collect();
    let fresh = |domain: &str| (0..).map(|n| format!("guest{n}@{domain}")).find(|address| !named.contains(address));
    let example = |pattern: &String| match pattern.strip_prefix("*@") {
        Some(domain) => fresh(domain).and_then(|address| GuestAddress::parse(&address)),
        None => GuestAddress::parse(pattern),
    };
    named.iter().filter_map(example).collect()
}
