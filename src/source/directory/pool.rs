//! Connections of the service account, kept and used again; and connections for one bind of a user each, which are never among them. Both are
//! bounded. A server that fails in the middle is replaced by the next one, once for each question.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ldap3_proto::proto::{LdapResultCode, LdapSearchRequest};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::entry::Entry;
use super::servers::Servers;
use super::state::Reply;
use super::state::explain_refusal;
use super::wire::ber;
use super::wire::connection::Connection;
use crate::base::Secret;
use crate::config::directory::{BindPassword, ServiceAccount};
use crate::source::Cause;

/// How long a connection may lie unused before it is closed.
const IDLE: Duration = Duration::from_secs(60);

/// How long credentials that were refused are not shown again: a directory would lock the service account.
const AFTER_REFUSAL: Duration = Duration::from_secs(10);

/// Binds of users at the same time, for each connection of the pool.
const BINDS: usize = 4;

/// A connection of the service account.
struct Lease {
    connection: Connection,
    server: usize,
    since: Instant,
    /// It lay here, and may have been closed meanwhile.
    is_reused: bool,
}

/// Credentials that were refused.
struct Refusal {
    password: [u8; 32],
    at: Instant,
    why: String,
}

pub(super) struct Pool {
    pub servers: Servers,
    account: ServiceAccount,
    timeout: Duration,
    idle: Mutex<Vec<Lease>>,
    slots: Semaphore,
    binds: Semaphore,
    refusal: Mutex<Option<Refusal>>,
}

impl Pool {
    pub fn new(servers: Servers, account: ServiceAccount, size: usize, timeout: Duration) -> Self {
        Self {
            servers,
            account,
            timeout,
            idle: Mutex::default(),
            slots: Semaphore::new(size),
            binds: Semaphore::new(size.saturating_mul(BINDS)),
            refusal: Mutex::default(),
        }
    }

    /// A search by the service account, `in_pages` if the answer may be larger than a server gives at once. An entry that is not there is an empty
    /// answer.
    pub async fn search(&self, request: &LdapSearchRequest, in_pages: bool) -> Result<Vec<Entry>, Cause> {
        let _slot = self.slots.acquire().await.map_err(|_| Cause::Busy)?;
        let mut last = Cause::Busy;
        for attempt in 0..=self.servers.len() {
            let mut lease = match self.take(attempt > 0).await {
                Ok(lease) => lease,
                Err(cause) => return Err(cause),
            };
            let asked = self.limited("a search", lease.connection.search(request.clone(), in_pages)).await;
            match asked.and_then(|(entries, reply)| judge(entries, &reply)) {
                Ok(entries) => {
                    self.give_back(lease);
                    return Ok(entries);
                }
                Err(Fault::Final(cause)) => {
                    self.give_back(lease);
                    return Err(cause);
                }
                Err(Fault::TryAgain(cause)) => {
                    self.discard(&lease, &cause);
                    last = cause;
                }
            }
        }
        Err(last)
    }

    /// A bind of a user, on a connection of its own; the connection is handed over, bound or not.
    pub async fn bind(&self, dn: &str, password: &Secret) -> Result<(Reply, Connection), Cause> {
        // An empty password would be a bind as nobody, which some servers call a success (RFC 4513 section 5.1.2).
        if password.is_empty() {
            return Err(Cause::Protocol("an empty password is never sent".into()));
        }
        let _slot = self.binds.acquire().await.map_err(|_| Cause::Busy)?;
        let mut last = Cause::Busy;
        for index in self.servers.order() {
            let mut connection = match self.servers.open(index).await {
                Ok(connection) => connection,
                Err(cause) => {
                    last = cause;
                    continue;
                }
            };
            match self.limited("a bind", connection.bind(dn, password)).await {
                Ok(reply) if is_unable(&reply) => last = Cause::Protocol(format!("{:?} {}", reply.code, reply.message)),
                Ok(reply) => {
                    self.servers.succeeded(index);
                    return Ok((reply, connection));
                }
                Err(Fault::TryAgain(cause) | Fault::Final(cause)) => last = cause,
            }
            self.servers.failed(index, &last);
        }
        Err(last)
    }

    /// A change by the service account. It is made once: whether one that got no answer was made nobody knows.
    pub async fn change(&self, write: impl FnOnce(i32) -> ber::Bytes + Send) -> Result<Reply, Cause> {
        let _slot = self.slots.acquire().await.map_err(|_| Cause::Busy)?;
        let mut lease = self.take(true).await?;
        match self.limited("a change", lease.connection.change(write)).await {
            Ok(reply) => {
                self.give_back(lease);
                Ok(reply)
            }
            Err(Fault::TryAgain(cause) | Fault::Final(cause)) => {
                self.discard(&lease, &cause);
                Err(cause)
            }
        }
    }

    async fn limited<T>(&self, what: &str, asked: impl Future<Output = Result<T, Cause>> + Send) -> Result<T, Fault> {
        match timeout(self.timeout, asked).await {
            Ok(answer) => answer.map_err(Fault::TryAgain),
            Err(_) => Err(Fault::TryAgain(Cause::TimedOut(what.to_owned()))),
        }
    }

