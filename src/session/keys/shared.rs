//! The keys of gateways that share a store: one set for all of them. Guarantees that a key signs only after every gateway that lets
//! anybody in knows it: it is published first, and used after [`SPREAD`].

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::KeyRing;
use super::master::{BadKeys, MasterKey};
use crate::base::Time;
use crate::base::random::NoEntropy;

/// How long a key is published before it signs. A gateway that has had no news of the store for five seconds lets nobody in; the rest is for
/// clocks that differ.
pub const SPREAD: Duration = Duration::from_secs(10);

/// A key that every gateway is to know before it signs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Published {
    pub id: u8,
    /// From when on it signs.
    pub from: Time,
}

/// All keys, in the order of their ids.
#[derive(Clone, Serialize, Deserialize)]
pub struct SharedKeys {
    keys: Vec<MasterKey>,
    #[serde(default)]
    published: Option<Published>,
}

impl SharedKeys {
    pub fn new(mut keys: Vec<MasterKey>) -> Self {
        keys.sort_by_key(|key| key.id);
        Self { keys, published: None }
    }

    pub fn keys(&self) -> &[MasterKey] {
        &self.keys
    }

    pub fn into_keys(self) -> Vec<MasterKey> {
        self.keys
    }

    /// The key that does not sign yet, if there is one.
    pub fn waiting(&self, now: Time) -> Option<Published> {
        self.published.filter(|published| now < published.from)
    }

    /// The key that signs.
    pub fn signer(&self, now: Time) -> Option<u8> {
        let waiting = self.waiting(now).map(|published| published.id);
        self.keys.iter().map(|key| key.id).filter(|id| Some(*id) != waiting).max()
    }

    /// The keys as they are in force now.
    ///
    /// # Errors
    /// As [`KeyRing::new`].
    pub fn ring(&self, now: Time) -> Result<KeyRing, BadKeys> {
        KeyRing::signing(&self.keys, self.signer(now).ok_or(BadKeys)?)
    }

    /// Publishes a new key. One that was published a moment ago and does not sign yet is taken for it. `None`: the ids are used up.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub fn publish(&mut self, now: Time) -> Result<Option<Published>, NoEntropy> {
        if let Some(waiting) = self.waiting(now) {
            return Ok(Some(waiting));
        }
        let Some(id) = self.keys.last().map_or(Some(1), |key| key.id.checked_add(1)) else { return Ok(None) };
        self.keys.push(match self.keys.last() {
            Some(last) => last.successor(id, now)?,
            None => MasterKey::random(id, now)?,
        });
        let published = Published { id, from: now.plus(SPREAD) };
        self.published = Some(published);
        Ok(Some(published))
    }

    /// Gives keys up.
    pub fn give_up(&mut self, ids: &[u8]) {
        self.keys.retain(|key| !ids.contains(&key.id));
    }

    /// These and `theirs`, which a backup brings: what it has sealed must open. If both have different keys under one id, they are of two histories,
    /// and only the backup's are of use to it.
    #[must_use]
    pub fn joined(mut self, theirs: Self) -> Self {
        let other = |key: &MasterKey| theirs.keys.iter().any(|their| their.id == key.id && their.secret != key.secret);
        if self.keys.iter().any(other) {
            return Self::new(theirs.keys);
        }
        let missing: Vec<_> = theirs.keys.into_iter().filter(|their| self.keys.iter().all(|key| key.id != their.id)).collect();
        self.keys.extend(missing);
        self.keys.sort_by_key(|key| key.id);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Purpose;

    fn start() -> (SharedKeys, Time) {
        let now = Time::from_secs(1_000_000);
        (SharedKeys::new(vec![MasterKey::random(1, now).unwrap()]), now)
    }

    #[test]
    fn a_key_verifies_as_soon_as_it_is_published_and_signs_later() {
        let (mut keys, now) = start();
        let before = keys.ring(now).unwrap();
        let published = keys.publish(now).unwrap().unwrap();
        assert_eq!((published.id, keys.signer(now)), (2, Some(1)));
        let early = keys.ring(now).unwrap();
        let late = keys.ring(published.from).unwrap();
        assert_eq!((early.newest(), late.newest()), (1, 2));
        let token = late.sign(Purpose::Session, b"id");
        assert!(early.verify(Purpose::Session, &token, &mut [0; 256]).is_some());
        assert!(before.verify(Purpose::Session, &token, &mut [0; 256]).is_none());
        assert_eq!(early.open(b"alice", &late.seal(b"alice", b"secret").unwrap()).unwrap().as_slice(), b"secret");
        let jwks = |ring: &KeyRing| ring.assertions().unwrap().keys().jwks().to_owned();
        assert_eq!(jwks(&before), jwks(&early));
        assert!(jwks(&before).contains(late.assertions().unwrap().keys().signer().kid()));
    }

    #[test]
    fn rotations_at_once_are_one() {
        let (mut keys, now) = start();
        let first = keys.publish(now).unwrap().unwrap();
        assert_eq!(keys.publish(now.plus(SPREAD / 2)).unwrap(), Some(first));
        assert_eq!(keys.publish(now.plus(SPREAD)).unwrap().map(|published| published.id), Some(3));
        assert_eq!(keys.keys().len(), 3);
    }

    #[test]
    fn the_keys_of_a_backup_open_what_it_sealed_and_the_newest_still_signs() {
        let (backup, now) = start();
        let sealed = backup.ring(now).unwrap().seal(b"alice", b"secret").unwrap();
        let mut later = backup.clone();
        later.publish(now).unwrap();
        let joined = later.clone().joined(backup.clone());
        assert_eq!(joined.signer(now.plus(SPREAD)), Some(2));
        assert!(joined.ring(now).unwrap().open(b"alice", &sealed).is_ok());
        let (foreign, _) = start();
        let taken = foreign.joined(backup);
        assert!(taken.ring(now).unwrap().open(b"alice", &sealed).is_ok());
    }

    #[test]
    fn the_ids_end_at_255() {
        let now = Time::from_secs(1);
        let mut keys = SharedKeys::new(vec![MasterKey::random(255, now).unwrap()]);
        assert_eq!(keys.publish(now).unwrap(), None);
    }
}
