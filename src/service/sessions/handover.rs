//! The way from the portal to an application's host, where `portal.url` is set: a ticket in the store, good once, for 60 seconds, in the
//! browser that asked and on the host that it was made for; and the host's session that it becomes, which ends with the portal's.
//!
//! ```text
//!  host: no session ─▶ cookie set, its digest sent along ─▶ portal: signs in ─▶ ticket ─▶ host: ticket and cookie ─▶ host's session
//! ```

use std::sync::Arc;
use std::time::Duration;

use super::live::{LiveSession, LiveSessions};
use super::restore::stands;
use super::write_through::Sessions;
use crate::account::Account;
use crate::base::{Secret, SessionId};
use crate::login::Binding;
use crate::service::client::Client;
use crate::service::context::Context;
use crate::service::refused::Refused;
use crate::session::EndReason;
use crate::store::{Bearer, Entered, Store, Ticket};

/// How long a ticket is good for.
const LIFETIME: Duration = Duration::from_secs(60);

/// Hosts' sessions under one of the portal's. Of more, the one not used for longest goes.
const HOSTS_KEPT: usize = 100;

/// What became of a ticket that was shown.
pub enum Handed {
    /// The host's session, and the value of its cookie.
    SignedIn(SessionId, String),
    /// Used, late, never made, or another browser's or host's.
    Invalid,
    /// It was right, and the portal's session ended meanwhile.
    Over,
}

/// Hands browsers over.
pub struct Handover {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) context: Arc<Context>,
    pub(in crate::service) live: Arc<LiveSessions>,
    pub(in crate::service) sessions: Arc<Sessions>,
}

impl Handover {
    /// A ticket for a host, for the browser that asked there.
    ///
    /// # Errors
    /// [`Refused::Gone`] if this is no session of the portal's; the store's.
    pub async fn ticket(&self, session: &LiveSession, binding: &Binding, origin: &str) -> Result<Secret, Refused> {
        if session.is_hosts() {
            return Err(Refused::Gone);
        }
        let expires = self.context.now().plus(LIFETIME);
        let ticket = Ticket { binding: binding.as_str().to_owned(), origin: origin.to_owned(), session: session.id(), expires };
        Ok(self.store.put_ticket(&ticket).await?)
    }

    /// Turns a ticket into a session of the host that `client` is on. `before`: the session that the browser shows there, which the new
    /// one replaces.
    ///
    /// # Errors
    /// The store's; [`Refused::Gone`] if the account changed meanwhile.
    pub async fn enter(
        &self,
        ticket: &str,
        binding: &Binding,
        before: Option<&Arc<LiveSession>>,
        client: &Client,
    ) -> Result<Handed, Refused> {
        let (now, address) = (self.context.now(), client.address.ip());
        let bearer = Bearer { binding: binding.as_str(), origin: &client.origin };
        let replaces = before.filter(|before| before.is_hosts()).map(|before| before.id());
        let entered = self.store.enter(ticket, bearer, now, replaces, |portals| portals.for_host(now, address, &client.browser)).await?;
        let record = match entered {
            Entered::Session(record) => record,
            Entered::Invalid => {
                tracing::info!(request = client.request_id, "a ticket was refused: used, late, or another browser's or host's");
                return Ok(Handed::Invalid);
            }
            Entered::Over => return Ok(Handed::Over),
        };
        let (id, family) = (record.id, record.family());
        let Some(account) = self.store.account(record.user).await?.filter(|account| stands(account, &record)) else {
            self.store.delete_sessions(&[id]).await?;
            return Err(Refused::Gone);
        };
        // The portal's session is in memory before a host's is, so that its end is this one's.
        let Some(_portals) = self.portals_of(family).await? else {
            self.sessions.end(id, EndReason::Portal).await?;
            return Ok(Handed::Over);
        };
        let session = self.live.insert(record, &account);
        // What ended or changed between the write and here was not told to a session that was not there yet.
        let is_kept = self.store.session(id).await?.is_some() && self.store.portals_session(family).await?.is_some();
        self.live.account_changed(account.id, self.store.account(account.id).await?.as_ref());
        if !is_kept || self.live.get(id).is_none_or(|session| session.is_ended()) {
            self.sessions.end(id, EndReason::Portal).await?;
            return Ok(Handed::Over);
        }
        if let Some(before) = before {
            self.end_before(before, &session).await?;
        }
        self.make_room(&account, &session).await;
        Ok(Handed::SignedIn(id, self.live.token(id)))
    }

    async fn portals_of(&self, family: SessionId) -> Result<Option<Arc<LiveSession>>, Refused> {
        match self.store.portals_id(family).await? {
            Some(id) => Ok(self.sessions.find(id).await?),
            None => Ok(None),
        }
    }

    /// What the browser had on this host is over; of the same sign-in, what it opened goes on.
    async fn end_before(&self, before: &Arc<LiveSession>, session: &Arc<LiveSession>) -> Result<(), Refused> {
        if before.record().family() == session.record().family() && before.is_hosts() {
            self.live.replace(before.id(), session);
        } else {
            self.sessions.end(before.id(), EndReason::SignedOut).await?;
        }
        Ok(())
    }

    async fn make_room(&self, account: &Account, newest: &LiveSession) {
        let (id, family) = (newest.id(), newest.record().family());
        let mut hosts = match self.sessions.of(account).await {
            Ok(all) => all,
            Err(error) => return tracing::warn!(%error, "a sign-in's sessions at hosts were not counted"),
        };
        hosts.retain(|session| session.is_hosts() && session.family() == family && session.id != id);
        hosts.sort_by_key(|session| session.last_seen);
        let over = (hosts.len() + 1).saturating_sub(HOSTS_KEPT);
        for old in hosts.iter().take(over) {
            if let Err(error) = self.sessions.end(old.id, EndReason::Crowded).await {
                tracing::warn!(%error, "a session that ended stays in the store until the next start, where it is void");
            }
        }
    }
}
