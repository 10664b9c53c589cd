//! Several gateways over one store: the memory of each follows what the others change.
//!
//! The keys are shared: one that another gateway published is known here before it signs anywhere.
//!
//! Memory holds the sessions that this gateway serves; others are read from the store when they are used ([`super::loading`]). An account or
//! session that another gateway wrote or deleted is read again on notice, within milliseconds, if it is in memory; after a loss of the
//! connection, or after an import, everything that is in memory is read again. If no proof arrives for 5 seconds that all notices were followed, the gateway is out of touch
//! ([`Freshness::Behind`]): sessions that it knows go on, and those that it does not know, or whose time seems to be over, wait for the
//! database. After `store.max_stale` it is stale and nobody is let in: a request with a session is answered 503 and open connections are
//! cut, but no session is ended or deleted. Once everything was read again, the sessions are as good as before.
//!
//! The last use of a session is published every 20 seconds. A session that is used at another gateway may therefore end by
//! `session.idle_timeout` up to that much early, never late.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, watch};

use super::live::{Found, Freshness, LiveSession, LiveSessions};
use super::loading::Loading;
use super::tokens::TokenMemory;
use crate::base::{SessionId, Time};
use crate::service::context::Context;
use crate::session::{EndReason, SessionRecord};
use crate::store::kv::{self, Change, Question, Word};
use crate::store::{Store, StoreError, is_keyring};

/// How long the memory counts as complete without a proof.
const TRUST: Duration = Duration::from_secs(5);

/// Changes that are followed in one go.
const AT_ONCE: usize = 512;

/// Waits until the changes that others make from now on are heard: for [`follow`] to look at again after the sessions were read, since what
/// changed in between was read in part as it had been. If the line does not stand in time, [`follow`] has everything read again once it does.
pub async fn listening(changes: &mut mpsc::Receiver<Change>) {
    let line = async { while changes.recv().await.is_some_and(|news| news != Change::Listening) {} };
    if tokio::time::timeout(TRUST, line).await.is_err() {
        tracing::warn!("the line for changes made by other gateways does not stand yet");
    }
}

/// Follows the changes that other gateways make, until they or the replication are gone.
pub async fn follow(replication: Weak<Replication>, mut changes: mpsc::Receiver<Change>) {
    let known = replication.upgrade().map(|replication| (replication.live.clone(), replication.context.clone()));
    let Some((live, context)) = known else { return };
    let (proof, proved) = watch::channel(());
    tokio::spawn(keep_watch(live, proved, TRUST, move || (context.now(), context.config().max_stale)));
    let (mut news, mut is_behind, mut asked) = (Vec::new(), false, Vec::new());
    while changes.recv_many(&mut news, AT_ONCE).await > 0 {
        let Some(replication) = replication.upgrade() else { return };
        let is_proof = news.contains(&Change::Alive);
        is_behind |= news.contains(&Change::Listening) || news.contains(&Change::Replaced);
        asked.extend(news.iter().filter_map(|change| if let Change::Asked(question) = change { Some(*question) } else { None }));
        asked.truncate(AT_ONCE);
        let keys = replication.keys_of(news.drain(..));
        match replication.catch_up(keys, is_behind).await {
            Ok(()) => {
                is_behind = false;
                replication.answer(std::mem::take(&mut asked));
            }
            Err(e) => {
                tracing::error!(error = %e, "changes made by other gateways cannot be read; all is read again");
                is_behind = true;
            }
        }
        if is_proof && !is_behind {
            let _ = proof.send(());
        }
    }
}

/// Says how fresh the memory is: current with a proof in the last `trust`, then out of touch, and stale after `store.max_stale`. `at` gives
/// the time and that limit.
async fn keep_watch(live: Arc<LiveSessions>, mut proved: watch::Receiver<()>, trust: Duration, at: impl Fn() -> (Time, Duration)) {
    let mut waited = Duration::ZERO;
    loop {
        let refuse = at().1.max(trust);
        let next = if waited < trust { trust } else { refuse };
        let wait = if waited < refuse { next.saturating_sub(waited) } else { trust };
        match tokio::time::timeout(wait, proved.changed()).await {
            Ok(Ok(())) => {
                waited = Duration::ZERO;
                live.set_freshness(Freshness::Current, at().0);
            }
            Ok(Err(_)) => return live.set_freshness(Freshness::Stale, at().0),
            Err(_) => {
                waited = next;
                live.set_freshness(if next < refuse { Freshness::Behind } else { Freshness::Stale }, at().0);
            }
        }
    }
}

/// Keeps the memory of this gateway in step with what others write to the shared store.
pub struct Replication {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) live: Arc<LiveSessions>,
    pub(in crate::service) tokens: Arc<TokenMemory>,
    pub(in crate::service) loading: Arc<Loading>,
    pub(in crate::service) context: Arc<Context>,
    pub(in crate::service) reread: watch::Sender<u64>,
    pub(in crate::service) answers: broadcast::Sender<(Question, String)>,
}

impl Replication {
    /// The keys that are to be read again. The use of a session that is here is all that there is to know.
    fn keys_of(&self, news: impl Iterator<Item = Change>) -> BTreeSet<Vec<u8>> {
        let mut keys = BTreeSet::new();
        for change in news {
            match change {
                Change::Key(key) => {
                    keys.insert(key);
                }
                Change::Used(used) => {
                    for (id, at) in used {
                        self.live.seen(id, at);
                    }
                }
                Change::Gone(id) => {
                    self.live.is_over(id);
                    keys.insert(kv::key("session", id.as_bytes()));
                }
                Change::Answered(question, by) => drop(self.answers.send((question, by))),
                Change::Asked(_) | Change::Replaced | Change::Listening | Change::Alive => {}
            }
        }
        keys
    }

