//! Sessions that are read when they are used, and whatever may come in between. A gate before the store holds a read after its answer was
//! made, and counts.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use tokio::sync::{mpsc, watch};

use super::*;
use crate::policy::Proof;
use crate::service::Services;
use crate::service::audit::Actor;
use crate::service::sessions::replication::tests::{Rig, admits, alice, knows, sign_in, soon};
use crate::session::Family;
use crate::store::Edit;
use crate::store::kv::{Batch, Change, Kv, Pair, Word};

struct Gate {
    inner: Arc<dyn Kv>,
    /// Reads of sessions.
    sessions: AtomicUsize,
    /// What begins with this is held, once.
    hold: Mutex<Option<&'static [u8]>>,
    held: watch::Sender<bool>,
    open: watch::Sender<bool>,
}

impl Gate {
    fn new(inner: Arc<dyn Kv>) -> Arc<Self> {
        let (held, open) = (watch::Sender::new(false), watch::Sender::new(false));
        Arc::new(Self { inner, sessions: AtomicUsize::new(0), hold: Mutex::default(), held, open })
    }

    fn reads(&self) -> usize {
        self.sessions.load(Ordering::SeqCst)
    }

    fn holds_next(&self, prefix: &'static [u8]) {
        self.open.send_replace(false);
        self.held.send_replace(false);
        *self.hold.lock().unwrap() = Some(prefix);
    }

    async fn is_held(&self) {
        self.held.subscribe().wait_for(|held| *held).await.unwrap();
    }

    fn opens(&self) {
        self.open.send_replace(true);
    }

    async fn passes(&self, key: &[u8]) {
        if key.starts_with(b"session/") {
            self.sessions.fetch_add(1, Ordering::SeqCst);
        }
        let is_held = self.hold.lock().unwrap().take_if(|prefix| key.starts_with(prefix)).is_some();
        if is_held {
            self.held.send_replace(true);
            self.open.subscribe().wait_for(|open| *open).await.unwrap();
        }
    }
}

/// What a store has of it.
struct Through(Arc<Gate>);

#[async_trait]
impl Kv for Through {
    async fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let value = self.0.inner.get(key).await;
        self.0.passes(key).await;
        value
    }

    async fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let values = self.0.inner.get_many(keys).await;
        self.0.passes(keys.first().map_or(b"", Vec::as_slice)).await;
        values
    }

    async fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize, reverse: bool) -> Result<Vec<Pair>, StoreError> {
        self.0.inner.scan(prefix, after, limit, reverse).await
    }

    async fn commit(&self, batch: Batch) -> Result<bool, StoreError> {
        self.0.inner.commit(batch).await
    }

    async fn snapshot(&self) -> Result<Vec<Pair>, StoreError> {
        self.0.inner.snapshot().await
    }

    async fn replace(&self, pairs: Vec<Pair>, only_empty: bool) -> Result<bool, StoreError> {
        self.0.inner.replace(pairs, only_empty).await
    }

    fn changes(&self) -> Option<mpsc::Receiver<Change>> {
        self.0.inner.changes()
    }

    fn member(&self) -> Option<String> {
        self.0.inner.member()
    }

    async fn tell(&self, word: Word) -> Result<bool, StoreError> {
        self.0.inner.tell(word).await
    }

    fn is_shared(&self) -> bool {
        self.0.inner.is_shared()
    }
}

/// Two gateways, and the gate before the second's store. The second has read everything again by now.
async fn gated(rig: &Rig) -> (Arc<Services>, Arc<Services>, Arc<Gate>) {
    let gate = Mutex::new(None);
    let a = rig.gateway(true).await;
    let before = |kv| {
        let made = Gate::new(kv);
        *gate.lock().unwrap() = Some(made.clone());
        Arc::new(Through(made)) as Arc<dyn Kv>
    };
    let b = rig.gateway_over(true, before).await;
    for gateway in [&a, &b] {
        gateway.replication.reread().wait_for(|times| *times > 0).await.unwrap();
    }
    let gate = gate.into_inner().unwrap().unwrap();
    (a, b, gate)
}

/// The other gateway has followed what was done here.
async fn is_followed(at: &Services) {
    let (mut answers, question) = (at.replication.answers(), [7; 8]);
    at.store.kv().tell(Word::Ask(question)).await.unwrap();
    while answers.recv().await.unwrap().0 != question {}
}

fn finds(at: &Arc<Services>, id: SessionId) -> tokio::task::JoinHandle<Option<Arc<LiveSession>>> {
    let at = at.clone();
    tokio::spawn(async move { at.sessions.find(id).await.unwrap() })
}

