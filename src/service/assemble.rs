//! Builds the use cases and hands each of them what it may touch.

use std::sync::{Arc, Mutex, OnceLock};

use crate::base::Clock;
use crate::config::Config;
use crate::factor::password;
use crate::limit::RateLimiter;
use crate::notify::Notifier;
use tokio::sync::{broadcast, watch};

use crate::service::admin::directory::Directory;
use crate::service::admin::{Accounts, Activity, AdminSessions, Bulk, Observed, Overview, Rebind, SetupLinks, UserList};
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
use crate::service::password_hashing::{ConcurrencyLimit, Hasher, TimeFloor};
use crate::service::profile::{Applications, ContactChanges, Profile};
use crate::service::provider::{ProviderSignIn, Providers};
use crate::service::saved_post::SavedPosts;
use crate::service::services::Services;
use crate::service::sessions::{CertificateHolders, Handover, LiveSessions, LiveTokens, Loading, Replication, Sessions, TokenMemory};
use crate::service::sign_in::directory_password::DirectoryPasswords;
use crate::service::sign_in::expired_password::PasswordsAtSource;
use crate::service::sign_in::failures::FailureLimits;
use crate::service::sign_in::finish::Finish;
use crate::service::sign_in::flows::Flows;
use crate::service::sign_in::guest::Guests;
use crate::service::sign_in::one_time_code::OneTimeCodes;
use crate::service::sign_in::passkey::Passkeys;
use crate::service::sign_in::password::PasswordSignIn;
use crate::service::sign_in::second_factor::SecondFactor;
use crate::service::sign_in::security_key::SecurityKeys;
use crate::service::sources::{EntryTurns, SourceRecords, SourceRefresh, Sources, SourcesInForce};
use crate::service::tokens::{TokenFailures, Tokens};
use crate::store::Store;

/// How many answers of other gateways may wait for whoever counts them.
const ANSWERS: usize = 1024;

impl Services {
    /// # Errors
    /// If no thread can be started, or the password parameters are out of range.
    pub fn new(
        config: Arc<Config>,
        clock: Clock,
        store: Arc<Store>,
        live: Arc<LiveSessions>,
        notifier: Arc<Notifier>,
    ) -> anyhow::Result<Self> {
        let hasher = Hasher::new(config.limits.max_hashes)?;
        let tokens = Arc::new(LiveTokens::new(config.mfa.clone()));
        let holders = Arc::new(CertificateHolders::new(config.mfa.clone()));
        let dummy_phc = password::dummy_phc(&config.password)?;
        let sources = Arc::new(SourcesInForce::new(Sources::build(&config, &clock)?));
        let context = Arc::new(Context::new(clock.clone(), config));
        let audit = Arc::new(AuditLog::new(store.clone(), context.clone()));
        let notices = Arc::new(Notices::new(notifier, store.clone(), context.clone()));
        let tokens = Arc::new(TokenMemory { store: store.clone(), context: context.clone(), live: live.clone(), tokens, holders });
        let records = Arc::new(SourceRecords { store: store.clone(), context: context.clone(), audit: audit.clone() });
        let loading = Arc::new(Loading::new(store.clone(), live.clone(), context.clone()));
        let replication = Arc::new(Replication {
            store: store.clone(),
            live: live.clone(),
            loading: loading.clone(),
            tokens: tokens.clone(),
            context: context.clone(),
            reread: watch::Sender::new(0),
            answers: broadcast::Sender::new(ANSWERS),
        });
        let devices = Arc::new(Devices {
            store: store.clone(),
            live: live.clone(),
            context: context.clone(),
            audit: audit.clone(),
            loading: loading.clone(),
            tally: Arc::default(),
        });
        let turns = Arc::default();
        let shared =
            Shared { store, context, live, tokens, audit, notices, hasher, sources, records, turns, loading, replication, devices };
        Ok(shared.assemble(clock, dummy_phc))
    }
}

/// What more than one use case holds.
struct Shared {
    store: Arc<Store>,
    context: Arc<Context>,
    live: Arc<LiveSessions>,
    tokens: Arc<TokenMemory>,
    audit: Arc<AuditLog>,
    notices: Arc<Notices>,
    hasher: Hasher,
    sources: Arc<SourcesInForce>,
    records: Arc<SourceRecords>,
    turns: Arc<EntryTurns>,
    loading: Arc<Loading>,
    replication: Arc<Replication>,
    devices: Arc<Devices>,
}

