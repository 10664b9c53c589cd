//! A directory as a source of users: LDAP or Active Directory (RFC 4511 to 4515). A login is found by a search of the service account, the password
//! shown by a bind on a connection of its own, and the person read again by the entry's id from then on.
//!
//! What a user types is a value in a parsed filter or name and nothing else. An empty password reaches no server. Whatever a server answers is
//! bounded; what is no verdict is [`Unavailable`] and counts against nobody.

mod answers;
pub mod embedded;
mod entry;
mod examine;
mod filter;
mod groups;
mod password;
mod people;
mod pool;
mod resolved;
mod servers;
mod state;
mod wire;

pub use examine::Step;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ldap3_proto::proto::{LdapDerefAliases, LdapFilter, LdapSearchRequest, LdapSearchScope};
use tokio::time::Instant;

use self::pool::{Pool, SharedPool};
use self::resolved::Resolved;
use self::servers::Servers;
use super::{Cause, SourceId, Unavailable};
use crate::base::Clock;
use crate::config::directory::{self as config, Protection};

/// How long any question takes at most, with all its parts and all servers.
const TOTAL: Duration = Duration::from_secs(10);

/// A directory.
pub struct Directory {
    id: SourceId,
    config: config::Directory,
    /// What groups are looked for below: the domain, not only the people's part of it.
    domain: String,
    pool: SharedPool,
    clock: Clock,
    resolved: Resolved,
    counts: Counts,
}

/// Questions since the start.
#[derive(Default)]
struct Counts {
    asked: AtomicU64,
    failed: AtomicU64,
    micros: AtomicU64,
}

/// What a directory's metrics are made of.
#[derive(Clone, Debug, Default)]
pub struct Health {
    pub asked: u64,
    pub failed: u64,
    /// All questions together.
    pub spent: Duration,
    /// Each server's address, and whether it answered last; `None`: it was not asked yet.
    pub servers: Vec<(String, Option<bool>)>,
    /// Why the service account could not sign in.
    pub refused: Option<String>,
}

impl Directory {
    /// Reads the files for TLS and connects to nobody.
    ///
    /// # Errors
    /// Which file is wrong.
    pub fn new(config: config::Directory, clock: Clock) -> Result<Self, String> {
        let needs_tls = config.servers.iter().any(|server| server.protection != Protection::None);
        let tls = if needs_tls { Some(wire::tls::client(&config.tls)?) } else { None };
        let servers = Servers::new(&config.name, &config.servers, tls, config.connect_timeout);
        let pool = Pool::new(servers, config.account.clone(), config.pool, config.timeout);
        Ok(Self {
            id: SourceId::new(&config.name),
            domain: config.base_dn.domain(),
            pool: Arc::new(pool),
            clock,
            resolved: Resolved::default(),
            counts: Counts::default(),
            config,
        })
    }

    pub fn config(&self) -> &config::Directory {
        &self.config
    }

    pub fn health(&self) -> Health {
        Health {
            asked: self.counts.asked.load(Ordering::Relaxed),
            failed: self.counts.failed.load(Ordering::Relaxed),
            spent: Duration::from_micros(self.counts.micros.load(Ordering::Relaxed)),
            servers: self.pool.servers.states(),
            refused: self.pool.refused_because(),
        }
    }

    /// Connects to the servers of which it is not known that they answer, so that a fault is known before somebody signs in.
    pub async fn probe(&self) {
        for (index, (server, up)) in self.pool.servers.states().into_iter().enumerate() {
            if up == Some(true) {
                continue;
            }
            match self.pool.try_server(index).await {
                Ok(()) => {}
                Err(Cause::Credentials(why)) => {
                    tracing::error!(directory = %self.id, %server, %why, "the service account cannot sign in: nobody of this directory can")
                }
                Err(cause) => tracing::warn!(directory = %self.id, %server, error = %cause, "a directory server does not answer"),
            }
        }
    }

    fn request(&self, base: String, scope: LdapSearchScope, filter: LdapFilter, attrs: Vec<String>) -> LdapSearchRequest {
        let timelimit = i32::try_from(self.config.timeout.as_secs()).unwrap_or(i32::MAX).max(1);
        LdapSearchRequest { base, scope, aliases: LdapDerefAliases::Never, sizelimit: 0, timelimit, typesonly: false, filter, attrs }
    }

    /// A question with its limit in time, counted.
    async fn within<T>(&self, question: impl Future<Output = Result<T, Cause>> + Send) -> Result<T, Unavailable> {
        let began = Instant::now();
        let answer = tokio::time::timeout(TOTAL, question).await.unwrap_or_else(|_| Err(Cause::TimedOut("all servers together".into())));
        let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.counts.asked.fetch_add(1, Ordering::Relaxed);
        self.counts.micros.fetch_add(micros, Ordering::Relaxed);
        answer.map_err(|cause| {
            self.counts.failed.fetch_add(1, Ordering::Relaxed);
            Unavailable { source_id: self.id.clone(), cause }
        })
    }
}

#[cfg(test)]
mod tests;
