//! What ended stays ended, and who waited acts on what was verified or not at all.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use super::*;
use crate::account::Account;
use crate::app::{App, Post};
use crate::base::{Clock, Hangup, Host, Secret, Time, UserId};
use crate::config::Config;
use crate::factor::Method;
use crate::factor::password::{self, Workspace};
use crate::login::Purpose;
use crate::notify::Outbox;
use crate::policy::Proof;
use crate::service::audit::Actor;
use crate::session::keys::MasterKey;
use crate::session::{EndReason, KeyRing, SessionRecord};
use crate::store::Store;
use crate::store::kv::{Batch, Kv, Pair};
use crate::store::{Edit, SledKv, StoreError};

/// A store whose disk can be full.
struct Disk(SledKv, Arc<AtomicBool>);

#[async_trait::async_trait]
impl Kv for Disk {
    async fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.get(key).await
    }

    async fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize, reverse: bool) -> Result<Vec<Pair>, StoreError> {
        self.0.scan(prefix, after, limit, reverse).await
    }

    async fn commit(&self, batch: Batch) -> Result<bool, StoreError> {
        if self.1.load(Ordering::Relaxed) {
            return Err(StoreError::Backend("no space left on device".to_owned()));
        }
        self.0.commit(batch).await
    }

    async fn snapshot(&self) -> Result<Vec<Pair>, StoreError> {
        self.0.snapshot().await
    }

    async fn replace(&self, pairs: Vec<Pair>, only_empty: bool) -> Result<bool, StoreError> {
        self.0.replace(pairs, only_empty).await
    }
}

struct Rig {
    app: Arc<App>,
    disk_is_full: Arc<AtomicBool>,
    outbox: Arc<Outbox>,
    disk: Arc<Disk>,
    keys: Arc<KeyRing>,
    _folder: tempfile::TempDir,
}

const OLD: &str = "a right old battery";

impl Rig {
    async fn new() -> Self {
        let (folder, outbox, disk_is_full) = (tempfile::tempdir().unwrap(), Arc::new(Outbox::default()), Arc::new(AtomicBool::new(false)));
        let mut config = Config::default();
        config.server.data_dir = folder.path().join("data");
        config.limits.max_hashes = 1;
        config.password = crate::config::Password { memory_kib: 64, iterations: 2, ..config.password };
        let keys = Arc::new(KeyRing::new(&[MasterKey::random(1, Time::default()).unwrap()]).unwrap());
        let disk = Arc::new(Disk(SledKv::open(&folder.path().join("store")).await.unwrap(), disk_is_full.clone()));
        let (store, clock) = (Store::new(disk.clone(), keys.clone()), Clock::manual(Time::from_secs(1_700_000_000)));
        let app = App::over(store, Arc::new(config), clock, Post::Outbox(outbox.clone())).await.unwrap();
        Self { app, disk_is_full, outbox, disk, keys, _folder: folder }
    }

    /// The program over the same data, as after a restart.
    async fn starts_again(&self) -> Arc<App> {
        let store = Store::new(self.disk.clone(), self.keys.clone());
        App::over(store, self.app.config(), self.services().clock.clone(), Post::Outbox(self.outbox.clone())).await.unwrap()
    }

    fn services(&self) -> &Services {
        &self.app.services
    }

    /// An account whose password is [`OLD`], hashed with so many iterations.
    async fn alice(&self, iterations: u32, edit: impl FnOnce(&mut Account)) -> Account {
        let mut account: Account = serde_json::from_value(serde_json::json!({
            "id": UserId::random().unwrap(), "name": "alice", "email": "alice@internal.example", "display_name": "Alice", "created": 0,
        }))
        .unwrap();
        account.password = Some(hash(OLD, iterations));
        edit(&mut account);
        self.services().store.create_account(&account).await.unwrap().unwrap();
        account
    }

    async fn session_of(&self, account: &Account) -> SessionRecord {
        let now = self.services().now();
        let record = SessionRecord::begin(account.id, account.epoch, Proof::Password, now, [127, 0, 0, 1].into(), "Firefox").unwrap();
        assert!(self.services().store.put_session(&record, None).await.unwrap());
        self.services().live.insert(record.clone(), account);
        record
    }

