//! The sessions in memory: whose they are, when they end, who hears of it, how small they are.

use super::super::bulk::Freshness;
use super::super::cached_session::CachedSession;
use super::super::table::PARTS;
use super::*;
use crate::account::Account;
use crate::policy::Proof;
use crate::session::keys::MasterKey;
use crate::session::{EndReason, SessionRecord};

fn registry() -> LiveSessions {
    let keys = Arc::new(KeyRing::new(&[MasterKey::random(1, Time::default()).unwrap()]).unwrap());
    let config = config::Config::default();
    LiveSessions::new(keys, config.session, config.mfa).0
}

fn account(groups: &[&str], revision: u64) -> Account {
    serde_json::from_value(serde_json::json!({
        "id": UserId::from_bytes([1; 16]), "name": "alice", "email": "", "display_name": "Alice", "groups": groups, "created": 0, "revision": revision,
    }))
    .unwrap()
}

fn record(account: &Account) -> SessionRecord {
    SessionRecord::begin(account.id, account.epoch, Proof::Password, Time::from_secs(1000), [127, 0, 0, 1].into(), "").unwrap()
}

/// Beside it: some 40 bytes in the table, 16 to 25 with its user, and what the user's sessions share. `benches/side-by-side/growth.rs` counts all of
/// it; the bar is 300.
#[test]
fn a_session_is_small() {
    let counts = 2 * size_of::<usize>();
    // 24 of these bytes are for a device that the session is bound to, and for the portal's session that it belongs to.
    assert!(size_of::<LiveSession>() + counts <= 216, "{}", size_of::<LiveSession>() + counts);
}

#[test]
fn names_of_browsers_are_shared_and_bounded() {
    let (live, owner) = (registry(), account(&[], 1));
    let named = |name: &str| live.insert(SessionRecord { browser: name.into(), ..record(&owner) }, &owner);
    let (one, other) = (named("Firefox · Linux"), named("Firefox · Linux"));
    assert!(Arc::ptr_eq(&one.record.browser, &other.record.browser));
    for n in 0..3000 {
        let session = named(&format!("Browser {n}"));
        live.end(session.id(), EndReason::SignedOut);
    }
    assert!(locked(&live.browsers).len() <= 1024 && Arc::ptr_eq(&named("Firefox · Linux").record.browser, &one.record.browser));
}

#[test]
fn every_part_is_swept_and_who_watches_is_woken_once_a_part() {
    let (live, owner) = (registry(), account(&[], 1));
    let sessions: Vec<_> = (0..2000).map(|_| live.insert(record(&owner), &owner)).collect();
    let watch = live.revocations();
    let before = *watch.borrow();
    assert!(live.sweep(Time::from_secs(1001)).is_empty());
    sessions[7].touch(Time::from_secs(1100));
    let used = live.sweep(Time::from_secs(1101));
    assert_eq!(used.iter().map(|record| record.id).collect::<Vec<_>>(), [sessions[7].id()]);
    assert_eq!(*watch.borrow(), before);
    live.sweep(Time::from_secs(1000 + 24 * 3600));
    assert_eq!(live.count(), 0);
    assert!(*watch.borrow() - before <= PARTS as u64);
}

#[test]
fn a_removed_group_stays_removed_whatever_the_order_of_the_news() {
    let live = registry();
    let before = account(&["staff"], 1);
    let session = live.insert(record(&before), &before);
    live.account_changed(before.id, Some(&account(&[], 3)));
    live.account_changed(before.id, Some(&account(&["staff"], 2)));
    assert!(session.identity().person.groups.is_empty());
}

#[test]
fn another_epoch_a_disabled_or_a_deleted_account_ends_the_session_and_says_so() {
    type Change = fn(&mut Account);
    let changes: [Option<Change>; 3] = [Some(|a| a.epoch = 1), Some(|a| a.disabled = true), None];
    for change in changes {
        let live = registry();
        let before = account(&[], 1);
        let (session, watch) = (live.insert(record(&before), &before), live.revocations());
        let token = live.token(session.id());
        assert!(matches!(live.lookup(&token, Time::from_secs(1001)), Found::Live(_)));
        let after = change.map(|change| {
            let mut after = account(&[], 2);
            change(&mut after);
            after
        });
        live.account_changed(before.id, after.as_ref());
        assert!(session.is_ended() && watch.has_changed().unwrap());
        assert!(matches!(live.lookup(&token, Time::from_secs(1001)), Found::Ended));
        assert_eq!((live.count(), live.users().len()), (0, 0));
    }
}

