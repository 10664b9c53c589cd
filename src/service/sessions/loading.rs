//! Sessions that are in the store and not in memory are read when they are used: once, however many requests wait for the same one.
//! Guarantees that a session is taken in as the store has it at a moment after which every change of it is heard ([`super::flights`]), and
//! that an answer which cannot be had is an error, never a session that is over.
//!
//! The signature of the cookie is verified first: nobody else's numbers reach the store. What the store does not have is remembered, for ids
//! are never used again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OnceCell, Semaphore};

use super::live::{LiveSession, LiveSessions};
use super::restore::stands;
use crate::account::Account;
use crate::base::{BindingId, SessionId};
use crate::service::context::Context;
use crate::session::{EndReason, SessionRecord, over};
use crate::store::{Store, StoreError};

/// Sessions that are read at the same time.
const AT_ONCE: usize = 32;
/// Sessions that may be waited for. Whoever comes beyond is asked to come back.
const MOST: usize = 4096;
/// How long a session waits for its turn to be read.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a session that changes while it is read is read again.
const TRIES: usize = 8;
/// A last use that another gateway has not written down yet is younger than this.
const UNWRITTEN: Duration = Duration::from_secs(60);

/// What everybody who waits for one session is told.
type Outcome = Result<Option<Arc<LiveSession>>, Arc<StoreError>>;

/// Reads sessions into memory.
pub struct Loading {
    store: Arc<Store>,
    live: Arc<LiveSessions>,
    context: Arc<Context>,
    waited_for: Mutex<HashMap<SessionId, Arc<OnceCell<Outcome>>>>,
    turns: Semaphore,
}

/// A place among those who wait for a session. The last to leave takes the note down.
struct Waiting<'l> {
    loading: &'l Loading,
    id: SessionId,
    cell: Arc<OnceCell<Outcome>>,
}

impl Loading {
    pub(in crate::service) fn new(store: Arc<Store>, live: Arc<LiveSessions>, context: Arc<Context>) -> Self {
        Self { store, live, context, waited_for: Mutex::default(), turns: Semaphore::new(AT_ONCE) }
    }

    /// The session with this id, which somebody has proved to know; `None` if it is over, and with an embedded store if it is not in memory.
    ///
    /// # Errors
    /// The store's, and if news of other gateways' changes are missing: then nobody can tell.
    pub async fn find(&self, id: SessionId) -> Result<Option<Arc<LiveSession>>, StoreError> {
        if let Some(session) = self.live.get(id) {
            return Ok(Some(session));
        }
        if !self.store.kv().is_shared() || self.live.has_ended(id) {
            return Ok(None);
        }
        if self.live.is_behind() {
            return Err(StoreError::Backend("no news of other gateways' changes".to_owned()));
        }
        self.fetch(id).await
    }

    /// The same for whoever follows the changes: what is missed meanwhile is read again afterwards.
    pub(super) async fn fetch(&self, id: SessionId) -> Result<Option<Arc<LiveSession>>, StoreError> {
        if let Some(session) = self.live.get(id) {
            return Ok(Some(session));
        }
        let waiting = self.wait_for(id)?;
        let outcome = waiting.cell.get_or_init(|| async { self.read(id).await.map_err(Arc::new) }).await.clone();
        outcome.map_err(|e| StoreError::Backend(e.to_string()))
    }

    /// The session that a browser knows a binding of.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub async fn find_bound(&self, binding: BindingId) -> Result<Option<Arc<LiveSession>>, StoreError> {
        if let Some(session) = self.live.bound(binding) {
            return Ok(Some(session));
        }
        if !self.live.is_partial() {
            return Ok(None);
        }
        let Some(record) = self.store.session_of_binding(binding).await? else { return Ok(None) };
        Ok(self.find(record.id).await?.filter(|session| session.device().is_some_and(|device| device.id == binding)))
    }

    fn wait_for(&self, id: SessionId) -> Result<Waiting<'_>, StoreError> {
        let mut all = self.waited_for.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST && !all.contains_key(&id) {
            return Err(StoreError::Backend("too many sessions are waited for".to_owned()));
        }
        Ok(Waiting { loading: self, id, cell: Arc::clone(all.entry(id).or_default()) })
    }

    async fn read(&self, id: SessionId) -> Result<Option<Arc<LiveSession>>, StoreError> {
        let turn = tokio::time::timeout(PATIENCE, self.turns.acquire()).await;
        let _turn = turn.ok().and_then(Result::ok).ok_or_else(|| StoreError::Backend("too many sessions are read".to_owned()))?;
        for _ in 0..TRIES {
            if let Some(read) = self.read_once(id).await? {
                return Ok(read);
            }
        }
        Err(StoreError::Contended)
    }

    /// `None` if it changed meanwhile.
    async fn read_once(&self, id: SessionId) -> Result<Option<Option<Arc<LiveSession>>>, StoreError> {
        let flight = self.live.flights.begin(id);
        let Some(record) = self.store.session(id).await? else { return Ok(self.is_over(id)) };
        flight.is_of(record.user);
        let account = self.store.account(record.user).await?;
        let Some(account) = account.filter(|account| stands(account, &record)) else { return self.is_void(id).await.map(Some) };
        if self.has_run_out(&record, &account) {
            return Ok(Some(None));
        }
        let mut portals = None;
        if record.is_hosts() {
            let Some(its) = self.store.portals_id(record.family()).await? else { return self.is_void(id).await.map(Some) };
            flight.belongs_to(its);
            match self.store.session(its).await?.filter(|portals| stands(&account, portals)) {
                Some(its) if self.has_run_out(&its, &account) => return Ok(Some(None)),
                Some(its) => portals = Some(its),
                // A step up may just have put another in its place.
                None if self.store.portals_id(record.family()).await? == Some(its) => return self.is_void(id).await.map(Some),
                None => return Ok(None),
            }
        }
        let take_in = || {
            self.live.follow_account(account.id, Some(&account));
            // Held until its host's is here: so it stays.
            let _portals = portals.map(|portals| self.live.insert(portals, &account));
            self.live.insert(record, &account)
        };
        Ok(flight.land(take_in).map(Some))
    }

    fn is_over(&self, id: SessionId) -> Option<Option<Arc<LiveSession>>> {
        self.live.is_over(id);
        Some(None)
    }

    /// Nothing stands behind it any more: it leaves the store too.
    async fn is_void(&self, id: SessionId) -> Result<Option<Arc<LiveSession>>, StoreError> {
        self.live.is_over(id);
        self.store.delete_sessions(&[id]).await?;
        Ok(None)
    }

    /// Whether it is over by its age. What cannot change any more is remembered.
    fn has_run_out(&self, record: &SessionRecord, account: &Account) -> bool {
        let (limits, now) = (self.context.config().session.limits(account.is_guest()), self.context.now());
        let reason = |at| over(record.created, record.last_seen, limits, at);
        if reason(now) == Some(EndReason::Lifetime) || reason(now.minus(UNWRITTEN)).is_some() {
            self.live.is_over(record.id);
        }
        reason(now).is_some()
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut all = self.loading.waited_for.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever comes now asks anew: what it was told may have changed.
        let is_done = self.cell.initialized() || Arc::strong_count(&self.cell) <= 2;
        if is_done && all.get(&self.id).is_some_and(|cell| Arc::ptr_eq(cell, &self.cell)) {
            all.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests;
