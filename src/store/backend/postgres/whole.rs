//! All of the table at once: read as it stands at one moment, or replaced as one step. Neither is held to the time of a single statement:
//! pages and batches are, within one transaction.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use data_encoding::HEXLOWER;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

use super::pool::words;
use super::{PUT, Parameters, PostgresKv, listen, pair, patiently};
use crate::store::StoreError;
use crate::store::backend::kv::{Pair, Sink, Source, given, is_furniture, upper};

/// Begins to put other pairs in the place of all. The limits on single statements are not meant for this.
const WHOLE: &str = "BEGIN; SET LOCAL statement_timeout = '30min'; SET LOCAL lock_timeout = '30s'; \
                     SET LOCAL idle_in_transaction_session_timeout = '60s'; LOCK TABLE vestibule_kv IN EXCLUSIVE MODE";

/// The gateways stay: one that is cut off may let people in, and is to be named.
const EMPTY: &str = "DELETE FROM vestibule_kv WHERE NOT (key >= 'gateway/' AND key < 'gateway0')";

/// How long that may take in all.
const LONGEST: Duration = Duration::from_secs(3600);

/// How many pairs one statement of it puts.
const AT_ONCE: usize = 2000;

/// How many pairs a snapshot reads at a time.
const PAGE: i64 = 5000;

const FROM: &str = "SELECT key, value FROM vestibule_kv WHERE key >= $1 ORDER BY key LIMIT $2";
impl PostgresKv {
    /// As [`Self::pour_now`], in one piece.
    pub(super) async fn collect(&self, without: &[&[u8]]) -> Result<Vec<Pair>, String> {
        let all = Mutex::new(Collected::default());
        self.pour_now(without, &all).await?;
        Ok(all.into_inner().unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Puts these pairs in the place of all.
    pub(super) async fn replace_by(&self, pairs: Vec<Pair>, only_empty: bool) -> Result<bool, String> {
        self.replace_in_time(&mut Given(pairs), only_empty).await
    }

    /// Puts what comes in the place of all, in an hour at most.
    pub(super) async fn replace_in_time(&self, source: &mut dyn Source, only_empty: bool) -> Result<bool, String> {
        let done = tokio::time::timeout(LONGEST, self.replace_now(source, only_empty)).await;
        done.unwrap_or_else(|_| Err("an import is not done within an hour".to_owned()))
    }

    /// One transaction, with the table to itself; readers see the old pairs until it ends.
    async fn replace_now(&self, source: &mut dyn Source, only_empty: bool) -> Result<bool, String> {
        let lease = self.pool.take(true).await?;
        let client = &lease.client;
        let said = |e: Error| words(&e);
        client.batch_execute(WHOLE).await.map_err(said)?;
        if only_empty && has_more_than_furniture(client).await.map_err(said)? {
            client.batch_execute("ROLLBACK").await.map_err(said)?;
            lease.give_back();
            return Ok(false);
        }
        client.batch_execute(EMPTY).await.map_err(said)?;
        loop {
            // If it fails, the connection is closed with this lease, and the server takes everything back.
            let (keys, values): (Vec<_>, Vec<_>) = source.more().await.map_err(|e| e.to_string())?.into_iter().unzip();
            if keys.is_empty() {
                break;
            }
            for (keys, values) in keys.chunks(AT_ONCE).zip(values.chunks(AT_ONCE)) {
                client.execute_typed(PUT, &[(&keys, Type::BYTEA_ARRAY), (&values, Type::BYTEA_ARRAY)]).await.map_err(said)?;
            }
        }
        let work = async {
            client.execute_typed(listen::NOTIFY, &[(&vec![listen::everything(self.origin)], Type::TEXT_ARRAY)]).await?;
            client.batch_execute("COMMIT").await?;
            Ok(true)
        };
        let done = work.await.map_err(said)?;
        lease.give_back();
        Ok(done)
    }
}

impl PostgresKv {
    /// Every pair but those that begin so, page by page within one transaction, which sees one moment. What is left out is passed over.
    pub(super) async fn pour_now(&self, without: &[&[u8]], sink: &Mutex<dyn Sink>) -> Result<(), String> {
        let lease = self.pool.take(true).await?;
        let begin = lease.client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = '10min'; SET LOCAL idle_in_transaction_session_timeout = '60s'");
        patiently(async { begin.await.map_err(|e| words(&e)) }).await?;
        let sql = counting(without);
        let count = lease.client.query_typed(&sql, &[]);
        let rows = tokio::time::timeout(LONGEST, count).await.map_err(|e| e.to_string())?.map_err(|e| words(&e))?;
        let count: i64 = rows.first().map_or(Ok(0), |row| row.try_get(0)).map_err(|e| words(&e))?;
        given(sink).begins(usize::try_from(count).unwrap_or_default()).map_err(|e| e.to_string())?;
        let mut from = Some(Vec::new());
        while let Some(start) = from.take() {
            let parameters: &Parameters<'_> = &[(&start, Type::BYTEA), (&PAGE, Type::INT8)];
            let rows = patiently(async { lease.client.query_typed(FROM, parameters).await.map_err(|e| words(&e)) }).await?;
            let is_last = rows.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
            let mut some = Vec::with_capacity(rows.len());
            for row in &rows {
                let (key, value) = pair(row).map_err(|e| words(&e))?;
                if let Some(prefix) = without.iter().find(|prefix| key.starts_with(prefix)) {
                    from = upper(prefix);
                    break;
                }
                // The next key is the same with a zero behind it.
                from = Some([key.as_slice(), &[0]].concat()).filter(|_| !is_last);
                some.push((key, value));
            }
            given(sink).takes(some).map_err(|e| e.to_string())?;
        }
        patiently(async { lease.client.batch_execute("COMMIT").await.map_err(|e| words(&e)) }).await?;
        lease.give_back();
        Ok(())
    }
}

/// What counts all but the pairs that begin so. It may take longer than a statement usually may.
fn counting(without: &[&[u8]]) -> String {
    let mut sql = "SELECT count(*) FROM vestibule_kv WHERE true".to_owned();
    for prefix in without {
        let (from, to) = (HEXLOWER.encode(prefix), HEXLOWER.encode(&upper(prefix).unwrap_or_default()));
        sql += &format!(" AND NOT (key >= '\\x{from}' AND key < '\\x{to}')");
    }
    sql
}

/// Every pair that came.
#[derive(Default)]
struct Collected(Vec<Pair>);

impl Sink for Collected {
    fn begins(&mut self, _records: usize) -> Result<(), StoreError> {
        Ok(())
    }

    fn takes(&mut self, mut pairs: Vec<Pair>) -> Result<(), StoreError> {
        self.0.append(&mut pairs);
        Ok(())
    }
}

/// These pairs, once.
struct Given(Vec<Pair>);

#[async_trait]
impl Source for Given {
    async fn more(&mut self) -> Result<Vec<Pair>, StoreError> {
        Ok(std::mem::take(&mut self.0))
    }
}

/// Whether somebody has put something there. Furniture is a few rows: the first page of others ends the look.
async fn has_more_than_furniture(client: &Client) -> Result<bool, Error> {
    let mut after: Vec<u8> = Vec::new();
    loop {
        let rows =
            client.query_typed("SELECT key FROM vestibule_kv WHERE key > $1 ORDER BY key LIMIT 500", &[(&after, Type::BYTEA)]).await?;
        let Some(last) = rows.last() else { return Ok(false) };
        after = last.try_get(0)?;
        for row in &rows {
            if !is_furniture(row.try_get(0)?) {
                return Ok(true);
            }
        }
    }
}