#[test]
fn what_a_replaced_session_opened_lives_as_long_as_its_successor() {
    let live = registry();
    let owner = account(&[], 1);
    let all: Vec<_> = (0..3).map(|_| live.insert(record(&owner), &owner)).collect();
    let token = live.token(all[0].id());
    assert!(live.replace(all[0].id(), &all[1]) && live.replace(all[1].id(), &all[2]));
    assert!(matches!(live.lookup(&token, Time::from_secs(1001)), Found::Ended));
    assert!(all[0].is_ended() && !all[0].latest().is_ended());
    all[0].latest().touch(Time::from_secs(2000));
    assert_eq!(all[2].last_seen(), Time::from_secs(2000));
    live.end(all[2].id(), EndReason::Revoked);
    assert!(all[0].latest().is_ended());
}

#[test]
fn both_limits_end_a_session_and_use_keeps_it_alive() {
    let live = registry();
    let (owner, mut now) = (account(&[], 1), Time::from_secs(1000));
    let session = live.insert(record(&owner), &owner);
    let token = live.token(session.id());
    for _ in 0..12 {
        now = now.plus(std::time::Duration::from_secs(3599));
        assert!(matches!(live.lookup(&token, now), Found::Live(_)));
    }
    now = now.plus(std::time::Duration::from_secs(60));
    assert!(matches!(live.lookup(&token, now), Found::Ended), "twelve hours are over");
    let idle = live.insert(record(&owner), &owner);
    assert!(matches!(live.lookup(&live.token(idle.id()), Time::from_secs(1000 + 3600)), Found::Ended));
    assert!(matches!(live.lookup("nonsense", now), Found::Forged));
}

#[test]
fn a_regular_is_whom_a_look_up_would_find() {
    let (live, owner, now) = (Arc::new(registry()), account(&["staff"], 1), Time::from_secs(1001));
    let session = live.insert(record(&owner), &owner);
    let (keys, token) = (live.keys(), live.token(session.id()));
    let Found::Live(found) = live.lookup_under(&keys, &token, now) else { panic!("not found") };
    let regular = CachedSession::new(live.clone(), found, &token, keys);
    assert!(regular.returns(&token, now));
    let other = live.insert(record(&owner), &owner);
    for wrong in [live.token(other.id()), String::new(), format!("{token}A"), token[..token.len() - 1].to_owned()] {
        assert!(!regular.returns(&wrong, now), "{wrong}");
    }
    let person = regular.identity().person;
    assert!(Arc::ptr_eq(&person, &regular.identity().person));
    live.account_changed(owner.id, Some(&account(&[], 2)));
    assert!(regular.identity().person.groups.is_empty());
    let keys = KeyRing::new(&[MasterKey::random(1, Time::default()).unwrap()]).unwrap();
    live.rekey(Arc::new(keys));
    assert!(!regular.returns(&token, now), "the signature is no longer good");
}

#[test]
fn a_regular_does_not_return_once_the_session_is_over() {
    let (live, owner, now) = (Arc::new(registry()), account(&[], 1), Time::from_secs(1001));
    let regular = |live: &Arc<LiveSessions>| {
        let session = live.insert(record(&owner), &owner);
        let token = live.token(session.id());
        (CachedSession::new(live.clone(), session.clone(), &token, live.keys()), token, session.id())
    };
    let (ended, token, id) = regular(&live);
    live.end(id, EndReason::SignedOut);
    assert!(!ended.returns(&token, now));
    let (idle, token, id) = regular(&live);
    assert!(!idle.returns(&token, Time::from_secs(1000 + 24 * 3600)));
    assert!(live.get(id).is_none(), "and it is ended, as by a look-up");
    let (stepped_up, token, old) = regular(&live);
    let new = live.insert(record(&owner), &owner);
    live.replace(old, &new);
    assert!(!stepped_up.returns(&token, now) && !stepped_up.session().is_ended(), "what it opened goes on");
    let (stale, token, _) = regular(&live);
    live.set_freshness(Freshness::Stale, now);
    assert!(!stale.returns(&token, now));
}

