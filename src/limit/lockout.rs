//! Failures in a row lock an account for a while, longer each time (NIST SP 800-63B-4 section 3.2.2; RFC 4226 section 7.3).

use std::time::Duration;

use crate::account::Failures;
use crate::base::Time;
use crate::config::Limits;

/// After this many failures in a row an account stays locked until an administrator unlocks it (SP 800-63B-4 section 3.2.2).
pub const HARD_LIMIT: u32 = 100;

/// No lock but the hard one is longer than this.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Whether failures so far refuse even a right password.
pub fn is_locked(failures: &Failures, now: Time) -> bool {
    failures.count >= HARD_LIMIT || failures.locked_until.is_some_and(|until| now < until)
}

/// Counts one failure; from `lockout_after` on, each one locks, twice as long for every further `lockout_after` failures.
/// Returns whether this failure locked.
pub fn record_failure(failures: &mut Failures, limits: &Limits, now: Time) -> bool {
    failures.count = failures.count.saturating_add(1);
    if failures.count < limits.lockout_after {
        return false;
    }
    let doublings = (failures.count / limits.lockout_after.max(1)).saturating_sub(1).min(16);
    let span = limits.lockout.saturating_mul(1 << doublings).min(LONGEST.max(limits.lockout));
    failures.locked_until = Some(now.plus(span));
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        crate::config::Config::default().limits
    }

    #[test]
    fn the_tenth_failure_in_a_row_locks_for_a_quarter_of_an_hour() {
        let (mut failures, now) = (Failures::default(), Time::from_secs(1000));
        for _ in 0..9 {
            assert!(!record_failure(&mut failures, &limits(), now));
            assert!(!is_locked(&failures, now));
        }
        assert!(record_failure(&mut failures, &limits(), now));
        assert!(is_locked(&failures, now.plus(Duration::from_secs(899))));
        assert!(!is_locked(&failures, now.plus(Duration::from_secs(900))));
    }

    #[test]
    fn who_goes_on_waits_longer_and_at_last_for_an_administrator() {
        let (mut failures, mut now) = (Failures::default(), Time::from_secs(1000));
        let mut last = Duration::ZERO;
        for count in 1..=HARD_LIMIT {
            record_failure(&mut failures, &limits(), now);
            if count >= 10 {
                let span = failures.locked_until.unwrap().since(now);
                assert!(span >= last);
                last = span;
                now = failures.locked_until.unwrap();
            }
        }
        assert!(is_locked(&failures, now.plus(LONGEST * 365)));
    }
}
