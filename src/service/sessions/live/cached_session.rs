//! A session as one shard remembers it for a cookie. Guarantees the same as a look-up: the same cookie value under the same keys, and a
//! session that is in use at this moment. A repeated check costs no signature, and writes to no memory that other cores write to.

use std::sync::{Arc, Mutex, PoisonError};

use zeroize::Zeroizing;

use super::registry::LiveSessions;
use super::session::LiveSession;
use crate::base::{BindingId, Time, secret};
use crate::policy::{DeviceState, Identity, Person};
use crate::session::KeyRing;
use crate::session::device::BoundCookie;

/// A visitor who may come again.
pub struct CachedSession {
    live: Arc<LiveSessions>,
    session: Arc<LiveSession>,
    token: Zeroizing<String>,
    /// Under which the token's signature was right.
    keys: Arc<KeyRing>,
    person: Mutex<Copied>,
    bound: Mutex<Option<Shown>>,
}

/// A bound cookie that was read before, under these keys.
struct Shown {
    value: Zeroizing<String>,
    keys: Arc<KeyRing>,
    cookie: BoundCookie,
}

/// The person as the session has it, and a copy for this shard's requests to count their holds on.
struct Copied {
    from: Arc<Person>,
    own: Arc<Person>,
}

impl Copied {
    fn new(from: Arc<Person>) -> Self {
        Self { own: Arc::new(Person::clone(&from)), from }
    }
}

impl CachedSession {
    /// Whom a look-up of the token has just found, under these keys.
    pub fn new(live: Arc<LiveSessions>, session: Arc<LiveSession>, token: &str, keys: Arc<KeyRing>) -> Self {
        let person = Mutex::new(Copied::new(session.latest().state.person.load_full()));
        Self { live, session, token: token.to_owned().into(), keys, person, bound: Mutex::default() }
    }

    /// Whether the token would be found to be this session's again. Compared in constant time: other clients' requests may come over the
    /// same connection of a proxy.
    pub fn returns(&self, token: &str, now: Time) -> bool {
        secret::same(self.token.as_bytes(), token.as_bytes())
            && Arc::ptr_eq(&self.live.keys.load(), &self.keys)
            && self.live.is_in_use(&self.session, now)
    }

    /// Who it is by now. The same address for as long as nothing about the person changes.
    pub fn identity(&self) -> Identity {
        let session = self.session.latest();
        let current = session.state.person.load();
        let mut known = self.person.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&known.from, &current) {
            *known = Copied::new(Arc::clone(&current));
        }
        Identity { person: Arc::clone(&known.own), proof: session.proof(), token: None, device: DeviceState::Unbound }
    }

    /// What a request shows of the device, by the value of its bound cookie; and the binding.
    pub fn device(&self, value: Option<&str>, now: Time) -> (DeviceState, Option<BindingId>) {
        let session = self.session.latest();
        let shown = value.filter(|_| session.is_bound()).and_then(|value| self.read_bound(value));
        session.shows(shown, now)
    }

    fn read_bound(&self, value: &str) -> Option<BoundCookie> {
        let keys = self.live.keys.load();
        let mut known = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |shown: &&Shown| secret::same(shown.value.as_bytes(), value.as_bytes()) && Arc::ptr_eq(&shown.keys, &keys);
        if let Some(shown) = known.as_ref().filter(same) {
            return Some(shown.cookie);
        }
        let cookie = BoundCookie::read(value, &keys)?;
        *known = Some(Shown { value: value.to_owned().into(), keys: Arc::clone(&keys), cookie });
        Some(cookie)
    }

    /// The session that it goes on in.
    pub fn session(&self) -> &LiveSession {
        self.session.latest()
    }
}
