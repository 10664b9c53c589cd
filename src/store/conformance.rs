//! What every backend must do, written once. A further backend adds a line to `backends!`.

mod accounts;
mod acme;
mod log;
mod names;
mod whole;

use std::sync::Arc;
use std::time::Duration;

use self::accounts::{
    a_factor_belongs_to_one_account, a_taken_name_is_refused_and_changes_nothing, an_import_is_all_or_nothing,
    name_and_address_are_one_identity, of_fifty_uses_of_a_code_one_wins,
};
use self::acme::{acme_keys_are_sealed_and_follow_a_rotation, of_many_gateways_one_orders};
use self::log::{the_audit_chain_holds_under_parallel_writes, the_log_is_trimmed_once_and_goes_on};
use self::names::{a_log_of_an_earlier_version_gets_its_entries, records_are_found_by_name_and_go_from_there_too};
use self::whole::{a_replacement_is_whole_or_nothing, a_snapshot_is_of_one_moment};
use super::backend::kv::Batch;
use super::*;
use crate::account::Account;
use crate::base::{FlowId, Time, UserId};
use crate::login::{Flow, Purpose};
use crate::policy::Proof;
use crate::session::keys::MasterKey;
use crate::session::{KeyRing, SessionRecord};

fn account(name: &str) -> Account {
    serde_json::from_value(serde_json::json!({
        "id": UserId::random().unwrap(), "name": name, "email": format!("{name}@internal.example"), "display_name": name, "created": 0,
    }))
    .unwrap()
}

fn session(user: UserId) -> SessionRecord {
    SessionRecord::begin(user, 0, Proof::Password, Time::from_secs(1), [127, 0, 0, 1].into(), "Firefox").unwrap()
}

fn blank() -> AuditRecord {
    AuditRecord {
        seq: 0,
        at: Time::from_secs(1),
        event: "test".into(),
        user: None,
        by: None,
        address: None,
        request: None,
        detail: String::new(),
        previous: String::new(),
        hash: String::new(),
    }
}

struct Rig {
    store: Arc<Store>,
    _keep: Box<dyn std::any::Any>,
}

async fn on_sled() -> Rig {
    let folder = tempfile::tempdir().unwrap();
    let kv = SledKv::open(&folder.path().join("store")).await.unwrap();
    rig(Arc::new(kv), Box::new(folder))
}

async fn on_postgres() -> Rig {
    let database = super::backend::postgres::server::database().await;
    let kv = PostgresKv::open(&super::backend::postgres::server::url(&database)).await.unwrap();
    rig(Arc::new(kv), Box::new(()))
}

fn rig(kv: Arc<dyn Kv>, keep: Box<dyn std::any::Any>) -> Rig {
    let keys = KeyRing::new(&[MasterKey::random(1, Time::default()).unwrap()]).unwrap();
    Rig { store: Arc::new(Store::new(kv, Arc::new(keys))), _keep: keep }
}

async fn race<R: Send + 'static, F: Future<Output = R> + Send + 'static>(times: usize, what: impl Fn() -> F) -> Vec<R> {
    let tasks: Vec<_> = (0..times).map(|_| tokio::spawn(what())).collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

macro_rules! backends {
    ($($backend:ident: $make:path),*) => { $( mod $backend {

        every_backend!($make; name_and_address_are_one_identity, a_taken_name_is_refused_and_changes_nothing, of_fifty_uses_of_a_code_one_wins,
            an_import_is_all_or_nothing, a_flow_is_finished_once, a_link_is_used_once, a_step_up_replaces_the_session_once,
            a_touch_does_not_bring_back_a_session, many_touches_are_noted_and_never_turn_back,
            sessions_written_as_json_by_an_earlier_version_are_read, the_audit_chain_holds_under_parallel_writes, scans_stay_within_their_prefix,
            the_log_is_trimmed_once_and_goes_on, a_factor_belongs_to_one_account, a_user_has_few_flows_at_once,
            records_are_found_by_name_and_go_from_there_too, a_log_of_an_earlier_version_gets_its_entries,
            a_snapshot_is_of_one_moment, a_replacement_is_whole_or_nothing, of_many_gateways_one_orders,
            acme_keys_are_sealed_and_follow_a_rotation);
    } )* };
}

macro_rules! every_backend {
    ($make:path; $($case:ident),*) => { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $case() { let rig = $make().await; super::$case(rig.store.clone()).await; }
    )* };
}

backends!(sled: super::on_sled, postgres: super::on_postgres);

async fn a_flow_is_finished_once(store: Arc<Store>) {
    let alice = account("alice");
    let flow = Flow::new(FlowId::random().unwrap(), &alice, Purpose::Second, false, Time::from_secs(1));
    store.create_flow(&flow).await.unwrap();
    let wins = race(20, || {
        let (store, flow) = (store.clone(), flow.clone());
        async move { store.take_flow(&flow).await.unwrap() }
    });
    assert_eq!(wins.await.into_iter().filter(|won| *won).count(), 1);
    assert!(store.flow(flow.id).await.unwrap().is_none());
    let vouch = |flow: &mut Flow| {
        flow.vouched = true;
        Edit::Write(())
    };
    assert!(store.update_flow(flow.id, vouch).await.unwrap().is_none());
}

