//! What is kept of a session's binding, beside the session's own record.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::proof::DeviceKey;
use crate::base::random::NoEntropy;
use crate::base::{BindingId, Time};

/// How long after the sign-in a session that was just bound may be used without its bound cookie.
pub const GRACE: Duration = Duration::from_secs(60);
/// How long after the binding at least: requests may have been on their way.
pub const SETTLES: Duration = Duration::from_secs(5);

/// How much longer than a bound cookie's lifetime what is open goes on without another use of the key: browsers renew the cookie with the next request
/// alone, and what was closed comes again with it.
pub const LAPSES_AFTER: Duration = Duration::from_secs(120);

/// A session's binding to a key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DeviceBinding {
    /// The browser's name for it (`session_identifier`). It follows the session over new session ids, and is never the session's own.
    #[serde(rename = "i")]
    pub id: BindingId,
    #[serde(rename = "k")]
    pub key: DeviceKey,
    /// Grows with every proof and every new session id: a challenge is for one of them.
    #[serde(rename = "n")]
    pub seq: u64,
    /// When the key was registered.
    #[serde(rename = "s")]
    pub since: Time,
    /// When the key was last used.
    #[serde(rename = "p")]
    pub proved_at: Time,
}

impl DeviceBinding {
    /// A binding that begins `now`.
    ///
    /// # Errors
    /// If the operating system gives no random bytes.
    pub fn begin(key: DeviceKey, now: Time) -> Result<Self, NoEntropy> {
        Ok(Self { id: BindingId::random()?, key, seq: Self::next(0, now), since: now, proved_at: now })
    }

    /// A number above `seq` that no copy of the binding which is behind can reach: it follows the clock.
    fn next(seq: u64, now: Time) -> u64 {
        u64::try_from(now.millis()).unwrap_or_default().max(seq.saturating_add(1))
    }

    /// The binding after a proof.
    #[must_use]
    pub fn proved(&self, now: Time) -> Self {
        Self { seq: Self::next(self.seq, now), proved_at: now, ..self.clone() }
    }

    /// The binding as it goes on under a new session id.
    #[must_use]
    pub fn moved(self: &Arc<Self>, now: Time) -> Arc<Self> {
        Arc::new(Self { seq: Self::next(self.seq, now), ..(**self).clone() })
    }

    /// From when on the session opens nothing without its bound cookie. `authenticated` is when somebody last authenticated in it.
    pub fn holds_from(&self, authenticated: Time) -> Time {
        self.since.min(authenticated).plus(GRACE).max(self.since.plus(SETTLES))
    }

    /// Until when what is open goes on, if the key was last used at `proved_at` and a bound cookie lasts `lifetime`.
    pub fn lapses(proved_at: Time, lifetime: Duration) -> Time {
        proved_at.plus(lifetime).plus(LAPSES_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_held_sixty_seconds_after_its_sign_in_whenever_it_was_bound() {
        let at = Time::from_secs(10_000);
        let bound = |since| DeviceBinding { since, ..DeviceBinding::begin(DeviceKey::P256(vec![4]), at).unwrap() };
        assert_eq!(bound(at).holds_from(at), at.plus(GRACE));
        let late = at.plus(Duration::from_secs(30));
        assert_eq!(bound(late).holds_from(at), at.plus(GRACE));
        let later = at.plus(Duration::from_secs(110));
        assert_eq!(bound(later).holds_from(at), later.plus(SETTLES));
        // One that goes on over a step up is held at once.
        assert!(bound(at).holds_from(at.plus(Duration::from_secs(900))) < at.plus(Duration::from_secs(900)));
    }

    #[test]
    fn no_copy_that_is_behind_reaches_the_numbers_of_the_present() {
        let at = Time::from_secs(10_000);
        let first = DeviceBinding::begin(DeviceKey::P256(vec![4]), at).unwrap();
        let second = first.proved(at).proved(at);
        let moved = Arc::new(first.clone()).moved(at.plus(Duration::from_millis(3)));
        assert!(first.seq < second.seq && second.seq < moved.seq);
    }
}