#[test]
fn a_method_that_was_withdrawn_counts_no_more_in_live_sessions() {
    use crate::factor::{Method, MethodSet};
    let (live, mut owner) = (registry(), account(&[], 1));
    owner.email_otp = Some(crate::account::OtpEnrolment { added: Time::default(), last_used: None });
    let at = Time::from_secs(1000);
    let proof = Proof::Second { method: Method::Email, at };
    let begun = SessionRecord::begin(owner.id, owner.epoch, proof, at, [127, 0, 0, 1].into(), "").unwrap();
    let session = live.insert(begun, &owner);
    assert_eq!((session.proof(), session.identity().proof, session.has_second()), (proof, proof, true));
    let before = *live.revocations().borrow();
    // By an administrator, for this user.
    owner.allowed = Some(vec![Method::Totp]);
    owner.revision = 2;
    live.account_changed(owner.id, Some(&owner));
    assert_eq!((session.proof(), session.identity().proof, session.has_second()), (Proof::Password, Proof::Password, false));
    assert_ne!(*live.revocations().borrow(), before, "what is open is asked again");
    owner.allowed = None;
    live.account_changed(owner.id, Some(&owner));
    assert_eq!(session.proof(), proof);
    // By the configuration, for everybody.
    let mut config = config::Config::default();
    config.mfa.methods = MethodSet::EMPTY.with(Method::Totp);
    live.reconfigure(config.session.clone(), config.mfa.clone());
    live.account_changed(owner.id, Some(&owner));
    assert_eq!(session.proof(), Proof::Password);
}

#[test]
fn a_trusted_browser_counts_only_while_browsers_may_be_trusted() {
    let (live, owner) = (registry(), account(&[], 1));
    let trust = |span: u64| {
        let mut config = config::Config::default();
        config.mfa.trusted_device = std::time::Duration::from_secs(span);
        live.reconfigure(config.session.clone(), config.mfa.clone());
        live.account_changed(owner.id, Some(&owner));
    };
    trust(3600);
    let begun = SessionRecord::begin(owner.id, owner.epoch, Proof::TrustedBrowser, Time::default(), [127, 0, 0, 1].into(), "").unwrap();
    let session = live.insert(begun, &owner);
    assert_eq!(session.proof(), Proof::TrustedBrowser);
    trust(0);
    assert_eq!(session.proof(), Proof::Password);
}

/// What another gateway may know better waits; what is known here goes on, and what ended here stays ended.
#[test]
fn out_of_touch_what_is_known_goes_on_and_nothing_is_over_by_its_age() {
    let (live, owner, now) = (registry(), account(&[], 1), Time::from_secs(1001));
    let (used, idle, over) =
        (live.insert(record(&owner), &owner), live.insert(record(&owner), &owner), live.insert(record(&owner), &owner));
    let token = |session: &LiveSession| live.token(session.id());
    live.set_freshness(Freshness::Behind, now);
    assert_eq!(live.behind_since(), Some(now));
    assert!(matches!(live.lookup(&token(&used), now), Found::Live(_)) && !used.is_ended());
    live.end(over.id(), EndReason::SignedOut);
    assert!(matches!(live.lookup(&token(&over), now), Found::Ended));
    let elsewhere = live.token(SessionId::from_bytes([9; 16]));
    assert!(matches!(live.lookup(&elsewhere, now), Found::Unknown), "perhaps made at another gateway");
    let later = Time::from_secs(1000 + 24 * 3600);
    assert!(matches!(live.lookup(&token(&idle), later), Found::Unknown), "perhaps used at another gateway");
    assert!(live.sweep(later).is_empty() && live.get(idle.id()).is_some());
    live.set_freshness(Freshness::Stale, later);
    assert_eq!(live.behind_since(), Some(now), "the moment does not move");
    assert!(matches!(live.lookup(&token(&used), now), Found::Unknown) && used.is_ended());
    live.set_freshness(Freshness::Current, later);
    assert_eq!(live.behind_since(), None);
    assert!(matches!(live.lookup(&token(&idle), later), Found::Ended));
}
