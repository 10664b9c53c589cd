//! A world to tell stories in: the real gateway on a free port before a real application, a clock that is set by hand, an
//! outbox in the place of the post, and people who speak HTTP as a browser without script does.

pub mod authenticator;
pub mod binary;
mod builder;
pub mod counting;
pub mod door;
pub mod html;
pub mod jar;
pub mod person;
pub mod provider;
pub mod servers;
pub mod steady;
mod stream;
pub mod upstream;
pub mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use vestibule::app::{App, Post};
use vestibule::base::{Clock, Secret, Time};
use vestibule::factor::Method;
use vestibule::gateway::{self, GatewayHost, Listener, Running, Settings};
use vestibule::notify::Outbox;
use vestibule::service::accounts::NewAccount;
use vestibule::service::admin::{AccountChange, MfaChange};
use vestibule::service::audit::Actor;

pub use authenticator::Authenticator;
pub use builder::Builder;
pub use person::Person;
pub use provider::Provider;
pub use upstream::Upstream;
pub use wire::{Answer, Wire, soon};

/// Everybody's password: long enough, and nobody's name.
pub const PASSWORD: &str = "violet-harbour-tuning-41";

/// The host of most stories.
pub const HOST: &str = "app.example";

/// Where the gateway's own pages live.
pub const PREFIX: &str = "/.vestibule";

pub fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

pub fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// The parts that a restart makes anew.
struct Standing {
    app: Arc<App>,
    running: Running,
    work: Runtime,
}

/// A gateway, what is behind it and what it runs on.
pub struct World {
    folder: tempfile::TempDir,
    text: String,
    pub clock: Clock,
    pub outbox: Arc<Outbox>,
    pub upstream: Upstream,
    standing: Option<Standing>,
}

impl World {
    /// A world where the password is enough to enrol.
    pub async fn new() -> Self {
        Self::builder().mfa("first_enrolment = \"password\"").build().await
    }

    pub fn builder() -> Builder {
        Builder::default()
    }

    async fn begin(folder: tempfile::TempDir, text: String, upstream: Upstream) -> Self {
        // The middle of a step of thirty seconds.
        let clock = Clock::manual(Time::from_secs(1_800_000_000 + 15));
        let outbox = Arc::new(Outbox::default());
        let mut world = Self { folder, text, clock, outbox, upstream, standing: None };
        world.open().await;
        world
    }

    async fn open(&mut self) {
        let file = self.folder.path().join("vestibule.toml");
        let loaded = vestibule::config::parse(&self.text, &file, []).unwrap_or_else(|e| panic!("{e:?}\n{}", self.text));
        let config = Arc::new(loaded.config);
        let work = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let opening = work.spawn(App::open(config, self.clock.clone(), Post::Outbox(self.outbox.clone())));
        let app = soon(opening).await.unwrap().unwrap();
        let front: Arc<dyn GatewayHost> = app.clone();
        let listener = Listener { address: "127.0.0.1:0".parse().unwrap(), certificates: None };
        let settings = Settings { shards: 1, drain: Duration::ZERO, ..Settings::default() };
        let running = gateway::start(&front, &[listener], &settings).unwrap();
        self.standing = Some(Standing { app, running, work });
    }

