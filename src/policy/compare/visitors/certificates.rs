//! Who shows a client certificate: beside a session, a token or nothing, and as a service account that it stands for alone.

use std::sync::Arc;

use super::super::direction::{Direction, NOW, direction_for, somebody, together};
use super::super::view::View;
use super::{guests, tokens};
use crate::account::MfaPolicy;
use crate::factor::MethodSet;
use crate::policy::application::device::DeviceState;
use crate::policy::grant::Grant;
use crate::policy::identity::{Identity, Proof};
use crate::policy::table::{Ask, Certificate};
use crate::token::{Scope, Way};

/// What a change does to clients with a valid certificate; `None`: nothing, or no certificate is looked at. `effect_for` says what it does to
/// somebody of these groups, or to a stranger.
pub fn direction<'g>(
    before: &View<'_>,
    after: &View<'_>,
    ask: &Ask<'_>,
    groups: impl Iterator<Item = &'g [String]> + Clone,
    effect_for: impl Fn(&Ask<'_>, Option<&[String]>) -> Option<Direction>,
) -> Option<Direction> {
    if before.certificate_use().is_none() && after.certificate_use().is_none() {
        return None;
    }
    let shown = Ask { certificate: Certificate::Valid(None), ..*ask };
    let beside = std::iter::once(None).chain(groups.clone().map(Some)).filter_map(|groups| effect_for(&shown, groups));
    let tokens = tokens::direction(before, after, &shown, groups.clone());
    let alone = groups.filter_map(|groups| {
        let account = service_account(groups);
        let shown = Ask { certificate: Certificate::Valid(Some(&account)), ..*ask };
        direction_for(&before.judged(&shown, None, NOW), &after.judged(&shown, None, NOW))
    });
    together(beside.chain(tokens).chain(guests::direction(before, after, &shown)).chain(alone))
}

fn service_account(groups: &[String]) -> Identity {
    let grant = Grant { scope: Arc::new(Scope::default()), way: Way::Certificate };
    Identity {
        person: somebody(groups, MfaPolicy::Optional, MethodSet::EMPTY),
        proof: Proof::Password,
        token: Some(grant),
        device: DeviceState::Unbound,
    }
}
