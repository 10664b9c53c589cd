//! Two gateways over one database: what one does, the other knows.

use std::time::Instant;

use super::*;
use crate::account::Account;
use crate::base::{Clock, Time, UserId};
use crate::config::{Config, StoreUrl};
use crate::notify::{Notifier, Outbox, Texts};
use crate::policy::Proof;
use crate::service::Services;
use crate::service::audit::Actor;
use crate::session::keys::MasterKey;
use crate::store::Store;
use crate::store::kv::Kv;
use crate::store::{Edit, postgres::server};

pub(crate) struct Rig {
    pub(crate) clock: Clock,
    url: StoreUrl,
    keys: Vec<MasterKey>,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        let keys = vec![MasterKey::random(1, Time::default()).unwrap()];
        let url = StoreUrl::Postgres(server::url(&server::database().await));
        Self { clock: Clock::manual(Time::from_secs(1_000_000)), url, keys }
    }

    /// A gateway that follows what the others change, if `follows`.
    pub(crate) async fn gateway(&self, follows: bool) -> Arc<Services> {
        self.gateway_over(follows, |kv| kv).await
    }

    /// The same over a store that something stands before.
    pub(crate) async fn gateway_over(&self, follows: bool, before: impl FnOnce(Arc<dyn Kv>) -> Arc<dyn Kv>) -> Arc<Services> {
        let config = Arc::new(Config::default());
        let store = Arc::new(Store::open(&self.url, &self.keys, self.clock.now()).await.unwrap().behind(before));
        let (live, mut ended) = LiveSessions::new(store.keys(), config.session.clone(), config.mfa.clone());
        let live = Arc::new(live);
        live.keep(1000);
        let deleting = store.clone();
        tokio::spawn(async move {
            while let Some(id) = ended.recv().await {
                deleting.delete_sessions(&[id]).await.unwrap();
            }
        });
        let texts = Arc::new(Texts::load(None, &Arc::default()).unwrap());
        let notifier = Notifier::with_outbox(Arc::new(Outbox::default()), texts, self.clock.clone()).unwrap();
        let services = Arc::new(Services::new(config, self.clock.clone(), store, live, Arc::new(notifier)).unwrap());
        services.watch_accounts();
        if follows {
            let changes = services.store.kv().changes().unwrap();
            tokio::spawn(follow(Arc::downgrade(&services.replication), changes));
        }
        services
    }
}

pub(crate) async fn alice(at: &Services) -> Account {
    let account: Account = serde_json::from_value(serde_json::json!({
        "id": UserId::random().unwrap(), "name": "alice", "email": "alice@internal.example", "display_name": "Alice", "created": 0,
    }))
    .unwrap();
    at.store.create_account(&account).await.unwrap().unwrap();
    account
}

/// A finished sign-in; the cookie's value.
pub(crate) async fn sign_in(at: &Services, account: &Account) -> (SessionId, String) {
    let record = SessionRecord::begin(account.id, account.epoch, Proof::Password, at.now(), [127, 0, 0, 1].into(), "Firefox").unwrap();
    assert!(at.store.put_session(&record, None).await.unwrap());
    at.live.insert(record.clone(), account);
    (record.id, at.live.token(record.id))
}

/// From memory alone.
pub(crate) fn knows(at: &Services, token: &str) -> bool {
    matches!(at.live.lookup(token, at.now()), Found::Live(_))
}

/// As a request does it.
pub(crate) async fn admits(at: &Services, token: &str) -> bool {
    match at.live.lookup(token, at.now()) {
        Found::Live(_) => true,
        Found::Elsewhere => at.replication.adopt(token).await.is_ok_and(|found| found.is_some()),
        Found::Ended | Found::Forged | Found::Unknown => false,
    }
}

