//! Every use case, put together. Holds nothing else, and does nothing else.

use std::sync::Arc;

use crate::base::{Clock, Time};
use crate::config::Config;
use crate::service::admin::directory::Directory;
use crate::service::admin::{Accounts, AdminSessions, Bulk, Observed, Overview, Rebind, SetupLinks, UserList};
use crate::service::audit::{AuditFile, AuditLog, AuditReader, AuditRetention, AuditVerifier};
use crate::service::backup::{Backup, RollingSnapshot};
use crate::service::context::Context;
use crate::service::device::Devices;
use crate::service::enrolment::Enrolment;
use crate::service::gateways::Gateways;
use crate::service::import::Import;
use crate::service::keys::Keys;
use crate::service::links::Links;
use crate::service::new_password::Passwords;
use crate::service::notices::Notices;
use crate::service::password_hashing::{Hasher, Load};
use crate::service::profile::{Applications, ContactChanges, Profile};
use crate::service::provider::{ProviderSignIn, Providers};
use crate::service::saved_post::SavedPosts;
use crate::service::sessions::{Handover, LiveSessions, Replication, Sessions, TokenMemory};
use crate::service::sign_in::expired_password::PasswordsAtSource;
use crate::service::sign_in::flows::Flows;
use crate::service::sign_in::guest::Guests;
use crate::service::sign_in::one_time_code::OneTimeCodes;
use crate::service::sign_in::passkey::Passkeys;
use crate::service::sign_in::password::PasswordSignIn;
use crate::service::sign_in::second_factor::SecondFactor;
use crate::service::sign_in::security_key::SecurityKeys;
use crate::service::sources::{SourceRefresh, Sources, SourcesInForce};
use crate::service::tokens::{TokenFailures, Tokens};
use crate::store::Store;

/// Every use case, put together once for the life of the process.
pub struct Services {
    pub clock: Clock,
    pub context: Arc<Context>,
    pub store: Arc<Store>,
    pub live: Arc<LiveSessions>,
    pub observed: Observed,
    pub audit: Arc<AuditLog>,
    pub audit_file: Arc<AuditFile>,
    pub audit_reader: AuditReader,
    pub audit_retention: AuditRetention,
    pub audit_verifier: AuditVerifier,
    pub notices: Arc<Notices>,
    pub sessions: Arc<Sessions>,
    pub replication: Arc<Replication>,
    /// The gateways that share the store.
    pub gateways: Arc<Gateways>,
    pub handover: Handover,
    pub devices: Arc<Devices>,
    pub flows: Arc<Flows>,
    pub password: Arc<PasswordSignIn>,
    pub at_source: Arc<PasswordsAtSource>,
    pub sources: Arc<SourcesInForce>,
    pub source_refresh: Arc<SourceRefresh>,
    pub second_factor: Arc<SecondFactor>,
    pub providers: Arc<Providers>,
    pub provider: Arc<ProviderSignIn>,
    pub security_keys: Arc<SecurityKeys>,
    pub passkeys: Passkeys,
    pub one_time_codes: Arc<OneTimeCodes>,
    pub guests: Arc<Guests>,
    pub passwords: Arc<Passwords>,
    pub links: Arc<Links>,
    pub enrolment: Arc<Enrolment>,
    pub profile: Arc<Profile>,
    pub contact: ContactChanges,
    /// People's own passwords at applications.
    pub applications: Applications,
    pub accounts: Arc<Accounts>,
    pub rebind: Rebind,
    pub admin_sessions: Arc<AdminSessions>,
    /// The same done to many accounts.
    pub bulk: Arc<Bulk>,
    pub setup_links: SetupLinks,
    pub users: Arc<UserList>,
    pub overview: Overview,
    pub backup: Backup,
    pub snapshots: RollingSnapshot,
    pub import: Import,
    pub keys: Arc<Keys>,
    pub saved_posts: SavedPosts,
    /// The API tokens in memory.
    pub tokens: Arc<TokenMemory>,
    pub token_failures: Arc<TokenFailures>,
    /// API tokens made, listed and revoked.
    pub api_tokens: Tokens,
    pub(super) directory: Arc<Directory>,
    pub(super) hasher: Hasher,
}

impl Services {
    pub fn config(&self) -> Arc<Config> {
        self.context.config()
    }

    /// Another configuration from now on, and the sources made from it.
    pub fn reconfigure(&self, config: Arc<Config>, sources: Sources) {
        self.sources.replace(sources);
        self.providers.reconfigure(&config);
        self.context.reconfigure(config);
    }

    pub fn now(&self) -> Time {
        self.context.now()
    }

    /// How busy the password hashes are.
    pub fn hash_load(&self) -> Load {
        self.hasher.load()
    }

    /// Lets the sessions and the directory see every write of an account. Call once, before anything is written.
    pub fn watch_accounts(&self) {
        let (live, tokens, directory) = (self.live.clone(), self.tokens.table().clone(), self.directory.clone());
        let holders = self.tokens.holders().clone();
        self.store.observe(Box::new(move |id, account| {
            live.account_changed(id, account);
            if tokens.account_changed(id, account) | holders.account_changed(id, account) {
                live.recheck();
            }
            directory.account_changed(id, account);
        }));
    }
}
