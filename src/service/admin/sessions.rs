//! Everybody's sessions, as administrators find and end them. If memory holds some of them only, the store is asked.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::accounts::Accounts;
use super::users::UserList;
use crate::account::{Account, Version};
use crate::base::{SessionId, UserId};
use crate::service::accounts::AccountError;
use crate::service::admin::directory::{Selection, page_within};
use crate::service::audit::{Actor, AuditLog, Event};
use crate::service::refused::Refused;
use crate::service::sessions::{LiveSession, LiveSessions, Sessions};
use crate::session::{EndReason, SessionRecord, over};
use crate::store::{Store, StoreError};

/// A page of sessions, the last used first, each with the name of its user.
pub struct SessionPage {
    pub rows: Vec<(SessionRecord, String)>,
    /// From one, and never past the last page.
    pub page: usize,
    pub total: usize,
}

/// Sessions across users.
pub struct AdminSessions {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) live: Arc<LiveSessions>,
    pub(in crate::service) sessions: Arc<Sessions>,
    pub(in crate::service) users: Arc<UserList>,
    pub(in crate::service) accounts: Arc<Accounts>,
    pub(in crate::service) audit: Arc<AuditLog>,
}

/// Of more sessions in the store the page of all shows those in memory.
const LISTED: usize = 10_000;
/// Of more people whom a search finds, those in memory.
const PEOPLE: usize = 500;
/// How many are read, or ended, at a time.
const AT_ONCE: usize = 1000;

impl AdminSessions {
    /// Sessions of those whom a search finds; of everybody if it is empty.
    ///
    /// # Errors
    /// The store's.
    pub async fn find(&self, query: &str, page: usize, size: usize) -> Result<SessionPage, Refused> {
        if query.trim().is_empty() {
            return match self.few().await? {
                Some(all) => Ok(page_of(all, page, size)),
                None => Ok(self.in_memory(page, size)),
            };
        }
        let ids = self.users.directory().await?.ids(query);
        if self.live.is_partial() && ids.len() <= PEOPLE {
            let mut all = Vec::new();
            for account in self.store.accounts_by_id(&ids).await?.into_iter().flatten() {
                let own = self.sessions.signed_in(&account).await?;
                all.extend(own.into_iter().map(|record| (record, account.name.clone())));
            }
            return Ok(page_of(all, page, size));
        }
        let all: Vec<_> = ids.into_iter().flat_map(|user| self.live.signed_in(user)).collect();
        Ok(page_of(all.iter().map(|session| named(session)).collect(), page, size))
    }

    /// Those in memory, without taking each of them down.
    fn in_memory(&self, page: usize, size: usize) -> SessionPage {
        let total = self.live.count();
        let page = page_within(page, total, size);
        let mut order = Selection::new(page.saturating_mul(size));
        self.live.each(|session| {
            if !session.is_hosts() {
                order.offer(place(session.last_seen(), session.id()));
            }
        });
        let shown = order.into_page((page - 1).saturating_mul(size));
        // One that ended meanwhile is not shown.
        let rows = shown.into_iter().filter_map(|(_, id)| self.live.get(id)).map(|session| named(&session)).collect();
        SessionPage { rows, page, total }
    }

    /// All that are in the store, if those in memory are not all and there are not too many.
    async fn few(&self) -> Result<Option<Vec<(SessionRecord, String)>>, StoreError> {
        if !self.live.is_partial() {
            return Ok(None);
        }
        let page = self.store.sessions(None, LISTED + 1, &mut self.live.names()).await?;
        if page.len() > LISTED { Ok(None) } else { self.standing(page).await.map(Some) }
    }

