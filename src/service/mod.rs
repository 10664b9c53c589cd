//! The use cases: sign in, enrol, my account, administration. Domain, store, notices and limits put together; knows no HTTP.

pub mod accounts;
pub mod admin;
pub mod audit;
pub mod backup;
pub mod client;
pub mod enrolment;
pub mod import;
pub mod keys;
mod known_browsers;
mod links;
mod notices;
mod password_hashing;
mod profile;
pub mod refused;
pub mod saved_post;
pub mod sessions;
mod sign_in;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use tokio::sync::Notify;

pub use client::{Client, DeviceId, browser_name};
pub use enrolment::{Confirmed, EnrolPage};
pub use notices::Courier;
pub use password_hashing::{Busy, Hasher, Load};
pub use profile::{ContactChange, Removal};
pub use refused::{ContactProblem, EnrolProblem, Refused, SecondProblem};
pub use sessions::{LiveSession, LiveSessions};
pub use sign_in::{Entry, Given, Pending, Signed};

use admin::directory::Directory;
use admin::overview;
use password_hashing::ConcurrencyLimit;

use crate::base::{Clock, Time};
use crate::config::Config;
use crate::factor::password;
use crate::store::Store;

/// All that the use cases work with. One for the life of the process.
pub struct Services {
    pub clock: Clock,
    pub store: Arc<Store>,
    pub live: Arc<LiveSessions>,
    pub courier: Courier,
    pub observed: overview::Observed,
    directory: Arc<Directory>,
    activity: overview::Activity,
    config: ArcSwap<Config>,
    hasher: Hasher,
    /// How many sign-ins of one address are hashed at once; the others of that address wait, and nobody else with them.
    concurrency: ConcurrencyLimit,
    /// Hashed for names that nobody has, so that they take as long.
    dummy_phc: String,
    listener: OnceLock<audit::Listener>,
    /// The last audit record that stands in `audit.file`: none after it is removed. `u64::MAX` where there is no file.
    audit_written: AtomicU64,
    /// Something was written to the audit log.
    audit_news: Notify,
}

impl Services {
    /// # Errors
    /// Where no thread can be started, or the password parameters are out of range.
    pub fn new(config: Arc<Config>, clock: Clock, store: Arc<Store>, live: Arc<LiveSessions>, courier: Courier) -> anyhow::Result<Self> {
        Ok(Self {
            hasher: Hasher::new(config.limits.max_hashes)?,
            concurrency: ConcurrencyLimit::new(),
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
