//! Failures per address and per account name, over time (governor's GCRA), in tables whose size no stranger can change.
//!
//! A key is hashed with a secret seed into one of 65,536 cells: bogus names and addresses cost no memory, and nobody can aim at
//! a cell. Two keys that meet in a cell share its budget, which can only make the gateway stricter.

use std::hash::{BuildHasher, Hash, RandomState};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use governor::clock::{Clock as GovernorClock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter as Governor};

use crate::base::{Clock, Time};
use crate::config::Rate;

/// The limit is reached; come back after this long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many failures; wait {0:?}")]
pub struct Throttled(pub Duration);

const CELLS: usize = 1 << 16;

/// Counts failures by key. Check with [`RateLimiter::check`] before an attempt, count with [`RateLimiter::failed`] after it.
pub struct RateLimiter {
    governor: Governor<u32, DashMapStateStore<u32>, Hand, NoOpMiddleware<Instant>>,
    /// Until when a cell is shut, in milliseconds since the epoch.
    shut: Box<[AtomicI64]>,
    /// What one failure costs.
    period: Duration,
    seed: RandomState,
    clock: Clock,
}

impl RateLimiter {
    pub fn new(rate: Rate, clock: &Clock) -> Self {
        let count = NonZeroU32::new(rate.count).unwrap_or(NonZeroU32::MIN);
        let period = (rate.per / count.get()).max(Duration::from_nanos(1));
        let quota = Quota::with_period(period).map_or(Quota::per_second(count), |quota| quota.allow_burst(count));
        Self {
            governor: Governor::new(quota, DashMapStateStore::default(), Hand(clock.clone())),
            shut: (0..CELLS).map(|_| AtomicI64::new(0)).collect(),
            period,
            seed: RandomState::new(),
            clock: clock.clone(),
        }
    }

    fn cell(&self, key: impl Hash) -> u32 {
        (self.seed.hash_one(key) % CELLS as u64) as u32
    }

    /// # Errors
    /// [`Throttled`] while the failures of this key are over the rate.
    pub fn check(&self, key: impl Hash) -> Result<(), Throttled> {
        let until = self.shut.get(self.cell(key) as usize).map_or(0, |cell| cell.load(Ordering::Acquire));
        let left = Time::from_millis(until).since(self.clock.now());
        if left.is_zero() { Ok(()) } else { Err(Throttled(left)) }
    }

    /// Counts a failure.
    pub fn failed(&self, key: impl Hash) {
        let cell = self.cell(key);
        if let Err(not_yet) = self.governor.check_key(&cell) {
            let wait = not_yet.wait_time_from(self.governor.clock().now());
            let (now, least) = (self.clock.now(), wait.max(Duration::from_millis(1)));
            // Each failure beyond the rate costs its full share of time, however many were under way at once.
            let later = |until: i64| {
                let open = Time::from_millis(until);
                Some(if open > now { open.plus(self.period) } else { now.plus(least) }.millis())
            };
            if let Some(shut) = self.shut.get(cell as usize) {
                let _ = shut.fetch_update(Ordering::AcqRel, Ordering::Acquire, later);
            }
        }
    }
}

/// Our clock in governor's terms.
#[derive(Clone, Debug)]
struct Hand(Clock);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Instant(Nanos);

impl Reference for Instant {
    fn duration_since(&self, earlier: Self) -> Nanos {
        self.0.duration_since(earlier.0)
    }

    fn saturating_sub(&self, duration: Nanos) -> Self {
        Self(Reference::saturating_sub(&self.0, duration))
    }
}

impl std::ops::Add<Nanos> for Instant {
    type Output = Self;
    fn add(self, span: Nanos) -> Self {
        Self(self.0 + span)
    }
}

impl GovernorClock for Hand {
    type Instant = Instant;
    fn now(&self) -> Instant {
        Instant(Duration::from_millis(u64::try_from(self.0.now().millis()).unwrap_or(0)).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failures_count_and_time_heals() {
        let clock = Clock::manual(Time::from_secs(1_000_000));
        let limiter = RateLimiter::new(Rate { count: 3, per: Duration::from_secs(60) }, &clock);
        for _ in 0..1000 {
            assert!(limiter.check("office").is_ok());
        }
        for _ in 0..3 {
            limiter.failed("mallory");
            assert!(limiter.check("mallory").is_ok());
        }
        limiter.failed("mallory");
        let Throttled(wait) = limiter.check("mallory").unwrap_err();
        assert!(wait <= Duration::from_secs(20), "{wait:?}");
        assert!(limiter.check("office").is_ok());
        clock.advance(wait);
        assert!(limiter.check("mallory").is_ok());
    }
}
