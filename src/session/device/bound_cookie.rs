//! The value of the bound cookie: which session and binding it is for, when the key was last used, and until when that counts. Checked by its signature
//! alone, like the session cookie.

use std::time::Duration;

use crate::base::{BindingId, SessionId, Time};
use crate::session::keys::{KeyRing, Purpose};

/// How much longer the gateway takes a bound cookie than the browser keeps it.
pub const LEEWAY: Duration = Duration::from_secs(60);

/// What a bound cookie says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BoundCookie {
    pub session: SessionId,
    pub binding: BindingId,
    /// When the key was last used.
    pub proved_at: Time,
    pub expires: Time,
}

const LENGTH: usize = 48;

impl BoundCookie {
    /// A cookie that counts for this lifetime from the last use of the key, whenever it is made: nothing but the key makes it last longer.
    pub fn new(session: SessionId, binding: BindingId, proved_at: Time, lifetime: Duration) -> Self {
        Self { session, binding, proved_at, expires: proved_at.plus(lifetime).plus(LEEWAY) }
    }

    /// How long the browser is to keep it.
    pub fn max_age(&self, now: Time) -> Duration {
        self.expires.minus(LEEWAY).since(now)
    }

    /// The cookie's value.
    pub fn sign(&self, keys: &KeyRing) -> String {
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.extend_from_slice(self.session.as_bytes());
        bytes.extend_from_slice(self.binding.as_bytes());
        bytes.extend_from_slice(&self.proved_at.millis().to_le_bytes());
        bytes.extend_from_slice(&self.expires.millis().to_le_bytes());
        keys.sign(Purpose::Bound, &bytes)
    }

    /// What a value says that was signed here; whether it still counts is for the caller to see.
    pub fn read(value: &str, keys: &KeyRing) -> Option<Self> {
        let mut buffer = [0; 256];
        let bytes: &[u8; LENGTH] = keys.verify(Purpose::Bound, value, &mut buffer)?.try_into().ok()?;
        let (session, rest) = bytes.split_first_chunk::<16>()?;
        let (binding, rest) = rest.split_first_chunk::<16>()?;
        let (proved_at, rest) = rest.split_first_chunk::<8>()?;
        let time = |bytes: &[u8; 8]| Time::from_millis(i64::from_le_bytes(*bytes));
        Some(Self {
            session: SessionId::from_bytes(*session),
            binding: BindingId::from_bytes(*binding),
            proved_at: time(proved_at),
            expires: time(rest.first_chunk::<8>()?),
        })
    }
}