/// Within a second on an idle machine; the rest is for a busy one.
pub(crate) async fn soon(what: impl AsyncFn() -> bool) -> Duration {
    let start = Instant::now();
    while !what().await {
        assert!(start.elapsed() < Duration::from_secs(20), "it never came about");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    start.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_happens_at_one_gateway_is_known_at_the_other() {
    let rig = Rig::new().await;
    let (a, b) = (rig.gateway(true).await, rig.gateway(true).await);
    let account = alice(&a).await;
    let (id, token) = sign_in(&a, &account).await;
    println!("a session made at A is known at B after {:?}", soon(async || admits(&b, &token).await).await);
    // Its use at A keeps it alive at B.
    rig.clock.advance(Duration::from_secs(60));
    assert!(admits(&a, &token).await);
    a.store.touch_sessions(&a.live.sweep(a.now())).await.unwrap();
    soon(async || b.live.get(id).is_some_and(|session| session.record().last_seen == a.now())).await;
    // A group that is taken away at A is gone at B.
    let joined = |groups: &[&str]| groups.iter().map(|group| (*group).to_owned()).collect::<Vec<_>>();
    for groups in [joined(&["staff"]), joined(&[])] {
        a.store
            .update_account(account.id, |account| {
                account.groups.clone_from(&groups);
                Edit::Write(())
            })
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        soon(async || b.live.get(id).is_some_and(|session| session.identity().person.groups == groups)).await;
    }
    // Whoever is disabled at A is out at B.
    let watching = b.live.get(id).unwrap();
    a.store
        .update_account(account.id, |account| {
            account.disabled = true;
            Edit::Write(())
        })
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    println!("a user disabled at A is out at B after {:?}", soon(async || !admits(&b, &token).await).await);
    assert!(watching.is_ended() && !admits(&a, &token).await);
    assert!(b.replication.adopt(&token).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_session_signed_out_at_one_gateway_is_over_at_the_other() {
    let rig = Rig::new().await;
    let (a, b) = (rig.gateway(true).await, rig.gateway(true).await);
    let account = alice(&a).await;
    let (id, token) = sign_in(&a, &account).await;
    soon(async || admits(&b, &token).await).await;
    b.sessions.end(id, EndReason::SignedOut).await.unwrap();
    soon(async || !admits(&a, &token).await).await;
    assert!(a.replication.adopt(&token).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_session_of_another_gateway_is_adopted_before_its_notice_comes() {
    let rig = Rig::new().await;
    let (a, b) = (rig.gateway(false).await, rig.gateway(false).await);
    let account = alice(&a).await;
    let (_, first) = sign_in(&a, &account).await;
    assert!(!knows(&b, &first));
    assert!(b.replication.adopt(&first).await.unwrap().is_some() && admits(&b, &first).await);
    assert!(b.replication.adopt("forged").await.unwrap().is_none());
    // After a change of password at A that B has not heard of, the old session is over and the new one is not.
    let changed = a.store.update_account(account.id, |account| {
        account.epoch += 1;
        Edit::Write(account.clone())
    });
    let changed = changed.await.unwrap().unwrap().unwrap();
    let (_, second) = sign_in(&a, &changed).await;
    assert!(b.replication.adopt(&second).await.unwrap().is_some() && admits(&b, &second).await && !admits(&b, &first).await);
    // An old one is not.
    let (_, old) = sign_in(&a, &changed).await;
    rig.clock.advance(Config::default().session.lifetime);
    assert!(b.replication.adopt(&old).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_missed_while_the_line_was_down_is_read_again() {
    let rig = Rig::new().await;
    let (a, b) = (rig.gateway(false).await, rig.gateway(false).await);
    let account = alice(&a).await;
    let (kept, gone) = (sign_in(&a, &account).await, sign_in(&a, &account).await);
    let (news, changes) = mpsc::channel(8);
    tokio::spawn(follow(Arc::downgrade(&b.replication), changes));
    news.send(Change::Listening).await.unwrap();
    soon(async || admits(&b, &kept.1).await && admits(&b, &gone.1).await).await;
    a.sessions.end(gone.0, EndReason::SignedOut).await.unwrap();
    assert!(admits(&b, &gone.1).await);
    news.send(Change::Listening).await.unwrap();
    soon(async || !admits(&b, &gone.1).await).await;
    assert!(admits(&b, &kept.1).await);
    // Who brings the news is gone for good: nothing is believed any more.
    drop(news);
    soon(async || b.live.is_stale()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_news_nobody_is_let_in_and_nothing_is_lost() {
    let rig = Rig::new().await;
    let a = rig.gateway(false).await;
    let account = alice(&a).await;
    let (id, token) = sign_in(&a, &account).await;
    let (proof, proved) = watch::channel(());
    tokio::spawn(keep_watch(a.live.clone(), proved, Duration::from_millis(200), || (Time::default(), Duration::ZERO)));
    let (watching, mut revocations) = (a.live.get(id).unwrap(), a.live.revocations());
    soon(async || a.live.is_stale()).await;
    assert!(!admits(&a, &token).await && watching.is_ended() && a.replication.adopt(&token).await.is_err());
    tokio::time::timeout(Duration::from_secs(10), revocations.changed()).await.unwrap().unwrap();
    // Its age ends nothing meanwhile: it may have been used at another gateway.
    rig.clock.advance(Config::default().session.idle_timeout);
    a.live.sweep(a.now());
    assert_eq!(a.live.count(), 1);
    a.live.seen(id, a.now());
    proof.send(()).unwrap();
    soon(async || admits(&a, &token).await && !watching.is_ended()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_import_at_one_gateway_signs_everybody_out_at_the_others() {
    let rig = Rig::new().await;
    let (a, b) = (rig.gateway(true).await, rig.gateway(true).await);
    let account = alice(&a).await;
    let (_, token) = sign_in(&a, &account).await;
    soon(async || admits(&b, &token).await).await;
    let backup = a.backup.export(Actor::CommandLine).await.unwrap();
    a.backup.import(&backup, true, Actor::CommandLine).await.unwrap();
    assert!(!admits(&a, &token).await);
    soon(async || !admits(&b, &token).await).await;
    assert!(b.replication.adopt(&token).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn users_are_listed_at_every_gateway() {
    let rig = Rig::new().await;
    let (a, b) = (rig.gateway(true).await, rig.gateway(true).await);
    // Whatever happens before B hears A is read when it does.
    b.replication.reread().wait_for(|times| *times > 0).await.unwrap();
    let listed = b.users.directory().await.unwrap();
    assert!(listed.is_empty());
    let account = alice(&a).await;
    soon(async || listed.len() == 1).await;
    a.store.delete_account(account.id).await.unwrap();
    soon(async || listed.is_empty()).await;
    // What was missed is read again.
    alice(&a).await;
    soon(async || listed.len() == 1).await;
    listed.account_changed(account.id, Some(&account));
    b.users.refresh().await.unwrap();
    assert_eq!(listed.len(), 1, "an account that is not there is no longer listed");
}

#[tokio::test]
async fn a_gateway_with_other_keys_is_refused() {
    let rig = Rig::new().await;
    let now = rig.clock.now();
    for _ in 0..2 {
        Store::open(&rig.url, &rig.keys, now).await.unwrap();
    }
    let foreign = [MasterKey::random(1, Time::default()).unwrap()];
    assert!(matches!(Store::open(&rig.url, &foreign, now).await, Err(StoreError::ForeignKeys)));
}

mod handover;
mod whole_store;
