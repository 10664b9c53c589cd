//! The backend for several gateways over one PostgreSQL database.
//!
//! One table of keys and values. A commit is one transaction at READ COMMITTED that first takes advisory locks, then reads what is
//! expected, then writes. Row locks would not do: an expectation that a key is absent has no row to lock. SERIALIZABLE would do,
//! but over a table this small PostgreSQL watches whole pages, so that unrelated commits fail one another and must be tried again
//! without end in sight. Advisory locks make those wait that touch the same keys, and nobody else: every writer takes the lock
//! of each key it expects or writes, in one order, so that none waits in a circle; the statements after it see all that was
//! committed before the locks were had, for PostgreSQL shows a transaction's writes before it gives up its locks.
//!
//! Keys share [`BUCKETS`] locks, so that an import of thousands does not use up the server's lock table. Two keys in one bucket
//! wait for each other without need; that is all.
//!
//! Nothing here waits longer than [`PATIENCE`], but for an import, which has an hour. A statement that failed before its `COMMIT` was sent, over a connection that
//! had died while idle, is tried once more; anything else is the caller's to refuse.

mod listen;
mod pool;
#[cfg(test)]
mod practice_tests;
#[cfg(test)]
pub(crate) mod server;
mod settings;
mod source;
#[cfg(test)]
mod tests;
pub(in crate::store) mod views;
mod whole;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};

use super::kv::{self, Batch, Change, Kv, Pair, Sink, Word, upper};
use crate::base::Secret;
use crate::store::StoreError;
use listen::{Origin, notice};
use pool::{Lease, Pool, words};
use settings::PATIENCE;
use source::Source;

/// The table in a PostgreSQL database.
pub struct PostgresKv {
    pool: Pool,
    origin: Origin,
}

/// Whose locks these are, among those of other programs in the database: "vest".
const LOCKS: i32 = 0x7665_7374;

const BUCKETS: u16 = 1024;

/// No bucket: the lock under which the table is made.
const TABLE_LOCK: i32 = -1;

const READ: &str = "SELECT key, value FROM vestibule_kv WHERE key = ANY($1)";
const DELETE: &str = "DELETE FROM vestibule_kv WHERE key = ANY($1) RETURNING key";
const PUT: &str =
    "INSERT INTO vestibule_kv (key, value) SELECT * FROM unnest($1, $2) ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value";
const UP: &str = "SELECT key, value FROM vestibule_kv WHERE key >= $1 AND key > $2 AND ($3 IS NULL OR key < $3) ORDER BY key LIMIT $4";
const DOWN: &str = "SELECT key, value FROM vestibule_kv WHERE key >= $1 AND ($2 IS NULL OR key < $2) AND ($3 IS NULL OR key < $3) ORDER BY key DESC LIMIT $4";

type Parameters<'a> = [(&'a (dyn ToSql + Sync), Type)];

impl PostgresKv {
    /// Connects, and makes the table if there is none.
    ///
    /// # Errors
    /// Where the server cannot be reached, or lets this user neither use nor make the table.
    pub async fn open(url: &Secret) -> Result<Self, StoreError> {
        Self::over(Source::new(None, url)?).await
    }

    /// As [`Self::open`]; the file that the URL is from is read again for each new connection, so that its password may change.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_from(file: &std::path::Path, url: &Secret) -> Result<Self, StoreError> {
        Self::over(Source::new(Some(file.to_owned()), url)?).await
    }

    async fn over(source: Source) -> Result<Self, StoreError> {
        let kv = Self { pool: Pool::new(Arc::new(source)), origin: Origin::random()? };
        let lease = kv.pool.take(false).await.map_err(StoreError::Backend)?;
        let made = patiently(async { prepare(&lease.client).await.map_err(|e| words(&e)) }).await;
        made.map_err(|e| StoreError::Backend(format!("the table vestibule_kv can be neither used nor made: {e}")))?;
        lease.give_back();
        Ok(kv)
    }

    async fn rows(&self, sql: &str, parameters: &Parameters<'_>) -> Result<Vec<Row>, StoreError> {
        let asked = async {
            let mut fresh = false;
            loop {
                let lease = self.pool.take(fresh).await?;
                match lease.client.query_typed(sql, parameters).await {
                    Ok(rows) => {
                        lease.give_back();
                        return Ok(rows);
                    }
                    Err(e) if worth_another(&lease, &e) => fresh = true,
                    Err(e) => return Err(words(&e)),
                }
            }
        };
        patiently(asked).await.map_err(StoreError::Backend)
    }

    async fn commit_now(&self, change: &Prepared) -> Result<bool, String> {
        let mut fresh = false;
        loop {
            let lease = self.pool.take(fresh).await?;
            match change.apply(&lease.client).await {
                Ok(false) => {
                    lease.client.batch_execute("ROLLBACK").await.map_err(|e| words(&e))?;
                    lease.give_back();
                    return Ok(false);
                }
                Ok(true) => {
                    lease.client.batch_execute("COMMIT").await.map_err(|e| words(&e))?;
                    lease.give_back();
                    return Ok(true);
                }
                Err(e) if worth_another(&lease, &e) => fresh = true,
                Err(e) => return Err(words(&e)),
            }
        }
    }
}