/// The parts of a sign-in that the other use cases build on.
struct SignIn {
    sessions: Arc<Sessions>,
    flows: Arc<Flows>,
    failures: Arc<FailureLimits>,
    finish: Arc<Finish>,
    passwords: Arc<Passwords>,
    password: Arc<PasswordSignIn>,
    at_source: Arc<PasswordsAtSource>,
    refresh: Arc<SourceRefresh>,
    one_time_codes: Arc<OneTimeCodes>,
    guests: Arc<Guests>,
    security_keys: Arc<SecurityKeys>,
}

impl Shared {
    fn assemble(self, clock: Clock, dummy_phc: String) -> Services {
        let sign_in = self.sign_in(dummy_phc);
        let enrolment = Arc::new(self.enrolment(&sign_in));
        let profile = Arc::new(self.profile(&sign_in, &enrolment));
        let links = Arc::new(self.links(&sign_in));
        let api_tokens = self.api_tokens(&profile);
        let token_failures = Arc::new(self.token_failures(&clock, &sign_in));
        let Self { store, context, live, tokens, audit, notices, hasher, sources, .. } = &self;
        let second_factor = Arc::new(self.second_factor(&sign_in));
        let providers = Arc::new(Providers::new(&context.config(), &clock));
        let directory: Arc<Directory> = Arc::default();
        let users = Arc::new(UserList { store: store.clone(), directory: directory.clone() });
        let keys = Arc::new(Keys { store: store.clone(), live: live.clone(), context: context.clone(), audit: audit.clone() });
        let audit_file = Arc::new(AuditFile::new(store.clone(), context.clone()));
        let gateways = Arc::new(Gateways::new(store.clone(), context.clone(), self.replication.clone(), audit_file.clone()));
        let accounts = Arc::new(Accounts {
            store: store.clone(),
            context: context.clone(),
            passwords: sign_in.passwords.clone(),
            links: links.clone(),
            audit: audit.clone(),
            notices: notices.clone(),
        });
        let admin_sessions = Arc::new(AdminSessions {
            store: store.clone(),
            live: live.clone(),
            sessions: sign_in.sessions.clone(),
            users: users.clone(),
            accounts: accounts.clone(),
            audit: audit.clone(),
        });
        let bulk = Bulk {
            store: store.clone(),
            context: context.clone(),
            users: users.clone(),
            live: live.clone(),
            sessions: admin_sessions.clone(),
            audit: audit.clone(),
            notices: notices.clone(),
            running: tokio::sync::Mutex::default(),
        };
        Services {
            clock,
            observed: Observed::default(),
            audit_reader: AuditReader { store: store.clone() },
            audit_retention: AuditRetention {
                store: store.clone(),
                context: context.clone(),
                audit: audit.clone(),
                audit_file: audit_file.clone(),
            },
            audit_verifier: AuditVerifier { store: store.clone() },
            replication: self.replication.clone(),
            devices: self.devices.clone(),
            gateways,
            provider: Arc::new(self.provider(&sign_in, (&providers, &second_factor), &enrolment, &links)),
            second_factor,
            providers,
            passkeys: self.passkeys(&sign_in),
            applications: self.applications(&profile),
            contact: self.contact(&sign_in, &enrolment, &profile),
            handover: Handover { store: store.clone(), context: context.clone(), live: live.clone(), sessions: sign_in.sessions.clone() },
            admin_sessions,
            bulk: Arc::new(bulk),
            setup_links: SetupLinks { context: context.clone(), links: links.clone(), notices: notices.clone() },
            overview: Overview { store: store.clone(), context: context.clone(), users: users.clone(), activity: Activity::default() },
            backup: Backup {
                store: store.clone(),
                context: context.clone(),
                live: live.clone(),
                tokens: tokens.clone(),
                audit: audit.clone(),
                keys: keys.clone(),
            },
            tokens: tokens.clone(),
            token_failures,
            api_tokens,
            snapshots: RollingSnapshot { store: store.clone(), context: context.clone() },
            import: Import { store: store.clone(), context: context.clone(), links: links.clone(), audit: audit.clone() },
            keys,
            rebind: Rebind { store: store.clone(), sources: sources.clone(), audit: audit.clone() },
            saved_posts: SavedPosts { store: store.clone(), context: context.clone() },
            context: context.clone(),
            store: store.clone(),
            live: live.clone(),
            audit: audit.clone(),
            notices: notices.clone(),
            hasher: hasher.clone(),
            sessions: sign_in.sessions,
            flows: sign_in.flows,
            password: sign_in.password,
            at_source: sign_in.at_source,
            sources: sources.clone(),
            source_refresh: sign_in.refresh,
            security_keys: sign_in.security_keys,
            one_time_codes: sign_in.one_time_codes,
            guests: sign_in.guests,
            passwords: sign_in.passwords,
            audit_file,
            links,
            enrolment,
            profile,
            accounts,
            users,
            directory,
        }
    }