async fn a_link_is_used_once(store: Arc<Store>) {
    let now = Time::from_secs(1000);
    let link = Link {
        kind: LinkKind::Setup,
        user: UserId::random().unwrap(),
        epoch: 0,
        expires: now.plus(Duration::from_secs(60)),
        invitation: None,
    };
    let token = store.create_link(&link).await.unwrap();
    assert!(store.link(&token, now).await.unwrap().is_some());
    assert!(store.link(&token, link.expires).await.unwrap().is_none());
    assert!(store.link("nonsense", now).await.unwrap().is_none());
    let wins = race(20, || {
        let (store, token) = (store.clone(), token.clone());
        async move { store.take_link(&token, now).await.unwrap().is_some() }
    });
    assert_eq!(wins.await.into_iter().filter(|won| *won).count(), 1);
    let late = store.create_link(&link).await.unwrap();
    assert_eq!(store.sweep(link.expires).await.unwrap(), 1);
    assert!(store.take_link(&late, now).await.unwrap().is_none());
}

async fn a_step_up_replaces_the_session_once(store: Arc<Store>) {
    let old = session(UserId::random().unwrap());
    assert!(store.put_session(&old, None).await.unwrap());
    let wins = race(20, || {
        let (store, old) = (store.clone(), old.clone());
        async move { store.put_session(&session(old.user), Some(old.id)).await.unwrap() }
    });
    assert_eq!(wins.await.into_iter().filter(|won| *won).count(), 1);
    assert_eq!(store.all_sessions().await.unwrap().len(), 1);
}

async fn a_touch_does_not_bring_back_a_session(store: Arc<Store>) {
    let record = session(UserId::random().unwrap());
    store.put_session(&record, None).await.unwrap();
    store.delete_sessions(&[record.id]).await.unwrap();
    store.touch_sessions(std::slice::from_ref(&record)).await.unwrap();
    assert!(store.all_sessions().await.unwrap().is_empty());
}

async fn many_touches_are_noted_and_never_turn_back(store: Arc<Store>) {
    let mut records: Vec<_> = (0..300).map(|_| session(UserId::from_bytes([7; 16]))).collect();
    for record in &records {
        store.put_session(record, None).await.unwrap();
    }
    store.delete_sessions(&[records[3].id]).await.unwrap();
    records.iter_mut().for_each(|record| record.last_seen = Time::from_secs(9));
    store.touch_sessions(&records).await.unwrap();
    let earlier: Vec<_> = records.iter().map(|record| SessionRecord { last_seen: Time::from_secs(5), ..record.clone() }).collect();
    store.touch_sessions(&earlier).await.unwrap();
    let all = store.all_sessions().await.unwrap();
    assert_eq!(all.len(), records.len() - 1);
    assert!(all.iter().all(|record| record.last_seen == Time::from_secs(9)));
}

async fn sessions_written_as_json_by_an_earlier_version_are_read(store: Arc<Store>) {
    let record = session(UserId::random().unwrap());
    let json = Batch::default().put(super::backend::kv::key("session", record.id.as_bytes()), serde_json::to_vec(&record).unwrap());
    assert!(store.kv().commit(json).await.unwrap());
    assert_eq!(store.session(record.id).await.unwrap().as_ref(), Some(&record));
    let later = SessionRecord { last_seen: Time::from_secs(8), ..record };
    store.touch_sessions(std::slice::from_ref(&later)).await.unwrap();
    assert_eq!(store.all_sessions().await.unwrap(), [later]);
}

async fn scans_stay_within_their_prefix(store: Arc<Store>) {
    for key in ["a/1", "a/2", "a0", "b/1"] {
        assert!(store.kv().commit(kv::Batch::default().put(key, "x")).await.unwrap());
    }
    let keys = |pairs: Vec<kv::Pair>| pairs.into_iter().map(|(k, _)| String::from_utf8(k).unwrap()).collect::<Vec<_>>();
    assert_eq!(keys(store.kv().scan(b"a/", None, 10, false).await.unwrap()), ["a/1", "a/2"]);
    assert_eq!(keys(store.kv().scan(b"a/", Some(b"a/1"), 10, false).await.unwrap()), ["a/2"]);
    assert_eq!(keys(store.kv().scan(b"a/", None, 10, true).await.unwrap()), ["a/2", "a/1"]);
    assert_eq!(keys(store.kv().scan(b"a/", Some(b"a/2"), 10, true).await.unwrap()), ["a/1"]);
    assert_eq!(keys(store.kv().snapshot().await.unwrap()), ["a/1", "a/2", "a0", "b/1"]);
    assert_eq!(keys(store.kv().snapshot_without(&[b"a/", b"none"]).await.unwrap()), ["a0", "b/1"]);
    assert_eq!(keys(store.kv().snapshot_without(&[b"b", b"b/", b"a/2"]).await.unwrap()), ["a/1", "a0"]);
    assert!(!store.kv().commit(kv::Batch::default().expect("a/1", None).put("a/3", "y")).await.unwrap());
    assert!(store.kv().get(b"a/3").await.unwrap().is_none());
}

async fn a_user_has_few_flows_at_once(store: Arc<Store>) {
    let alice = account("alice");
    let mut ids = Vec::new();
    for second in 0..20 {
        let flow = Flow::new(FlowId::random().unwrap(), &alice, Purpose::Second, false, Time::from_secs(second));
        store.create_flow(&flow).await.unwrap();
        ids.push(flow.id);
    }
    let mut left = Vec::new();
    for id in ids {
        left.push(store.flow(id).await.unwrap().is_some());
    }
    assert_eq!(left.iter().filter(|there| **there).count(), 8);
    assert!(left[12..].iter().all(|there| *there));
}
