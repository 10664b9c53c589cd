//! Records of the audit log are found by name in every backend, whatever wrote them.

use std::sync::Arc;

use super::super::{AuditRecord, Store, Trimmed, fold};
use super::{blank, race};
use crate::base::Time;
use crate::store::audit::names;
use crate::store::backend::kv::Batch;

async fn numbers_of(store: &Store, name: &str) -> Vec<u64> {
    store.audit_of(&fold(name), 0, 100, false, |_| true).await.unwrap().iter().map(|(seq, _)| *seq).collect()
}

async fn entries_in(store: &Store) -> usize {
    store.kv().scan(names::ENTRIES, None, 1000, false).await.unwrap().len()
}

fn of(user: &str, by: Option<&str>, at: i64) -> AuditRecord {
    AuditRecord { user: Some(user.into()), by: by.map(str::to_owned), at: Time::from_secs(at), ..blank() }
}

pub(super) async fn records_are_found_by_name_and_go_from_there_too(store: Arc<Store>) {
    for n in 1..=6 {
        let who = if n % 2 == 0 { of("alice", Some("Root"), n) } else { of("Bob", None, n) };
        store.append_audit(who).await.unwrap();
    }
    store.append_audit(blank()).await.unwrap();
    assert!(store.audit_is_indexed().await.unwrap());
    assert_eq!((numbers_of(&store, "ALICE").await, numbers_of(&store, "root").await), (vec![2, 4, 6], vec![2, 4, 6]));
    assert_eq!((numbers_of(&store, "bob").await, numbers_of(&store, "bo").await), (vec![1, 3, 5], vec![]));
    let back = store.audit_of("alice", 6, 1, true, |event| event == b"test").await.unwrap();
    assert_eq!(back.iter().map(|(_, record)| record.as_ref().unwrap().seq).collect::<Vec<_>>(), [4]);
    let other = store.audit_of("alice", u64::MAX, 9, true, |event| event == b"other").await.unwrap();
    assert!(other.len() == 3 && other.iter().all(|(_, record)| record.is_none()));
    assert!(matches!(store.trim_audit(Time::from_secs(4), u64::MAX, 100).await.unwrap(), Trimmed::Removed { last: 3, .. }));
    assert_eq!((numbers_of(&store, "bob").await, numbers_of(&store, "root").await), (vec![5], vec![4, 6]));
    assert_eq!(entries_in(&store).await, 5);
}

pub(super) async fn a_log_of_an_earlier_version_gets_its_entries(store: Arc<Store>) {
    for n in 0..600 {
        store.append_audit(of(["alice", "bob"][n % 2], None, 1)).await.unwrap();
    }
    let all = numbers_of(&store, "alice").await;
    let old = store.kv().scan(names::ENTRIES, None, 1000, false).await.unwrap();
    let head = store.audit_head().await.unwrap().unwrap();
    // As an earlier version leaves it: a head that says nothing, some entries from before it, one that nobody wrote.
    let plain = serde_json::json!({ "seq": head.seq, "hash": head.hash }).to_string();
    let mut batch = Batch::default().put("audit-head", plain).put([names::ENTRIES, &[0; 24][..]].concat(), "x");
    batch = old.into_iter().step_by(3).fold(batch, |batch, (key, _)| batch.delete(key));
    assert!(store.kv().commit(batch).await.unwrap());
    assert!(!store.audit_is_indexed().await.unwrap());
    // Others write meanwhile, from this process and from another over the same store.
    let other = Arc::new(Store::new(store.kv().clone(), store.keys()));
    let (one, two) = tokio::join!(
        store.index_audit(),
        race(10, || {
            let other = other.clone();
            async move { other.append_audit(of("carol", None, 2)).await.unwrap() }
        })
    );
    assert!(one.unwrap() >= 600 && two.len() == 10);
    store.index_audit().await.unwrap();
    assert!(store.audit_is_indexed().await.unwrap());
    assert_eq!((numbers_of(&store, "alice").await, numbers_of(&store, "carol").await.len()), (all[..100].to_vec(), 10));
    assert_eq!(store.kv().scan(names::ENTRIES, None, 1000, false).await.unwrap().len(), 610);
    assert_eq!(store.index_audit().await.unwrap(), 0);
}
