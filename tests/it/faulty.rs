//! A gateway over a store that fails when it is asked to, at the seam where a backend's errors come from.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::runtime::Runtime;
use vestibule::app::{App, Post};
use vestibule::base::{Clock, Secret, Time};
use vestibule::gateway::{self, GatewayHost, Listener, Running, Settings};
use vestibule::notify::Outbox;
use vestibule::service::accounts::NewAccount;
use vestibule::service::admin::MfaChange;
use vestibule::service::audit::Actor;
use vestibule::session::KeyRing;
use vestibule::store::kv::{Batch, Kv, Pair};
use vestibule::store::{SledKv, Store, StoreError, keyfile};

use crate::harness::*;

/// What goes wrong.
#[derive(Default)]
pub struct Plan {
    /// The commit of this number from now fails, and every one after it, up to `failing` of them; negative: none.
    pub at: AtomicI64,
    pub failing: AtomicI64,
    /// 1: the failing commits are carried out all the same, and their answer is lost.
    pub lost_answers: AtomicU64,
    /// 1: reads fail as well.
    pub gone: AtomicU64,
    pub delay_millis: AtomicU64,
}

impl Plan {
    pub fn fails_from(&self, at: i64, count: i64, lost_answers: bool) {
        self.lost_answers.store(u64::from(lost_answers), Ordering::SeqCst);
        self.failing.store(count, Ordering::SeqCst);
        self.at.store(at, Ordering::SeqCst);
    }

    pub fn recovers(&self) {
        self.at.store(-1, Ordering::SeqCst);
        self.gone.store(0, Ordering::SeqCst);
        self.delay_millis.store(0, Ordering::SeqCst);
    }

    async fn reads(&self) -> Result<(), StoreError> {
        tokio::time::sleep(Duration::from_millis(self.delay_millis.load(Ordering::SeqCst))).await;
        if self.gone.load(Ordering::SeqCst) == 1 { Err(StoreError::Backend("gone".into())) } else { Ok(()) }
    }

    /// Whether this commit is one that fails.
    fn hits(&self) -> bool {
        if self.at.load(Ordering::SeqCst) < 0 {
            return false;
        }
        self.at.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |at| Some((at - 1).max(0))) == Ok(0)
            && self.failing.fetch_sub(1, Ordering::SeqCst) > 0
    }
}

struct Faulty(SledKv, Arc<Plan>);

#[async_trait]
impl Kv for Faulty {
    async fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.1.reads().await?;
        self.0.get(key).await
    }

    async fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize, reverse: bool) -> Result<Vec<Pair>, StoreError> {
        self.1.reads().await?;
        self.0.scan(prefix, after, limit, reverse).await
    }

    async fn commit(&self, batch: Batch) -> Result<bool, StoreError> {
        self.1.reads().await?;
        if !self.1.hits() {
            return self.0.commit(batch).await;
        }
        if self.1.lost_answers.load(Ordering::SeqCst) == 1 {
            self.0.commit(batch).await?;
        }
        Err(StoreError::Backend("no space left on device".into()))
    }

    async fn snapshot(&self) -> Result<Vec<Pair>, StoreError> {
        self.1.reads().await?;
        self.0.snapshot().await
    }

    async fn replace(&self, pairs: Vec<Pair>, only_empty: bool) -> Result<bool, StoreError> {
        self.1.reads().await?;
        self.0.replace(pairs, only_empty).await
    }
}

/// The gateway over it.
pub struct Shaky {
    pub plan: Arc<Plan>,
    pub app: Arc<App>,
    pub clock: Clock,
    _upstream: Upstream,
    address: SocketAddr,
    outbox: Arc<Outbox>,
    _running: Running,
    work: Option<Runtime>,
    _folder: tempfile::TempDir,
}

impl Shaky {
    pub async fn new() -> Self {
        let (folder, upstream, plan) = (tempfile::tempdir().unwrap(), Upstream::start().await, Arc::new(Plan::default()));
        plan.recovers();
        let text = crate::site::PLAIN.replace("UPSTREAM", &upstream.address.to_string());
        let config = Arc::new(vestibule::config::parse(&text, &folder.path().join("vestibule.toml"), []).unwrap().config);
        let (clock, outbox) = (Clock::manual(Time::from_secs(1_800_000_015)), Arc::new(Outbox::default()));
        let work = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let opening = {
            let (plan, clock, outbox) = (plan.clone(), clock.clone(), outbox.clone());
            work.spawn(async move {
                let keys = keyfile::load_or_create(&config.server.data_dir, clock.now()).unwrap();
                let kv = SledKv::open(&config.server.data_dir.join("store")).await.unwrap();
                let store = Store::new(Arc::new(Faulty(kv, plan)), Arc::new(KeyRing::new(&keys).unwrap()));
                App::over(store, config, clock, Post::Outbox(outbox)).await.unwrap()
            })
        };
        let app = soon(opening).await.unwrap();
        let front: Arc<dyn GatewayHost> = app.clone();
        let listener = Listener { address: "127.0.0.1:0".parse().unwrap(), certificates: None };
        let running = gateway::start(&front, &[listener], &Settings { shards: 1, drain: Duration::ZERO, ..Settings::default() }).unwrap();
        let address = running.addresses[0];
        Self { plan, app, clock, _upstream: upstream, address, outbox, _running: running, work: Some(work), _folder: folder }
    }

    pub fn at_a_browser(&self, name: &str) -> Person {
        Person::new(name, self.address, self.clock.clone(), self.outbox.clone())
    }

    pub async fn person(&self, name: &str) -> Person {
        let new = NewAccount { name: name.into(), email: format!("{name}@post.example"), ..NewAccount::default() };
        self.app.services.accounts.add(&new, Some(Secret::new(PASSWORD)), Actor::CommandLine).await.unwrap();
        self.at_a_browser(name)
    }

    pub async fn person_with_app(&self, name: &str) -> Person {
        let mut person = self.person(name).await;
        let phone = Authenticator::from_key(&data_encoding::BASE32_NOPAD.encode(format!("{name:-<20}").as_bytes()));
        let uri = format!("otpauth://totp/Vestibule:{name}?secret={}&issuer=Vestibule", phone.key());
        let change = MfaChange { totp_uri: Some(Secret::new(uri)), ..MfaChange::default() };
        self.app.services.accounts.change_mfa(name, &change, Actor::CommandLine).await.unwrap();
        person.phone = Some(phone);
        person
    }

    /// The ids of sessions in memory, and of those in the store.
    pub async fn sessions(&self) -> (usize, usize) {
        let stored = self.app.services.store.kv().scan(b"session/", None, 1000, false).await.unwrap().len();
        (self.app.services.live.count(), stored)
    }
}

impl Drop for Shaky {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            work.shutdown_background();
        }
    }
}
