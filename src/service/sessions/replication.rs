//! Several gateways over one store: the memory of each follows what the others change.
//!
//! The keys are shared: one that another gateway published is known here before it signs anywhere.
//!
//! An account or session that another gateway wrote or deleted is read again on notice, within milliseconds; after a loss of the connection,
//! or after an import, everything is read again. If no proof arrives for 5 seconds that all notices were followed, the gateway is out of touch
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
use super::restore::{restore, stands};
use super::tokens::TokenMemory;
use crate::account::Account;
use crate::base::{SessionId, Time};
use crate::service::context::Context;
use crate::session::{EndReason, SessionRecord, over};
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
                    let unknown = used.into_iter().filter(|(id, at)| !self.live.seen(*id, *at));
                    keys.extend(unknown.map(|(id, _)| kv::key("session", id.as_bytes())));
                }
                Change::Answered(question, by) => drop(self.answers.send((question, by))),
                Change::Asked(_) | Change::Replaced | Change::Listening | Change::Alive => {}
            }
        }
        keys
    }

    async fn catch_up(&self, keys: BTreeSet<Vec<u8>>, is_behind: bool) -> Result<(), StoreError> {
        if is_behind {
            self.follow_keys().await?;
            restore(&self.store, &self.live).await?;
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
                let Ok(id) = id.try_into() else { continue };
                ids.insert(SessionId::from_bytes(id));
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
            if self.is_replaced(id).await? {
                self.live.end_alone(id, EndReason::Replaced);
            } else {
                self.live.end(id, EndReason::Revoked);
            }
            return Ok(());
        };
        if self.live.seen(id, record.last_seen) {
            self.live.bind(id, record.device.as_ref());
            return Ok(());
        }
        if let Some(account) = self.store.account(record.user).await?.filter(|account| stands(account, &record)) {
            let (id, hosts) = (record.id, record.is_hosts().then(|| record.family()));
            self.take_in(record, &account);
            self.end_if_orphan(id, hosts).await?;
        }
        Ok(())
    }

    /// Whether a session with hosts' sessions that is gone was replaced by another: at a step up they go on. Which of the two is heard of
    /// first does not matter.
    async fn is_replaced(&self, id: SessionId) -> Result<bool, StoreError> {
        let Some(session) = self.live.get(id).filter(|session| !self.live.hosts_of(session).is_empty()) else { return Ok(false) };
        Ok(self.store.portals_session(session.record().family()).await?.is_some_and(|now| now.id != id))
    }

    /// Ends a host's session, of this family, if the portal's is gone. Asked once it is in memory, so that an end that comes later finds it.
    async fn end_if_orphan(&self, id: SessionId, family: Option<SessionId>) -> Result<(), StoreError> {
        if let Some(family) = family
            && self.store.portals_session(family).await?.is_none()
        {
            self.live.end(id, EndReason::Portal);
        }
        Ok(())
    }

    /// The account first: its notice may still be on the way, and against an older one the session would be invalid.
    fn take_in(&self, record: SessionRecord, account: &Account) {
        self.live.account_changed(account.id, Some(account));
        self.live.insert(record, account);
    }

    /// The session of a correctly signed cookie that is not known here: one made at another gateway a moment ago.
    ///
    /// # Errors
    /// The store's.
    pub async fn adopt(&self, token: &str) -> Result<Option<Arc<LiveSession>>, StoreError> {
        let Some(id) =
            self.live.signed(token).filter(|_| self.store.kv().is_shared() && !self.live.is_stale()).filter(|id| !self.live.has_ended(*id))
        else {
            return Ok(None);
        };
        let Some(record) = self.store.session(id).await? else { return Ok(None) };
        let Some(account) = self.store.account(record.user).await?.filter(|account| stands(account, &record)) else { return Ok(None) };
        let limits = self.context.config().session.limits(account.is_guest());
        if over(record.created, record.last_seen, limits, self.context.now()).is_some() {
            return Ok(None);
        }
        let hosts = record.is_hosts().then(|| record.family());
        self.take_in(record, &account);
        self.end_if_orphan(id, hosts).await?;
        // What was deleted or changed between the look and here was not told to a session that was not there yet.
        if self.store.session(id).await?.is_none() {
            self.live.end(id, EndReason::Revoked);
        }
        self.live.account_changed(account.id, self.store.account(account.id).await?.as_ref());
        match self.live.lookup(token, self.context.now()) {
            Found::Live(session) => Ok(Some(session)),
            Found::Ended | Found::Forged => Ok(None),
            Found::Unknown => Err(StoreError::Backend("no news of other gateways' changes".to_owned())),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
