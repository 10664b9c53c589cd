//! How many messages leave the gateway: per user, per address and overall (OWASP ASVS 6.6.3), whoever asks and in however many
//! sign-ins. Each bound owns its figure here.
//!
//! Codes and links have bounds of their own, and so has each browser that a user signed in with before: a stranger who asks for
//! links, or who knows the password, cannot use up what the owner needs to get in.

use std::net::IpAddr;
use std::time::Duration;

use super::{RateLimiter, Throttled};
use crate::base::{Clock, UserId};
use crate::config::Rate;

const HOUR: Duration = Duration::from_secs(3600);

/// Codes to one user, asked for from one known browser, or from all others together.
pub const CODES: Rate = Rate { count: 20, per: HOUR };
/// Links to one user.
pub const LINKS: Rate = Rate { count: 3, per: HOUR };
/// Notices to one user of sign-ins from new browsers: who signs in again and again with a password that they have fills neither the owner's
/// mailbox nor the queue that codes wait in.
pub const NEW_BROWSERS: Rate = Rate { count: 10, per: HOUR };
/// Messages asked for from one address (IPv6: one /64).
pub const PER_ADDRESS: Rate = Rate { count: 300, per: HOUR };
/// Messages of the whole gateway.
pub const OVERALL: Rate = Rate { count: 1000, per: Duration::from_secs(60) };

/// What is to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sending {
    /// A code, asked for from this known browser of the user's, if it is one.
    Code {
        browser: Option<[u8; 16]>,
    },
    Link,
    /// A notice of a sign-in from a new browser; what is asked for is not held up by these.
    NewBrowser,
}

/// The bounds.
pub struct SendLimits {
    codes: RateLimiter,
    links: RateLimiter,
    new_browsers: RateLimiter,
    address: RateLimiter,
    overall: RateLimiter,
}

impl SendLimits {
    pub fn new(clock: &Clock) -> Self {
        let limiter = |rate| RateLimiter::new(rate, clock);
        Self {
            codes: limiter(CODES),
            links: limiter(LINKS),
            new_browsers: limiter(NEW_BROWSERS),
            address: limiter(PER_ADDRESS),
            overall: limiter(OVERALL),
        }
    }

    /// Whether one more may go.
    ///
    /// # Errors
    /// [`Throttled`]: it may not.
    pub fn check(&self, user: UserId, sending: Sending, address: IpAddr) -> Result<(), Throttled> {
        match sending {
            Sending::Code { browser } => self.codes.check((user, browser))?,
            Sending::Link => self.links.check(user)?,
            Sending::NewBrowser => return self.new_browsers.check(user),
        }
        self.address.check(address)?;
        self.overall.check(())
    }

    /// Counts one message, if it may go.
    ///
    /// # Errors
    /// [`Throttled`]: it may not.
    pub fn take(&self, user: UserId, sending: Sending, address: IpAddr) -> Result<(), Throttled> {
        self.check(user, sending, address)?;
        match sending {
            Sending::Code { browser } => self.codes.failed((user, browser)),
            Sending::Link => self.links.failed(user),
            Sending::NewBrowser => {
                self.new_browsers.failed(user);
                return Ok(());
            }
        }
        self.address.failed(address);
        self.overall.failed(());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Time;

    #[test]
    fn a_stranger_floods_nobody_and_uses_up_nothing_of_the_owners() {
        let limits = SendLimits::new(&Clock::manual(Time::from_secs(1_000_000)));
        let user = UserId::random().unwrap();
        let sent = |sending| (0..200u8).filter(|n| limits.take(user, sending, [10, 0, 0, *n].into()).is_ok()).count();
        assert!((3..=4).contains(&sent(Sending::Link)));
        assert!((20..=21).contains(&sent(Sending::Code { browser: None })));
        assert!((10..=11).contains(&sent(Sending::NewBrowser)));
        assert!(limits.take(user, Sending::Code { browser: Some([1; 16]) }, [10, 0, 0, 1].into()).is_ok());
        assert!(limits.take(UserId::random().unwrap(), Sending::Link, [10, 0, 0, 1].into()).is_ok());
    }
}