    async fn catch_up(&self, keys: BTreeSet<Vec<u8>>, is_behind: bool) -> Result<(), StoreError> {
        if is_behind {
            self.live.flights.doubt_all();
            self.follow_keys().await?;
            self.read_again().await?;
            self.tokens.restore().await?;
            self.reread.send_modify(|count| *count = count.wrapping_add(1));
            return Ok(());
        }
        let mut ids = BTreeSet::new();
        for key in keys {
            if is_keyring(&key) {
                self.follow_keys().await?;
            } else if let Some(id) = key.strip_prefix(b"account/") {
                let Some(id) = std::str::from_utf8(id).ok().and_then(|id| id.parse().ok()) else { continue };
                self.store.account_again(id).await?;
            } else if let Some(id) = key.strip_prefix(b"token/") {
                let Some(id) = std::str::from_utf8(id).ok().and_then(|id| id.parse().ok()) else { continue };
                self.tokens.again(id).await?;
            } else if let Some(id) = key.strip_prefix(b"session/").or_else(|| key.strip_prefix(b"device/")) {
                let Ok(id) = id.try_into().map(SessionId::from_bytes) else { continue };
                self.live.flights.doubt(id);
                if self.live.may_concern(id) {
                    ids.insert(id);
                }
            }
        }
        // In one go: thousands of sessions a second may be in use at the other gateways.
        let ids: Vec<SessionId> = ids.into_iter().collect();
        let records = self.store.sessions_by_id(&ids).await?;
        for (id, record) in ids.into_iter().zip(records) {
            self.session_again(id, record).await?;
        }
        Ok(())
    }

    /// Puts the keys that all gateways share in force, as they are in the store.
    async fn follow_keys(&self) -> Result<(), StoreError> {
        self.store.follow_keys(self.context.now()).await?;
        self.live.rekey(self.store.keys());
        Ok(())
    }

    /// Says that everything before these questions was followed here.
    fn answer(&self, questions: Vec<Question>) {
        if questions.is_empty() {
            return;
        }
        let store = self.store.clone();
        tokio::spawn(async move {
            for question in questions {
                if let Err(e) = store.kv().tell(Word::Answer(question)).await {
                    tracing::debug!(error = %e, "another gateway's question was not answered");
                }
            }
        });
    }

    /// What other gateways answer from now on.
    pub fn answers(&self) -> broadcast::Receiver<(Question, String)> {
        self.answers.subscribe()
    }

    /// Changes when everything was read again, for whoever keeps more of the store in memory.
    pub fn reread(&self) -> watch::Receiver<u64> {
        self.reread.subscribe()
    }

    async fn session_again(&self, id: SessionId, record: Option<SessionRecord>) -> Result<(), StoreError> {
        let Some(record) = record else {
            self.live.is_over(id);
            match self.replaced_by(id).await? {
                Some(next) if self.take_over(next.id).await? => drop(self.live.end_alone(id, EndReason::Replaced)),
                Some(_) | None => drop(self.live.end(id, EndReason::Revoked)),
            }
            return Ok(());
        };
        if self.live.seen(id, record.last_seen) {
            self.live.bind(id, record.device.as_ref());
        } else if self.live.has_hosts_of(&record) {
            // Those of hosts that are here go on in its name.
            self.take_over(id).await?;
        }
        Ok(())
    }

    /// What a session with hosts' sessions that is gone was replaced by: at a step up they go on. Which of the two is heard of first does not
    /// matter.
    async fn replaced_by(&self, id: SessionId) -> Result<Option<SessionRecord>, StoreError> {
        let Some(session) = self.live.get(id).filter(|session| !self.live.hosts_of(session).is_empty()) else { return Ok(None) };
        Ok(self.store.portals_session(session.record().family()).await?.filter(|now| now.id != id))
    }

    /// Takes the portal's session in to which those of hosts belong that are here; whether it is here now.
    async fn take_over(&self, id: SessionId) -> Result<bool, StoreError> {
        Ok(self.loading.fetch(id).await?.is_some())
    }

    /// Reads everything again that is in memory: news of other gateways' changes may have been missed.
    async fn read_again(&self) -> Result<(), StoreError> {
        for users in self.live.users().chunks(AT_ONCE) {
            for (user, account) in users.iter().zip(self.store.accounts_by_id(users).await?) {
                self.live.account_changed(*user, account.as_ref());
            }
        }
        for ids in self.live.ids().chunks(AT_ONCE) {
            for (id, record) in ids.iter().zip(self.store.sessions_by_id(ids).await?) {
                self.session_again(*id, record).await?;
            }
        }
        self.live.end_orphans();
        Ok(())
    }

    /// The session of a correctly signed cookie that is not in memory.
    ///
    /// # Errors
    /// The store's, and if news of other gateways' changes are missing.
    pub async fn adopt(&self, token: &str) -> Result<Option<Arc<LiveSession>>, StoreError> {
        let Some(id) = self.live.signed(token) else { return Ok(None) };
        // Held until it is looked up: so it stays.
        let Some(_session) = self.loading.find(id).await? else { return Ok(None) };
        match self.live.lookup(token, self.context.now()) {
            Found::Live(session) => Ok(Some(session)),
            Found::Ended | Found::Forged => Ok(None),
            Found::Unknown | Found::Elsewhere => Err(StoreError::Backend("no news of other gateways' changes".to_owned())),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