    /// Stops everything and starts it again over the same data folder.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.open().await;
    }

    async fn stop(&mut self) {
        let Standing { app, running, work } = self.standing.take().unwrap();
        let over = move || {
            running.stop();
            running.join();
            drop(app);
            work.shutdown_timeout(Duration::from_secs(10));
        };
        tokio::task::spawn_blocking(over).await.unwrap();
    }

    /// Stops everything and leaves the data folder.
    pub async fn closes(mut self) -> tempfile::TempDir {
        self.stop().await;
        std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap())
    }

    /// Puts another configuration in force, as a reload does.
    pub async fn reload(&self, edit: impl FnOnce(String) -> String) {
        let file = self.folder.path().join("vestibule.toml");
        let loaded = vestibule::config::parse(&edit(self.text.clone()), &file, []).unwrap_or_else(|e| panic!("{e:?}"));
        self.app().reconfigure(Arc::new(loaded.config)).await.unwrap();
    }

    fn standing(&self) -> &Standing {
        self.standing.as_ref().unwrap()
    }

    /// A backup put in the place of the store.
    pub async fn restores(&self, backup: &str) {
        self.app().services.backup.import(backup, true, Actor::CommandLine).await.unwrap();
    }

    pub fn app(&self) -> &Arc<App> {
        &self.standing().app
    }

    pub fn address(&self) -> SocketAddr {
        self.standing().running.addresses[0]
    }

    pub fn now(&self) -> u64 {
        self.clock.now().unix()
    }

    pub fn advance(&self, span: Duration) {
        self.clock.advance(span);
    }

    /// What the gateway does by itself every twenty seconds of a real clock.
    pub fn sweeps(&self) {
        self.app().services.live.sweep(self.clock.now());
    }

    /// A person with an account, at a fresh browser.
    pub async fn person(&self, name: &str, groups: &[&str]) -> Person {
        let new = NewAccount {
            name: name.to_owned(),
            email: format!("{name}@post.example"),
            phone: Some("+491701234567".to_owned()),
            display_name: Some(format!("{name} Example")),
            groups: groups.iter().map(|g| (*g).to_owned()).collect(),
            service: false,
            certificate_subject: None,
            password_hash: None,
        };
        let link = self.app().services.accounts.add(&new, Some(Secret::new(PASSWORD)), Actor::CommandLine).await.unwrap();
        assert!(link.is_none());
        self.at_a_browser(name)
    }

    /// Somebody without a password yet; and the token of the set-up link.
    pub async fn newcomer(&self, name: &str) -> (Person, String) {
        let new = NewAccount { name: name.to_owned(), email: format!("{name}@post.example"), ..NewAccount::default() };
        let token = self.app().services.accounts.add(&new, None, Actor::CommandLine).await.unwrap().unwrap();
        (self.at_a_browser(name), token.expose().to_owned())
    }

    /// A browser of somebody's that the gateway has not seen.
    pub fn at_a_browser(&self, name: &str) -> Person {
        Person::new(name, self.address(), self.clock.clone(), self.outbox.clone())
    }

    /// A person whose authenticator app is set up.
    pub async fn person_with_app(&self, name: &str, groups: &[&str]) -> Person {
        let mut person = self.person(name, groups).await;
        let phone = Authenticator::from_key(&data_encoding::BASE32_NOPAD.encode(format!("{name:-<20}").as_bytes()));
        let uri = format!("otpauth://totp/Vestibule:{name}?secret={}&issuer=Vestibule", phone.key());
        self.equips(name, MfaChange { totp_uri: Some(Secret::new(uri)), ..MfaChange::default() }).await;
        person.phone = Some(phone);
        person
    }

    /// A person who is sent codes.
    pub async fn person_with(&self, name: &str, methods: &[Method]) -> Person {
        let person = self.person(name, &[]).await;
        self.equips(name, MfaChange { enrol: methods.to_vec(), ..MfaChange::default() }).await;
        person
    }

    pub async fn recovery_codes(&self, name: &str) -> Vec<String> {
        let codes = self.app().services.accounts.recovery_codes(name, Actor::Gateway).await.unwrap();
        codes.iter().map(|code| code.expose().to_owned()).collect()
    }

    /// As somebody is when the story begins: nobody is told.
    async fn equips(&self, name: &str, change: MfaChange) {
        self.app().services.accounts.change_mfa(name, &change, Actor::Gateway).await.unwrap();
    }

    pub async fn mfa(&self, name: &str, change: MfaChange) {
        self.app().services.accounts.change_mfa(name, &change, Actor::CommandLine).await.unwrap();
    }

    pub async fn change(&self, name: &str, change: AccountChange) {
        self.app().services.accounts.change(name, &change, Actor::CommandLine).await.unwrap();
    }

    pub async fn disable(&self, name: &str) {
        self.change(name, AccountChange { disabled: Some(true), ..AccountChange::default() }).await;
    }

    /// The subjects of the mail to somebody, the oldest first.
    pub fn mail_to(&self, name: &str) -> Vec<String> {
        let to = format!("{name}@post.example");
        let mut all: Vec<_> = self.outbox.newest_first().into_iter().filter(|sent| sent.to == to).collect();
        all.reverse();
        all.into_iter().filter_map(|sent| sent.subject).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(Standing { work, .. }) = self.standing.take() {
            work.shutdown_background();
        }
    }
}
