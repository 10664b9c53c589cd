//! What administrators need besides the verbs of [`super::accounts`]: the directory at hand, sessions across users, and
//! set-up links by mail.

use std::cmp::Reverse;
use std::sync::Arc;

use crate::account::Account;
use crate::base::{Secret, SessionId};
use crate::factor::Method;
use crate::service::Services;
use crate::service::admin::directory::{Directory, Selection, page_within};
use crate::service::audit::{Actor, Event};
use crate::service::client::Client;
use crate::service::links::SETUP_LIFETIME;
use crate::service::refused::Refused;
use crate::service::sessions::LiveSession;
use crate::session::EndReason;
use crate::store::LinkKind;

/// A page of sessions, the last used first.
pub struct SessionPage {
    pub rows: Vec<Arc<LiveSession>>,
    /// From one, and never past the last page.
    pub page: usize,
    pub total: usize,
}

impl Services {
    /// Lets the sessions and the directory see every write of an account. Call once, before anything is written.
    pub fn watch_accounts(&self) {
        let (live, directory) = (self.live.clone(), self.directory.clone());
        self.store.observe(Box::new(move |id, account| {
            live.account_changed(id, account);
            directory.account_changed(id, account);
        }));
    }

    /// Reads the directory before somebody asks for it.
    pub async fn read_directory(self: Arc<Self>) {
        match self.directory().await {
            Ok(directory) => tracing::debug!(accounts = directory.len(), "directory read"),
            Err(e) => tracing::warn!(error = %e, "the directory could not be read; the first use tries again"),
        }
    }

    /// Everybody. Waits while it is read.
    ///
    /// # Errors
    /// The store's.
    pub async fn directory(&self) -> Result<&Directory, Refused> {
        Ok(self.directory.ready(&self.store).await?)
    }

    /// Sessions of those whom a search finds; of everybody where it is empty.
    ///
    /// # Errors
    /// The store's.
    pub async fn find_sessions(&self, query: &str, page: usize, size: usize) -> Result<SessionPage, Refused> {
        // A session moves on while they are sorted: its place is taken down once.
        let place = |session: &LiveSession| (Reverse(session.last_seen()), session.id());
        let (order, page, total) = if query.trim().is_empty() {
            let total = self.live.count();
            let page = page_within(page, total, size);
            let mut order = Selection::new(page.saturating_mul(size));
            self.live.each(|session| order.offer(place(session)));
            (order, page, total)
        } else {
            let ids = self.directory().await?.ids(query);
            let all: Vec<_> = ids.into_iter().flat_map(|user| self.live.of(user)).collect();
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

    /// Ends anybody's session; nothing happens where it is over already.
    ///
    /// # Errors
    /// The store's.
    pub async fn end_any_session(&self, id: SessionId, actor: Actor<'_>) -> Result<(), Refused> {
        let Some(session) = self.live.get(id) else { return Ok(()) };
        self.end_session(id, EndReason::Revoked).await?;
        self.audit(Event::SessionRevoked, Some(&session.identity().person.name), actor, "").await
    }

    /// Where a set-up link with this token leads, on the origin that the administrator is on.
    pub fn setup_url(&self, token: &Secret, client: &Client) -> Secret {
        Secret::new(format!("{}{}/setup?token={}", client.origin, self.config().portal.prefix, token.expose()))
    }

    /// Mails a set-up link that was made for this account.
    ///
    /// # Errors
    /// [`Refused::CannotSend`], or [`Refused::Throttled`] where too much was sent lately.
    pub fn mail_link(&self, account: &Account, token: &Secret, client: &Client) -> Result<(), Refused> {
        self.may_mail(account, client)?;
        self.deliver_link(account, LinkKind::Setup, self.setup_url(token, client), SETUP_LIFETIME, client)
    }

    fn may_mail(&self, account: &Account, client: &Client) -> Result<(), Refused> {
        if account.email.is_empty() || !self.courier.can_send(Method::Email) {
            return Err(Refused::CannotSend);
        }
        self.send_allowed(account, client)
    }

    /// Makes a set-up link and mails it, unseen by the administrator.
    ///
    /// # Errors
    /// As [`Services::mail_link`]; then no link was made.
    pub async fn mail_new_link(&self, account: &Account, client: &Client, actor: Actor<'_>) -> Result<(), Refused> {
        self.may_mail(account, client)?;
        let token = self.make_link(account, LinkKind::Setup, actor).await?;
        self.deliver_link(account, LinkKind::Setup, self.setup_url(&token, client), SETUP_LIFETIME, client)
    }
}
