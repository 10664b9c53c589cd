//! Sessions as the store keeps them; the gateway reads them from memory and writes through.

pub(in crate::store) mod devices;
mod expired;
mod owners;

use std::sync::Arc;

use crate::base::SessionId;
use crate::session::device::DeviceBinding;
use crate::session::{Family, SessionRecord};
use crate::store::backend::kv::{Batch, Pair, USED, decode, key};
use crate::store::records::sessions::devices::{device_key, put_device};
use crate::store::{Store, StoreError};

pub(super) fn session_key(id: SessionId) -> Vec<u8> {
    key("session", id.as_bytes())
}

/// Where the portal's session of a family stands.
pub(super) fn family_key(family: SessionId) -> Vec<u8> {
    key("family", family.to_string())
}

/// What stands there.
pub(super) fn head(session: SessionId) -> Vec<u8> {
    session.to_string().into_bytes()
}

pub(super) fn read_head(bytes: &[u8]) -> Option<SessionId> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

pub(super) fn unpack(id: SessionId, bytes: &[u8]) -> Result<SessionRecord, StoreError> {
    SessionRecord::unpack(id, bytes).map_err(|e| StoreError::Record(e.to_string()))
}

/// Gives the shared text for a browser's name.
pub type Names<'a> = &'a mut (dyn FnMut(&str) -> Arc<str> + Send);

fn read((key, bytes): &Pair, names: Names<'_>) -> Result<SessionRecord, StoreError> {
    let id = key.strip_prefix(b"session/").and_then(|id| id.try_into().ok()).map(SessionId::from_bytes);
    let id = id.ok_or_else(|| StoreError::Record("a session's key is no id".to_owned()))?;
    SessionRecord::unpack_named(id, bytes, names).map_err(|e| StoreError::Record(e.to_string()))
}

impl Store {
    /// Keeps a session and its binding; at a step up `replaces` is gone in the same step, with its binding, and nothing is kept where it was
    /// gone already. From then on it is what hosts' sessions of its family belong to.
    pub async fn put_session(&self, record: &SessionRecord, replaces: Option<SessionId>) -> Result<bool, StoreError> {
        let mut batch = put_device(Batch::durable().put(session_key(record.id), record.pack()), record)?;
        if let Some(old) = replaces {
            let Some(bytes) = self.kv.get(&session_key(old)).await? else { return Ok(false) };
            batch = self.delete_owner(batch, old, &bytes);
            batch = batch.expect(session_key(old), Some(bytes)).delete(session_key(old)).delete(device_key(old));
        }
        batch = self.put_owner(batch, record);
        if let Family::Next(family) = record.family {
            batch = batch.put(family_key(family), head(record.id));
        }
        self.kv.commit(batch).await
    }

    /// The session with this id.
    pub async fn session(&self, id: SessionId) -> Result<Option<SessionRecord>, StoreError> {
        Ok(self.sessions_by_id(&[id]).await?.pop().flatten())
    }

    /// The sessions with these ids, in their order, in one go.
    pub async fn sessions_by_id(&self, ids: &[SessionId]) -> Result<Vec<Option<SessionRecord>>, StoreError> {
        let keys: Vec<_> = ids.iter().map(|id| session_key(*id)).chain(ids.iter().map(|id| device_key(*id))).collect();
        let mut values = self.kv.get_many(&keys).await?;
        let devices = values.split_off(ids.len().min(values.len()));
        let read = |id: SessionId, bytes: Option<Vec<u8>>, device: Option<Vec<u8>>| {
            let Some(bytes) = bytes else { return Ok(None) };
            let device = device.map(|bytes| decode::<DeviceBinding>(&bytes)).transpose()?.map(Arc::new);
            Ok(Some(SessionRecord { device, ..unpack(id, &bytes)? }))
        };
        ids.iter().zip(values).zip(devices).map(|((id, bytes), device)| read(*id, bytes, device)).collect()
    }

    /// Notes when sessions were last used. Those that are gone stay gone, and a later use noted by another gateway stands.
    pub async fn touch_sessions(&self, records: &[SessionRecord]) -> Result<(), StoreError> {
        for records in records.chunks(USED) {
            // Where one of them was changed between the look and here, each is noted by itself.
            if !self.kv.commit(self.touched(records).await?).await? {
                for record in records {
                    self.kv.commit(self.touched(std::slice::from_ref(record)).await?).await?;
                }
            }
        }
        Ok(())
    }

    async fn touched(&self, records: &[SessionRecord]) -> Result<Batch, StoreError> {
        let keys: Vec<_> = records.iter().map(|record| session_key(record.id)).collect();
        let values = self.kv.get_many(&keys).await?;
        let mut batch = Batch::default();
        for ((record, at), before) in records.iter().zip(keys).zip(values) {
            let Some(before) = before else { continue };
            if unpack(record.id, &before)?.last_seen >= record.last_seen {
                continue;
            }
            batch = batch.expect(at.clone(), Some(before)).put(at, record.pack());
            batch.used.push((record.id, record.last_seen));
        }
        Ok(batch)
    }

    /// Removes sessions for good.
    pub async fn delete_sessions(&self, ids: &[SessionId]) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        self.kv.commit(self.delete_batch(ids).await?).await.map(drop)
    }

    /// Up to `limit` sessions after one, in the order of their ids.
    pub async fn sessions(&self, after: Option<SessionId>, limit: usize, names: Names<'_>) -> Result<Vec<SessionRecord>, StoreError> {
        let after = after.map(session_key);
        let pairs = self.kv.scan(b"session/", after.as_deref(), limit, false).await?;
        let mut page = pairs.iter().map(|pair| read(pair, names)).collect::<Result<Vec<_>, _>>()?;
        self.attach_devices(b"device/", &mut page).await?;
        Ok(page)
    }

    /// As [`Store::sessions`], of those whose id begins with this byte: all 256 together are every session, and can be read side by side.
    pub async fn sessions_beginning(
        &self,
        first: u8,
        after: Option<SessionId>,
        limit: usize,
        names: Names<'_>,
    ) -> Result<Vec<SessionRecord>, StoreError> {
        let after = after.map(session_key);
        let pairs = self.kv.scan(&key("session", [first]), after.as_deref(), limit, false).await?;
        let mut page = pairs.iter().map(|pair| read(pair, names)).collect::<Result<Vec<_>, _>>()?;
        self.attach_devices(&key("device", [first]), &mut page).await?;
        Ok(page)
    }

    /// Every session.
    pub async fn all_sessions(&self) -> Result<Vec<SessionRecord>, StoreError> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = self.sessions(after, 10_000, &mut |name| name.into()).await?;
            let Some(last) = page.last() else { return Ok(all) };
            after = Some(last.id);
            all.extend(page);
        }
    }
}
