//! A few connections, each used by one caller at a time. One goes back only after a use that came to its end: whatever was cut
//! short, failed or timed out is closed, and the server rolls it back.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_postgres::{Client, Error};

use super::settings::PATIENCE;
use super::source::Source;

/// Connections of one gateway. PostgreSQL's default is 100 for everybody.
const CONNECTIONS: usize = 12;

/// What every connection starts with. The isolation that [`super`] counts on is not left to the server's configuration.
const GREETING: &str = "SET statement_timeout = '5s'; SET lock_timeout = '5s'; SET idle_in_transaction_session_timeout = '10s'; \
                        SET default_transaction_isolation = 'read committed'";

pub struct Pool {
    source: Arc<Source>,
    idle: Mutex<Vec<Client>>,
    room: Semaphore,
}

/// A connection in use. Dropped, it is closed.
pub struct Lease<'p> {
    pub client: Client,
    /// It has been used before; the server may have gone since.
    pub is_used: bool,
    pool: &'p Pool,
    _room: SemaphorePermit<'p>,
}

impl Pool {
    pub fn new(source: Arc<Source>) -> Self {
        Self { source, idle: Mutex::new(Vec::new()), room: Semaphore::new(CONNECTIONS) }
    }

    pub const fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// A connection. `fresh`: those that lie about are all closed, for one of them was dead.
    ///
    /// # Errors
    /// As words: where the server cannot be reached.
    pub async fn take(&self, fresh: bool) -> Result<Lease<'_>, String> {
        let room = self.room.acquire().await.map_err(|e| e.to_string())?;
        if fresh {
            self.idle().clear();
        }
        let idle = std::iter::from_fn(|| self.idle().pop()).find(|client| !client.is_closed());
        let (client, is_used) = match idle {
            Some(client) => (client, true),
            None => (self.connect().await?, false),
        };
        Ok(Lease { client, is_used, pool: self, _room: room })
    }

    async fn connect(&self) -> Result<Client, String> {
        let connect = async {
            let settings = self.source.settings().await;
            let (client, connection) = settings.config.connect(settings.tls.clone()).await?;
            tokio::spawn(async move {
                if let Err(e) = connection.await {
                    tracing::debug!(error = words(&e), "a connection to the database ended");
                }
            });
            client.batch_execute(GREETING).await?;
            Ok::<_, Error>(client)
        };
        match tokio::time::timeout(PATIENCE, connect).await {
            Ok(connected) => connected.map_err(|e| words(&e)),
            Err(_) => Err("no connection within 5 seconds".to_owned()),
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Client>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease<'_> {
    pub fn give_back(self) {
        self.pool.idle().push(self.client);
    }
}

/// What the server, or the way to it, says is wrong. No parameter of a statement is in it.
pub fn words(e: &Error) -> String {
    if let Some(said) = e.as_db_error() {
        return format!("{} (SQLSTATE {})", said.message(), said.code().code());
    }
    match std::error::Error::source(e) {
        Some(cause) => format!("{e}: {cause}"),
        None => e.to_string(),
    }
}
