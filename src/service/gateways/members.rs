//! The gateways that share a store know each other: each writes every five seconds how it is, and reads what the others wrote. Guarantees
//! that a gateway which may still let people in is listed: one that was not heard of stays for as long as its `store.max_stale`.
//!
//! No request pays for it. With an embedded store there is nobody else, and nothing is written.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use serde::Serialize;

use crate::base::Time;
use crate::service::audit::AuditFile;
use crate::service::context::Context;
use crate::service::sessions::Replication;
use crate::store::{Duty, FORMAT, Gateway, Store, StoreError};

/// How often a gateway says how it is.
pub const BEAT: Duration = Duration::from_secs(5);
/// Who was not heard of for so long is silent: three beats.
const SILENT: Duration = Duration::from_secs(15);
/// Who is silent is kept for its `store.max_stale`, and this much longer.
const KEPT: Duration = Duration::from_secs(600);

/// A gateway, as others see it. Times are RFC 3339.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Member {
    /// Made at random at each start.
    pub id: String,
    /// The machine's host name.
    pub name: String,
    pub version: String,
    /// Of its configuration.
    pub fingerprint: String,
    pub listeners: Vec<String>,
    pub started: String,
    pub heard: String,
    pub sessions: u64,
    /// Heard of in the last 15 seconds.
    pub live: bool,
    /// The one that was asked.
    pub own: bool,
    #[serde(skip)]
    pub record: Gateway,
}

/// The gateways.
pub struct Gateways {
    pub(super) store: Arc<Store>,
    context: Arc<Context>,
    audit_file: Arc<AuditFile>,
    pub(super) replication: Arc<Replication>,
    /// What this one says of itself; nothing before it serves, and in a command.
    own: Mutex<Option<Own>>,
    seen: ArcSwap<BTreeMap<String, Gateway>>,
}

#[derive(Clone)]
struct Own {
    started: Time,
    listeners: Vec<String>,
}

impl Gateways {
    pub(in crate::service) fn new(
        store: Arc<Store>,
        context: Arc<Context>,
        replication: Arc<Replication>,
        audit_file: Arc<AuditFile>,
    ) -> Self {
        Self { store, context, audit_file, replication, own: Mutex::default(), seen: ArcSwap::default() }
    }

    /// This gateway serves from now on, at these addresses. `former`: the id under which it ran before a crash.
    ///
    /// # Errors
    /// The store's.
    pub async fn join(&self, listeners: Vec<String>, former: Option<&str>) -> Result<(), StoreError> {
        if self.id().is_none() {
            return Ok(());
        }
        *self.own() = Some(Own { started: self.context.now(), listeners });
        if let Some(former) = former.filter(|former| self.id().as_deref() != Some(*former)) {
            self.store.remove_gateway(former).await?;
        }
        self.beat().await
    }

    /// This gateway's id; `None` with an embedded store.
    pub fn id(&self) -> Option<String> {
        self.store.kv().member()
    }

    /// Says how this gateway is, reads how the others are, and forgets who was not heard of for long. What changed in the warning
    /// is logged.
    ///
    /// # Errors
    /// The store's.
    pub async fn beat(&self) -> Result<(), StoreError> {
        let before = self.warning();
        let (own, now) = (self.own().clone(), self.context.now());
        if let (Some(id), Some(own)) = (self.id(), own) {
            self.store.put_gateway(&id, &self.record(own, now)).await?;
        }
        self.read(now).await?;
        match self.warning() {
            Some(warning) if before.as_ref() != Some(&warning) => tracing::warn!("{warning}"),
            None if before.is_some() => tracing::info!("all gateways run the same configuration again"),
            Some(_) | None => {}
        }
        Ok(())
    }

