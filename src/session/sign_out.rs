//! What an application's host tells the portal of the session that somebody wants to end: the browser may have lost the portal's cookie.

use std::time::Duration;

use super::{KeyRing, Purpose};
use crate::base::{SessionId, Time};

/// How long it counts: it stands in an address, and a question may stay open for a while.
const LIFETIME: Duration = Duration::from_secs(3600);

/// A session that is to end, until when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SignOut {
    pub session: SessionId,
    expires: Time,
}

impl SignOut {
    pub fn of(session: SessionId, now: Time) -> Self {
        Self { session, expires: now.plus(LIFETIME) }
    }

    /// Signed for this purpose alone: it opens nothing.
    pub fn token(self, keys: &KeyRing) -> String {
        let mut bytes = self.session.as_bytes().to_vec();
        bytes.extend(self.expires.millis().to_le_bytes());
        keys.sign(Purpose::SignOut, &bytes)
    }

    /// `None` for a token that we did not sign, or that is late.
    pub fn read(token: &str, keys: &KeyRing, now: Time) -> Option<Self> {
        let mut buffer = [0; 256];
        let (session, expires) = keys.verify(Purpose::SignOut, token, &mut buffer)?.split_first_chunk::<16>()?;
        let expires = Time::from_millis(i64::from_le_bytes(expires.try_into().ok()?));
        (now < expires).then(|| Self { session: SessionId::from_bytes(*session), expires })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::keys::MasterKey;

    #[test]
    fn it_counts_for_an_hour_and_is_no_cookie() {
        let keys = KeyRing::new(&[MasterKey::random(1, Time::default()).unwrap()]).unwrap();
        let (session, now) = (SessionId::from_bytes([7; 16]), Time::from_secs(1000));
        let token = SignOut::of(session, now).token(&keys);
        assert_eq!(SignOut::read(&token, &keys, now).map(|read| read.session), Some(session));
        assert!(SignOut::read(&token, &keys, now.plus(LIFETIME)).is_none());
        assert!(keys.verify(Purpose::Session, &token, &mut [0; 256]).is_none());
        assert!(SignOut::read(&keys.sign(Purpose::Session, session.as_bytes()), &keys, now).is_none());
    }
}
