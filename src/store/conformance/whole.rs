//! A snapshot shows one moment, and a replacement happens whole or not at all, in every backend.

use std::sync::Arc;

use super::super::Store;
use crate::store::backend::kv::{Batch, Pair};

/// Two keys that are only ever written together stand together in every snapshot.
pub(super) async fn a_snapshot_is_of_one_moment(store: Arc<Store>) {
    let kv = store.kv().clone();
    assert_eq!(kv.snapshot().await.unwrap(), []);
    let writer = tokio::spawn({
        let kv = kv.clone();
        async move {
            for n in 0..200u32 {
                let value = n.to_be_bytes();
                assert!(kv.commit(Batch::default().put("a", value).put("b/\u{ff}", value).put(format!("n/{n:03}"), "")).await.unwrap());
            }
        }
    });
    while !writer.is_finished() {
        let pairs = kv.snapshot().await.unwrap();
        assert!(pairs.is_sorted(), "in the order of keys");
        let Some((_, newest)) = pairs.first() else { continue };
        let count = u32::from_be_bytes(newest.as_slice().try_into().unwrap()) + 1;
        assert_eq!(pairs.len(), 2 + count as usize);
        assert_eq!(&pairs[1].1, newest);
    }
    writer.await.unwrap();
    assert_eq!(kv.snapshot().await.unwrap().len(), 202);
}

pub(super) async fn a_replacement_is_whole_or_nothing(store: Arc<Store>) {
    let kv = store.kv().clone();
    let house = |name: &str, count: usize| -> Vec<Pair> {
        (0..count).map(|n| (format!("{name}/{n:05}").into_bytes(), vec![0xff, 0, 10])).chain([(b"of".to_vec(), name.into())]).collect()
    };
    assert!(kv.replace(house("one", 3000), true).await.unwrap(), "an empty store");
    assert_eq!(kv.snapshot().await.unwrap().len(), 3001);
    assert!(!kv.replace(house("two", 5), true).await.unwrap(), "only an empty one was wanted");
    assert_eq!(kv.get(b"of").await.unwrap().unwrap(), b"one");
    // Of several at once one is there in the end, whole; whoever reads meanwhile reads one of them.
    let swap = |name: &'static str| {
        let (kv, pairs) = (kv.clone(), house(name, 500));
        tokio::spawn(async move { assert!(kv.replace(pairs, false).await.unwrap()) })
    };
    let swaps = [swap("three"), swap("four"), swap("five")];
    while !swaps.iter().all(tokio::task::JoinHandle::is_finished) {
        let pairs = kv.snapshot().await.unwrap();
        let (name, count) = (pairs.iter().find(|(key, _)| key == b"of").unwrap().1.clone(), pairs.len());
        assert!(count == 501 || (count == 3001 && name == b"one"), "{count}");
        assert_eq!(pairs.iter().filter(|(key, _)| key.starts_with(&name)).count(), count - 1);
    }
    for swap in swaps {
        swap.await.unwrap();
    }
    assert!(kv.replace(Vec::new(), false).await.unwrap(), "an empty file empties the store");
    assert!(kv.snapshot().await.unwrap().is_empty());
}
