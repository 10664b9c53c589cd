//! What leaves memory, what stays, and what comes back.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::account::Account;
use crate::config::Config;
use crate::policy::Proof;
use crate::service::sessions::Found;
use crate::session::keys::MasterKey;
use crate::session::{EndReason, KeyRing};

const ROOM: usize = 256 * 4;

fn at(seconds: i64) -> Time {
    Time::from_secs(1_000_000 + seconds)
}

fn registry() -> LiveSessions {
    let keys = Arc::new(KeyRing::new(&[MasterKey::random(1, Time::default()).unwrap()]).unwrap());
    let config = Config::default();
    let live = LiveSessions::new(keys, config.session, config.mfa).0;
    live.keep(ROOM);
    live
}

fn account(n: u8) -> Account {
    serde_json::from_value(serde_json::json!({
        "id": UserId::from_bytes([n; 16]), "name": format!("user{n}"), "email": "", "display_name": "", "created": 0,
    }))
    .unwrap()
}

fn record(account: &Account, now: Time) -> SessionRecord {
    SessionRecord::begin(account.id, account.epoch, Proof::Password, now, [127, 0, 0, 1].into(), "Firefox").unwrap()
}

#[test]
fn memory_is_bounded_and_what_was_used_last_stays() {
    let (live, alice) = (registry(), account(1));
    let old: Vec<_> = (0..5000).map(|n| live.insert(record(&alice, at(n)), &alice).id()).collect();
    assert!(live.count() <= ROOM + ROOM / 4, "{}", live.count());
    let here = |ids: &[SessionId]| ids.iter().filter(|id| live.get(**id).is_some()).count();
    assert!(here(&old[..1000]) < 20 && here(&old[4500..]) > 400, "{} {}", here(&old[..1000]), here(&old[4500..]));
    // What the user's sessions share goes with the last of them, and nothing is left of those that went.
    assert_eq!(live.of(alice.id).len(), live.count());
    let bob = account(2);
    (0..5000).for_each(|n| drop(live.insert(record(&bob, at(10_000 + n)), &bob)));
    assert!(live.of(alice.id).len() < 200);
}

#[test]
fn what_somebody_holds_stays_and_hears_of_its_end() {
    let (live, alice) = (registry(), account(1));
    let held: Vec<_> = (0..2000).map(|_| live.insert(record(&alice, at(0)), &alice)).collect();
    (0..3000).for_each(|n| drop(live.insert(record(&alice, at(n)), &alice)));
    assert!(held.iter().all(|session| live.get(session.id()).is_some()));
    held.iter().for_each(|session| assert!(live.end(session.id(), EndReason::Revoked)));
    assert!(held.iter().all(|session| session.is_ended()));
    let others = account(2);
    live.account_changed(others.id, None);
}

#[test]
fn the_portals_session_stays_while_one_of_its_hosts_is_here() {
    let (live, alice, bob) = (registry(), account(1), account(2));
    let portals = record(&alice, at(0));
    let host = portals.for_host(at(0), [127, 0, 0, 1].into(), "Firefox").unwrap();
    live.insert(portals.clone(), &alice);
    let hosts = live.insert(host.clone(), &alice);
    (0..5000).for_each(|n| drop(live.insert(record(&bob, at(1 + n)), &bob)));
    assert!(live.get(portals.id).is_some(), "its end is to end its host's");
    live.end_orphans();
    assert!(!hosts.is_ended());
    drop(hosts);
    (0..10_000).for_each(|n| drop(live.insert(record(&bob, at(6000 + n)), &bob)));
    assert!(live.get(portals.id).is_none() && live.get(host.id).is_none());
}

#[test]
fn a_use_that_was_not_written_down_is_not_lost() {
    let (live, alice) = (registry(), account(1));
    let used = live.insert(record(&alice, at(0)), &alice);
    let id = used.id();
    used.touch(at(10));
    drop(used);
    (0..5000).for_each(|n| drop(live.insert(record(&alice, at(100 + n)), &alice)));
    assert!(live.get(id).is_none());
    let left = live.left_in_use();
    assert_eq!(left.iter().filter(|record| record.id == id).map(|record| record.last_seen).collect::<Vec<_>>(), [at(10)]);
    assert!(live.left_in_use().is_empty());
}

#[test]
fn what_is_not_here_is_elsewhere_until_it_is_known_to_be_over() {
    let (live, alice) = (registry(), account(1));
    let id = SessionId::random().unwrap();
    let token = live.token(id);
    assert!(matches!(live.lookup(&token, at(0)), Found::Elsewhere));
    assert!(matches!(live.lookup("forged", at(0)), Found::Forged));
    // The store is away: nobody can tell. What is known to be over stays so.
    live.set_freshness(crate::service::sessions::live::Freshness::Behind, at(0));
    assert!(matches!(live.lookup(&token, at(0)), Found::Unknown));
    live.is_over(id);
    assert!(matches!(live.lookup(&token, at(0)), Found::Ended));
    live.set_freshness(crate::service::sessions::live::Freshness::Current, at(0));
    assert!(matches!(live.lookup(&token, at(0)), Found::Ended));
    // Not even a record that says otherwise brings it back.
    let session = live.insert(SessionRecord { id, ..record(&alice, at(0)) }, &alice);
    assert!(session.is_ended() && live.get(id).is_none());
}

/// Many threads take the same few sessions in, use them, push them out and end their user: nobody who was told is forgotten.
#[test]
fn a_session_that_leaves_while_it_comes_is_still_its_users() {
    let (live, alice) = (Arc::new(registry()), account(1));
    let records: Vec<_> = (0..64).map(|_| record(&alice, at(0))).collect();
    let stop = std::time::Instant::now() + Duration::from_millis(400);
    std::thread::scope(|scope| {
        for turn in 0..4_usize {
            let (live, alice, records) = (live.clone(), &alice, &records);
            scope.spawn(move || {
                let mut n = turn * 17;
                while std::time::Instant::now() < stop {
                    n += 1;
                    if turn == 0 {
                        records.iter().for_each(|record| live.evict(record.id, alice.id));
                    } else {
                        drop(live.insert(records[n % records.len()].clone(), alice));
                    }
                }
            });
        }
    });
    let here: Vec<_> = records.iter().filter_map(|record| live.get(record.id)).collect();
    assert_eq!(live.of(alice.id).len(), here.len(), "each is among its user's");
    let changed = Account { epoch: 1, revision: 5, ..alice.clone() };
    live.account_changed(alice.id, Some(&changed));
    assert!(here.iter().all(|session| session.is_ended()) && live.count() == 0);
}