/// Only a connection that had died since its last use; a fresh one is never tried again, so that this ends.
fn worth_another(lease: &Lease<'_>, e: &Error) -> bool {
    lease.is_used && (e.is_closed() || lease.client.is_closed() || e.code() == Some(&SqlState::ADMIN_SHUTDOWN))
}

async fn patiently<T>(what: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    tokio::time::timeout(PATIENCE, what).await.unwrap_or_else(|_| Err("no answer within 5 seconds".to_owned()))
}

/// Two gateways that start at once make it once. Who finds it needs no right to make it.
async fn prepare(client: &Client) -> Result<(), Error> {
    client
        .batch_execute(&format!(
            "BEGIN; SELECT pg_advisory_xact_lock({LOCKS}, {TABLE_LOCK});
             DO $$ BEGIN IF to_regclass('vestibule_kv') IS NULL THEN
                 CREATE TABLE vestibule_kv (key bytea PRIMARY KEY, value bytea NOT NULL);
             END IF; END $$;
             COMMIT; SELECT FROM vestibule_kv LIMIT 1"
        ))
        .await
}

fn bucket(key: &[u8]) -> i32 {
    let digest: [u8; 32] = Sha256::digest(key).into();
    let [first, second, ..] = digest;
    i32::from(u16::from_be_bytes([first, second]) % BUCKETS)
}

/// A batch as its statements want it: of several writes of one key, the last.
struct Prepared {
    /// The beginning, and the locks in their order.
    begin: String,
    expect: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    keys: Vec<Vec<u8>>,
    put: (Vec<Vec<u8>>, Vec<Vec<u8>>),
    delete: Vec<Vec<u8>>,
    /// Of what is put.
    notices: Vec<String>,
    origin: Origin,
}

impl Prepared {
    fn new(batch: Batch, origin: Origin) -> Self {
        let last: BTreeMap<_, _> = batch.write.into_iter().collect();
        let keys: BTreeSet<_> = batch.expect.iter().map(|(key, _)| key.clone()).collect();
        let locks: BTreeSet<_> = keys.iter().chain(last.keys()).map(|key| bucket(key)).collect();
        let (mut put, mut delete, mut notices) = ((Vec::new(), Vec::new()), Vec::new(), Vec::new());
        for (key, value) in last {
            match value {
                Some(value) => {
                    notices.extend(notice(origin, false, &key).filter(|_| batch.used.is_empty()));
                    put.0.push(key);
                    put.1.push(value);
                }
                None => delete.push(key),
            }
        }
        notices.extend((!batch.used.is_empty()).then(|| listen::used(origin, &batch.used)));
        let locks: Vec<String> = locks.iter().map(i32::to_string).collect();
        let begin = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock({LOCKS}, bucket) FROM
             (SELECT bucket FROM unnest('{{{}}}'::int[]) AS bucket ORDER BY bucket OFFSET 0) AS ordered",
            locks.join(",")
        );
        let keys = keys.into_iter().collect();
        Self { begin, expect: batch.expect, keys, put, delete, notices, origin }
    }

    /// Begins, and does all but the end; `false` where an expectation does not hold.
    async fn apply(&self, client: &Client) -> Result<bool, Error> {
        client.batch_execute(&self.begin).await?;
        if !self.expect.is_empty() {
            let rows = client.query_typed(READ, &[(&self.keys, Type::BYTEA_ARRAY)]).await?;
            let now: BTreeMap<Vec<u8>, Vec<u8>> = rows.iter().map(pair).collect::<Result<_, _>>()?;
            if !self.expect.iter().all(|(key, value)| now.get(key) == value.as_ref()) {
                return Ok(false);
            }
        }
        let mut notices = self.notices.clone();
        if !self.delete.is_empty() {
            for row in client.query_typed(DELETE, &[(&self.delete, Type::BYTEA_ARRAY)]).await? {
                notices.extend(notice(self.origin, true, row.try_get(0)?));
            }
        }
        if !self.put.0.is_empty() {
            client.execute_typed(PUT, &[(&self.put.0, Type::BYTEA_ARRAY), (&self.put.1, Type::BYTEA_ARRAY)]).await?;
        }
        if !notices.is_empty() {
            client.execute_typed(listen::NOTIFY, &[(&notices, Type::TEXT_ARRAY)]).await?;
        }
        Ok(true)
    }
}

