//! In which direction a decision changes: what the gateway's own answers come to when they are put in the order of their strictness.

use std::sync::Arc;

use serde::Serialize;

use super::super::application::device::DeviceLack;
use super::super::decide::{ChallengeReason, Decision, ForbidReason, Reason};
use super::super::identity::Person;
use super::view::Judged;
use crate::account::MfaPolicy;
use crate::base::Time;
use crate::factor::MethodSet;

/// Late enough for every age that a policy can name.
pub const NOW: Time = Time::from_secs(4_000_000_000);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    Stricter,
    Laxer,
    /// For some stricter and for some laxer, or closed in another way.
    Different,
}

/// How strict a decision is: what stops, then what would have stopped were it enforced.
fn strictness(Judged { decision, away }: &Judged) -> (u8, u8) {
    match decision {
        Decision::Allow(admission) => (if *away { AWAY } else { 0 }, admission.observed().map_or(0, degree)),
        Decision::Challenge { .. } if *away => (AWAY, 0),
        Decision::Challenge { reason, .. } => (degree(Reason::Challenge(*reason)), 0),
        Decision::Forbid { reason, .. } => (degree(Reason::Forbid(*reason)), 0),
        Decision::NoRoute => (70, 0),
        Decision::Refuse(_) => (90, 0),
    }
}

/// Nobody can do anything about it from here on.
const CLOSED: u8 = 51;
const AWAY: u8 = 60;

/// In the order of the decision's table.
const fn degree(reason: Reason) -> u8 {
    match reason {
        Reason::Challenge(ChallengeReason::Device(DeviceLack::Fresh)) => 4,
        Reason::Challenge(ChallengeReason::Device(DeviceLack::Time)) => 6,
        Reason::Challenge(ChallengeReason::SecondFactor) => 10,
        Reason::Challenge(ChallengeReason::Enrol) => 20,
        Reason::Forbid(ForbidReason::Device) | Reason::Challenge(ChallengeReason::Device(DeviceLack::Binding)) => 24,
        Reason::Challenge(ChallengeReason::Device(DeviceLack::Cookie)) => 27,
        Reason::Challenge(ChallengeReason::SignIn) => 30,
        Reason::Forbid(ForbidReason::MfaOff) => 40,
        Reason::Forbid(ForbidReason::Guest) => 45,
        Reason::Forbid(ForbidReason::Group) => 50,
        Reason::Forbid(ForbidReason::TokenWorth) => CLOSED,
        // A token that is for other routes gets neither in nor a way on, whatever else the route wants.
        Reason::Forbid(ForbidReason::TokenScope | ForbidReason::ClientCertificate) | Reason::Challenge(ChallengeReason::Token) => 53,
        Reason::Forbid(ForbidReason::Deny) => 80,
    }
}

/// Between two decisions for the same request and person; `None`: alike.
pub fn direction_for(before: &Judged, after: &Judged) -> Option<Direction> {
    let (before, after) = (strictness(before), strictness(after));
    let closed = |strictness: (u8, u8)| strictness.0 >= CLOSED;
    match before.cmp(&after) {
        std::cmp::Ordering::Equal => None,
        std::cmp::Ordering::Less => Some(Direction::Stricter),
        // From `deny` to no route nothing opens.
        std::cmp::Ordering::Greater if closed(before) && closed(after) => Some(Direction::Different),
        std::cmp::Ordering::Greater => Some(Direction::Laxer),
    }
}

/// Of several people or proofs.
pub fn together(directions: impl Iterator<Item = Direction>) -> Option<Direction> {
    directions.fold(None, |so_far: Option<Direction>, next| match so_far {
        None => Some(next),
        Some(before) if before == next => Some(before),
        Some(_) => Some(Direction::Different),
    })
}

/// A person of these groups.
pub fn somebody(groups: &[String], mfa: MfaPolicy, methods: MethodSet) -> Arc<Person> {
    Arc::new(Person {
        name: String::new(),
        display_name: String::new(),
        email: String::new(),
        groups: groups.to_vec(),
        mfa,
        methods,
        guest: None,
        applications: Vec::new(),
    })
}
