//! Writes the audit log: one record for each attempt and each change, never a secret. What must not happen unrecorded is refused
//! if its record cannot be written.

use crate::service::Services;
use crate::service::audit::event::{Actor, Event};
use crate::service::refused::Refused;
use crate::store::AuditRecord;

/// How many records one commit holds at most.
const RECORDS_AT_ONCE: usize = 250;

/// Told of every record that was written: the event and its detail.
pub type Listener = Box<dyn Fn(Event, &str) + Send + Sync>;

impl Services {
    /// Sets who is told of every record. Only the first call counts.
    pub fn listen(&self, listener: Listener) {
        let _ = self.listener.set(listener);
    }

    /// Appends a record. What must not happen unrecorded is refused where this fails.
    pub async fn audit(&self, event: Event, user: Option<&str>, actor: Actor<'_>, detail: impl Into<String>) -> Result<(), Refused> {
        self.audit_all(vec![self.record(event, user, actor, detail.into())]).await
    }

    /// The same of many users, with one commit for a few hundred of them.
    pub async fn audit_each(&self, event: Event, users: &[&str], actor: Actor<'_>, detail: &str) -> Result<(), Refused> {
        for some in users.chunks(RECORDS_AT_ONCE) {
            self.audit_all(some.iter().map(|user| self.record(event, Some(user), actor, detail.to_owned())).collect()).await?;
        }
        Ok(())
    }

    /// The records of the same of many users, for a step that writes them with what they tell of. Then [`Self::audited`].
    pub(crate) fn records(&self, event: Event, users: &[&str], actor: Actor<'_>, detail: &str) -> Vec<AuditRecord> {
        users.iter().map(|user| self.record(event, Some(user), actor, detail.to_owned()).1).collect()
    }

    fn record(&self, event: Event, user: Option<&str>, actor: Actor<'_>, detail: String) -> (Event, AuditRecord) {
        let (client, by) = match actor {
            Actor::User(client) => (Some(client), None),
            Actor::Admin(client, name) => (Some(client), Some(name.to_owned())),
            Actor::CommandLine => (None, Some("command line".to_owned())),
            Actor::Gateway => (None, Some("gateway".to_owned())),
        };
        let record = AuditRecord {
            seq: 0,
            at: self.now(),
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

    async fn audit_all(&self, records: Vec<(Event, AuditRecord)>) -> Result<(), Refused> {
        let (events, records): (Vec<_>, Vec<_>) = records.into_iter().unzip();
        let records = self.store.append_audits(records).await?;
        self.audited(events.into_iter().zip(records));
        Ok(())
    }

    /// Tells whoever wants to know of records that are in the log.
    pub(crate) fn audited(&self, records: impl IntoIterator<Item = (Event, AuditRecord)>) {
        self.audit_news.notify_one();
        for (event, record) in records {
            tracing::info!(target: "audit", event = record.event, user = record.user, by = record.by, address = record.address, request = record.request, detail = record.detail);
            if let Some(listener) = self.listener.get() {
                listener(event, &record.detail);
            }
        }
    }
}
