//! The only file that reads the wall clock. Everything else is handed a [`Time`].

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment, in milliseconds since the Unix epoch. Arithmetic saturates.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(i64);

/// How far clocks of gateways that share a store may be apart.
const AHEAD: Duration = Duration::from_secs(10);

impl Time {
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch; zero for moments before it.
    pub const fn unix(self) -> u64 {
        if self.0 < 0 { 0 } else { (self.0 / 1000) as u64 }
    }

    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The time from `earlier` to this moment; zero where `earlier` is later (a clock that was set back).
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Whether this moment lies no longer than `age` before `now`. One ahead of the clock does not, bar what clocks of several machines
    /// differ by: where the clock was set back, what was fresh then is not fresh for so much longer.
    pub fn is_fresh(self, age: Duration, now: Self) -> bool {
        self.since(now) <= AHEAD && now.since(self) <= age
    }

    /// RFC 3339, in UTC, to the second.
    pub fn rfc3339(self) -> String {
        self.to_string()
    }

    /// Reads an RFC 3339 time.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|t| Self(t.as_millisecond()))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(self.0.div_euclid(1000)) {
            Ok(stamp) => write!(f, "{stamp}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

/// Where the time comes from: the system's clock, or in tests one that is set by hand.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    pub const fn system() -> Self {
        Self(None)
    }

    /// A clock that stands still at `start` until [`Clock::advance`] moves it.
    pub fn manual(start: Time) -> Self {
        Self(Some(Arc::new(AtomicI64::new(start.0))))
    }

    #[allow(clippy::disallowed_methods)]
    pub fn now(&self) -> Time {
        match &self.0 {
            Some(hand) => Time(hand.load(Ordering::SeqCst)),
            None => Time(jiff::Timestamp::now().as_millisecond()),
        }
    }

    /// Sets a manual clock, backwards too; does nothing to the system's.
    pub fn set(&self, to: Time) {
        if let Some(hand) = &self.0 {
            hand.store(to.0, Ordering::SeqCst);
        }
    }

    /// Moves a manual clock on; does nothing to the system's.
    pub fn advance(&self, span: Duration) {
        if let Some(hand) = &self.0 {
            hand.fetch_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX), Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_rfc_3339_and_read_back() {
        let time = Time::from_secs(1_700_000_000);
        assert_eq!(time.rfc3339(), "2023-11-14T22:13:20Z");
        assert_eq!(Time::parse("2023-11-14T22:13:20Z"), Some(time));
        assert_eq!(Time::parse("yesterday"), None);
    }

    #[test]
    fn what_lies_ahead_of_the_clock_is_not_fresh() {
        let (at, age) = (Time::from_secs(10_000), Duration::from_secs(60));
        assert!(at.is_fresh(age, at) && at.is_fresh(age, at.plus(age)) && at.is_fresh(age, at.minus(AHEAD)));
        assert!(!at.is_fresh(age, at.plus(age * 2)));
        assert!(!at.is_fresh(age, at.minus(Duration::from_secs(3600))));
    }

    #[test]
    fn a_clock_set_back_gives_no_negative_age() {
        assert_eq!(Time::from_secs(5).since(Time::from_secs(9)), Duration::ZERO);
    }
}