    /// Has the one hashing thread wait until the sender is dropped or told.
    async fn holds_the_hashes(&self) -> mpsc::Sender<()> {
        let ((hold, held), (start, started)) = (mpsc::channel::<()>(), mpsc::channel());
        let (held, hasher) = (Mutex::new(held), self.services().hasher.clone());
        tokio::spawn(async move {
            let wait = move |_: &mut Workspace| {
                let _ = start.send(());
                let _ = held.lock().unwrap().recv();
            };
            hasher.run(wait).await
        });
        tokio::task::spawn_blocking(move || started.recv().unwrap()).await.unwrap();
        hold
    }

    async fn waits_for_hashes(&self, count: u64) {
        eventually(|| self.services().hash_load().waiting == count).await;
    }
}

fn hash(text: &str, iterations: u32) -> String {
    let parameters = crate::config::Password { memory_kib: 64, iterations, ..Config::default().password };
    password::hash(&Secret::new(text), &parameters, &mut Workspace::default()).unwrap()
}

fn client(last_byte: u8) -> Client {
    Client {
        address: crate::base::ClientAddr::new(std::net::IpAddr::from([127, 0, 0, last_byte])),
        browser: "Firefox".to_owned(),
        device: None,
        request_id: "test".to_owned(),
        origin: "http://a.example".to_owned(),
        host: Host::parse(b"a.example").unwrap(),
        language: "en",
        binding: Default::default(),
        hangup: Hangup::never(),
    }
}

