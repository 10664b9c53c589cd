//! Writes the audit log: one record for each attempt and each change, never a secret. What must not happen unrecorded is refused
//! if its record cannot be written.

use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;

use super::anonymous::{AnonymousFailures, Counted};
use super::event::{Actor, Event};
use crate::service::context::Context;
use crate::service::refused::Refused;
use crate::store::{AuditRecord, Store};

/// How many records one commit holds at most.
const RECORDS_AT_ONCE: usize = 250;

/// Told of every record that was written: the event and its detail.
pub type Listener = Box<dyn Fn(Event, &str) + Send + Sync>;

/// The audit log, as the use cases write it.
pub struct AuditLog {
    store: Arc<Store>,
    context: Arc<Context>,
    listener: OnceLock<Listener>,
    /// Something was written.
    news: Notify,
    anonymous: AnonymousFailures,
}

impl AuditLog {
    pub fn new(store: Arc<Store>, context: Arc<Context>) -> Self {
        Self { store, context, listener: OnceLock::new(), news: Notify::new(), anonymous: AnonymousFailures::default() }
    }

    /// Sets who is told of every record. Only the first call counts.
    pub fn listen(&self, listener: Listener) {
        let _ = self.listener.set(listener);
    }

    /// Appends a record. What must not happen unrecorded is refused if this fails.
    pub async fn record(&self, event: Event, user: Option<&str>, actor: Actor<'_>, detail: impl Into<String>) -> Result<(), Refused> {
        let detail = detail.into();
        if let (None, true, Actor::User(client)) = (user, event.is_failure(), actor)
            && !self.anonymous.is_recorded(event.name(), client.address.group(), self.context.now())
        {
            self.tell(event, &detail);
            return Ok(());
        }
        self.append(vec![self.make(event, user, actor, detail)]).await
    }

    /// Records what was counted since the last time: anonymous failures beyond [`super::anonymous::PER_MINUTE`].
    ///
    /// # Errors
    /// The store's; what was counted is lost then, and the log says so.
    pub async fn record_counted(&self) -> Result<(), Refused> {
        for Counted { event, failures, addresses, since } in self.anonymous.take() {
            let detail = format!("{failures} × {event} without an account, since {}, from {addresses} networks", since.rfc3339());
            if let Err(e) = self.record(Event::FailuresCounted, None, Actor::Gateway, detail.clone()).await {
                tracing::error!(error = %e, counted = detail, "failures that were counted are not in the audit log");
                return Err(e);
            }
        }
        Ok(())
    }

    /// The same of many users, with one commit for a few hundred of them.
    pub async fn record_each(&self, event: Event, users: &[&str], actor: Actor<'_>, detail: &str) -> Result<(), Refused> {
        for some in users.chunks(RECORDS_AT_ONCE) {
            self.append(some.iter().map(|user| self.make(event, Some(user), actor, detail.to_owned())).collect()).await?;
        }
        Ok(())
    }

    /// The records of the same of many users, for a step that writes them with what they tell of. Then [`Self::announce`].
    pub(crate) fn records_of(&self, event: Event, users: &[&str], actor: Actor<'_>, detail: &str) -> Vec<AuditRecord> {
        users.iter().map(|user| self.make(event, Some(user), actor, detail.to_owned()).1).collect()
    }

    fn make(&self, event: Event, user: Option<&str>, actor: Actor<'_>, detail: String) -> (Event, AuditRecord) {
        let (client, by) = match actor {
            Actor::User(client) => (Some(client), None),
            Actor::Admin(client, name) => (Some(client), Some(name.to_owned())),
            Actor::CommandLine => (None, Some("command line".to_owned())),
            Actor::Gateway => (None, Some("gateway".to_owned())),
        };
        let record = AuditRecord {
            seq: 0,
            at: self.context.now(),
            event: event.name().to_owned(),
            user: user.map(str::to_owned),
            by,
            address: client.map(|client| client.address.to_string()),
            request: client.map(|client| client.request_id.clone()),
            detail,
            previous: String::new(),
            hash: String::new(),
        };
        (event, record)
    }

    async fn append(&self, records: Vec<(Event, AuditRecord)>) -> Result<(), Refused> {
        let (events, records): (Vec<_>, Vec<_>) = records.into_iter().unzip();
        let records = self.store.append_audits(records).await?;
        self.announce(events.into_iter().zip(records));
        Ok(())
    }

    /// Tells those who want to know of records that are in the log.
    pub(crate) fn announce(&self, records: impl IntoIterator<Item = (Event, AuditRecord)>) {
        self.news.notify_one();
        for (event, record) in records {
            tracing::info!(target: "audit", event = record.event, user = record.user, by = record.by, address = record.address, request = record.request, detail = record.detail);
            self.tell(event, &record.detail);
        }
    }

    fn tell(&self, event: Event, detail: &str) {
        if let Some(listener) = self.listener.get() {
            listener(event, detail);
        }
    }

    /// Ends once something was written to the log.
    pub async fn wait_for_record(&self) {
        self.news.notified().await;
    }
}