fn pair(row: &Row) -> Result<Pair, Error> {
    Ok((row.try_get(0)?, row.try_get(1)?))
}

#[async_trait]
impl Kv for PostgresKv {
    async fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let rows = self.rows("SELECT value FROM vestibule_kv WHERE key = $1", &[(&key, Type::BYTEA)]).await?;
        rows.first().map(|row| row.try_get(0)).transpose().map_err(|e| StoreError::Backend(words(&e)))
    }

    async fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let rows = self.rows(READ, &[(&keys, Type::BYTEA_ARRAY)]).await?;
        let found = rows.iter().map(pair).collect::<Result<BTreeMap<_, _>, _>>().map_err(|e| StoreError::Backend(words(&e)))?;
        Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
    }

    async fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize, reverse: bool) -> Result<Vec<Pair>, StoreError> {
        let (end, limit) = (upper(prefix), i64::try_from(limit).unwrap_or(i64::MAX));
        // Below the empty key there is none, so that "greater than it" would leave out a key that is empty; no key is.
        let after_up = after.unwrap_or_default();
        let between: &(dyn ToSql + Sync) = if reverse { &after } else { &after_up };
        let parameters: &Parameters<'_> = &[(&prefix, Type::BYTEA), (between, Type::BYTEA), (&end, Type::BYTEA), (&limit, Type::INT8)];
        let rows = self.rows(if reverse { DOWN } else { UP }, parameters).await?;
        rows.iter().map(pair).collect::<Result<_, _>>().map_err(|e| StoreError::Backend(words(&e)))
    }

    async fn commit(&self, batch: Batch) -> Result<bool, StoreError> {
        if batch.expect.is_empty() && batch.write.is_empty() {
            return Ok(true);
        }
        let change = Prepared::new(batch, self.origin);
        patiently(self.commit_now(&change)).await.map_err(StoreError::Backend)
    }

    async fn snapshot(&self) -> Result<Vec<Pair>, StoreError> {
        self.snapshot_without(&[]).await
    }

    async fn snapshot_without(&self, prefixes: &'static [&'static [u8]]) -> Result<Vec<Pair>, StoreError> {
        self.collect(prefixes).await.map_err(StoreError::Backend)
    }

    async fn pour(&self, without: &'static [&'static [u8]], sink: Arc<Mutex<dyn Sink>>) -> Result<(), StoreError> {
        self.pour_now(without, &sink).await.map_err(StoreError::Backend)
    }

    async fn fill(&self, mut source: Box<dyn kv::Source>, only_empty: bool) -> Result<bool, StoreError> {
        self.replace_in_time(&mut *source, only_empty).await.map_err(StoreError::Backend)
    }

    async fn replace(&self, pairs: Vec<Pair>, only_empty: bool) -> Result<bool, StoreError> {
        self.replace_by(pairs, only_empty).await.map_err(StoreError::Backend)
    }

    fn changes(&self) -> Option<mpsc::Receiver<Change>> {
        Some(listen::start(self.pool.source().clone(), self.origin))
    }

    fn member(&self) -> Option<String> {
        Some(self.origin.text())
    }

    async fn tell(&self, word: Word) -> Result<bool, StoreError> {
        let words = vec![listen::word(self.origin, word)];
        self.rows(listen::NOTIFY, &[(&words, Type::TEXT_ARRAY)]).await?;
        Ok(true)
    }

    fn is_shared(&self) -> bool {
        true
    }
}