async fn eventually(what: impl Fn() -> bool) {
    let start = Instant::now();
    while !what() {
        assert!(start.elapsed() < Duration::from_secs(60), "it never came about");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn types(rig: &Rig, text: &'static str, from: u8) -> tokio::task::JoinHandle<Result<Entry, Refused>> {
    let app = rig.app.clone();
    tokio::spawn(async move { app.services.password.sign_in("alice", Secret::new(text), false, &client(from)).await })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sign_ins_that_wait_while_the_password_is_changed_end_in_no_session() {
    let rig = Rig::new().await;
    let alice = rig.alice(2, |_| ()).await;
    let hold = rig.holds_the_hashes().await;
    let waiting: Vec<_> = (1..=6).map(|from| types(&rig, OLD, from)).collect();
    rig.waits_for_hashes(6).await;
    rig.services().passwords.set(alice.version(), hash("another battery", 2), Actor::CommandLine).await.unwrap();
    drop(hold);
    for one in waiting {
        assert!(matches!(one.await.unwrap(), Err(Refused::WrongPassword)));
    }
    assert!(rig.services().live.of(alice.id).is_empty());
    assert!(matches!(types(&rig, "another battery", 7).await.unwrap(), Ok(Entry::SignedIn(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_renewal_of_a_hash_does_not_undo_a_password_change() {
    let rig = Rig::new().await;
    let alice = rig.alice(1, |_| ()).await;
    let hold = rig.holds_the_hashes().await;
    let waiting = types(&rig, OLD, 1);
    rig.waits_for_hashes(1).await;
    let new = hash("another battery", 2);
    rig.services().passwords.set(alice.version(), new.clone(), Actor::CommandLine).await.unwrap();
    drop(hold);
    assert!(waiting.await.unwrap().is_err());
    let after = rig.services().store.account(alice.id).await.unwrap().unwrap();
    assert_eq!(after.password, Some(new));
    // And a renewal that nothing interrupts replaces the weaker hash.
    let weak = hash("another battery", 1);
    let weaken = |account: &mut Account| {
        account.password = Some(weak.clone());
        Edit::Write(())
    };
    rig.services().store.update_account(alice.id, weaken).await.unwrap();
    assert!(types(&rig, "another battery", 2).await.unwrap().is_ok());
    let renewed = rig.services().store.account(alice.id).await.unwrap().unwrap().password.unwrap();
    assert!(renewed.contains("t=2"), "{renewed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ended_while_the_store_could_not_be_written_does_not_come_back() {
    let rig = Rig::new().await;
    let alice = rig.alice(2, |_| ()).await;
    let (services, record) = (rig.services(), rig.session_of(&alice).await);
    let token = services.live.token(record.id);
    let admits = || matches!(services.live.lookup(&token, services.now()), sessions::Found::Live(_));
    assert!(admits());
    rig.disk_is_full.store(true, Ordering::Relaxed);
    assert!(matches!(services.sessions.end(record.id, EndReason::SignedOut).await, Err(Refused::EndPending)));
    assert!(!admits());
    assert!(services.store.session(record.id).await.unwrap().is_some(), "the store does not know");
    // Every way back: the record as another gateway's notice, or everything read again.
    services.live.insert(record.clone(), &alice);
    assert!(!admits());
    sessions::restore(&services.store, &services.live).await.ok();
    assert!(!admits());
    rig.disk_is_full.store(false, Ordering::Relaxed);
    let start = Instant::now();
    while services.store.session(record.id).await.unwrap().is_some() {
        assert!(start.elapsed() < Duration::from_secs(60), "nobody tells the store");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    services.live.insert(record, &alice);
    assert!(!admits());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_that_is_not_on_disk_yet_says_so_and_leaves_nothing_open() {
    let rig = Rig::new().await;
    let alice = rig.alice(2, |_| ()).await;
    let record = rig.session_of(&alice).await;
    rig.disk_is_full.store(true, Ordering::Relaxed);
    let revoked = rig.services().admin_sessions.revoke(Some("alice"), Actor::CommandLine).await;
    assert_eq!(revoked, Err(accounts::AccountError::EndPending));
    assert!(revoked.unwrap_err().to_string().contains("retried"));
    assert!(rig.services().live.get(record.id).is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thief_of_the_password_cannot_close_enrolment_to_its_owner() {
    let rig = Rig::new().await;
    let alice = rig.alice(2, |account| account.vouch_failures = 20).await;
    let services = rig.services();
    // Somebody vouched: a set-up link. Nothing is left to guess.
    let flow = services.flows.begin(&alice, Purpose::Enrol { session: None }, true, &client(1)).await.unwrap();
    let page = EnrolPage { account: alice.clone(), flow: Some(flow), session: None };
    let flow = services.enrolment.choose(&page, Method::Email, &client(1)).await.unwrap();
    let page = EnrolPage { flow: Some(flow), ..page };
    let text = rig.outbox.last_to("alice@internal.example").unwrap().text;
    let code = text.split(|c: char| !c.is_ascii_digit()).find(|word| word.len() == 6).unwrap().to_owned();
    let confirmed = services.enrolment.confirm(&page, Method::Email, &Secret::new(code), "", &client(1)).await;
    assert!(matches!(confirmed.unwrap(), Confirmed::ShowCodes));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unlocking_an_account_and_a_new_password_open_enrolment_again() {
    let rig = Rig::new().await;
    let alice = rig.alice(2, |account| account.vouch_failures = 20).await;
    let failures = async || rig.services().store.account(alice.id).await.unwrap().unwrap().vouch_failures;
    rig.services().accounts.unlock("alice", Actor::CommandLine).await.unwrap();
    assert_eq!(failures().await, 0);
    let count = |account: &mut Account| {
        account.vouch_failures = 20;
        Edit::Write(())
    };
    rig.services().store.update_account(alice.id, count).await.unwrap();
    rig.services().passwords.set(alice.version(), hash("another battery", 2), Actor::CommandLine).await.unwrap();
    assert_eq!(failures().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn anonymous_failures_beyond_a_rate_are_one_record() {
    let rig = Rig::new().await;
    for n in 0..130u8 {
        let wrong = audit::Event::PasswordWrong;
        rig.services().audit.record(wrong, None, Actor::User(&client(n)), "").await.unwrap();
    }
    rig.services().audit.record_counted().await.unwrap();
    rig.services().audit.record_counted().await.unwrap();
    let records = rig.services().store.audit_after(0, 1000).await.unwrap();
    assert_eq!(records.len(), 101);
    let last = records.last().unwrap();
    assert_eq!(last.event, "failures.counted");
    assert!(last.detail.starts_with("30 × password.wrong") && last.detail.contains("30 networks"), "{}", last.detail);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_imported_hashes_cost_is_known_before_the_first_comparison() {
    let rig = Rig::new().await;
    let imported = format!("$2b$06${}", ".".repeat(53));
    rig.alice(2, |account| account.password = Some(imported)).await;
    assert_eq!(rig.services().users.costliest_bcrypt(), Some(6));
    let rest = || rig.services().password.floor.rest(password_hashing::Effort::default());
    let before = rest();
    rig.services().password.learn_bcrypt(6).await;
    assert!(rest() > before);
}

mod queue;
mod restart;
