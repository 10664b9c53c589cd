//! Bindings of sessions to devices, each a record of its own beside the session's, and offers to bind one.
//!
//! Keys: `device/ID` of the session; `device-offer/DIGEST` of the challenge. A binding goes with its session, in the same step.

use std::sync::Arc;

use crate::base::{SessionId, Time};
use crate::session::SessionRecord;
use crate::session::device::{DeviceBinding, DeviceOffer};
use crate::store::backend::kv::{Batch, decode, encode, key};
use crate::store::records::accounts::TRIES;
use crate::store::{Store, StoreError};

/// What is read in one piece.
const PAGE: usize = 1000;

pub(in crate::store::records) fn device_key(id: SessionId) -> Vec<u8> {
    key("device", id.as_bytes())
}

fn session_key(id: SessionId) -> Vec<u8> {
    key("session", id.as_bytes())
}

fn offer_key(digest: &str) -> Vec<u8> {
    key("device-offer", digest)
}

/// Writes the binding that a session has.
pub(in crate::store::records) fn put_device(batch: Batch, record: &SessionRecord) -> Result<Batch, StoreError> {
    Ok(match &record.device {
        Some(device) => batch.put(device_key(record.id), encode(&**device)?),
        None => batch,
    })
}

impl Store {
    /// Keeps an offer, under the digest of its challenge.
    pub async fn put_device_offer(&self, digest: &str, offer: &DeviceOffer) -> Result<(), StoreError> {
        self.kv.commit(Batch::default().put(offer_key(digest), encode(offer)?)).await.map(drop)
    }

    /// The offer with this digest, expired or not.
    pub async fn device_offer(&self, digest: &str) -> Result<Option<DeviceOffer>, StoreError> {
        self.kv.get(&offer_key(digest)).await?.map(|bytes| decode(&bytes)).transpose()
    }

    /// Uses an offer up and binds its session, in one step: `true` for one caller at most, and for nobody if the session is gone or bound already.
    /// Gateways that share the store hear of the session.
    pub async fn bind_device(&self, digest: &str, session: SessionId, device: &DeviceBinding) -> Result<bool, StoreError> {
        for _ in 0..TRIES {
            let Some(offer) = self.kv.get(&offer_key(digest)).await? else { return Ok(false) };
            let Some(record) = self.kv.get(&session_key(session)).await? else { return Ok(false) };
            if decode::<DeviceOffer>(&offer)?.session != session || self.kv.get(&device_key(session)).await?.is_some() {
                return Ok(false);
            }
            let batch = Batch::durable()
                .expect(offer_key(digest), Some(offer))
                .delete(offer_key(digest))
                .expect(session_key(session), Some(record.clone()))
                .put(session_key(session), record)
                .expect(device_key(session), None)
                .put(device_key(session), encode(device)?);
            let batch = self.put_bound(batch, session, device);
            if self.kv.commit(batch).await? {
                return Ok(true);
            }
        }
        Err(StoreError::Contended)
    }

    /// The binding of a session.
    pub async fn device(&self, session: SessionId) -> Result<Option<DeviceBinding>, StoreError> {
        self.kv.get(&device_key(session)).await?.map(|bytes| decode(&bytes)).transpose()
    }

    /// The bindings of these sessions, in their order.
    pub async fn devices(&self, sessions: &[SessionId]) -> Result<Vec<Option<DeviceBinding>>, StoreError> {
        let keys: Vec<_> = sessions.iter().map(|id| device_key(*id)).collect();
        let values = self.kv.get_many(&keys).await?;
        values.into_iter().map(|bytes| bytes.map(|bytes| decode(&bytes)).transpose()).collect()
    }

    /// Puts a binding after a proof in the place of the one before; `false` if another proof, or a new session id, was faster.
    pub async fn prove_device(&self, session: SessionId, before: &DeviceBinding, after: &DeviceBinding) -> Result<bool, StoreError> {
        let at = device_key(session);
        self.kv.commit(Batch::default().expect(at.clone(), Some(encode(before)?)).put(at, encode(after)?)).await
    }

    /// Gives sessions, which stand in the order of their ids, the bindings that they have.
    pub(in crate::store::records) async fn attach_devices(&self, prefix: &[u8], page: &mut [SessionRecord]) -> Result<(), StoreError> {
        let (Some(first), Some(last)) = (page.first().map(|record| record.id), page.last().map(|record| record.id)) else { return Ok(()) };
        // The first of the page, itself, is the last that `after` may leave out.
        if let Some(record) = page.first_mut() {
            record.device = self.device(first).await?.map(Arc::new);
        }
        let mut after = device_key(first);
        loop {
            let found = self.kv.scan(prefix, Some(&after), PAGE, false).await?;
            let is_last = found.len() < PAGE;
            for (at, bytes) in found {
                let id = at.strip_prefix(b"device/").and_then(|id| id.try_into().ok()).map(SessionId::from_bytes);
                let Some(id) = id else { continue };
                if id > last {
                    return Ok(());
                }
                if let Ok(place) = page.binary_search_by_key(&id, |record| record.id)
                    && let Some(record) = page.get_mut(place)
                {
                    record.device = Some(Arc::new(decode(&bytes)?));
                }
                after = at;
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// Removes offers that nobody took in time; returns how many.
    pub(in crate::store::records) async fn sweep_device_offers(&self, now: Time) -> Result<usize, StoreError> {
        let (mut gone, mut many) = (Batch::default(), 0);
        for (at, bytes) in self.kv.scan(b"device-offer/", None, 10_000, false).await? {
            if decode::<DeviceOffer>(&bytes).map_or(true, |offer| offer.expires <= now) {
                (gone, many) = (gone.delete(at), many + 1);
            }
        }
        if many > 0 {
            self.kv.commit(gone).await?;
        }
        Ok(many)
    }
}
