//! What binding sessions to devices may touch, and what shows a device from one proof to the next.

use std::sync::Arc;
use std::time::Duration;

use super::tally::DeviceTally;
use crate::base::random::NoEntropy;
use crate::base::{SessionId, Time};
use crate::service::audit::AuditLog;
use crate::service::context::Context;
use crate::service::sessions::{LiveSessions, Loading};
use crate::session::device::{BoundCookie, DeviceBinding, RefreshChallenge, wire};
use crate::store::Store;

/// Binds sessions to devices.
pub struct Devices {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) live: Arc<LiveSessions>,
    pub(in crate::service) context: Arc<Context>,
    pub(in crate::service) audit: Arc<AuditLog>,
    pub(in crate::service) loading: Arc<Loading>,
    pub tally: Arc<DeviceTally>,
}

/// What shows the device from now on: a cookie, and the challenge for the next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shows {
    pub cookie: String,
    /// How long the browser keeps the cookie.
    pub max_age: Duration,
    /// A `Secure-Session-Challenge`.
    pub challenge: String,
    /// What the browser calls the binding.
    pub name: String,
}

impl Devices {
    /// How long a bound cookie lasts; `None`: no session is bound.
    pub(in crate::service) fn lifetime(&self) -> Option<Duration> {
        self.context.config().session.device_bound.map(|bound| bound.lifetime)
    }

    /// What a browser gets whose key was last used at `proved_at`.
    ///
    /// # Errors
    /// If the operating system gives no random bytes.
    pub(in crate::service) fn shows(
        &self,
        session: SessionId,
        device: &DeviceBinding,
        (proved_at, lifetime): (Time, Duration),
    ) -> Result<Shows, NoEntropy> {
        let (keys, now) = (self.live.keys(), self.context.now());
        let cookie = BoundCookie::new(session, device.id, proved_at, lifetime);
        let challenge = RefreshChallenge::new(device.id, device.seq, now, lifetime).sign(&keys)?;
        Ok(Shows {
            cookie: cookie.sign(&keys),
            max_age: cookie.max_age(now),
            challenge: wire::challenge(&challenge, device.id),
            name: wire::name(device.id),
        })
    }
}