    /// A connection on which the service account is bound: one that lies there, unless it must be `fresh`, or a new one.
    async fn take(&self, fresh: bool) -> Result<Lease, Cause> {
        let order = self.servers.order();
        let best = order.first().copied().unwrap_or_default();
        if !fresh && let Some(lease) = self.idle_one(best) {
            return Ok(lease);
        }
        let mut last = Cause::Connect("there is no server".into());
        for index in order {
            match self.bound(index).await {
                Ok(connection) => return Ok(Lease { connection, server: index, since: Instant::now(), is_reused: false }),
                Err(cause @ Cause::Credentials(_)) => return Err(cause),
                Err(cause) => last = cause,
            }
        }
        Err(last)
    }

    /// The one that was used last, if it is to the server that would be asked now.
    fn idle_one(&self, best: usize) -> Option<Lease> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|lease| lease.since.elapsed() < IDLE && lease.server == best);
        idle.pop()
    }

    async fn bound(&self, index: usize) -> Result<Connection, Cause> {
        let password = self.password()?;
        let digest: [u8; 32] = Sha256::digest(password.expose().as_bytes()).into();
        self.refuse_again(&digest)?;
        let mut connection = self.servers.open(index).await?;
        let reply = match self.limited("the service account's bind", connection.bind(&self.account.dn, &password)).await {
            Ok(reply) => reply,
            Err(Fault::TryAgain(cause) | Fault::Final(cause)) => {
                self.servers.failed(index, &cause);
                return Err(cause);
            }
        };
        match reply.code {
            LdapResultCode::Success => {
                self.servers.succeeded(index);
                *self.refusal() = None;
                Ok(connection)
            }
            LdapResultCode::InvalidCredentials | LdapResultCode::InappropriateAuthentication | LdapResultCode::NoSuchObject => {
                let why = explain_refusal(&reply);
                *self.refusal() = Some(Refusal { password: digest, at: Instant::now(), why: why.clone() });
                Err(Cause::Credentials(why))
            }
            code => {
                let cause = Cause::Protocol(format!("the service account's bind is answered {code:?}: {}", reply.message));
                self.servers.failed(index, &cause);
                Err(cause)
            }
        }
    }

    /// Connects to this server and binds as the service account.
    pub async fn try_server(&self, index: usize) -> Result<(), Cause> {
        let connection = self.bound(index).await?;
        connection.close().await;
        Ok(())
    }

    /// The service account's password, read from its file each time.
    fn password(&self) -> Result<Secret, Cause> {
        let password = match &self.account.password {
            BindPassword::Inline(secret) => secret.clone(),
            BindPassword::File(path) => {
                let text = std::fs::read_to_string(path).map_err(|e| Cause::Credentials(format!("{}: {e}", path.display())))?;
                let text = zeroize::Zeroizing::new(text);
                Secret::new(text.trim_end_matches(['\r', '\n']))
            }
        };
        if password.is_empty() { Err(Cause::Credentials("the password is empty".into())) } else { Ok(password) }
    }

    /// # Errors
    /// If this very password was refused a moment ago.
    fn refuse_again(&self, password: &[u8; 32]) -> Result<(), Cause> {
        match self.refusal().as_ref() {
            Some(refusal) if refusal.password == *password && refusal.at.elapsed() < AFTER_REFUSAL => {
                Err(Cause::Credentials(refusal.why.clone()))
            }
            _ => Ok(()),
        }
    }

    /// Why the service account cannot sign in, if it could not the last time.
    pub fn refused_because(&self) -> Option<String> {
        self.refusal().as_ref().map(|refusal| refusal.why.clone())
    }

    fn refusal(&self) -> std::sync::MutexGuard<'_, Option<Refusal>> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self, lease: Lease) {
        self.servers.succeeded(lease.server);
        if lease.connection.is_clean() {
            let lease = Lease { since: Instant::now(), is_reused: true, ..lease };
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(lease);
        }
    }

    /// What failed on one connection fails on its sisters. That an old one was closed says nothing against the server; all else does.
    fn discard(&self, lease: &Lease, cause: &Cause) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).retain(|other| other.server != lease.server);
        if !lease.is_reused || !matches!(cause, Cause::Connect(_)) {
            self.servers.failed(lease.server, cause);
        }
    }
}

enum Fault {
    /// Another server, or a new connection, may know better.
    TryAgain(Cause),
    Final(Cause),
}

/// The server cannot answer now.
fn is_unable(reply: &Reply) -> bool {
    matches!(reply.code, LdapResultCode::Busy | LdapResultCode::Unavailable)
}

fn judge(entries: Vec<Entry>, reply: &Reply) -> Result<Vec<Entry>, Fault> {
    let cause = || Cause::Protocol(format!("a search is answered {:?}: {}", reply.code, reply.message));
    match reply.code {
        LdapResultCode::Success | LdapResultCode::SizeLimitExceeded => Ok(entries),
        LdapResultCode::NoSuchObject => Ok(Vec::new()),
        // Active Directory's answer on a connection that it has forgotten.
        LdapResultCode::OperationsError | LdapResultCode::Busy | LdapResultCode::Unavailable | LdapResultCode::TimeLimitExceeded => {
            Err(Fault::TryAgain(cause()))
        }
        _ => Err(Fault::Final(cause())),
    }
}

/// Shared by what asks at the same time.
pub(super) type SharedPool = Arc<Pool>;