    pub(super) async fn read(&self, now: Time) -> Result<(), StoreError> {
        let mut all = self.store.gateways().await?;
        let gone: Vec<String> = all.iter().filter(|(_, gateway)| is_gone(gateway, now)).map(|(id, _)| id.clone()).collect();
        for id in gone {
            if let Some(gateway) = all.remove(&id) {
                self.store.forget_gateway(&id, &gateway).await?;
            }
        }
        self.seen.store(Arc::new(all));
        Ok(())
    }

    fn record(&self, own: Own, now: Time) -> Gateway {
        let config = self.context.config();
        Gateway {
            name: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            format: FORMAT,
            fingerprint: config.fingerprint.clone(),
            listeners: own.listeners,
            started: own.started,
            heard: now,
            sessions: u64::try_from(self.replication.live.count()).unwrap_or(u64::MAX),
            audited: Some(self.audit_file.written()).filter(|written| *written < u64::MAX),
            max_stale: config.max_stale,
        }
    }

    /// This gateway stops.
    ///
    /// # Errors
    /// The store's; then the others see it as silent.
    pub async fn leave(&self) -> Result<(), StoreError> {
        let served = self.own().take().is_some();
        match self.id() {
            Some(id) if served => {
                for duty in [Duty::Sweep, Duty::Retention, Duty::Providers] {
                    self.store.release_lease(duty, &id).await?;
                }
                self.store.remove_gateway(&id).await
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Whether this gateway does what one does for all, for `span` from now on. Always with an embedded store.
    ///
    /// # Errors
    /// The store's.
    pub async fn takes(&self, duty: Duty, span: Duration) -> Result<bool, StoreError> {
        let Some(id) = self.id() else { return Ok(true) };
        let now = self.context.now();
        self.store.take_lease(duty, &id, now.plus(span), now).await
    }

    /// The gateways as they were at the last beat, by name; `None` with an embedded store.
    pub fn all(&self) -> Option<Vec<Member>> {
        let (own, now) = (self.id()?, self.context.now());
        let mut all: Vec<Member> = self.seen.load().iter().map(|(id, gateway)| member(id, gateway, *id == own, now)).collect();
        all.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        Some(all)
    }

    /// That live gateways run different configurations, and which.
    pub fn warning(&self) -> Option<String> {
        let all = self.all()?;
        let live: Vec<&Member> = all.iter().filter(|member| member.live).collect();
        let first = live.first()?;
        if live.iter().all(|member| member.fingerprint == first.fingerprint) {
            return None;
        }
        let each: Vec<String> = live.iter().map(|member| format!("{} has {}", label(member, &live), member.fingerprint)).collect();
        Some(format!("gateways over this store run different configurations: {}", each.join(", ")))
    }

    pub(super) fn records(&self) -> Arc<BTreeMap<String, Gateway>> {
        self.seen.load_full()
    }

    fn own(&self) -> std::sync::MutexGuard<'_, Option<Own>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Time {
        self.context.now()
    }
}

/// The name, with the beginning of the id if another has it too.
fn label(member: &Member, among: &[&Member]) -> String {
    let is_alone = among.iter().filter(|other| other.name == member.name).count() < 2;
    if is_alone { member.name.clone() } else { format!("{} ({})", member.name, member.id.get(..6).unwrap_or_default()) }
}

fn is_gone(gateway: &Gateway, now: Time) -> bool {
    now.since(gateway.heard) > gateway.max_stale.saturating_add(KEPT)
}

fn member(id: &str, gateway: &Gateway, own: bool, now: Time) -> Member {
    Member {
        id: id.to_owned(),
        name: if gateway.name.is_empty() { id.to_owned() } else { gateway.name.clone() },
        version: gateway.version.clone(),
        fingerprint: gateway.fingerprint.clone(),
        listeners: gateway.listeners.clone(),
        started: gateway.started.rfc3339(),
        heard: gateway.heard.rfc3339(),
        sessions: gateway.sessions,
        live: now.since(gateway.heard) <= SILENT,
        own,
        record: gateway.clone(),
    }
}
