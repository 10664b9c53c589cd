//! The use cases: sign in, enrol, my account, administration. Domain, store, notices and limits put together; knows no HTTP.

pub mod accounts;
pub mod audit;
pub mod audit_file;
mod browser;
mod client;
mod contact;
pub mod desk;
pub mod directory;
mod enrol;
pub mod export;
mod failed;
mod finish;
mod former;
mod hasher;
pub mod import;
pub mod kept;
mod key;
pub mod keys;
mod links;
pub mod live;
mod notices;
pub mod overview;
mod passkey;
mod profile;
pub mod retention;
mod second;
mod sent;
pub mod shared;
mod sign_in;
pub mod snapshot;
pub mod trail;
mod turnstile;
pub mod verify;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Notify;

pub use client::{Client, DeviceId, browser_name};
pub use contact::{ContactChange, ContactProblem};
pub use enrol::{Confirmed, EnrolPage, EnrolProblem};
pub use finish::Signed;
pub use hasher::{Busy, Hasher, Load};
pub use live::{Live, LiveSession};
pub use notices::Courier;
pub use profile::Removal;
pub use second::{Given, Pending, SecondProblem};
pub use sign_in::Entry;
use turnstile::Turnstile;

use crate::base::{Clock, Time};
use crate::config::Config;
use crate::factor::{Method, blocklist, password};
use crate::limit::Throttled;
use crate::store::{Store, StoreError};

/// All that the use cases work with. One for the life of the process.
pub struct Services {
    pub clock: Clock,
    pub store: Arc<Store>,
    pub live: Arc<Live>,
    pub courier: Courier,
    pub observed: overview::Observed,
    directory: Arc<directory::Directory>,
    activity: overview::Activity,
    config: ArcSwap<Config>,
    hasher: Hasher,
    /// How many sign-ins of one address are hashed at once; the others of that address wait, and nobody else with them.
    turnstile: Turnstile,
    /// Hashed for names that nobody has, so that they take as long.
    dummy_phc: String,
    listener: OnceLock<audit::Listener>,
    /// The last audit record that stands in `audit.file`: none after it is removed. `u64::MAX` where there is no file.
    audit_written: AtomicU64,
    /// Something was written to the audit log.
    audit_news: Notify,
}

/// Why something was refused; one table at the portal's edge maps it to a page and a status.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Unknown, wrong, locked, disabled: one answer (OWASP ASVS 6.3.8).
    #[error("the name or the password is not right")]
    WrongPassword,
    #[error("too many failures")]
    Throttled(Duration),
    #[error("too many sign-ins at once")]
    Busy,
    /// The sign-in under way is over: expired, finished, or the account changed.
    #[error("the sign-in is no longer under way")]
    Gone,
    #[error("{0}")]
    Second(SecondProblem),
    #[error("{0}")]
    Enrol(EnrolProblem),
    #[error("{0}")]
    Contact(ContactProblem),
    #[error("{0} is not offered here")]
    NotOffered(Method),
    #[error("{0}")]
    Weak(blocklist::Weak),
    #[error("a message cannot be sent now")]
    CannotSend,
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl From<Throttled> for Refused {
    fn from(Throttled(wait): Throttled) -> Self {
        Self::Throttled(wait)
    }
}

impl From<Busy> for Refused {
    fn from(_: Busy) -> Self {
        Self::Busy
    }
}

impl From<crate::base::random::NoEntropy> for Refused {
    fn from(_: crate::base::random::NoEntropy) -> Self {
        Self::Store(StoreError::NoEntropy)
    }
}

impl Services {
    /// # Errors
    /// Where no thread can be started, or the password parameters are out of range.
    pub fn new(config: Arc<Config>, clock: Clock, store: Arc<Store>, live: Arc<Live>, courier: Courier) -> anyhow::Result<Self> {
        Ok(Self {
            hasher: Hasher::new(config.limits.max_hashes)?,
            turnstile: Turnstile::new(),
            dummy_phc: password::dummy_phc(&config.password)?,
            config: ArcSwap::new(config),
            clock,
            store,
            live,
            courier,
            observed: overview::Observed::default(),
            directory: Arc::default(),
            activity: overview::Activity::default(),
            listener: OnceLock::new(),
            audit_written: AtomicU64::new(u64::MAX),
            audit_news: Notify::new(),
        })
    }

    pub fn config(&self) -> Arc<Config> {
        self.config.load_full()
    }

    /// Another configuration from now on.
    pub fn reconfigure(&self, config: Arc<Config>) {
        self.config.store(config);
    }

    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// How busy the password hashes are.
    pub fn hash_load(&self) -> Load {
        self.hasher.load()
    }
}
