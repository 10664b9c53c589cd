//! How often what happens to bindings happens; for the metrics. Counted where nothing is forwarded.

use std::sync::atomic::{AtomicU64, Ordering};

/// What happens to a binding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeviceEvent {
    Offered,
    Registered,
    /// A registration without an offer, or whose proof was none.
    RegistrationRefused,
    Refreshed,
    /// A refresh that brought no proof, or one for an older challenge: it was given a new one.
    Challenged,
    /// A refresh by another key, or in another form than the protocol's.
    RefreshRefused,
    /// A refresh of a binding that is not there.
    Unknown,
}

impl DeviceEvent {
    pub const ALL: [Self; 7] = [
        Self::Offered,
        Self::Registered,
        Self::RegistrationRefused,
        Self::Refreshed,
        Self::Challenged,
        Self::RefreshRefused,
        Self::Unknown,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Registered => "registered",
            Self::RegistrationRefused => "registration_refused",
            Self::Refreshed => "refreshed",
            Self::Challenged => "challenged",
            Self::RefreshRefused => "refresh_refused",
            Self::Unknown => "unknown",
        }
    }
}

/// The counts.
#[derive(Debug, Default)]
pub struct DeviceTally([AtomicU64; DeviceEvent::ALL.len()]);

impl DeviceTally {
    pub(super) fn note(&self, event: DeviceEvent) {
        if let Some(count) = self.0.get(event as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn count(&self, event: DeviceEvent) -> u64 {
        self.0.get(event as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }
}