    /// Every session but those of hosts.
    ///
    /// # Errors
    /// The store's, if memory does not hold all.
    pub async fn all(&self) -> Result<Vec<(SessionRecord, String)>, StoreError> {
        if !self.live.is_partial() {
            return Ok(self.live.all().iter().filter(|session| !session.is_hosts()).map(|session| named(session)).collect());
        }
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = self.store.sessions(after, AT_ONCE, &mut self.live.names()).await?;
            let Some(last) = page.last() else { return Ok(all) };
            after = Some(last.id);
            all.extend(self.standing(page).await?);
        }
    }

    /// Those that are not over, hosts' aside, with the names of their users.
    async fn standing(&self, page: Vec<SessionRecord>) -> Result<Vec<(SessionRecord, String)>, StoreError> {
        let users: Vec<UserId> = page.iter().map(|record| record.user).collect::<HashSet<_>>().into_iter().collect();
        let mut accounts: HashMap<UserId, Account> = HashMap::new();
        for users in users.chunks(AT_ONCE) {
            accounts.extend(self.store.accounts_by_id(users).await?.into_iter().flatten().map(|account| (account.id, account)));
        }
        let (config, now) = (self.sessions.context.config(), self.sessions.context.now());
        let mut standing = Vec::with_capacity(page.len());
        for mut record in page.into_iter().filter(|record| !record.is_hosts()) {
            let Some(account) = accounts.get(&record.user) else { continue };
            self.sessions.brings_up_to_date(&mut record);
            let is_over = over(record.created, record.last_seen, config.session.limits(account.is_guest()), now).is_some();
            if !is_over && !account.disabled && account.epoch == record.epoch && !self.live.has_ended(record.id) {
                standing.push((record, account.name.clone()));
            }
        }
        Ok(standing)
    }

    /// Ends anybody's session, that of a host with the portal's; nothing happens if it is over already.
    ///
    /// # Errors
    /// The store's.
    pub async fn end(&self, id: SessionId, actor: Actor<'_>) -> Result<(), Refused> {
        let Some(session) = self.sessions.find(id).await? else { return Ok(()) };
        let session = self.live.portals(&session).unwrap_or(session);
        self.sessions.end(session.id(), EndReason::Revoked).await?;
        self.audit.record(Event::SessionRevoked, Some(&session.identity().person.name), actor, "").await
    }

    /// Ends a user's sessions, or everybody's; how many. Those in memory first, so that a store that fails leaves none open.
    ///
    /// # Errors
    /// [`Refused::EndPending`] as the inner cause: they are over here, and the store does not know yet.
    pub async fn revoke(&self, name: Option<&str>, actor: Actor<'_>) -> Result<usize, AccountError> {
        let owner = match name {
            Some(name) => Some(self.accounts.named(name).await?),
            None => None,
        };
        let here = owner.as_ref().map_or_else(|| self.live.all(), |owner| self.live.of(owner.id));
        let of_hosts = |records: &[SessionRecord]| records.iter().filter(|record| record.is_hosts()).count();
        let here: Vec<SessionRecord> = here.iter().map(|session| session.record()).collect();
        let mut revoked = here.len() - of_hosts(&here);
        let ids: HashSet<SessionId> = here.iter().map(|record| record.id).collect();
        ids.iter().for_each(|id| {
            self.live.end_for_good(*id, EndReason::Revoked);
        });
        let pending = |e: StoreError| {
            tracing::error!(error = %e, "sessions were revoked, and the store does not know yet; it is retried until it does");
            AccountError::from(Refused::EndPending)
        };
        let mut after = None;
        loop {
            let (stored, next) = match &owner {
                Some(owner) => (self.store.sessions_of(owner.id).await.map_err(pending)?, None),
                None => {
                    let page = self.store.sessions(after, AT_ONCE, &mut self.live.names()).await.map_err(pending)?;
                    let next = page.last().map(|record| record.id);
                    (page, next)
                }
            };
            let new: Vec<SessionRecord> = stored.iter().filter(|record| !ids.contains(&record.id)).cloned().collect();
            revoked += new.len() - of_hosts(&new);
            let stored: Vec<SessionId> = stored.iter().map(|record| record.id).collect();
            self.sessions.end_all(&stored).await.map_err(pending)?;
            if next.is_none() {
                break;
            }
            after = next;
        }
        self.sessions.end_all(&ids.into_iter().collect::<Vec<_>>()).await.map_err(pending)?;
        self.audit.record(Event::SessionRevoked, owner.as_ref().map(|a| a.name.as_str()), actor, format!("{revoked} sessions")).await?;
        Ok(revoked)
    }

    /// The stored sessions of these users, and perhaps others'.
    async fn stored_of(&self, versions: &[Version]) -> Result<Vec<SessionRecord>, StoreError> {
        if !self.live.is_partial() || versions.len() > PEOPLE {
            return self.store.all_sessions().await;
        }
        let mut all = Vec::new();
        for version in versions {
            all.extend(self.store.sessions_of(version.user()).await?);
        }
        Ok(all)
    }

    /// Ends the sessions that were made under these versions of accounts, and no later ones; how many of each user. Those in memory first, so that a
    /// store that fails leaves none open.
    ///
    /// # Errors
    /// The same numbers if they are over here, and the store does not know yet: it is told until it does.
    pub(super) async fn end_of(&self, versions: &[Version]) -> Result<HashMap<UserId, usize>, HashMap<UserId, usize>> {
        let whose: HashMap<UserId, Version> = versions.iter().map(|version| (version.user(), *version)).collect();
        let mut ended: HashMap<SessionId, (UserId, bool)> = HashMap::new();
        for version in versions {
            let live = self.live.of(version.user()).into_iter().filter(|session| session.version() == *version);
            ended.extend(live.map(|session| (session.id(), (session.user(), session.is_hosts()))));
        }
        ended.keys().for_each(|id| {
            self.live.end_for_good(*id, EndReason::Revoked);
        });
        let written = match self.stored_of(versions).await {
            Ok(stored) => {
                for record in stored
                    .into_iter()
                    .filter(|record| whose.get(&record.user).is_some_and(|version| *version == Version::new(record.user, record.epoch)))
                {
                    self.live.end_for_good(record.id, EndReason::Revoked);
                    ended.insert(record.id, (record.user, record.is_hosts()));
                }
                self.sessions.write_ends(&ended.keys().copied().collect::<Vec<_>>()).await
            }
            Err(e) => Err(e),
        };
        let mut counts: HashMap<UserId, usize> = HashMap::new();
        ended.into_values().filter(|(_, is_hosts)| !is_hosts).for_each(|(user, _)| *counts.entry(user).or_default() += 1);
        match written {
            Ok(()) => Ok(counts),
            Err(e) => {
                tracing::error!(error = %e, "sessions were revoked, and the store does not know yet; it is retried until it does");
                Err(counts)
            }
        }
    }
}

/// A session moves on while they are sorted: its place is taken down once.
const fn place(seen: crate::base::Time, id: SessionId) -> (Reverse<crate::base::Time>, SessionId) {
    (Reverse(seen), id)
}

fn named(session: &LiveSession) -> (SessionRecord, String) {
    (session.record(), session.identity().person.name.clone())
}

fn page_of(mut all: Vec<(SessionRecord, String)>, page: usize, size: usize) -> SessionPage {
    all.sort_by_key(|(record, _)| place(record.last_seen, record.id));
    let total = all.len();
    let page = page_within(page, total, size);
    let rows = all.into_iter().skip((page - 1).saturating_mul(size)).take(size).collect();
    SessionPage { rows, page, total }
}
