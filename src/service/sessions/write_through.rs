//! Sessions as the use cases work with them: in memory first, then in the store.

use std::sync::Arc;

use super::live::{LiveSession, LiveSessions};
use crate::account::Account;
use crate::base::SessionId;
use crate::service::refused::Refused;
use crate::session::EndReason;
use crate::store::{Store, StoreError};

/// How many ends one commit writes.
const AT_ONCE: usize = 256;

/// The sessions in memory and in the store.
pub struct Sessions {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) live: Arc<LiveSessions>,
}

impl Sessions {
    /// Ends a session: in memory first, so that a store that fails leaves no session open.
    ///
    /// # Errors
    /// [`Refused::EndPending`]: it is over, and the store does not know yet. It is told until it does.
    pub async fn end(&self, id: SessionId, reason: EndReason) -> Result<bool, Refused> {
        let ended = self.live.end_for_good(id, reason);
        self.write_ends(&[id]).await.map_err(|e| {
            tracing::error!(error = %e, "the end of a session is not in the store yet; it is retried until it is");
            Refused::EndPending
        })?;
        Ok(ended)
    }

    /// Has the store delete sessions that have ended.
    ///
    /// # Errors
    /// The store's; then nothing brings them back here, and the caller tries again.
    pub async fn write_ends(&self, ids: &[SessionId]) -> Result<(), StoreError> {
        for ids in ids.chunks(AT_ONCE) {
            self.store.delete_sessions(ids).await?;
            self.live.ends_are_written(ids);
        }
        Ok(())
    }

    /// Has the store delete every session that has ended and that it may still have: at the end of the process.
    ///
    /// # Errors
    /// The store's.
    pub async fn write_all_ends(&self) -> Result<(), StoreError> {
        self.write_ends(&self.live.unwritten_ends()).await
    }

    /// The account of a session that is still good for it: a change of password or factors in the meantime has ended it.
    pub(in crate::service) async fn account_of(&self, session: &LiveSession) -> Result<Account, Refused> {
        let account = self.store.account(session.user()).await?.ok_or(Refused::Gone)?;
        if !session.is_ended() && session.version().is_of(&account) { Ok(account) } else { Err(Refused::Gone) }
    }
}
