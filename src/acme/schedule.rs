//! When a certificate is renewed, and when an order that failed is tried again. Pure.

use std::time::Duration;

use crate::base::Time;
use crate::store::AcmeFailure;

/// Between two tries: the first, doubled with each failure, and the longest.
const FIRST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(6 * 3600);

/// When a certificate is renewed: from two thirds of its lifetime on, spread over a twelfth of it. `spread` is 0 to 255.
pub fn renewal(not_before: Time, not_after: Time, spread: u8) -> Time {
    let lifetime = not_after.since(not_before);
    not_before.plus(lifetime * 2 / 3).plus(lifetime / 12 * u32::from(spread) / 256)
}

/// How long to wait after so many failures in a row, or as long as the authority asks if that is longer; 6 hours at most. Up to a fifth
/// is added by `spread` (0 to 255), so that gateways which failed together do not come back together.
pub fn wait(failures: u32, asked: Option<Duration>, spread: u8) -> Duration {
    let own = FIRST.saturating_mul(1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    let own = own.saturating_add(own / 5 * u32::from(spread) / 256);
    own.max(asked.unwrap_or_default()).min(LONGEST)
}

/// When it is tried again. Somebody who starts the gateway again or reloads has perhaps fixed what was wrong: then a minute after the
/// failure, unless the authority asked for a pause.
pub fn again(failure: &AcmeFailure, looked_at: Time) -> Time {
    if failure.is_asked || failure.at > looked_at { failure.again } else { failure.again.min(failure.at.plus(FIRST)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn renewal_comes_between_two_thirds_and_three_quarters_of_the_lifetime() {
        let (from, to) = (Time::from_secs(0), Time::from_secs(90 * 86_400));
        assert_eq!(renewal(from, to, 0), Time::from_secs(60 * 86_400));
        let latest = renewal(from, to, 255);
        assert!(latest > Time::from_secs(67 * 86_400) && latest < Time::from_secs(68 * 86_400));
        assert_eq!(renewal(to, from, 255), to, "a certificate that ends before it begins is due at once");
    }

    #[test]
    fn failures_are_tried_again_from_a_minute_to_six_hours_apart() {
        assert_eq!(wait(1, None, 0), FIRST);
        assert_eq!(wait(2, None, 0), FIRST * 2);
        assert!(wait(1, None, 255) > FIRST && wait(1, None, 255) < FIRST * 6 / 5);
        for failures in [10, 32, 33, u32::MAX] {
            assert_eq!(wait(failures, None, 255), LONGEST);
        }
        assert_eq!(wait(1, Some(HOUR), 0), HOUR);
        assert_eq!(wait(5, Some(Duration::from_secs(1)), 0), FIRST * 16);
        assert_eq!(wait(1, Some(Duration::MAX), 0), LONGEST);
    }

    #[test]
    fn a_start_or_a_reload_tries_again_soon_but_not_before_the_authority_allows_it() {
        let at = Time::from_secs(10_000);
        let failure = |is_asked| AcmeFailure { directory: String::new(), count: 9, at, again: at.plus(HOUR), is_asked };
        assert_eq!(again(&failure(false), at.minus(HOUR)), at.plus(HOUR));
        assert_eq!(again(&failure(false), at.plus(FIRST * 3)), at.plus(FIRST));
        assert_eq!(again(&failure(true), at.plus(FIRST * 3)), at.plus(HOUR));
    }
}