    fn sign_in(&self, dummy_phc: String) -> SignIn {
        let Self { store, context, live, audit, notices, hasher, .. } = self;
        let sessions = Arc::new(Sessions {
            store: store.clone(),
            live: live.clone(),
            loading: self.loading.clone(),
            context: context.clone(),
            beside: OnceLock::new(),
        });
        let flows = Arc::new(Flows { store: store.clone(), context: context.clone() });
        let failures = Arc::new(FailureLimits { store: store.clone(), context: context.clone(), audit: audit.clone() });
        let finish = Arc::new(Finish {
            store: store.clone(),
            context: context.clone(),
            live: live.clone(),
            sessions: sessions.clone(),
            devices: self.devices.clone(),
            audit: audit.clone(),
            notices: notices.clone(),
        });
        let refresh = Arc::new(self.source_refresh());
        let directories = Arc::new(self.directory_passwords(&refresh));
        let at_source = Arc::new(self.passwords_at_source(&failures, &flows, &finish));
        let passwords = Passwords { store: store.clone(), context: context.clone(), hasher: hasher.clone(), audit: audit.clone() };
        let password = Arc::new(PasswordSignIn {
            store: store.clone(),
            context: context.clone(),
            hasher: hasher.clone(),
            failures: failures.clone(),
            flows: flows.clone(),
            finish: finish.clone(),
            audit: audit.clone(),
            concurrency: ConcurrencyLimit::new(),
            directories,
            at_source: at_source.clone(),
            dummy_phc,
            floor: TimeFloor::default(),
        });
        let one_time_codes = Arc::new(OneTimeCodes {
            store: store.clone(),
            context: context.clone(),
            failures: failures.clone(),
            flows: flows.clone(),
            notices: notices.clone(),
            audit: audit.clone(),
        });
        let security_keys = Arc::new(SecurityKeys { store: store.clone(), context: context.clone(), failures: failures.clone() });
        let guests = Arc::new(self.guests(&failures, &flows, &finish));
        SignIn {
            sessions,
            flows,
            failures,
            finish,
            passwords: Arc::new(passwords),
            password,
            at_source,
            refresh,
            one_time_codes,
            guests,
            security_keys,
        }
    }

    fn provider(
        &self,
        sign_in: &SignIn,
        (providers, second_factor): (&Arc<Providers>, &Arc<SecondFactor>),
        enrolment: &Arc<Enrolment>,
        links: &Arc<Links>,
    ) -> ProviderSignIn {
        ProviderSignIn {
            store: self.store.clone(),
            context: self.context.clone(),
            providers: providers.clone(),
            sessions: sign_in.sessions.clone(),
            failures: sign_in.failures.clone(),
            one_time_codes: sign_in.one_time_codes.clone(),
            password: sign_in.password.clone(),
            second_factor: second_factor.clone(),
            enrolment: enrolment.clone(),
            finish: sign_in.finish.clone(),
            audit: self.audit.clone(),
            notices: self.notices.clone(),
            links: links.clone(),
            source_refresh: sign_in.refresh.clone(),
        }
    }

    fn guests(&self, failures: &Arc<FailureLimits>, flows: &Arc<Flows>, finish: &Arc<Finish>) -> Guests {
        Guests {
            store: self.store.clone(),
            context: self.context.clone(),
            failures: failures.clone(),
            flows: flows.clone(),
            finish: finish.clone(),
            audit: self.audit.clone(),
        }
    }

    fn source_refresh(&self) -> SourceRefresh {
        SourceRefresh {
            store: self.store.clone(),
            context: self.context.clone(),
            live: self.live.clone(),
            sources: self.sources.clone(),
            records: self.records.clone(),
        }
    }

    fn directory_passwords(&self, refresh: &Arc<SourceRefresh>) -> DirectoryPasswords {
        DirectoryPasswords {
            store: self.store.clone(),
            context: self.context.clone(),
            live: self.live.clone(),
            sources: self.sources.clone(),
            records: self.records.clone(),
            refresh: refresh.clone(),
            turns: self.turns.clone(),
            audit: self.audit.clone(),
        }
    }

