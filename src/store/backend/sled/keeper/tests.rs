//! A database that is closed and opened again under its users.

use super::*;
use crate::store::backend::kv::Kv;
use crate::store::backend::sled::SledKv;

async fn until_written(kv: &SledKv) {
    for _ in 0..200 {
        if kv.commit(Batch::durable().put("later", "1")).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not mended");
}

fn refuses(kv: &SledKv, key: &str) -> StoreError {
    let touched = || Touched::Keys(vec![key.as_bytes().to_vec()]);
    kv.0.write(touched, |_| Err::<(), _>(StoreError::Backend("no space left".into()))).unwrap_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failed_write_nothing_is_written_until_it_was_opened_anew_with_everything() {
    let folder = tempfile::tempdir().unwrap();
    let kv = SledKv::open(&folder.path().join("store")).await.unwrap();
    for n in 0..500 {
        assert!(kv.commit(Batch::default().put(format!("a/{n}"), vec![7; 300])).await.unwrap());
    }
    refuses(&kv, "b");
    let said = kv.commit(Batch::default().put("c", "1")).await.unwrap_err().to_string();
    assert!(said.contains("no space left"), "{said}");
    assert!(kv.replace(Vec::new(), false).await.is_err());
    assert_eq!(kv.scan(b"a/", None, 1000, false).await.unwrap().len(), 500, "it can be read meanwhile");
    until_written(&kv).await;
    assert_eq!(kv.scan(b"a/", None, 1000, false).await.unwrap().len(), 500);
    assert_eq!(kv.get(b"c").await.unwrap(), None);
    // And a second time, by a panic.
    let panics = || kv.0.write(|| Touched::Everything, |_| panic!("as sled does") as Result<(), StoreError>);
    assert!(tokio::task::block_in_place(panics).is_err());
    until_written(&kv).await;
    assert_eq!(kv.snapshot().await.unwrap().len(), 502);
    assert!(!folder.path().join("store/room").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_not_closed_under_somebody_at_work() {
    let folder = tempfile::tempdir().unwrap();
    let kv = SledKv::open(&folder.path().join("store")).await.unwrap();
    let at_work = kv.0.lend().unwrap();
    refuses(&kv, "b");
    tokio::time::sleep(FIRST + Duration::from_secs(1)).await;
    assert!(at_work.probe().is_ok(), "it works on what it was lent");
    drop(at_work);
    until_written(&kv).await;
}

#[test]
fn a_database_that_came_back_without_a_record_is_not_put_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let keeper = Keeper::open(folder.path().join("store")).unwrap();
    let put = |key: &str| keeper.commit(Batch::durable().put(key, "1")).unwrap();
    assert!(put("a") && put("b"));
    keeper.state().fault = Some(Fault::new("full".into()));
    keeper.close().unwrap();
    let behind = Opened::open(&keeper.folder).unwrap();
    assert_eq!(behind.commit(&Batch::durable().delete("b"), &Mutex::default()).unwrap(), Some(1));
    drop(behind);
    assert!(matches!(keeper.reopen(), Err(StoreError::Damaged { .. })));
    assert!(keeper.lend().is_err() && keeper.write(|| Touched::Everything, |_| Ok(())).is_err());
}
