//! Sessions as the use cases work with them: in memory first, then in the store.

use std::sync::Arc;

use super::live::{LiveSession, LiveSessions};
use crate::account::Account;
use crate::base::SessionId;
use crate::service::refused::Refused;
use crate::session::EndReason;
use crate::store::{Store, StoreError};

/// The sessions in memory and in the store.
pub struct Sessions {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) live: Arc<LiveSessions>,
}

impl Sessions {
    /// Ends a session: in memory first, so that a store that fails keeps no door open.
    pub async fn end(&self, id: SessionId, reason: EndReason) -> Result<bool, StoreError> {
        let ended = self.live.end(id, reason);
        self.store.delete_sessions(&[id]).await?;
        Ok(ended)
    }

    /// The account of a session that is still good for it: a change of password or factors in the meantime has ended it.
    pub(in crate::service) async fn account_of(&self, session: &LiveSession) -> Result<Account, Refused> {
        let account = self.store.account(session.user()).await?.ok_or(Refused::Gone)?;
        let good = !session.is_ended() && !account.disabled && session.record().epoch == account.epoch;
        if good { Ok(account) } else { Err(Refused::Gone) }
    }
}
