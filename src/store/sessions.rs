//! Sessions as the store keeps them; the gateway reads them from memory and writes through.

use super::kv::{Batch, decode, encode, key};
use super::{Store, StoreError};
use crate::base::SessionId;
use crate::session::SessionRecord;

fn session_key(id: SessionId) -> Vec<u8> {
    key("session", id.as_bytes())
}

impl Store {
    /// Keeps a session; at a step up `replaces` is gone in the same step, and nothing is kept where it was gone already.
    pub async fn put_session(&self, record: &SessionRecord, replaces: Option<SessionId>) -> Result<bool, StoreError> {
        let mut batch = Batch::durable().put(session_key(record.id), encode(record)?);
        if let Some(old) = replaces {
            let Some(bytes) = self.kv.get(&session_key(old)).await? else { return Ok(false) };
            batch = batch.expect(session_key(old), Some(bytes)).delete(session_key(old));
        }
        self.kv.commit(batch).await
    }

    /// The session with this id.
    pub async fn session(&self, id: SessionId) -> Result<Option<SessionRecord>, StoreError> {
        self.kv.get(&session_key(id)).await?.map(|bytes| decode(&bytes)).transpose()
    }

    /// Notes when sessions were last used. Those that are gone stay gone, and a later use noted by another gateway stands.
    pub async fn touch_sessions(&self, records: &[SessionRecord]) -> Result<(), StoreError> {
        for record in records {
            let at = session_key(record.id);
            if let Some(before) = self.kv.get(&at).await? {
                if decode::<SessionRecord>(&before)?.last_seen >= record.last_seen {
                    continue;
                }
                self.kv.commit(Batch::default().expect(at.clone(), Some(before)).put(at, encode(record)?)).await?;
            }
        }
        Ok(())
    }

    /// Removes sessions for good.
    pub async fn delete_sessions(&self, ids: &[SessionId]) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let batch = ids.iter().fold(Batch::durable(), |batch, id| batch.delete(session_key(*id)));
        self.kv.commit(batch).await?;
        Ok(())
    }

    /// Up to `limit` sessions after one, in the order of their ids.
    pub async fn sessions(&self, after: Option<SessionId>, limit: usize) -> Result<Vec<SessionRecord>, StoreError> {
        let after = after.map(session_key);
        self.kv.scan(b"session/", after.as_deref(), limit, false).await?.iter().map(|(_, bytes)| decode(bytes)).collect()
    }

    /// Every session.
    pub async fn all_sessions(&self) -> Result<Vec<SessionRecord>, StoreError> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = self.sessions(after, 10_000).await?;
            let Some(last) = page.last() else { return Ok(all) };
            after = Some(last.id);
            all.extend(page);
        }
    }
}
