//! Sessions as the use cases work with them: in memory first, then in the store.

use std::sync::{Arc, OnceLock};

use super::live::{LiveSession, LiveSessions};
use super::loading::Loading;
use super::restore::stands;
use crate::account::Account;
use crate::base::SessionId;
use crate::service::context::Context;
use crate::service::refused::Refused;
use crate::session::{EndReason, SessionRecord, over};
use crate::store::{EndedFile, Store, StoreError};

/// How many ends one commit writes.
const AT_ONCE: usize = 256;

/// The sessions in memory and in the store.
pub struct Sessions {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) live: Arc<LiveSessions>,
    pub(in crate::service) loading: Arc<Loading>,
    pub(in crate::service) context: Arc<Context>,
    /// Takes ends while the store cannot.
    pub(in crate::service) beside: OnceLock<Arc<EndedFile>>,
}

impl Sessions {
    /// The session with this id, from memory or the store.
    ///
    /// # Errors
    /// As [`Loading::find`].
    pub async fn find(&self, id: SessionId) -> Result<Option<Arc<LiveSession>>, StoreError> {
        self.loading.find(id).await
    }

    /// The sessions of a user, those of hosts too, in memory or not.
    ///
    /// # Errors
    /// The store's, if memory does not hold all.
    pub async fn of(&self, account: &Account) -> Result<Vec<SessionRecord>, StoreError> {
        if !self.live.is_partial() {
            return Ok(self.live.of(account.id).iter().map(|session| session.record()).collect());
        }
        let (limits, now) = (self.context.config().session.limits(account.is_guest()), self.context.now());
        let mut all = self.store.sessions_of(account.id).await?;
        all.iter_mut().for_each(|record| self.brings_up_to_date(record));
        all.retain(|record| {
            stands(account, record) && !self.live.has_ended(record.id) && over(record.created, record.last_seen, limits, now).is_none()
        });
        Ok(all)
    }

    /// The sessions of a user; those of hosts, which belong to one of the portal's, aside.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub async fn signed_in(&self, account: &Account) -> Result<Vec<SessionRecord>, StoreError> {
        let mut sessions = self.of(account).await?;
        sessions.retain(|record| !record.is_hosts());
        Ok(sessions)
    }

    /// What is in memory of a session is newer.
    pub(in crate::service) fn brings_up_to_date(&self, record: &mut SessionRecord) {
        if let Some(session) = self.live.get(record.id) {
            *record = session.record();
        }
    }

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

    /// Ends many sessions, here and in the store.
    ///
    /// # Errors
    /// The store's; they are over here, and it is told until it knows.
    pub async fn end_all(&self, ids: &[SessionId]) -> Result<(), StoreError> {
        ids.iter().for_each(|id| {
            self.live.end_for_good(*id, EndReason::Revoked);
        });
        self.write_ends(ids).await
    }

    /// From now on ends that the store does not take are kept in this file, so that a restart does not forget them.
    pub fn keep_ends_in(&self, file: EndedFile) {
        let _ = self.beside.set(Arc::new(file));
    }

    /// Has the store delete sessions that have ended.
    ///
    /// # Errors
    /// The store's; then nothing brings them back here, nor after a restart, and the caller tries again.
    pub async fn write_ends(&self, ids: &[SessionId]) -> Result<(), StoreError> {
        for ids in ids.chunks(AT_ONCE) {
            if let Err(e) = self.store.delete_sessions(ids).await {
                self.keep_beside(ids).await;
                return Err(e);
            }
            self.live.ends_are_written(ids);
            self.forget_beside(ids).await;
        }
        Ok(())
    }

    async fn keep_beside(&self, ids: &[SessionId]) {
        let Some(file) = self.beside.get().cloned() else { return };
        let ids = ids.to_vec();
        let kept = tokio::task::spawn_blocking(move || file.add(&ids)).await;
        let kept = kept.unwrap_or_else(|e| Err(StoreError::Backend(e.to_string())));
        if let Err(e) = kept {
            tracing::error!(error = %e, "sessions have ended in memory alone: a restart before the store can be written brings them back");
        }
    }

    async fn forget_beside(&self, ids: &[SessionId]) {
        let Some(file) = self.beside.get().filter(|file| !file.is_empty()).cloned() else { return };
        let ids = ids.to_vec();
        if let Ok(Err(e)) = tokio::task::spawn_blocking(move || file.remove(&ids)).await {
            tracing::warn!(error = %e, "sessions that have ended are ended once more at the next start");
        }
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
