//! The way of a browser from the portal to an application's host: tickets, each taken once, and the hosts' sessions that they become.
//!
//! Keys: `ticket/DIGEST` of the ticket; `family/ID` the portal's session of a family, under the id that it has now. The second is written
//! with each host's session and with each step up, so that a gateway which hears of a portal's session that is gone can tell a step up from
//! a sign-out, whatever it hears first.

use serde::{Deserialize, Serialize};

use super::accounts::TRIES;
use super::sessions::devices::device_key;
use super::sessions::{family_key, head, read_head, session_key, unpack};
use crate::base::{Secret, SessionId, Time, random, secret};
use crate::session::SessionRecord;
use crate::store::backend::kv::{Batch, decode, encode, key};
use crate::store::{Store, StoreError};

/// What is read in one piece.
const PAGE: usize = 500;

/// A ticket, without the secret that it is found by.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ticket {
    /// The digest of the cookie that the asking host set in the browser.
    pub binding: String,
    /// `scheme://host[:port]` of the asking host.
    pub origin: String,
    /// The portal's session.
    pub session: SessionId,
    pub expires: Time,
}

/// The browser and the host that a ticket was shown by.
#[derive(Clone, Copy, Debug)]
pub struct Bearer<'a> {
    pub binding: &'a str,
    pub origin: &'a str,
}

/// What became of a ticket.
#[derive(Debug)]
pub enum Entered {
    /// It is used up, and this session is in the store.
    Session(SessionRecord),
    /// Never made, used, late, another browser's or another host's: nothing is changed.
    Invalid,
    /// It is right, and the portal's session is over.
    Over,
}

fn ticket_key(ticket: &str) -> Vec<u8> {
    use sha2::Digest;
    key("ticket", data_encoding::BASE64URL_NOPAD.encode(&sha2::Sha256::digest(ticket)))
}

impl Ticket {
    fn is_for(&self, bearer: Bearer<'_>, now: Time) -> bool {
        now < self.expires && self.origin == bearer.origin && secret::same(self.binding.as_bytes(), bearer.binding.as_bytes())
    }
}

impl Store {
    /// Keeps a ticket and returns what it is found by, 256 random bits, which are not kept.
    ///
    /// # Errors
    /// The store's, or if the system gives no random bytes.
    pub async fn put_ticket(&self, ticket: &Ticket) -> Result<Secret, StoreError> {
        let text = data_encoding::BASE64URL_NOPAD.encode(&random::bytes::<32>()?);
        self.kv.commit(Batch::default().put(ticket_key(&text), encode(ticket)?)).await?;
        Ok(Secret::new(text))
    }

    /// Uses a ticket up and keeps the host's session that `begin` makes of the portal's, in one step; `replaces` is gone in the same step.
    /// Only the browser and the host that the ticket was made for use it up, and only while the portal's session is there.
    ///
    /// # Errors
    /// The store's.
    pub async fn enter(
        &self,
        ticket: &str,
        bearer: Bearer<'_>,
        now: Time,
        replaces: Option<SessionId>,
        begin: impl Fn(&SessionRecord) -> Result<SessionRecord, random::NoEntropy>,
    ) -> Result<Entered, StoreError> {
        let index = ticket_key(ticket);
        for _ in 0..TRIES {
            let Some(bytes) = self.kv.get(&index).await? else { return Ok(Entered::Invalid) };
            let kept: Ticket = decode(&bytes)?;
            if !kept.is_for(bearer, now) {
                return Ok(Entered::Invalid);
            }
            let Some(portals) = self.kv.get(&session_key(kept.session)).await? else { return Ok(Entered::Over) };
            let portal = unpack(kept.session, &portals)?;
            let session = begin(&portal)?;
            let mut batch = Batch::durable()
                .expect(index.clone(), Some(bytes))
                .delete(index.clone())
                .expect(session_key(portal.id), Some(portals))
                .put(family_key(portal.family()), head(portal.id))
                .put(session_key(session.id), session.pack());
            batch = self.put_owner(batch, &session);
            if let Some(old) = replaces {
                let record = self.kv.get(&session_key(old)).await?;
                batch = self.delete_owner(batch, old, record.as_deref().unwrap_or_default());
                batch = batch.delete(session_key(old)).delete(device_key(old));
            }
            if self.kv.commit(batch).await? {
                return Ok(Entered::Session(session));
            }
        }
        Err(StoreError::Contended)
    }

    /// The portal's session of a family, if it is not over.
    ///
    /// # Errors
    /// The store's.
    pub async fn portals_session(&self, family: SessionId) -> Result<Option<SessionRecord>, StoreError> {
        match self.portals_id(family).await? {
            Some(id) => self.session(id).await,
            None => Ok(None),
        }
    }

    /// The id under which the portal's session of a family was last known.
    ///
    /// # Errors
    /// The store's.
    pub async fn portals_id(&self, family: SessionId) -> Result<Option<SessionId>, StoreError> {
        Ok(self.kv.get(&family_key(family)).await?.as_deref().and_then(read_head))
    }

    /// Removes tickets that were not used, and what is kept of families whose portal's session is over.
    pub(super) async fn sweep_handovers(&self, now: Time) -> Result<usize, StoreError> {
        let mut gone = 0;
        for (index, bytes) in self.kv.scan(b"ticket/", None, 10_000, false).await? {
            if decode::<Ticket>(&bytes).map_or(true, |ticket| ticket.expires <= now) {
                gone += usize::from(self.kv.commit(Batch::default().delete(index)).await?);
            }
        }
        let mut after = None::<Vec<u8>>;
        loop {
            let page = self.kv.scan(b"family/", after.as_deref(), PAGE, false).await?;
            let Some((last, _)) = page.last() else { return Ok(gone) };
            after = Some(last.clone());
            let heads: Vec<_> = page.iter().map(|(_, bytes)| read_head(bytes).map(session_key).unwrap_or_default()).collect();
            let sessions = self.kv.get_many(&heads).await?;
            for ((index, bytes), _) in page.into_iter().zip(sessions).filter(|(_, session)| session.is_none()) {
                gone += usize::from(self.kv.commit(Batch::default().expect(index.clone(), Some(bytes)).delete(index)).await?);
            }
        }
    }
}
