//! How things stand with one host: the certificate that it has, and what failed last.

use super::certificate::Usable;
use super::schedule;
use crate::base::Time;
use crate::store::AcmeFailure;

const DAY: i64 = 86_400_000;

/// A host's certificate as an operator wants to see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CertificateHealth {
    pub host: String,
    /// Whole days until it expires, negative afterwards; 0 if there is none yet.
    pub days: i64,
    /// When the last order failed; `None` if it did not.
    pub failed_at: Option<Time>,
}

/// What is known of a host.
#[derive(Clone, Debug, Default)]
pub struct HostState {
    pub usable: Option<Usable>,
    /// Who issued it.
    pub directory: String,
    pub failure: Option<AcmeFailure>,
}

impl HostState {
    /// When to order from this authority. `looked_at` is when the gateway was started or reloaded.
    pub fn due(&self, directory: &str, looked_at: Time) -> Time {
        let renewal = match &self.usable {
            Some(usable) if self.directory == directory => schedule::renewal(usable.not_before, usable.not_after, usable.spread),
            _ => Time::default(),
        };
        let failure = self.failure.as_ref().filter(|failure| failure.directory == directory);
        failure.map_or(renewal, |failure| renewal.max(schedule::again(failure, looked_at)))
    }

    /// How many orders failed in a row at this authority.
    pub fn failures(&self, directory: &str) -> u32 {
        self.failure.as_ref().filter(|failure| failure.directory == directory).map_or(0, |failure| failure.count)
    }

    pub fn health(&self, host: &str, now: Time) -> CertificateHealth {
        let left = self.usable.as_ref().map(|usable| usable.not_after.millis().saturating_sub(now.millis()));
        CertificateHealth {
            host: host.to_owned(),
            days: left.map_or(0, |left| left.div_euclid(DAY)),
            failed_at: self.failure.as_ref().map(|failure| failure.at),
        }
    }

    /// What is shown at the moment, for the log.
    pub fn shown(&self) -> String {
        self.usable.as_ref().map_or_else(|| "a self-signed certificate".to_owned(), |usable| format!("the one until {}", usable.not_after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acme::certificate::stand_in;

    #[test]
    fn a_host_is_due_without_a_certificate_of_this_authority_and_at_its_renewal() {
        let looked_at = Time::from_secs(0);
        let (from, to) = (Time::from_secs(0), Time::from_secs(90_000));
        let usable = Usable { key: stand_in("wiki.example").unwrap(), not_before: from, not_after: to, spread: 0 };
        let state = HostState { usable: Some(usable), directory: "a".into(), failure: None };
        assert_eq!(HostState::default().due("a", looked_at), Time::default());
        assert_eq!(state.due("a", looked_at), Time::from_secs(60_000));
        assert_eq!(state.due("b", looked_at), Time::default(), "another authority was configured");
        let (at, again) = (Time::from_secs(61_000), Time::from_secs(70_000));
        let failed = HostState { failure: Some(AcmeFailure { directory: "a".into(), count: 3, at, again, is_asked: false }), ..state };
        assert_eq!((failed.due("a", looked_at), failed.failures("a")), (again, 3));
        assert_eq!((failed.due("b", looked_at), failed.failures("b")), (Time::default(), 0));
        let health = failed.health("wiki.example", at);
        assert_eq!((health.days, health.failed_at), (0, Some(at)));
        assert_eq!(failed.health("wiki.example", to.plus(std::time::Duration::from_secs(1))).days, -1);
    }
}
