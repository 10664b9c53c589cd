//! Forms that are kept over a sign-in. Guarantees that none is read under another user's name, that each is taken by one caller, and
//! that what is kept stays within its bounds.
//!
//! One small record, the directory, says what there is: every change of it is a compare-and-swap, which makes the bounds exact
//! and the taking atomic, over all gateways on one store. The forms themselves stand beside it, sealed to user and id.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::base::{SavedPostId, Time, UserId};
use crate::store::backend::kv::{Batch, decode, encode, key};
use crate::store::{Store, StoreError};

const TRIES: usize = 64;

/// No user has more of them; the oldest goes.
const PER_USER: usize = 3;
/// In all; then nothing more is kept.
const MOST: usize = 256;
/// In all, sealed, in bytes.
const MOST_BYTES: usize = 16 * 1024 * 1024;

const DIRECTORY: &[u8] = b"kept-directory";

/// A line of the directory; the oldest stand first.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Line {
    id: SavedPostId,
    user: UserId,
    expires: Time,
    size: usize,
}

type Raw = Option<Vec<u8>>;

fn post_key(id: SavedPostId) -> Vec<u8> {
    key("kept", id.to_string())
}

/// What a sealed form is bound to: nobody else's id, and no other form's, opens it.
fn bound_to(user: UserId, id: SavedPostId) -> Vec<u8> {
    [&b"kept"[..], user.as_bytes(), id.as_bytes()].concat()
}

fn drop_lines(mut batch: Batch, gone: &[Line]) -> Batch {
    for line in gone {
        batch = batch.delete(post_key(line.id));
    }
    batch
}

impl Store {
    async fn directory(&self) -> Result<(Vec<Line>, Raw), StoreError> {
        let raw = self.kv.get(DIRECTORY).await?;
        Ok((raw.as_deref().map(decode).transpose()?.unwrap_or_default(), raw))
    }

    /// Keeps a form under a fresh id, or under the one that it was taken from. `false`: there is no room. What expired makes room.
    pub async fn save_post(&self, user: UserId, id: SavedPostId, form: &[u8], expires: Time, now: Time) -> Result<bool, StoreError> {
        let sealed = self.keys().seal(&bound_to(user, id), form)?.into_bytes();
        for _ in 0..TRIES {
            let (mut lines, before) = self.directory().await?;
            lines.retain(|line| line.id != id);
            let (mut lines, mut gone): (Vec<Line>, Vec<Line>) = lines.into_iter().partition(|line| now < line.expires);
            while lines.iter().filter(|line| line.user == user).count() >= PER_USER {
                let Some(oldest) = lines.iter().position(|line| line.user == user) else { break };
                gone.push(lines.remove(oldest));
            }
            let bytes = lines.iter().fold(sealed.len(), |sum, line| sum.saturating_add(line.size));
            if lines.len() >= MOST || bytes > MOST_BYTES {
                return Ok(false);
            }
            lines.push(Line { id, user, expires, size: sealed.len() });
            let batch = Batch::default().expect(DIRECTORY, before).put(DIRECTORY, encode(&lines)?).put(post_key(id), sealed.clone());
            if self.kv.commit(drop_lines(batch, &gone)).await? {
                return Ok(true);
            }
        }
        Err(StoreError::Contended)
    }

