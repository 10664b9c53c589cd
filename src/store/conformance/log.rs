//! The audit log in every backend: one chain, whoever writes to it and whoever trims it.

use std::sync::Arc;

use super::super::{AuditHead, AuditRecord, AuditStart, GENESIS, Store, Trimmed};
use super::{blank, race};
use crate::base::Time;

pub(super) async fn the_audit_chain_holds_under_parallel_writes(store: Arc<Store>) {
    let blank = blank();
    race(30, || {
        let (store, blank) = (store.clone(), blank.clone());
        async move { store.append_audit(blank).await.unwrap() }
    })
    .await;
    let records = store.audit_after(0, 100).await.unwrap();
    let mut previous = GENESIS.to_owned();
    for (record, seq) in records.iter().zip(1..) {
        assert_eq!((record.seq, &record.previous, &record.hash), (seq, &previous, &record.digest().unwrap()));
        previous = record.hash.clone();
    }
    assert_eq!(store.audit_head().await.unwrap(), Some(AuditHead { seq: 30, hash: previous, indexed: 30 }));
    let newest: Vec<u64> = store.audit_before(Some(30), 2).await.unwrap().iter().map(|r| r.seq).collect();
    assert_eq!(newest, [29, 28]);
    assert_eq!(store.audit_before(None, 1).await.unwrap()[0].seq, 30);
}

/// Of several gateways that trim at once, each batch is removed by one; the chain goes on from the anchor.
pub(super) async fn the_log_is_trimmed_once_and_goes_on(store: Arc<Store>) {
    let blank = |at| AuditRecord { at: Time::from_secs(at), ..blank() };
    for at in 1..=20 {
        store.append_audit(blank(at)).await.unwrap();
    }
    assert_eq!(store.audit_start().await.unwrap(), AuditStart::At(0, GENESIS.to_owned()));
    let removed = race(8, || {
        let store = store.clone();
        async move { store.trim_audit(Time::from_secs(11), u64::MAX, 5).await.unwrap() }
    })
    .await;
    let count = removed.iter().map(|trimmed| if let Trimmed::Removed { count, .. } = trimmed { *count } else { 0 }).sum::<u64>();
    let left = store.audit_after(0, 100).await.unwrap();
    assert_eq!((count + left.len() as u64, left[0].seq), (20, count + 1));
    while store.trim_audit(Time::from_secs(11), 8, 5).await.unwrap() != Trimmed::Nothing {}
    store.trim_audit(Time::from_secs(11), u64::MAX, 5).await.unwrap();
    let left = store.audit_after(0, 100).await.unwrap();
    assert_eq!((left[0].seq, store.audit_start().await.unwrap()), (11, AuditStart::At(10, left[0].previous.clone())));
    assert_eq!(store.append_audit(blank(21)).await.unwrap().seq, 21);
}
