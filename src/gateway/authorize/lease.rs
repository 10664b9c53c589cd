//! The right of an admitted request to go on. The decision is made once, before the request is forwarded, but the answer or the tunnel
//! may last for hours. It is cut when its session ends, and when the request would not be admitted any more: a group was taken away,
//! a policy changed, a reload made the route stricter, the client's certificate that it rests on expired or was revoked, the session's
//! device was not shown for too long. The time of the decision stays the same: a second factor that has merely become old since then
//! does not matter.
//!
//! `revocation` asks again as soon as news of a change reaches the shard; nothing polls.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::Method;

use crate::base::Time;
use crate::gateway::authorize::policy::{self, Asker, Verdict};
use crate::gateway::host::{DeviceShown, GatewayHost, Snapshot, UserSession};
use crate::gateway::request::parse::RequestInfo;
use crate::policy::{DeviceState, Identity};
use crate::session::device::DeviceBinding;

/// What a request was admitted on, and what is needed to decide again.
pub struct Lease {
    /// The session that it was admitted with; `None` if it needed none.
    pub user_session: Option<Arc<dyn UserSession>>,
    pub host: Arc<Arc<dyn GatewayHost>>,
    pub info: Arc<RequestInfo>,
    pub target: Arc<[u8]>,
    /// The other method that the application may take it for.
    pub disguise: Option<Method>,
    /// The target that it writes to, beside its own.
    pub destination: Option<Arc<[u8]>>,
    pub at: Time,
    /// The session is a certificate's service account.
    pub by_certificate: bool,
    /// It was admitted on the client's certificate.
    pub certified: bool,
    /// What the request showed of the device.
    pub device: DeviceShown,
    /// It is a WebSocket: both sides go on talking.
    pub is_tunnel: bool,
    /// What the decision was based on.
    pub seen: CheckedAgainst,
    pub use_clock: UseClock,
}

/// When the session's use was noted last, and how often it is.
pub struct UseClock {
    started: Instant,
    /// Milliseconds since then.
    noted: AtomicU64,
    every: Duration,
}

impl UseClock {
    /// Often enough that a session whose requests move bytes never times out.
    pub fn new(started: Instant, idle_timeout: Duration) -> Self {
        Self { started, noted: AtomicU64::new(0), every: (idle_timeout / 4).min(Duration::from_secs(60)) }
    }
}

/// The policy and the person of a decision, by their addresses. The request keeps both alive, so an equal address is the same thing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CheckedAgainst {
    policy: usize,
    person: usize,
}

impl CheckedAgainst {
    pub fn new(snapshot: &Arc<Snapshot>, who: Option<&Identity>) -> Self {
        Self { policy: Arc::as_ptr(&snapshot.policy).addr(), person: who.map_or(0, |who| Arc::as_ptr(&who.person).addr()) }
    }
}

impl Lease {
    /// Notes that the session is in use: the request or its answer moved bytes. Cheap enough for each piece of them.
    pub fn in_use(&self) {
        let Some(user_session) = &self.user_session else { return };
        let now = self.use_clock.started.elapsed();
        let since = now.saturating_sub(Duration::from_millis(self.use_clock.noted.load(Ordering::Relaxed)));
        if since >= self.use_clock.every {
            self.use_clock.noted.store(u64::try_from(now.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
            user_session.touch(self.host.now());
        }
    }

    pub fn is_over(&self) -> bool {
        self.user_session.as_ref().is_some_and(|user_session| user_session.is_ended()) || !self.still_holds()
    }

    /// Decides by the policy in force now and by what the person is allowed now.
    fn still_holds(&self) -> bool {
        let snapshot = self.host.snapshot();
        let device = self.device_by_now(&snapshot);
        let who = self.user_session.as_ref().map(|user_session| Identity { device, ..user_session.identity() });
        let is_certified = self.info.certificate.as_ref().is_some_and(|shown| shown.still_counts(&self.info.host, self.host.now()));
        let is_unchanged = CheckedAgainst::new(&snapshot, who.as_ref()) == self.seen && device == self.device.state;
        if is_unchanged && (is_certified || !self.certified) {
            return true;
        }
        let (who, holder) = if self.by_certificate { (None, who.as_ref()) } else { (who.as_ref(), None) };
        let who = Asker::new(who, is_certified, holder);
        let Ok(path) = policy::path(&self.target) else { return false };
        let verdict = policy::check_both(self.disguise.as_ref(), &snapshot, &self.info, &path, who, self.at);
        let verdict = match (verdict, &self.destination) {
            (Verdict::Admit(first), Some(target)) => {
                policy::check_destination(first, target, self.disguise.as_ref(), &snapshot, &self.info, who, self.at)
            }
            (verdict, _) => verdict,
        };
        matches!(verdict, Verdict::Admit(_))
    }

    /// What the request shows of the device by now: nothing, once the key was not used for so long that a bound cookie would be over, or another binding
    /// took the place of the one that it came with. A WebSocket that began before the device was shown does so only until it has to be.
    fn device_by_now(&self, snapshot: &Snapshot) -> DeviceState {
        let DeviceShown { state, binding } = self.device;
        let (Some(settings), Some(session)) = (snapshot.config.session.device_bound, &self.user_session) else { return state };
        let Some(bound) = session.bound() else {
            return if binding.is_some() { DeviceState::Missing } else { state };
        };
        let now = self.host.now();
        // The cookie that came may tell of a use of the key at another gateway that is not known here yet.
        let (proved_at, is_shown) = match state {
            DeviceState::Proved(at) => (at.max(bound.proved_at), true),
            _ => (bound.proved_at, false),
        };
        let is_replaced = binding.is_some_and(|known| known != bound.id);
        let is_late = self.is_tunnel && !is_shown && bound.holds_from <= now;
        if is_replaced || is_late || DeviceBinding::lapses(proved_at, settings.lifetime) <= now { DeviceState::Missing } else { state }
    }
}
