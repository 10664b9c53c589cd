//! A session that changes how its user signs in: the account's epoch grows, which ends every session of the user, and this one goes on
//! under the new epoch and a new id. One step of the store, so that a session that has ended by then moves nowhere.

use crate::account::{Account, Version};
use crate::base::SessionId;
use crate::session::SessionRecord;
use crate::store::backend::kv::{decode, key};
use crate::store::records::accounts::TRIES;
use crate::store::records::sessions::devices::{device_key, put_device};
use crate::store::records::sessions::session_key;
use crate::store::{Conflict, Edit, Store, StoreError};

impl Store {
    /// As [`Store::update_verified`]. Where the edit writes, the session `from` is replaced by `to` in the same step, under the epoch that
    /// the account has then. `moved` is called once that is so, before anybody is told of the account.
    ///
    /// `None` if the account is not of this version any more, or the session is gone; then nothing is written.
    pub async fn update_and_move<R>(
        &self,
        version: Version,
        from: SessionId,
        to: &mut SessionRecord,
        mut edit: impl FnMut(&mut Account) -> Edit<R>,
        moved: impl FnOnce(),
    ) -> Result<Option<Result<Edit<R>, Conflict>>, StoreError> {
        for _ in 0..TRIES {
            let Some(bytes) = self.kv.get(&key("account", version.user().to_string())).await? else { return Ok(None) };
            let Some(session) = self.kv.get(&session_key(from)).await? else { return Ok(None) };
            let before: Account = decode(&bytes)?;
            if !version.is_of(&before) {
                return Ok(None);
            }
            let mut after = before.clone();
            let result = match edit(&mut after) {
                Edit::Leave(result) => return Ok(Some(Ok(Edit::Leave(result)))),
                Edit::Write(result) => result,
            };
            after.revision = before.revision.saturating_add(1);
            to.epoch = after.epoch;
            let batch = Self::account_batch(Some((&before, bytes)), &after)?
                .expect(session_key(from), Some(session.clone()))
                .delete(session_key(from))
                .delete(device_key(from))
                .put(session_key(to.id), to.pack());
            let batch = self.put_owner(self.delete_owner(put_device(batch, to)?, from, &session), to);
            match self.kv.commit(batch).await {
                Ok(true) => {
                    moved();
                    self.told(after.id, Some(&after));
                    return Ok(Some(Ok(Edit::Write(result))));
                }
                Ok(false) => {}
                Err(e) => {
                    // It may have been applied and not flushed. What takes something away must hold either way.
                    self.told(after.id, Some(&after));
                    return Err(e);
                }
            }
            if let Some(conflict) = self.taken(Some(&before), &after).await? {
                return Ok(Some(Err(conflict)));
            }
        }
        Err(StoreError::Contended)
    }
}
