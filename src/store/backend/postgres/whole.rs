//! All of the table at once: read as it stands at one moment, or replaced as one step. Neither is held to the time of a single statement:
//! pages and batches are, within one transaction.

use std::time::Duration;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

use super::pool::words;
use super::{PUT, Parameters, PostgresKv, listen, pair, patiently};
use crate::store::backend::kv::{Pair, is_furniture, upper};

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
    /// Puts these pairs in the place of all, in an hour at most.
    pub(super) async fn replace_in_time(&self, pairs: Vec<Pair>, only_empty: bool) -> Result<bool, String> {
        let done = tokio::time::timeout(LONGEST, self.replace_now(pairs, only_empty)).await;
        done.unwrap_or_else(|_| Err("an import is not done within an hour".to_owned()))
    }

    /// One transaction, with the table to itself; readers see the old pairs until it ends.
    async fn replace_now(&self, pairs: Vec<Pair>, only_empty: bool) -> Result<bool, String> {
        let lease = self.pool.take(true).await?;
        let client = &lease.client;
        let mut pairs = pairs.into_iter();
        let work = async {
            client.batch_execute(WHOLE).await?;
            if only_empty && has_more_than_furniture(client).await? {
                client.batch_execute("ROLLBACK").await?;
                return Ok(false);
            }
            client.batch_execute(EMPTY).await?;
            loop {
                let (keys, values): (Vec<_>, Vec<_>) = pairs.by_ref().take(AT_ONCE).unzip();
                if keys.is_empty() {
                    break;
                }
                client.execute_typed(PUT, &[(&keys, Type::BYTEA_ARRAY), (&values, Type::BYTEA_ARRAY)]).await?;
            }
            client.execute_typed(listen::NOTIFY, &[(&vec![listen::everything(self.origin)], Type::TEXT_ARRAY)]).await?;
            client.batch_execute("COMMIT").await?;
            Ok(true)
        };
        let done = work.await.map_err(|e: Error| words(&e))?;
        lease.give_back();
        Ok(done)
    }
}

impl PostgresKv {
    /// Every pair but those that begin so, page by page within one transaction, which sees one moment. What is left out is passed over.
    pub(super) async fn snapshot_now(&self, without: &[&[u8]]) -> Result<Vec<Pair>, String> {
        let lease = self.pool.take(true).await?;
        let begin = lease.client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
        patiently(async { begin.await.map_err(|e| words(&e)) }).await?;
        let (mut all, mut from) = (Vec::new(), Some(Vec::new()));
        while let Some(start) = from.take() {
            let parameters: &Parameters<'_> = &[(&start, Type::BYTEA), (&PAGE, Type::INT8)];
            let rows = patiently(async { lease.client.query_typed(FROM, parameters).await.map_err(|e| words(&e)) }).await?;
            let is_last = rows.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
            for row in &rows {
                let (key, value) = pair(row).map_err(|e| words(&e))?;
                if let Some(prefix) = without.iter().find(|prefix| key.starts_with(prefix)) {
                    from = upper(prefix);
                    break;
                }
                // The next key is the same with a zero behind it.
                from = Some([key.as_slice(), &[0]].concat()).filter(|_| !is_last);
                all.push((key, value));
            }
        }
        patiently(async { lease.client.batch_execute("COMMIT").await.map_err(|e| words(&e)) }).await?;
        lease.give_back();
        Ok(all)
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
