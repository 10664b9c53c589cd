//! What concerns all of the store at once, at several gateways: a rotation of the keys, an import, thousands of sessions in use.

use super::*;
use crate::session::keys::SPREAD;

/// A code of an authenticator, and a session, of one gateway are right at the other at every moment of a rotation, and a gateway that starts later knows
/// the new key by the old key file.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rotation_at_one_gateway_is_safe_at_all_of_them() {
    let rig = Rig::new().await;
    let (a, b) = (rig.gateway(true).await, rig.gateway(true).await);
    for gateway in [&a, &b] {
        gateway.replication.reread().wait_for(|times| *times > 0).await.unwrap();
    }
    let account = alice(&a).await;
    let (_, old) = sign_in(&a, &account).await;
    let sealed = a.store.seal(account.id, b"secret").unwrap();
    let rotated = a.keys.rotate(Actor::CommandLine).await.unwrap();
    assert_eq!((rotated.id, a.live.keys().newest()), (2, 1), "published, and not used yet");
    soon(async || b.live.keys().knows(2)).await;
    assert_eq!(b.keys.rotate(Actor::CommandLine).await.unwrap().id, 2, "rotations at the same time are one");
    let is_right =
        async |at: &Services, token: &str, sealed: &str| admits(at, token).await && at.store.open_sealed(account.id, sealed).is_ok();
    rig.clock.advance(SPREAD);
    // A signs with the new key first.
    a.keys.take_up().await.unwrap();
    assert_eq!((a.live.keys().newest(), b.live.keys().newest()), (2, 1));
    let (_, new) = sign_in(&a, &account).await;
    let sealed_anew = a.store.seal(account.id, b"secret").unwrap();
    soon(async || is_right(&b, &new, &sealed_anew).await).await;
    b.keys.take_up().await.unwrap();
    assert_eq!(b.live.keys().newest(), 2);
    let late = rig.gateway(true).await;
    for gateway in [&a, &b, &late] {
        assert_eq!(gateway.live.keys().newest(), 2);
        assert!(is_right(gateway, &old, &sealed).await && is_right(gateway, &new, &sealed_anew).await);
        let listed = gateway.keys.list().await.unwrap();
        assert_eq!(listed.iter().map(|key| (key.id, key.newest)).collect::<Vec<_>>(), [(1, false), (2, true)]);
    }
}

/// A password that was changed since the backup, and a user who is not in it: nobody is let in by what was before.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_verified_before_an_import_makes_no_session_after_it() {
    let rig = Rig::new().await;
    let (a, b) = (rig.gateway(true).await, rig.gateway(true).await);
    let account = alice(&a).await;
    let backup = a.backup.export(Actor::CommandLine).await.unwrap();
    let admin = serde_json::json!({ "id": UserId::random().unwrap(), "name": "eve", "email": "", "display_name": "", "created": 0, "groups": ["admins"] });
    let eve: Account = serde_json::from_value(admin).unwrap();
    a.store.create_account(&eve).await.unwrap().unwrap();
    let groups = a.store.update_account(account.id, |account| {
        account.groups = vec!["admins".to_owned()];
        Edit::Write(account.clone())
    });
    let before = groups.await.unwrap().unwrap().unwrap();
    let (_, live) = sign_in(&b, &before).await;
    a.backup.import(&backup, true, Actor::CommandLine).await.unwrap();
    soon(async || !admits(&b, &live).await).await;
    // They were under way at B, and end after the import.
    for account in [&before, &eve] {
        let (_, token) = sign_in(&b, account).await;
        b.live.account_changed(account.id, b.store.account(account.id).await.unwrap().as_ref());
        assert!(!admits(&b, &token).await, "{}", account.name);
        assert!(a.replication.adopt(&token).await.unwrap().is_none());
    }
    let now = b.store.account(account.id).await.unwrap().unwrap();
    assert!(now.groups.is_empty() && now.epoch != before.epoch && now.revision > before.revision);
    let (id, token) = sign_in(&a, &now).await;
    soon(async || admits(&b, &token).await).await;
    assert!(b.live.get(id).unwrap().identity().person.groups.is_empty());
}

/// As many as three gateways with a hundred thousand people publish at once: a few notices, which nobody has to look up.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn thousands_of_sessions_in_use_are_a_few_notices_and_no_look_ups() {
    const SESSIONS: usize = 8000;
    let rig = Rig::new().await;
    let (a, b) = (rig.gateway(false).await, rig.gateway(false).await);
    let account = alice(&a).await;
    let record = |_| SessionRecord::begin(account.id, account.epoch, Proof::Password, a.now(), [127, 0, 0, 1].into(), "Firefox").unwrap();
    let mut records: Vec<SessionRecord> = (0..SESSIONS).map(record).collect();
    let put = records.iter().fold(crate::store::kv::Batch::default(), |batch, record| {
        batch.put(crate::store::kv::key("session", record.id.as_bytes()), record.pack())
    });
    assert!(a.store.kv().commit(put).await.unwrap());
    b.live.keep(100_000);
    crate::service::sessions::restore(&b.store, &b.live).await.unwrap();
    let mut changes = b.store.kv().changes().unwrap();
    listening(&mut changes).await;
    let later = a.now().plus(Duration::from_secs(60));
    records.iter_mut().for_each(|record| record.last_seen = later);
    let start = Instant::now();
    a.store.touch_sessions(&records).await.unwrap();
    println!("{SESSIONS} last uses are written after {:?}", start.elapsed());
    let (mut notices, mut used) = (0, 0);
    while used < SESSIONS {
        let change = tokio::time::timeout(Duration::from_secs(60), changes.recv()).await.unwrap().unwrap();
        if let Change::Used(ids) = &change {
            (notices, used) = (notices + 1, used + ids.len());
            assert!(b.replication.keys_of(std::iter::once(change)).is_empty(), "nothing is to be read again");
        }
    }
    println!("and known at the other gateway after {:?}, in {notices} notices", start.elapsed());
    assert_eq!(notices, SESSIONS.div_ceil(crate::store::kv::USED));
    assert!(records.iter().all(|record| b.live.get(record.id).unwrap().record().last_seen == later));
}
