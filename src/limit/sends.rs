//! How many messages leave the gateway: per user, per address and overall (OWASP ASVS 6.6.3), whoever asks and in however many
//! sign-ins. Each bound owns its figure here.

use std::net::IpAddr;
use std::time::Duration;

use super::{RateLimiter, Throttled};
use crate::base::{Clock, UserId};
use crate::config::Rate;

const HOUR: Duration = Duration::from_secs(3600);

/// Codes and links to one user.
pub const PER_USER: Rate = Rate { count: 20, per: HOUR };
/// Asked for from one address (IPv6: one /64).
pub const PER_ADDRESS: Rate = Rate { count: 300, per: HOUR };
/// By the whole gateway.
pub const OVERALL: Rate = Rate { count: 1000, per: Duration::from_secs(60) };

/// The three bounds.
pub struct SendLimits {
    user: RateLimiter,
    address: RateLimiter,
    overall: RateLimiter,
}

impl SendLimits {
    pub fn new(clock: &Clock) -> Self {
        Self {
            user: RateLimiter::new(PER_USER, clock),
            address: RateLimiter::new(PER_ADDRESS, clock),
            overall: RateLimiter::new(OVERALL, clock),
        }
    }

    /// Counts one message, if it may go.
    ///
    /// # Errors
    /// [`Throttled`]: it may not.
    pub fn take(&self, user: UserId, address: IpAddr) -> Result<(), Throttled> {
        self.user.check(user)?;
        self.address.check(address)?;
        self.overall.check(())?;
        self.user.failed(user);
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
    fn one_user_cannot_be_flooded_from_many_addresses() {
        let limits = SendLimits::new(&Clock::manual(Time::from_secs(1_000_000)));
        let user = UserId::random().unwrap();
        let sent = (0..200u8).filter(|n| limits.take(user, [10, 0, 0, *n].into()).is_ok()).count();
        assert!((20..=21).contains(&sent), "{sent}");
        assert!(limits.take(UserId::random().unwrap(), [10, 0, 0, 1].into()).is_ok());
    }
}
