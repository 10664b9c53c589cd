//! Everything that lives as long as the process. What a reload replaces is behind a swap, so that a request sees all of the old or all of
//! the new.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::runtime::Handle;

use super::pages::Mounted;
use crate::acme::Acme;
use crate::base::Time;
use crate::config::Config;
use crate::gateway::{HealthChecks, Snapshot};
use crate::limit::Places;
use crate::notify::Outbox;
use crate::policy::Policy;
use crate::service::Services;
use crate::telemetry::Telemetry;
use crate::view::Languages;

/// The assembled program.
pub struct App {
    pub services: Arc<Services>,
    pub telemetry: Arc<Telemetry>,
    /// Certificates by ACME.
    pub acme: Arc<Acme>,
    pub(super) snapshot: ArcSwap<Snapshot>,
    pub(super) router: ArcSwap<Mounted>,
    pub(super) languages: ArcSwap<Languages>,
    /// Of the upstreams of the configuration in force.
    pub(super) health: Mutex<HealthChecks>,
    /// The configuration of the start.
    pub(super) started: Arc<Config>,
    pub(super) history: Mutex<History>,
    /// The last write failed: reading alone does not make a gateway ready.
    pub(super) unwritable: Arc<AtomicBool>,
    /// Room for the large bodies that the gateway reads itself.
    pub(super) large_bodies: Arc<Places>,
    /// Where everything runs that is not a forwarded request.
    pub(super) work: Handle,
}

/// What was when: for whoever asks how the gateway is.
#[derive(Clone, Debug)]
pub struct History {
    pub started: Time,
    /// When another configuration was last put in force.
    pub reloaded: Option<Time>,
    /// `http://127.0.0.1:8080`, once they accept.
    pub listeners: Vec<String>,
}

/// Where messages go.
pub enum Post {
    /// As the configuration says.
    Configured,
    /// Kept in memory: the demo and the tests.
    Outbox(Arc<Outbox>),
}

impl App {
    pub fn config(&self) -> Arc<Config> {
        self.snapshot.load().config.clone()
    }

    pub fn policy(&self) -> Arc<Policy> {
        self.snapshot.load().policy.clone()
    }

    pub fn history(&self) -> History {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells of listeners that accept.
    pub fn listens_on(&self, listeners: Vec<String>) {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).listeners = listeners;
    }

    /// Another configuration is in force.
    pub fn note_reload(&self) {
        let now = self.services.now();
        self.history.lock().unwrap_or_else(PoisonError::into_inner).reloaded = Some(now);
    }

    /// Writes down what memory alone knows: when sessions were last used.
    ///
    /// # Errors
    /// The store's.
    pub async fn flush(&self) -> anyhow::Result<()> {
        let used = self.services.live.sweep(self.services.now());
        self.services.sessions.write_all_ends().await?;
        let _ = self.services.gateways.leave().await;
        let _ = self.services.audit.record_counted().await;
        self.services.store.touch_sessions(&used).await?;
        self.services.store.touch_sessions(&self.services.live.left_in_use()).await?;
        Ok(self.services.tokens.sweep().await?)
    }
}