async fn edited(at: &Services, account: &Account, edit: fn(&mut Account)) -> Account {
    let edited = at.store.update_account(account.id, |account| {
        edit(account);
        Edit::Write(account.clone())
    });
    edited.await.unwrap().unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn however_many_wait_the_store_is_asked_once_and_for_nobody_without_a_signature() {
    let rig = Rig::new().await;
    let (a, b, gate) = gated(&rig).await;
    let account = alice(&a).await;
    let (id, token) = sign_in(&a, &account).await;
    is_followed(&a).await;
    let asked = gate.reads();
    gate.holds_next(b"session/");
    let all: Vec<_> = (0..200).map(|_| finds(&b, id)).collect();
    gate.is_held().await;
    assert!(!knows(&b, &token));
    gate.opens();
    for one in all {
        assert!(one.await.unwrap().is_some());
    }
    assert_eq!(gate.reads() - asked, 1);
    assert!(knows(&b, &token) && b.sessions.loading.waited_for.lock().unwrap().is_empty());
    // What is not there is asked for once, what nobody signed never.
    let gone = SessionId::random().unwrap();
    for _ in 0..100 {
        assert!(!admits(&b, &b.live.token(gone)).await);
        let forged = format!("{}x", b.live.token(SessionId::random().unwrap()));
        assert!(!admits(&b, &forged).await && b.replication.adopt(&forged).await.unwrap().is_none());
        assert!(b.replication.adopt("nothing").await.unwrap().is_none());
    }
    assert_eq!(gate.reads() - asked, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_session_that_ends_while_it_is_read_is_let_in_nowhere() {
    let rig = Rig::new().await;
    let (a, b, gate) = gated(&rig).await;
    let account = alice(&a).await;
    let (id, token) = sign_in(&a, &account).await;
    for held in [b"session/".as_slice(), b"account/"] {
        let (id, token) = if held == b"session/" { (id, token.clone()) } else { sign_in(&a, &account).await };
        gate.holds_next(held);
        let finding = finds(&b, id);
        gate.is_held().await;
        a.sessions.end(id, EndReason::Revoked).await.unwrap();
        soon(async || b.live.has_ended(id)).await;
        gate.opens();
        assert!(finding.await.unwrap().is_none() && !knows(&b, &token) && !admits(&b, &token).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_account_that_changes_while_its_session_is_read_counts_as_it_is() {
    let rig = Rig::new().await;
    let (a, b, gate) = gated(&rig).await;
    let account = alice(&a).await;
    let (id, token) = sign_in(&a, &account).await;
    gate.holds_next(b"account/");
    let finding = finds(&b, id);
    gate.is_held().await;
    edited(&a, &account, |account| account.groups = vec!["staff".into()]).await;
    soon(async || b.live.flights.is_doubtful(id)).await;
    gate.opens();
    assert_eq!(finding.await.unwrap().unwrap().identity().person.groups, ["staff"]);
    assert!(knows(&b, &token));
    // Disabled, and enabled again before the read goes on: the session was over in between.
    let (id, token) = sign_in(&a, &account).await;
    gate.holds_next(b"account/");
    let finding = finds(&b, id);
    gate.is_held().await;
    edited(&a, &account, |account| {
        account.disabled = true;
        account.factors_changed();
    })
    .await;
    edited(&a, &account, |account| account.disabled = false).await;
    soon(async || b.live.flights.is_doubtful(id)).await;
    gate.opens();
    assert!(finding.await.unwrap().is_none() && !admits(&b, &token).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_read_before_an_import_is_not_taken_in_after_it() {
    let rig = Rig::new().await;
    let (a, b, gate) = gated(&rig).await;
    let account = alice(&a).await;
    let backup = a.backup.export(Actor::CommandLine).await.unwrap();
    let (id, token) = sign_in(&a, &account).await;
    gate.holds_next(b"session/");
    let finding = finds(&b, id);
    gate.is_held().await;
    let before = *b.replication.reread().borrow();
    a.backup.import(&backup, true, Actor::CommandLine).await.unwrap();
    b.replication.reread().wait_for(|times| *times > before).await.unwrap();
    gate.opens();
    assert!(finding.await.unwrap().is_none() && !admits(&b, &token).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hosts_session_comes_with_the_portals_and_follows_its_step_up_and_its_end() {
    let rig = Rig::new().await;
    let (a, b, gate) = gated(&rig).await;
    let account = alice(&a).await;
    let (first, _) = sign_in(&a, &account).await;
    let portals = a.live.get(first).unwrap();
    let host = portals.record().for_host(a.now(), [127, 0, 0, 1].into(), "Firefox").unwrap();
    let family = crate::store::kv::key("family", first.to_string());
    assert!(a.store.kv().commit(Batch::default().put(family, first.to_string())).await.unwrap());
    a.store.put_session(&host, None).await.unwrap();
    a.live.insert(host.clone(), &account);
    // A step up at the other gateway between the look at where the portal's session is and the look at it.
    gate.holds_next(b"family/");
    let finding = finds(&b, host.id);
    gate.is_held().await;
    let mut next = SessionRecord::begin(account.id, account.epoch, Proof::Password, a.now(), [127, 0, 0, 1].into(), "Firefox").unwrap();
    next.family = Family::Next(first);
    assert!(a.store.put_session(&next, Some(first)).await.unwrap());
    let stepped = a.live.insert(next.clone(), &account);
    a.live.replace(first, &stepped);
    gate.opens();
    let session = finding.await.unwrap().unwrap();
    assert_eq!(b.live.portals(&session).unwrap().id(), next.id);
    // One more, which B hears of, and then the end, while nobody at B uses the portal's.
    let mut last = SessionRecord::begin(account.id, account.epoch, Proof::Password, a.now(), [127, 0, 0, 1].into(), "Firefox").unwrap();
    last.family = Family::Next(first);
    assert!(a.store.put_session(&last, Some(next.id)).await.unwrap());
    let stepped = a.live.insert(last.clone(), &account);
    a.live.replace(next.id, &stepped);
    soon(async || b.live.get(next.id).is_none()).await;
    assert!(!session.is_ended() && b.live.portals(&session).unwrap().id() == last.id);
    a.sessions.end(last.id, EndReason::SignedOut).await.unwrap();
    soon(async || session.is_ended()).await;
    assert!(!admits(&b, &b.live.token(host.id)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_left_memory_comes_back_and_ends_there_too() {
    let rig = Rig::new().await;
    let (a, b, gate) = gated(&rig).await;
    let account = alice(&a).await;
    let (id, token) = sign_in(&a, &account).await;
    let (other, other_token) = sign_in(&a, &account).await;
    assert!(admits(&b, &token).await && admits(&b, &other_token).await);
    let filler = Account { id: crate::base::UserId::random().unwrap(), name: "filler".into(), ..account.clone() };
    let push_out = || {
        for n in 0..6000 {
            let later = b.now().plus(Duration::from_millis(n));
            let record = SessionRecord::begin(filler.id, 0, Proof::Password, later, [127, 0, 0, 1].into(), "Firefox").unwrap();
            b.live.insert(record, &filler);
        }
    };
    push_out();
    assert!(!knows(&b, &token) && !knows(&b, &other_token) && b.live.of(account.id).is_empty());
    let asked = gate.reads();
    assert!(admits(&b, &token).await && admits(&b, &token).await);
    assert_eq!(gate.reads() - asked, 1);
    // Revoked while it is not in memory: known without a question.
    a.sessions.end(other, EndReason::Revoked).await.unwrap();
    soon(async || b.live.has_ended(other)).await;
    let asked = gate.reads();
    assert!(!admits(&b, &other_token).await && gate.reads() == asked);
    // A password that changes while it is not in memory.
    push_out();
    assert!(!knows(&b, &token) && b.live.get(id).is_none());
    edited(&a, &account, Account::factors_changed).await;
    assert!(!admits(&b, &token).await);
    // Nothing stands behind it: it is not even in the store any more.
    assert!(a.store.session(id).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_users_sessions_are_found_and_revoked_wherever_they_are_in_memory() {
    let rig = Rig::new().await;
    let (a, b, _gate) = gated(&rig).await;
    let account = alice(&a).await;
    let mut tokens = Vec::new();
    for _ in 0..5 {
        tokens.push(sign_in(&a, &account).await);
    }
    a.store.index_sessions().await.unwrap();
    assert!(b.live.of(account.id).is_empty());
    assert_eq!(b.sessions.signed_in(&account).await.unwrap().len(), 5);
    let listed = b.admin_sessions.find("", 1, 3).await.unwrap();
    assert_eq!((listed.total, listed.rows.len()), (5, 3));
    assert!(listed.rows.iter().all(|(_, name)| name == "alice"));
    assert_eq!(b.admin_sessions.all().await.unwrap().len(), 5);
    b.admin_sessions.end(tokens[0].0, Actor::CommandLine).await.unwrap();
    soon(async || !admits(&a, &tokens[0].1).await).await;
    assert_eq!(b.admin_sessions.revoke(Some("alice"), Actor::CommandLine).await.unwrap(), 4);
    for (_, token) in &tokens {
        soon(async || !admits(&a, token).await && !admits(&b, token).await).await;
    }
    assert!(a.store.kv().scan(b"session-of/", None, 9, false).await.unwrap().is_empty());
    let (_, token) = sign_in(&a, &account).await;
    assert_eq!(b.admin_sessions.revoke(None, Actor::CommandLine).await.unwrap(), 1);
    soon(async || !admits(&a, &token).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_session_that_has_run_out_leaves_the_store_though_nobody_has_it() {
    let rig = Rig::new().await;
    let a = rig.gateway(false).await;
    let account = alice(&a).await;
    let limits = a.config().session.clone();
    let (old, token) = sign_in(&a, &account).await;
    rig.clock.advance(limits.idle_timeout);
    let (used, _) = sign_in(&a, &account).await;
    // Its use may be on its way.
    assert_eq!(a.store.sweep_sessions(None, 100, &limits, a.now()).await.unwrap(), (None, 0));
    rig.clock.advance(Duration::from_secs(180));
    assert_eq!(a.store.sweep_sessions(None, 100, &limits, a.now()).await.unwrap(), (None, 1));
    assert!(a.store.session(old).await.unwrap().is_none() && a.store.session(used).await.unwrap().is_some());
    let b = rig.gateway(false).await;
    assert!(!admits(&b, &token).await);
}
