//! Sign-ins under way: how they begin, and what the sign-in page has to say to one browser.

use std::sync::Arc;

use crate::account::Account;
use crate::base::{FlowId, UserId};
use crate::login::{Flow, News, ProviderSession, Purpose};
use crate::service::client::Client;
use crate::service::context::Context;
use crate::service::known_browsers::knows;
use crate::service::refused::Refused;
use crate::store::{Edit, Store};

/// Begins sign-ins and keeps what the steps of one share.
pub struct Flows {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) context: Arc<Context>,
}

impl Flows {
    /// Starts a sign-in under way.
    pub(in crate::service) async fn begin(
        &self,
        account: &Account,
        purpose: Purpose,
        vouched: bool,
        client: &Client,
    ) -> Result<Flow, Refused> {
        let flow = self.make(account, purpose, vouched, client)?;
        self.store.create_flow(&flow).await?;
        Ok(flow)
    }

    /// As [`Self::begin`], after a first factor that may have been a provider's word.
    pub(in crate::service) async fn begin_from(
        &self,
        account: &Account,
        purpose: Purpose,
        provider: Option<&ProviderSession>,
        client: &Client,
    ) -> Result<Flow, Refused> {
        let flow = Flow { provider: provider.cloned(), ..self.make(account, purpose, false, client)? };
        self.store.create_flow(&flow).await?;
        Ok(flow)
    }

    /// A sign-in under way, not yet in the store.
    pub(in crate::service) fn make(&self, account: &Account, purpose: Purpose, vouched: bool, client: &Client) -> Result<Flow, Refused> {
        let mut flow = Flow::new(FlowId::random()?, account, purpose, vouched, self.context.now());
        flow.known_browser = client.device.is_some_and(|device| knows(account, device));
        Ok(flow)
    }

    /// Leaves word for this browser's next look at the sign-in page. Only a flow's own cookie finds it, so nobody else can put words there.
    ///
    /// # Errors
    /// The store's.
    pub async fn leave_news(&self, account: &Account, news: News, client: &Client) -> Result<Flow, Refused> {
        self.begin(account, Purpose::News(news), false, client).await
    }

    /// The word that was left.
    pub async fn news(&self, flow: Option<FlowId>) -> Option<News> {
        let flow = self.store.flow(flow?).await.unwrap_or_else(|e| {
            tracing::warn!(error = %e, "the store could not be asked for a flow");
            None
        })?;
        match flow.purpose {
            Purpose::News(news) if self.context.now() < flow.expires => Some(news),
            Purpose::News(_)
            | Purpose::Second
            | Purpose::StepUp { .. }
            | Purpose::Enrol { .. }
            | Purpose::Contact { .. }
            | Purpose::Guest { .. }
            | Purpose::ChangePassword => None,
        }
    }

    /// The word that was left for this user, once.
    ///
    /// # Errors
    /// The store's.
    pub async fn take_news(&self, flow: Option<FlowId>, user: UserId) -> Result<Option<News>, Refused> {
        let Some(id) = flow else { return Ok(None) };
        let Some(flow) = self.store.flow(id).await?.filter(|flow| flow.user == user && self.context.now() < flow.expires) else {
            return Ok(None);
        };
        let Purpose::News(news) = flow.purpose else { return Ok(None) };
        Ok(self.store.take_flow(&flow).await?.then_some(news))
    }

    /// A code could not be sent: the page must not say that one is on its way.
    pub(in crate::service) async fn discard_code(&self, flow: FlowId) -> Result<(), Refused> {
        self.store
            .update_flow(flow, |flow| {
                let _: () = flow.sent = None;
                Edit::Write(())
            })
            .await?;
        Ok(())
    }

    /// A sign-in was stopped by a required enrolment: from the first time on its grace runs.
    pub(in crate::service) async fn start_grace(&self, account: &Account) -> Result<(), Refused> {
        if self.context.config().mfa.grace.is_none() || account.grace_started.is_some() || !account.enrolled().is_empty() {
            return Ok(());
        }
        let now = self.context.now();
        let start = |account: &mut Account| match account.grace_started {
            Some(_) => Edit::Leave(()),
            None => {
                account.grace_started = Some(now);
                Edit::Write(())
            }
        };
        self.store.update_verified(account.version(), start).await?;
        Ok(())
    }
}
