//! Set-up links that are mailed to their owner, so that the administrator never sees them.

use std::sync::Arc;

use crate::account::Account;
use crate::base::Secret;
use crate::factor::Method;
use crate::service::audit::Actor;
use crate::service::client::Client;
use crate::service::context::Context;
use crate::service::links::{Links, SETUP_LIFETIME};
use crate::service::notices::Notices;
use crate::service::refused::Refused;
use crate::store::LinkKind;

/// Set-up links that an administrator has mailed.
pub struct SetupLinks {
    pub(in crate::service) context: Arc<Context>,
    pub(in crate::service) links: Arc<Links>,
    pub(in crate::service) notices: Arc<Notices>,
}

impl SetupLinks {
    /// Where a set-up link with this token leads, on the origin that the administrator is on.
    pub fn url(&self, token: &Secret, client: &Client) -> Secret {
        Secret::new(format!("{}{}/setup?token={}", client.origin, self.context.config().portal.prefix, token.expose()))
    }

    /// Mails a set-up link that was made for this account.
    ///
    /// # Errors
    /// [`Refused::CannotSend`], or [`Refused::Throttled`] if too much was sent lately.
    pub async fn mail(&self, account: &Account, token: &Secret, client: &Client) -> Result<(), Refused> {
        self.may_mail(account, client).await?;
        self.notices.deliver_link(account, LinkKind::Setup, self.url(token, client), SETUP_LIFETIME, client)
    }

    async fn may_mail(&self, account: &Account, client: &Client) -> Result<(), Refused> {
        if account.email.is_empty() || !self.notices.can_send(Method::Email) {
            return Err(Refused::CannotSend);
        }
        self.notices.send_allowed(account, client).await
    }

    /// Makes a set-up link and mails it, unseen by the administrator.
    ///
    /// # Errors
    /// As [`Self::mail`]; then no link was made.
    pub async fn make_and_mail(&self, account: &Account, client: &Client, actor: Actor<'_>) -> Result<(), Refused> {
        self.may_mail(account, client).await?;
        let token = self.links.make(account, LinkKind::Setup, actor).await?;
        self.notices.deliver_link(account, LinkKind::Setup, self.url(&token, client), SETUP_LIFETIME, client)
    }
}
