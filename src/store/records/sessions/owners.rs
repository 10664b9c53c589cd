//! Whose a session is, the other way round: the sessions of a user, and the session of a binding, found without reading all. Only where
//! gateways share a store: with the embedded one every session is in memory.
//!
//! Keys: `session-of/USER,ID` (two times 16 bytes), empty; `device-of/BINDING` the session's id; `session-index` once every session is in it.
//! The first is written and deleted with its session, in the same step. The second may be left behind by an end that met a step up, and is
//! believed only if the session's binding has that name.
//!
//! Gateways of the first format write neither. While one of them is at work the index is not believed, and all sessions are read instead.

use crate::base::{BindingId, SessionId, Time, UserId};
use crate::session::SessionRecord;
use crate::session::device::DeviceBinding;
use crate::store::backend::kv::{Batch, key};
use crate::store::records::accounts::FIRST_LETTERS;
use crate::store::records::sessions::devices::device_key;
use crate::store::records::sessions::{session_key, unpack};
use crate::store::{Store, StoreError};

/// That every session is in the index.
const COMPLETE: &[u8] = b"session-index";

/// The first format whose programs write the index.
const INDEXED: u32 = 2;

/// What is read in one piece.
const PAGE: usize = 500;

/// How long the names of bindings that begin with a letter wait for the next, and how many are looked at.
const TURN_MILLIS: i64 = 20_000;
const MOST: usize = 10_000;

fn owner_key(user: UserId, id: SessionId) -> Vec<u8> {
    let mut place = key("session-of", user.as_bytes());
    place.extend_from_slice(id.as_bytes());
    place
}

fn binding_key(binding: BindingId) -> Vec<u8> {
    key("device-of", binding.to_string())
}

impl Store {
    /// Writes that a session is its user's, and its binding's.
    pub(in crate::store::records) fn put_owner(&self, mut batch: Batch, record: &SessionRecord) -> Batch {
        if self.kv.is_shared() {
            batch = batch.put(owner_key(record.user, record.id), "");
            if let Some(device) = &record.device {
                batch = batch.put(binding_key(device.id), record.id.to_string());
            }
        }
        batch
    }

    /// Writes that a session has a binding now.
    pub(in crate::store::records) fn put_bound(&self, batch: Batch, session: SessionId, device: &DeviceBinding) -> Batch {
        if self.kv.is_shared() { batch.put(binding_key(device.id), session.to_string()) } else { batch }
    }

    /// Writes that a session, whose record this is, is gone.
    pub(in crate::store::records) fn delete_owner(&self, batch: Batch, id: SessionId, record: &[u8]) -> Batch {
        match unpack(id, record) {
            Ok(record) if self.kv.is_shared() => batch.delete(owner_key(record.user, id)),
            Ok(_) | Err(_) => batch,
        }
    }

    /// Removes sessions with everything that points to them.
    pub(in crate::store::records) async fn delete_batch(&self, ids: &[SessionId]) -> Result<Batch, StoreError> {
        let mut batch = ids.iter().fold(Batch::durable(), |batch, id| batch.delete(session_key(*id)).delete(device_key(*id)));
        if !self.kv.is_shared() {
            return Ok(batch);
        }
        let keys: Vec<_> = ids.iter().map(|id| session_key(*id)).collect();
        for (id, record) in ids.iter().zip(self.kv.get_many(&keys).await?) {
            if let Some(record) = record {
                batch = self.delete_owner(batch, *id, &record);
            }
        }
        let devices = self.devices(ids).await?;
        let bound: Vec<_> = ids.iter().zip(devices).filter_map(|(id, device)| Some((*id, binding_key(device?.id)))).collect();
        if bound.is_empty() {
            return Ok(batch);
        }
        let places: Vec<_> = bound.iter().map(|(_, place)| place.clone()).collect();
        for ((id, place), of) in bound.into_iter().zip(self.kv.get_many(&places).await?) {
            if of.as_deref() == Some(id.to_string().as_bytes()) {
                batch = batch.delete(place);
            }
        }
        Ok(batch)
    }

    /// The sessions of a user, by their ids. Those of an epoch that the user has left behind are among them.
    ///
    /// # Errors
    /// The store's.
    pub async fn sessions_of(&self, user: UserId) -> Result<Vec<SessionRecord>, StoreError> {
        if !self.sessions_are_indexed().await? {
            let mut all = self.all_sessions().await?;
            all.retain(|record| record.user == user);
            return Ok(all);
        }
        let (prefix, mut after, mut found) = (key("session-of", user.as_bytes()), None::<Vec<u8>>, Vec::new());
        loop {
            let page = self.kv.scan(&prefix, after.as_deref(), PAGE, false).await?;
            let ids: Vec<_> = page.iter().filter_map(|(place, _)| id_in(place, &prefix)).collect();
            found.extend(self.sessions_by_id(&ids).await?.into_iter().flatten().filter(|record| record.user == user));
            match page.last() {
                Some((last, _)) if page.len() == PAGE => after = Some(last.clone()),
                Some(_) | None => return Ok(found),
            }
        }
    }

