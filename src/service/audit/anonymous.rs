//! Failures without an account: wrong names and keys from strangers. Up to a rate each gets a record of its own; beyond it they are
//! counted, and one record says how many there were. So a stranger cannot fill the log, which is kept for more than a year.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::base::Time;

/// How many anonymous failures a minute are recorded one by one.
pub const PER_MINUTE: u32 = 100;
/// How many different addresses are told apart.
const ADDRESSES: usize = 10_000;

/// What was not recorded by itself.
#[derive(Default)]
struct State {
    minute: i64,
    recorded: u32,
    /// By the name of the event.
    counted: BTreeMap<&'static str, u64>,
    addresses: HashSet<IpAddr>,
    since: Option<Time>,
}

/// Decides which anonymous failures are recorded, and counts the others.
#[derive(Default)]
pub struct AnonymousFailures(Mutex<State>);

/// What was counted together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counted {
    pub event: &'static str,
    pub failures: u64,
    /// Networks that they came from, all events together; 10,000 at most.
    pub addresses: usize,
    pub since: Time,
}

impl AnonymousFailures {
    fn locked(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this failure gets a record of its own. One that does not is counted.
    pub fn is_recorded(&self, event: &'static str, from: IpAddr, now: Time) -> bool {
        let (mut state, minute) = (self.locked(), now.millis().div_euclid(60_000));
        if state.minute != minute {
            (state.minute, state.recorded) = (minute, 0);
        }
        if state.recorded < PER_MINUTE {
            state.recorded += 1;
            return true;
        }
        *state.counted.entry(event).or_default() += 1;
        if state.addresses.len() < ADDRESSES {
            state.addresses.insert(from);
        }
        state.since.get_or_insert(now);
        false
    }

    /// Takes what was counted, to be recorded.
    pub fn take(&self) -> Vec<Counted> {
        let mut state = self.locked();
        let (counted, addresses) = (std::mem::take(&mut state.counted), std::mem::take(&mut state.addresses).len());
        let Some(since) = state.since.take() else { return Vec::new() };
        counted.into_iter().map(|(event, failures)| Counted { event, failures, addresses, since }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_a_rate_failures_are_counted_together() {
        let (failures, now) = (AnonymousFailures::default(), Time::from_secs(6000));
        let from = |n: u8| IpAddr::from([192, 0, 2, n]);
        assert!((0..PER_MINUTE).all(|_| failures.is_recorded("password.wrong", from(1), now)));
        assert_eq!(failures.take(), []);
        assert!((0..40).all(|n| !failures.is_recorded("password.wrong", from(n), now)));
        assert!(!failures.is_recorded("second_factor.wrong", from(1), now));
        let counted = |event, failures| Counted { event, failures, addresses: 40, since: now };
        assert_eq!(failures.take(), [counted("password.wrong", 40), counted("second_factor.wrong", 1)]);
        assert_eq!(failures.take(), []);
        assert!(failures.is_recorded("password.wrong", from(1), Time::from_secs(6060)), "the next minute");
    }
}
