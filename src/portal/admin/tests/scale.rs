//! What a page of a list costs does not grow with the house: counted in rows of the store, so that no clock is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use async_trait::async_trait;

use super::house::House;
use crate::account::Account;
use crate::base::UserId;
use crate::service::audit::LOOKED_THROUGH;
use crate::store::kv::{Batch, Pair, key};
use crate::store::{Kv, SledKv, StoreError};

/// Counts the rows that are read, and takes only so many commits.
pub struct Counting {
    inner: SledKv,
    rows: Arc<AtomicUsize>,
    commits: Arc<AtomicI64>,
}

impl Counting {
    pub fn new(inner: SledKv, rows: Arc<AtomicUsize>, commits: Arc<AtomicI64>) -> Self {
        Self { inner, rows, commits }
    }
}

#[async_trait]
impl Kv for Counting {
    async fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.rows.fetch_add(1, Ordering::Relaxed);
        self.inner.get(key).await
    }

    async fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize, reverse: bool) -> Result<Vec<Pair>, StoreError> {
        let page = self.inner.scan(prefix, after, limit, reverse).await?;
        self.rows.fetch_add(page.len(), Ordering::Relaxed);
        Ok(page)
    }

    async fn commit(&self, batch: Batch) -> Result<bool, StoreError> {
        if self.commits.fetch_sub(1, Ordering::Relaxed) <= 0 {
            return Err(StoreError::Backend("no space left on device".to_owned()));
        }
        self.inner.commit(batch).await
    }

    async fn snapshot(&self) -> Result<Vec<Pair>, StoreError> {
        self.inner.snapshot().await
    }

    async fn replace(&self, pairs: Vec<Pair>, only_empty: bool) -> Result<bool, StoreError> {
        self.inner.replace(pairs, only_empty).await
    }
}

const PAGES: [&str; 8] = [
    "admin",
    "admin/users",
    "admin/users?page=3",
    "admin/users?q=user00042",
    "admin/sessions",
    "admin/sessions?q=user00042",
    "admin/audit",
    "admin/audit?since=2023-11-14&until=2023-11-15",
];

/// Rows that each page reads once the house is at rest; those of a search in the log that finds nothing; and those of that and of one
/// that finds a few, once records are found by name.
async fn costs(users: usize) -> (Vec<usize>, usize, [usize; 2]) {
    let (house, rows) = House::counted().await;
    let services = &house.app.services;
    let now = house.clock.now();
    let all: Vec<Account> = (0..users)
        .map(|n| {
            serde_json::from_value(serde_json::json!({
                "id": UserId::random().unwrap(), "name": format!("user{n:05}"), "email": format!("user{n:05}@internal.example"),
                "display_name": "Person", "created": now
            }))
            .unwrap()
        })
        .collect();
    for some in all.chunks(2000) {
        services.store.create_accounts(some).await.unwrap().unwrap();
    }
    let first = services.store.audit_head().await.unwrap().map_or(0, |head| head.seq);
    let mut batch = Batch::default();
    for seq in first + 1..=first + users as u64 {
        let record = serde_json::json!({ "seq": seq, "at": now, "event": "sign_in.finished", "user": format!("u{}", seq / 9), "previous": "", "hash": "" });
        batch = batch.put(key("audit", seq.to_be_bytes()), record.to_string());
    }
    let head = serde_json::json!({ "seq": first + users as u64, "hash": "" }).to_string();
    assert!(services.store.kv().commit(batch.put("audit-head", head)).await.unwrap());
    let root = house.root().await;
    let cost = async |page: &str| {
        root.get(page).await;
        let before = rows.load(Ordering::Relaxed);
        assert_eq!(root.get(page).await.status, 200, "{page}");
        rows.load(Ordering::Relaxed) - before
    };
    let mut each = Vec::new();
    for page in PAGES {
        each.push(cost(page).await);
    }
    let searched = cost("admin/audit?user=nobody").await;
    services.store.index_audit().await.unwrap();
    (each, searched, [cost("admin/audit?user=nobody").await, cost("admin/audit?user=u7").await])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_reads_as_many_rows_in_a_large_house_as_in_a_small_one() {
    let ((small, ..), (large, searched, named)) = (costs(100).await, costs(20_000).await);
    for ((page, small), large) in PAGES.iter().zip(small).zip(large) {
        // Halving takes a few steps more in a longer log.
        assert!(large <= small + 20, "{page}: {small} rows in the small house, {large} in the large one");
        assert!(large < 100, "{page}: {large}");
    }
    assert!(searched <= LOOKED_THROUGH + 600, "{searched}");
    assert!(named[0] < 20 && named[1] > named[0] && named[1] < 40, "{named:?}");
}