    /// The session whose binding has this name.
    ///
    /// # Errors
    /// The store's.
    pub async fn session_of_binding(&self, binding: BindingId) -> Result<Option<SessionRecord>, StoreError> {
        let Some(bytes) = self.kv.get(&binding_key(binding)).await? else { return Ok(None) };
        let Some(id) = std::str::from_utf8(&bytes).ok().and_then(|id| id.parse().ok()) else { return Ok(None) };
        let is_its = |record: &SessionRecord| record.device.as_ref().is_some_and(|device| device.id == binding);
        Ok(self.session(id).await?.filter(is_its))
    }

    /// Whether the index has every session.
    async fn sessions_are_indexed(&self) -> Result<bool, StoreError> {
        Ok(self.kv.is_shared() && self.kv.get(COMPLETE).await?.is_some() && !self.has_earlier_gateways().await?)
    }

    async fn has_earlier_gateways(&self) -> Result<bool, StoreError> {
        Ok(self.gateways().await?.values().any(|gateway| gateway.format < INDEXED))
    }

    /// Puts the sessions that an earlier release made into the index; for one gateway at a time. While such a release is at work, nothing is
    /// believed and nothing is done.
    ///
    /// # Errors
    /// The store's.
    pub async fn index_sessions(&self) -> Result<(), StoreError> {
        if !self.kv.is_shared() {
            return Ok(());
        }
        let is_complete = self.kv.get(COMPLETE).await?.is_some();
        if self.has_earlier_gateways().await? {
            if is_complete {
                self.kv.commit(Batch::durable().delete(COMPLETE)).await?;
            }
            return Ok(());
        }
        if is_complete {
            return Ok(());
        }
        let mut after = None::<Vec<u8>>;
        loop {
            let page = self.kv.scan(b"session/", after.as_deref(), PAGE, false).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            // Of one that ends meanwhile nothing is to be left: then each is written by itself.
            if !self.kv.commit(self.indexed(&page)).await? {
                for pair in &page {
                    self.kv.commit(self.indexed(std::slice::from_ref(pair))).await?;
                }
            }
        }
        self.kv.commit(Batch::durable().put(COMPLETE, "1")).await.map(drop)
    }

    fn indexed(&self, page: &[(Vec<u8>, Vec<u8>)]) -> Batch {
        let read = |(place, bytes): &(Vec<u8>, Vec<u8>)| unpack(id_in(place, b"session/")?, bytes).ok();
        page.iter().filter_map(|pair| Some((pair, read(pair)?))).fold(Batch::default(), |batch, ((place, bytes), record)| {
            self.put_owner(batch.expect(place.clone(), Some(bytes.clone())), &record)
        })
    }

    /// Removes names of bindings whose session is gone: each time of those with another first letter, so that all come up within some minutes.
    pub(in crate::store::records) async fn sweep_bindings(&self, now: Time) -> Result<usize, StoreError> {
        let turn = usize::try_from(now.millis() / TURN_MILLIS).unwrap_or_default() % FIRST_LETTERS.len();
        let letter = FIRST_LETTERS.get(turn..=turn).unwrap_or_default();
        let page = self.kv.scan(&key("device-of", letter), None, MOST, false).await?;
        // What is no id is nobody's.
        let of = |(_, id): &(Vec<u8>, Vec<u8>)| std::str::from_utf8(id).ok().and_then(|id| id.parse::<SessionId>().ok());
        let places: Vec<_> = page.iter().map(|pair| of(pair).map(session_key).unwrap_or_default()).collect();
        let mut gone = 0;
        for ((place, id), session) in page.into_iter().zip(self.kv.get_many(&places).await?) {
            if session.is_none() {
                gone += usize::from(self.kv.commit(Batch::default().expect(place.clone(), Some(id)).delete(place)).await?);
            }
        }
        Ok(gone)
    }
}