    fn passwords_at_source(&self, failures: &Arc<FailureLimits>, flows: &Arc<Flows>, finish: &Arc<Finish>) -> PasswordsAtSource {
        PasswordsAtSource {
            store: self.store.clone(),
            context: self.context.clone(),
            sources: self.sources.clone(),
            records: self.records.clone(),
            turns: self.turns.clone(),
            failures: failures.clone(),
            flows: flows.clone(),
            finish: finish.clone(),
            audit: self.audit.clone(),
            notices: self.notices.clone(),
        }
    }

    fn applications(&self, profile: &Arc<Profile>) -> Applications {
        Applications {
            store: self.store.clone(),
            context: self.context.clone(),
            profile: profile.clone(),
            audit: self.audit.clone(),
            held: Mutex::default(),
        }
    }

    fn api_tokens(&self, profile: &Arc<Profile>) -> Tokens {
        Tokens {
            store: self.store.clone(),
            context: self.context.clone(),
            memory: self.tokens.clone(),
            profile: profile.clone(),
            audit: self.audit.clone(),
            notices: self.notices.clone(),
        }
    }

    fn token_failures(&self, clock: &Clock, sign_in: &SignIn) -> TokenFailures {
        TokenFailures {
            limiter: RateLimiter::new(self.context.config().limits.login_per_ip, clock),
            store: self.store.clone(),
            context: self.context.clone(),
            failures: sign_in.failures.clone(),
            audit: self.audit.clone(),
        }
    }

    fn second_factor(&self, sign_in: &SignIn) -> SecondFactor {
        SecondFactor {
            store: self.store.clone(),
            context: self.context.clone(),
            failures: sign_in.failures.clone(),
            sessions: sign_in.sessions.clone(),
            one_time_codes: sign_in.one_time_codes.clone(),
            security_keys: sign_in.security_keys.clone(),
            finish: sign_in.finish.clone(),
            at_source: sign_in.at_source.clone(),
            guests: sign_in.guests.clone(),
            audit: self.audit.clone(),
            notices: self.notices.clone(),
        }
    }

    fn passkeys(&self, sign_in: &SignIn) -> Passkeys {
        Passkeys {
            store: self.store.clone(),
            context: self.context.clone(),
            failures: sign_in.failures.clone(),
            audit: self.audit.clone(),
            finish: sign_in.finish.clone(),
            refresh: sign_in.refresh.clone(),
        }
    }

    fn links(&self, sign_in: &SignIn) -> Links {
        Links {
            store: self.store.clone(),
            context: self.context.clone(),
            failures: sign_in.failures.clone(),
            passwords: sign_in.passwords.clone(),
            flows: sign_in.flows.clone(),
            notices: self.notices.clone(),
            audit: self.audit.clone(),
        }
    }

    fn enrolment(&self, sign_in: &SignIn) -> Enrolment {
        Enrolment {
            store: self.store.clone(),
            context: self.context.clone(),
            sessions: sign_in.sessions.clone(),
            flows: sign_in.flows.clone(),
            failures: sign_in.failures.clone(),
            finish: sign_in.finish.clone(),
            audit: self.audit.clone(),
            notices: self.notices.clone(),
        }
    }

    fn profile(&self, sign_in: &SignIn, enrolment: &Arc<Enrolment>) -> Profile {
        Profile {
            store: self.store.clone(),
            context: self.context.clone(),
            sessions: sign_in.sessions.clone(),
            password: sign_in.password.clone(),
            passwords: sign_in.passwords.clone(),
            at_source: sign_in.at_source.clone(),
            enrolment: enrolment.clone(),
            finish: sign_in.finish.clone(),
            audit: self.audit.clone(),
            notices: self.notices.clone(),
        }
    }

    fn contact(&self, sign_in: &SignIn, enrolment: &Arc<Enrolment>, profile: &Arc<Profile>) -> ContactChanges {
        ContactChanges {
            store: self.store.clone(),
            context: self.context.clone(),
            profile: profile.clone(),
            enrolment: enrolment.clone(),
            sessions: sign_in.sessions.clone(),
            flows: sign_in.flows.clone(),
            finish: sign_in.finish.clone(),
            audit: self.audit.clone(),
            notices: self.notices.clone(),
        }
    }
}
