//! Everybody's sessions, as administrators find and end them.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::accounts::Accounts;
use super::users::UserList;
use crate::account::Version;
use crate::base::{SessionId, UserId};
use crate::service::accounts::AccountError;
use crate::service::admin::directory::{Selection, page_within};
use crate::service::audit::{Actor, AuditLog, Event};
use crate::service::refused::Refused;
use crate::service::sessions::{LiveSession, LiveSessions, Sessions};
use crate::session::EndReason;
use crate::store::{Store, StoreError};

/// A page of sessions, the last used first.
pub struct SessionPage {
    pub rows: Vec<Arc<LiveSession>>,
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

impl AdminSessions {
    /// Sessions of those whom a search finds; of everybody if it is empty.
    ///
    /// # Errors
    /// The store's.
    pub async fn find(&self, query: &str, page: usize, size: usize) -> Result<SessionPage, Refused> {
        // A session moves on while they are sorted: its place is taken down once.
        let place = |session: &LiveSession| (Reverse(session.last_seen()), session.id());
        let (order, page, total) = if query.trim().is_empty() {
            let total = self.live.count();
            let page = page_within(page, total, size);
            let mut order = Selection::new(page.saturating_mul(size));
            self.live.each(|session| {
                if !session.is_hosts() {
                    order.offer(place(session));
                }
            });
            (order, page, total)
        } else {
            let ids = self.users.directory().await?.ids(query);
            let all: Vec<_> = ids.into_iter().flat_map(|user| self.live.signed_in(user)).collect();
            let page = page_within(page, all.len(), size);
            let mut order = Selection::new(page.saturating_mul(size));
            all.iter().for_each(|session| order.offer(place(session)));
            (order, page, all.len())
        };
        let shown = order.into_page((page - 1).saturating_mul(size));
        // One that ended meanwhile is not shown.
        let rows = shown.into_iter().filter_map(|(_, id)| self.live.get(id)).collect();
        Ok(SessionPage { rows, page, total })
    }

    /// Ends anybody's session, that of a host with the portal's; nothing happens if it is over already.
    ///
    /// # Errors
    /// The store's.
    pub async fn end(&self, id: SessionId, actor: Actor<'_>) -> Result<(), Refused> {
        let Some(session) = self.live.get(id) else { return Ok(()) };
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
        let mut ids: HashSet<_> = here.iter().map(|session| session.id()).collect();
        let mut hosts: HashSet<_> = here.iter().filter(|session| session.is_hosts()).map(|session| session.id()).collect();
        ids.iter().for_each(|id| {
            self.live.end_for_good(*id, EndReason::Revoked);
        });
        let pending = |e: StoreError| {
            tracing::error!(error = %e, "sessions were revoked, and the store does not know yet; it is retried until it does");
            AccountError::from(Refused::EndPending)
        };
        let stored = self.store.all_sessions().await.map_err(pending)?;
        for record in stored.into_iter().filter(|s| owner.as_ref().is_none_or(|a| a.id == s.user)) {
            hosts.extend(record.is_hosts().then_some(record.id));
            ids.insert(record.id);
        }
        let ids: Vec<_> = ids.into_iter().collect();
        let revoked = ids.len().saturating_sub(hosts.len());
        ids.iter().for_each(|id| {
            self.live.end_for_good(*id, EndReason::Revoked);
        });
        self.sessions.write_ends(&ids).await.map_err(pending)?;
        self.audit.record(Event::SessionRevoked, owner.as_ref().map(|a| a.name.as_str()), actor, format!("{revoked} sessions")).await?;
        Ok(revoked)
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
        let written = match self.store.all_sessions().await {
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