fn id_in(place: &[u8], prefix: &[u8]) -> Option<SessionId> {
    place.strip_prefix(prefix)?.try_into().ok().map(SessionId::from_bytes)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::StoreUrl;
    use crate::policy::Proof;
    use crate::session::Family;
    use crate::session::keys::MasterKey;
    use crate::store::postgres::server;
    use crate::store::{FORMAT, Gateway};

    fn record(user: UserId) -> SessionRecord {
        SessionRecord::begin(user, 0, Proof::Password, Time::from_secs(5), [127, 0, 0, 1].into(), "Firefox").unwrap()
    }

    async fn store() -> Store {
        let keys = [MasterKey::random(1, Time::default()).unwrap()];
        Store::open(&StoreUrl::Postgres(server::url(&server::database().await)), &keys, Time::default()).await.unwrap()
    }

    async fn ids(store: &Store, user: UserId) -> Vec<SessionId> {
        store.sessions_of(user).await.unwrap().into_iter().map(|record| record.id).collect()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_users_sessions_are_found_whoever_wrote_them() {
        let (store, alice, bob) = (store().await, UserId::random().unwrap(), UserId::random().unwrap());
        // An earlier release wrote one, and knows no index.
        let early = record(alice);
        assert!(store.kv.commit(Batch::default().put(session_key(early.id), early.pack())).await.unwrap());
        let (first, other) = (record(alice), record(bob));
        store.put_session(&first, None).await.unwrap();
        store.put_session(&other, None).await.unwrap();
        let mut all = vec![early.id, first.id];
        all.sort_unstable();
        assert_eq!(ids(&store, alice).await, all, "all are read");
        let earlier = Gateway { name: "old".into(), format: 0, ..Gateway::default() };
        store.put_gateway("old", &earlier).await.unwrap();
        store.index_sessions().await.unwrap();
        assert!(store.kv.get(COMPLETE).await.unwrap().is_none(), "it may write more");
        store.remove_gateway("old").await.unwrap();
        store.put_gateway("new", &Gateway { format: FORMAT, ..Gateway::default() }).await.unwrap();
        store.index_sessions().await.unwrap();
        assert!(store.sessions_are_indexed().await.unwrap());
        assert_eq!(ids(&store, alice).await, all);
        // A step up, an end, many.
        let next = SessionRecord { family: Family::Next(first.id), ..record(alice) };
        assert!(store.put_session(&next, Some(first.id)).await.unwrap());
        store.delete_sessions(&[early.id, early.id]).await.unwrap();
        assert_eq!(ids(&store, alice).await, [next.id]);
        for _ in 0..PAGE + 20 {
            store.put_session(&record(bob), None).await.unwrap();
        }
        assert_eq!(ids(&store, bob).await.len(), PAGE + 21);
        // The earlier release is back: nothing is believed, and later all is read once more.
        store.put_gateway("old", &earlier).await.unwrap();
        let unseen = record(alice);
        assert!(store.kv.commit(Batch::default().put(session_key(unseen.id), unseen.pack())).await.unwrap());
        assert_eq!(ids(&store, alice).await.len(), 2);
        store.index_sessions().await.unwrap();
        store.remove_gateway("old").await.unwrap();
        assert_eq!(ids(&store, alice).await.len(), 2);
        store.index_sessions().await.unwrap();
        assert!(store.sessions_are_indexed().await.unwrap());
        assert_eq!(ids(&store, alice).await.len(), 2);
        store.delete_sessions(&ids(&store, alice).await).await.unwrap();
        assert!(store.kv.scan(&key("session-of", alice.as_bytes()), None, 9, false).await.unwrap().is_empty());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_binding_leads_to_its_session_and_to_no_other() {
        let (store, alice) = (store().await, UserId::random().unwrap());
        let device: DeviceBinding =
            DeviceBinding::begin(crate::session::device::DeviceKey::P256([vec![4], vec![7; 64]].concat()), Time::from_secs(5)).unwrap();
        let device = Arc::new(device);
        let first = SessionRecord { device: Some(device.clone()), ..record(alice) };
        store.put_session(&first, None).await.unwrap();
        assert_eq!(store.session_of_binding(device.id).await.unwrap().unwrap().id, first.id);
        let next = SessionRecord { device: Some(device.moved(Time::from_secs(6))), ..record(alice) };
        assert!(store.put_session(&next, Some(first.id)).await.unwrap());
        assert_eq!(store.session_of_binding(device.id).await.unwrap().unwrap().id, next.id);
        store.delete_sessions(&[first.id]).await.unwrap();
        assert_eq!(store.session_of_binding(device.id).await.unwrap().unwrap().id, next.id);
        store.delete_sessions(&[next.id]).await.unwrap();
        assert!(store.session_of_binding(device.id).await.unwrap().is_none());
        assert!(store.kv.get(&binding_key(device.id)).await.unwrap().is_none());
    }
}
