//! Failures of one key over time, small enough to be a record of the store: a rate's worth for nothing, then a wait that grows
//! (NIST SP 800-63B-4 section 3.2.2; RFC 4226 section 7.3). Pure arithmetic; where it is kept is the store's affair.
//!
//! A bucket of one rate (`60/m`: sixty failures) drains steadily over the rate's time. Each failure that overflows it costs more than
//! the last ones did, twice as much for every further rateful, until one costs the rate's whole time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Throttled;
use crate::base::Time;
use crate::config::Rate;

/// No wait is longer than so many times the rate's time: what many failures at once can cost.
const LONGEST: u32 = 15;

/// One key's failures.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Bucket {
    /// When it will have drained.
    drained: Time,
    /// Failures beyond the rate since it was last empty.
    excess: u32,
}

impl Bucket {
    /// # Errors
    /// [`Throttled`] while the failures are over the rate.
    pub fn check(&self, rate: Rate, now: Time) -> Result<(), Throttled> {
        let wait = self.filled(rate, now).saturating_sub(rate.per);
        if wait.is_zero() { Ok(()) } else { Err(Throttled(wait)) }
    }

    /// Counts one use of what is counted at a steady rate: nothing costs more than its share, however many came before.
    pub fn used(&mut self, rate: Rate, now: Time) {
        let share = (rate.per / rate.count.max(1)).max(Duration::from_millis(1));
        self.drained = now.plus(self.filled(rate, now).saturating_add(share).min(most(rate)));
    }

    /// Counts one failure.
    pub fn failed(&mut self, rate: Rate, now: Time) {
        let filled = self.filled(rate, now);
        if filled.is_zero() {
            self.excess = 0;
        }
        let count = rate.count.max(1);
        let share = (rate.per / count).max(Duration::from_millis(1));
        let cost = share.saturating_mul(1 << (self.excess / count).min(16)).min(rate.per.max(share));
        if filled.saturating_add(share) > rate.per {
            self.excess = self.excess.saturating_add(1);
        }
        self.drained = now.plus(filled.saturating_add(cost).min(most(rate)));
    }

    /// Whether it says nothing any more.
    pub fn is_empty(&self, now: Time) -> bool {
        self.drained <= now
    }

    fn filled(&self, rate: Rate, now: Time) -> Duration {
        let filled = self.drained.since(now);
        // Beyond what is ever written the clock was set back, or the rate is another: the next failure shuts it.
        if filled > most(rate) { rate.per } else { filled }
    }
}

fn most(rate: Rate) -> Duration {
    rate.per.saturating_mul(LONGEST + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RATE: Rate = Rate { count: 60, per: Duration::from_secs(60) };

    #[test]
    fn what_is_used_at_its_rate_never_waits_longer() {
        let (mut bucket, start) = (Bucket::default(), Time::from_secs(1_000_000));
        let uses_of = |bucket: &mut Bucket, minute: u32| {
            let tries = (0..600u64).map(|tenth| start.plus(Duration::from_secs(60) * minute).plus(Duration::from_millis(100 * tenth)));
            tries
                .filter(|now| {
                    let may = bucket.check(RATE, *now).is_ok();
                    if may {
                        bucket.used(RATE, *now);
                    }
                    may
                })
                .count()
        };
        let minutes: Vec<usize> = (0..100).map(|minute| uses_of(&mut bucket, minute)).collect();
        assert!((115..=125).contains(&minutes[0]) && minutes[1..].iter().all(|uses| (58..=62).contains(uses)), "{minutes:?}");
    }

    #[test]
    fn who_goes_on_waits_longer_each_time() {
        let (mut bucket, mut now) = (Bucket::default(), Time::from_secs(1_000_000));
        // Guesses whenever it may; how often, minute by minute.
        let minutes: Vec<u32> = (1..=600)
            .map(|minute| {
                let (until, mut guesses) = (Time::from_secs(1_000_000 + 60 * minute), 0);
                while now < until {
                    match bucket.check(RATE, now) {
                        Ok(()) => {
                            bucket.failed(RATE, now);
                            guesses += 1;
                        }
                        Err(Throttled(wait)) => now = now.plus(wait),
                    }
                }
                guesses
            })
            .collect();
        assert!((115..=125).contains(&minutes[0]), "the rate, and what drains: {minutes:?}");
        assert!(minutes[599] <= 1 && minutes.iter().sum::<u32>() < 1200, "{minutes:?}");
    }

    #[test]
    fn an_office_that_mistypes_now_and_then_never_waits() {
        let (mut bucket, mut now) = (Bucket::default(), Time::from_secs(1_000_000));
        // 500 people within ten minutes, every fourth of whom mistypes, and a burst of fifty at once.
        for _ in 0..125 {
            assert_eq!(bucket.check(RATE, now), Ok(()));
            bucket.failed(RATE, now);
            now = now.plus(Duration::from_millis(4800));
        }
        for _ in 0..50 {
            assert_eq!(bucket.check(RATE, now), Ok(()));
            bucket.failed(RATE, now);
        }
    }

    #[test]
    fn many_at_once_add_up_and_a_clock_set_back_costs_a_bounded_wait() {
        let (mut bucket, now) = (Bucket::default(), Time::from_secs(1_000_000));
        for _ in 0..100 {
            bucket.failed(RATE, now);
        }
        let Err(Throttled(wait)) = bucket.check(RATE, now) else { panic!("open") };
        assert!(wait >= Duration::from_secs(40), "{wait:?}");
        let earlier = now.minus(Duration::from_secs(36_000));
        assert_eq!(bucket.check(RATE, earlier), Ok(()));
        bucket.failed(RATE, earlier);
        let Err(Throttled(wait)) = bucket.check(RATE, earlier) else { panic!("open") };
        assert!(wait <= Duration::from_secs(60), "{wait:?}");
    }

    proptest! {
        #[test]
        fn within_the_rate_nobody_waits_and_every_wait_ends(count in 1u32..200, secs in 1u64..4000, tries in 0u32..400) {
            let (rate, now) = (Rate { count, per: Duration::from_secs(secs) }, Time::from_secs(1_000_000));
            let mut bucket = Bucket::default();
            for n in 0..tries {
                let shut = bucket.check(rate, now).is_err();
                prop_assert!(!shut || n >= count, "{n} of {count}");
                bucket.failed(rate, now);
            }
            if let Err(Throttled(wait)) = bucket.check(rate, now) {
                prop_assert!(wait <= rate.per * LONGEST);
                prop_assert_eq!(bucket.check(rate, now.plus(wait)), Ok(()));
            }
            prop_assert!(bucket.is_empty(now.plus(rate.per * 1000)));
        }
    }
}