    /// A form of this user's, left where it is. `None` alike for one that never was, is gone, expired, or is somebody else's.
    pub async fn saved_post(&self, user: UserId, id: SavedPostId, now: Time) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let (lines, _) = self.directory().await?;
        match lines.iter().any(|line| line.id == id && line.user == user && now < line.expires) {
            true => self.open_saved_post(user, id).await,
            false => Ok(None),
        }
    }

    async fn open_saved_post(&self, user: UserId, id: SavedPostId) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let Some(sealed) = self.kv.get(&post_key(id)).await? else { return Ok(None) };
        let sealed = String::from_utf8(sealed).map_err(|_| StoreError::Unsealable)?;
        Ok(Some(self.keys().open(&bound_to(user, id), &sealed)?))
    }

    /// Takes a form of this user's: `Some` for the one caller that took it.
    pub async fn take_saved_post(&self, user: UserId, id: SavedPostId, now: Time) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        for _ in 0..TRIES {
            let Some(form) = self.saved_post(user, id, now).await? else { return Ok(None) };
            let (mut lines, before) = self.directory().await?;
            let Some(at) = lines.iter().position(|line| line.id == id) else { return Ok(None) };
            lines.remove(at);
            let batch = Batch::default().expect(DIRECTORY, before).put(DIRECTORY, encode(&lines)?).delete(post_key(id));
            if self.kv.commit(batch).await? {
                return Ok(Some(form));
            }
        }
        Err(StoreError::Contended)
    }

    /// Removes what expired; returns how many.
    pub(in crate::store) async fn sweep_saved_posts(&self, now: Time) -> Result<usize, StoreError> {
        for _ in 0..TRIES {
            let (lines, before) = self.directory().await?;
            let (lines, gone): (Vec<Line>, Vec<Line>) = lines.into_iter().partition(|line| now < line.expires);
            if gone.is_empty() {
                return Ok(0);
            }
            let batch = Batch::default().expect(DIRECTORY, before).put(DIRECTORY, encode(&lines)?);
            if self.kv.commit(drop_lines(batch, &gone)).await? {
                return Ok(gone.len());
            }
        }
        Err(StoreError::Contended)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::session::KeyRing;
    use crate::session::keys::MasterKey;
    use crate::store::SledKv;

    const NOW: Time = Time::from_secs(100);
    const LATER: Time = Time::from_secs(1000);

    async fn store() -> (Arc<Store>, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let kv = SledKv::open(&folder.path().join("store")).await.unwrap();
        let keys = KeyRing::new(&[MasterKey::random(1, Time::default()).unwrap()]).unwrap();
        (Arc::new(Store::new(Arc::new(kv), Arc::new(keys))), folder)
    }

    fn somebody() -> UserId {
        UserId::random().unwrap()
    }

    async fn keep(store: &Store, user: UserId, form: &[u8], expires: Time, now: Time) -> Option<SavedPostId> {
        let id = SavedPostId::random().unwrap();
        store.save_post(user, id, form, expires, now).await.unwrap().then_some(id)
    }

    async fn stored(store: &Store) -> usize {
        store.kv.scan(b"kept/", None, 10_000, false).await.unwrap().len()
    }

    #[tokio::test]
    async fn of_many_takers_one_gets_it() {
        let (store, _folder) = store().await;
        let alice = somebody();
        let id = keep(&store, alice, b"form", LATER, NOW).await.unwrap();
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move { store.take_saved_post(alice, id, NOW).await.unwrap().is_some() })
            })
            .collect();
        let mut taken = 0;
        for task in tasks {
            taken += usize::from(task.await.unwrap());
        }
        assert_eq!((taken, stored(&store).await), (1, 0));
    }

    #[tokio::test]
    async fn it_is_its_owners_alone_until_it_expires_and_not_in_the_clear() {
        let (store, _folder) = store().await;
        let (alice, mallory) = (somebody(), somebody());
        let id = keep(&store, alice, b"the text of a form", LATER, NOW).await.unwrap();
        assert!(store.saved_post(mallory, id, NOW).await.unwrap().is_none());
        assert!(store.take_saved_post(mallory, id, NOW).await.unwrap().is_none());
        assert!(store.saved_post(alice, id, LATER).await.unwrap().is_none());
        assert!(store.take_saved_post(alice, id, LATER).await.unwrap().is_none());
        assert_eq!(store.saved_post(alice, id, NOW).await.unwrap().unwrap().as_slice(), b"the text of a form");
        let raw = store.kv.get(&post_key(id)).await.unwrap().unwrap();
        assert!(!raw.windows(8).any(|window| window == b"the text"));
        // Moved under another's name in the directory, it still does not open there.
        let (mut lines, _) = store.directory().await.unwrap();
        lines[0].user = mallory;
        store.kv.commit(Batch::default().put(DIRECTORY, encode(&lines).unwrap())).await.unwrap();
        assert!(store.saved_post(mallory, id, NOW).await.is_err());
        assert_eq!(store.sweep_saved_posts(LATER).await.unwrap(), 1);
        assert_eq!(stored(&store).await, 0);
    }

    #[tokio::test]
    async fn a_user_has_three_and_the_oldest_goes() {
        let (store, _folder) = store().await;
        let alice = somebody();
        let mut ids = Vec::new();
        for n in 0..5u8 {
            ids.push(keep(&store, alice, &[n], LATER, NOW).await.unwrap());
        }
        let mut there = Vec::new();
        for id in ids {
            there.push(store.saved_post(alice, id, NOW).await.unwrap().is_some());
        }
        assert_eq!(there, [false, false, true, true, true]);
        assert_eq!(stored(&store).await, 3);
    }

    #[tokio::test]
    async fn what_could_not_be_sent_goes_back_to_its_place() {
        let (store, _folder) = store().await;
        let alice = somebody();
        let id = keep(&store, alice, b"form", LATER, NOW).await.unwrap();
        let form = store.take_saved_post(alice, id, NOW).await.unwrap().unwrap();
        for _ in 0..2 {
            assert!(store.save_post(alice, id, &form, LATER, NOW).await.unwrap());
        }
        assert_eq!(store.saved_post(alice, id, NOW).await.unwrap().unwrap().as_slice(), b"form");
        assert_eq!((store.directory().await.unwrap().0.len(), stored(&store).await), (1, 1));
    }

    #[tokio::test]
    async fn bounds_hold_over_all_and_what_expired_makes_room() {
        let (store, _folder) = store().await;
        let full: Vec<Line> =
            (0..MOST).map(|_| Line { id: SavedPostId::random().unwrap(), user: somebody(), expires: LATER, size: 1 }).collect();
        let write = |lines: Vec<Line>| Batch::default().put(DIRECTORY, encode(&lines).unwrap());
        store.kv.commit(write(full)).await.unwrap();
        assert!(keep(&store, somebody(), b"form", Time::from_secs(2000), NOW).await.is_none());
        assert!(keep(&store, somebody(), b"form", Time::from_secs(2000), LATER).await.is_some());
        let large = vec![Line { id: SavedPostId::random().unwrap(), user: somebody(), expires: LATER, size: MOST_BYTES }];
        store.kv.commit(write(large)).await.unwrap();
        assert!(keep(&store, somebody(), b"form", LATER, NOW).await.is_none());
    }
}
