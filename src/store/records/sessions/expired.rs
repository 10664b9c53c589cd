//! Sessions that are over and in nobody's memory leave the store: one gateway does it for all, a piece at a time. Guarantees that a session which
//! was used since it was looked at stays.

use std::time::Duration;

use crate::base::{SessionId, Time};
use crate::config;
use crate::session::{SessionRecord, over};
use crate::store::backend::kv::{Batch, Pair};
use crate::store::records::sessions::devices::device_key;
use crate::store::records::sessions::{session_key, unpack};
use crate::store::{Store, StoreError};

/// Uses are written down some time after they happen: nothing is removed before.
const LATE: Duration = Duration::from_secs(120);

/// How many go in one commit.
const AT_ONCE: usize = 200;

impl Store {
    /// Looks at up to `most` sessions after one, and removes those that are over. Returns where to go on, `None` at the end, and how many
    /// were removed.
    ///
    /// # Errors
    /// The store's.
    pub async fn sweep_sessions(
        &self,
        after: Option<SessionId>,
        most: usize,
        limits: &config::Session,
        now: Time,
    ) -> Result<(Option<SessionId>, usize), StoreError> {
        let page = self.kv.scan(b"session/", after.map(session_key).as_deref(), most, false).await?;
        let id = |pair: &Pair| pair.0.strip_prefix(b"session/").and_then(|id| id.try_into().ok()).map(SessionId::from_bytes);
        let next = page.last().filter(|_| page.len() == most).and_then(id);
        let (now, mut dead, mut guests) = (now.minus(LATE), Vec::new(), Vec::new());
        for pair in page {
            let Some(record) = id(&pair).and_then(|id| unpack(id, &pair.1).ok()) else { continue };
            let is_over = |is_guest| over(record.created, record.last_seen, limits.limits(is_guest), now).is_some();
            if is_over(false) {
                dead.push((record, pair.1));
            } else if is_over(true) {
                guests.push((record, pair.1));
            }
        }
        let users: Vec<_> = guests.iter().map(|(record, _)| record.user).collect();
        let accounts = if users.is_empty() { Vec::new() } else { self.accounts_by_id(&users).await? };
        let is_guest = |account: &Option<crate::account::Account>| account.as_ref().is_some_and(crate::account::Account::is_guest);
        dead.extend(guests.into_iter().zip(accounts).filter(|(_, account)| is_guest(account)).map(|(one, _)| one));
        let mut gone = 0;
        for some in dead.chunks(AT_ONCE) {
            if self.kv.commit(self.removed(some)).await? {
                gone += some.len();
                continue;
            }
            // One of them was used meanwhile, and stays.
            for one in some {
                gone += usize::from(self.kv.commit(self.removed(std::slice::from_ref(one))).await?);
            }
        }
        Ok((next, gone))
    }

    fn removed(&self, some: &[(SessionRecord, Vec<u8>)]) -> Batch {
        some.iter().fold(Batch::default(), |batch, (record, bytes)| {
            let place = session_key(record.id);
            let batch = batch.expect(place.clone(), Some(bytes.clone())).delete(place).delete(device_key(record.id));
            self.delete_owner(batch, record.id, bytes)
        })
    }
}
