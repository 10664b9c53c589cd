//! Three gateways over one PostgreSQL, which goes through a walk at random: sign-ins, step-ups, revocations, changes of accounts, rotations of the
//! keys, imports, gateways that die, restarts of the database, lost notices, cut networks. Requests go on all the while, and a witness says of
//! each whether it may pass:
//!
//! - a session that was never ended passes, and is never said to be over: at worst nobody can tell for a moment;
//! - a session that has ended passes nowhere after the bound, and at once not where the end is said to have reached.
//!
//! `WALK_SEED` and `WALK_STEPS` walk another way, or farther: `cargo test --lib walk -- --ignored --nocapture` makes a thousand steps.

mod witness;

use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{RwLock, watch};

use super::look_up;
use crate::account::Account;
use crate::app::*;
use crate::base::{Clock, Secret, SessionId, UserId};
use crate::config::{Config, StoreUrl};
use crate::policy::Proof;
use crate::service::audit::Actor;
use crate::session::{EndReason, Family, SessionRecord};
use crate::store::Edit;
use crate::store::postgres::server::Own;
use witness::{Dice, Seen, Witness};

const GATEWAYS: usize = 3;
const USERS: usize = 8;
/// What a gateway that is cut off may do: `store.max_stale` is shorter than the five seconds for which memory is believed in any case.
pub(super) const BOUND: Duration = Duration::from_secs(5);

/// A way to the database that can be cut.
struct Way {
    folder: tempfile::TempDir,
    open: watch::Sender<bool>,
}

impl Way {
    fn new(server: PathBuf) -> Self {
        let folder = tempfile::Builder::new().prefix("way").tempdir_in("/tmp").unwrap();
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).unwrap();
        let (open, is_open) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (mut is_open, server) = (is_open.clone(), server.clone());
                tokio::spawn(async move {
                    let mut client: UnixStream = client;
                    let Ok(mut server) = UnixStream::connect(server.join(".s.PGSQL.5432")).await else { return };
                    if *is_open.borrow() {
                        tokio::select! {
                            _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                            _ = is_open.wait_for(|is_open| !is_open) => {}
                        }
                    }
                });
            }
        });
        Self { folder, open }
    }

    fn url(&self) -> Secret {
        let host = percent_encoding::utf8_percent_encode(self.folder.path().to_str().unwrap(), percent_encoding::NON_ALPHANUMERIC);
        Secret::new(format!("postgres://vestibule@{host}/postgres"))
    }
}

/// A gateway that may be dead for a while.
struct Place {
    way: Way,
    data_dir: PathBuf,
    app: RwLock<Option<Arc<App>>>,
}

struct Walk {
    server: Option<Own>,
    folder: tempfile::TempDir,
    clock: Clock,
    places: Arc<Vec<Place>>,
    users: Vec<UserId>,
    backup: String,
    witness: Arc<Witness>,
    rng: Dice,
    said: Vec<String>,
}

fn data_dir(folder: &Path, number: usize) -> PathBuf {
    let data_dir = folder.join(number.to_string());
    std::fs::DirBuilder::new().mode(0o700).create(&data_dir).unwrap();
    if number > 0 {
        let keys = std::fs::read(folder.join("0/keys.json")).unwrap();
        let mut file = std::fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(data_dir.join("keys.json")).unwrap();
        std::io::Write::write_all(&mut file, &keys).unwrap();
    }
    data_dir
}

async fn opened(way: &Way, data_dir: &Path, clock: &Clock) -> Arc<App> {
    // Memory that holds some of the sessions only, so that they come and go.
    let mut config =
        Config { store: StoreUrl::Postgres(way.url()), max_stale: Duration::from_secs(2), sessions_in_memory: 64, ..Config::default() };
    config.server.data_dir = data_dir.to_owned();
    let config = Arc::new(config);
    let start = Instant::now();
    loop {
        match App::open(config.clone(), clock.clone(), Post::Outbox(Arc::default())).await {
            Ok(app) => {
                app.join_gateways().await;
                return app;
            }
            // The database is on its way back.
            Err(e) => assert!(start.elapsed() < Duration::from_secs(60), "a gateway does not start: {e:#}"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

impl Walk {
    async fn begin(seed: u64) -> Self {
        let server = tokio::task::spawn_blocking(Own::start).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        // A key signs ten seconds after it was published: the clock goes as fast as the notices.
        let clock = Clock::system();
        let mut places = Vec::new();
        for number in 0..GATEWAYS {
            let (way, data_dir) = (Way::new(server.folder().to_owned()), data_dir(folder.path(), number));
            let app = opened(&way, &data_dir, &clock).await;
            places.push(Place { way, data_dir, app: RwLock::new(Some(app)) });
        }
        let first = places[0].app.read().await.clone().unwrap();
        let mut users = Vec::new();
        for n in 0..USERS {
            let account: Account = serde_json::from_value(serde_json::json!({
                "id": UserId::random().unwrap(), "name": format!("user{n}"), "email": "", "display_name": "", "created": 0,
            }))
            .unwrap();
            first.services.store.create_account(&account).await.unwrap().unwrap();
            users.push(account.id);
        }
        let backup = first.services.backup.export(Actor::CommandLine).await.unwrap();
        let (witness, places) = (Arc::new(Witness::new(GATEWAYS)), Arc::new(places));
        Self { server: Some(server), folder, clock, places, users, backup, witness, rng: Dice(seed), said: Vec::new() }
    }

    /// A gateway that is up and not cut off, and its number.
    async fn any(&mut self) -> Option<(usize, Arc<App>)> {
        let first = self.rng.below(GATEWAYS);
        for number in (0..GATEWAYS).map(|n| (first + n) % GATEWAYS) {
            let place = &self.places[number];
            let app = place.app.read().await.clone();
            if let Some(app) = app.filter(|app| *place.way.open.borrow() && !app.services.live.is_behind()) {
                return Some((number, app));
            }
        }
        None
    }

    fn says(&mut self, what: String) {
        self.said.push(what);
    }

    /// Whom a change has reached, by what is said to the administrator.
    async fn reach(&self, from: &App) -> Vec<usize> {
        let Some(reach) = from.services.gateways.reach().await else { return Vec::new() };
        let (mut reached, listed) = (Vec::new(), from.services.gateways.all().unwrap_or_default());
        for (number, place) in self.places.iter().enumerate() {
            let Some(app) = place.app.read().await.clone() else { continue };
            let id = app.services.gateways.id();
            let is_listed = listed.iter().any(|member| Some(&member.id) == id.as_ref());
            if is_listed && reach.missing.iter().all(|missing| Some(&missing.id) != id.as_ref()) {
                reached.push(number);
            }
        }
        reached
    }

    async fn step(&mut self) {
        let Some((at, app)) = self.any().await else {
            tokio::time::sleep(Duration::from_millis(200)).await;
            return self.heals().await;
        };
        match self.rng.below(100) {
            0..30 => self.signs_in(at, &app).await,
            30..42 => self.steps_up(at, &app).await,
            42..55 => self.revokes_one(at, &app).await,
            55..60 => self.revokes_all_of_one(at, &app).await,
            60..68 => self.changes_an_account(at, &app).await,
            68..72 => self.rotates(at, &app).await,
            72..74 => self.imports(at, &app).await,
            74..78 => self.kills(at).await,
            78..80 => self.restarts_the_database().await,
            80..88 => self.loses_notices().await,
            88..93 => self.cuts(at).await,
            _ => self.heals().await,
        }
    }

    async fn account(&self, app: &App, user: UserId) -> Option<Account> {
        app.services.store.account(user).await.ok().flatten().filter(|account| !account.disabled)
    }

    async fn signs_in(&mut self, at: usize, app: &Arc<App>) {
        let user = self.users[self.rng.below(USERS)];
        let Some(account) = self.account(app, user).await else { return };
        let record =
            SessionRecord::begin(user, account.epoch, Proof::Password, app.services.now(), [127, 0, 0, 1].into(), "Firefox").unwrap();
        self.admitted(at, app, record, &account, None).await;
    }

    /// As a finished sign-in does it: in the store, into memory, and looked at once more.
    async fn admitted(&mut self, at: usize, app: &Arc<App>, record: SessionRecord, account: &Account, replaces: Option<SessionId>) {
        let services = &app.services;
        let before = Instant::now();
        // Others may see it over before this gateway hears that it is.
        replaces.into_iter().for_each(|old| self.witness.may_end(old, before));
        match services.store.put_session(&record, replaces).await {
            Ok(true) => {}
            // After an error nobody knows whether it was done.
            Ok(false) | Err(_) => return,
        }
        let session = services.live.insert(record.clone(), account);
        if let Some(old) = replaces {
            services.live.replace(old, &session);
            self.witness.ended(old, before, Instant::now());
        }
        let (kept, now) = (services.store.session(record.id).await, services.store.account(account.id).await);
        let (Ok(kept), Ok(now)) = (kept, now) else { return };
        services.live.account_changed(account.id, now.as_ref());
        if kept.is_none() || session.is_ended() {
            let _ = services.sessions.end(record.id, EndReason::AccountChanged).await;
            return;
        }
        self.witness.begun(record.id, record.user, services.live.token(record.id));
        self.says(format!("{at}: a session of {} ({})", record.user, record.id));
    }

    async fn steps_up(&mut self, at: usize, app: &Arc<App>) {
        let Some((old, user)) = self.witness.any(&mut self.rng) else { return };
        let Some(account) = self.account(app, user).await else { return };
        let Ok(Some(before)) = app.services.sessions.find(old).await else { return };
        let mut record =
            SessionRecord::begin(user, account.epoch, Proof::Password, app.services.now(), [127, 0, 0, 1].into(), "Firefox").unwrap();
        (record.created, record.family) = (before.record().created, Family::Next(before.record().family()));
        self.says(format!("{at}: a step up of {old}"));
        self.admitted(at, app, record, &account, Some(old)).await;
    }

    async fn revokes_one(&mut self, at: usize, app: &Arc<App>) {
        let Some((id, _)) = self.witness.any(&mut self.rng) else { return };
        let before = Instant::now();
        self.witness.may_end(id, before);
        if app.services.sessions.end(id, EndReason::Revoked).await.is_ok() {
            self.witness.ended(id, before, Instant::now());
            let reached = self.reach(app).await;
            self.witness.reached(id, &reached, Instant::now());
            self.says(format!("{at}: {id} is revoked, known at {reached:?}"));
        }
    }

    async fn all_end(&mut self, user: Option<UserId>, before: Instant, app: &Arc<App>) -> Vec<usize> {
        let ended = self.witness.all_ended(user, before, Instant::now());
        let reached = self.reach(app).await;
        ended.iter().for_each(|id| self.witness.reached(*id, &reached, Instant::now()));
        reached
    }

    async fn revokes_all_of_one(&mut self, at: usize, app: &Arc<App>) {
        let user = self.users[self.rng.below(USERS)];
        let Ok(Some(account)) = app.services.store.account(user).await else { return };
        let before = Instant::now();
        self.witness.may_all_end(Some(user), before);
        if app.services.admin_sessions.revoke(Some(&account.name), Actor::CommandLine).await.is_ok() {
            let reached = self.all_end(Some(user), before, app).await;
            self.says(format!("{at}: all of {user} are revoked, known at {reached:?}"));
        }
    }

    async fn changes_an_account(&mut self, at: usize, app: &Arc<App>) {
        let (user, disabled) = (self.users[self.rng.below(USERS)], self.rng.below(10) < 3);
        let before = Instant::now();
        self.witness.may_all_end(Some(user), before);
        let changed = app.services.store.update_account(user, |account| {
            account.disabled = disabled;
            account.factors_changed();
            Edit::Write(())
        });
        if let Ok(Some(Ok(()))) = changed.await {
            let reached = self.all_end(Some(user), before, app).await;
            self.says(format!("{at}: the password of {user} changes, disabled: {disabled}, known at {reached:?}"));
        }
    }

    async fn rotates(&mut self, at: usize, app: &Arc<App>) {
        let rotated = app.services.keys.rotate(Actor::CommandLine).await.is_ok();
        self.says(format!("{at}: the keys are rotated: {rotated}"));
    }

    async fn imports(&mut self, at: usize, app: &Arc<App>) {
        let before = Instant::now();
        self.witness.may_all_end(None, before);
        if app.services.backup.import(&self.backup, true, Actor::CommandLine).await.is_ok() {
            let reached = self.all_end(None, before, app).await;
            self.says(format!("{at}: an import, known at {reached:?}"));
        }
    }

    /// Without a word to anybody; another is there in its place a little later.
    async fn kills(&mut self, at: usize) {
        let place = &self.places[at];
        drop(place.app.write().await.take());
        tokio::time::sleep(Duration::from_millis(self.rng.below(500) as u64)).await;
        let app = opened(&place.way, &place.data_dir, &self.clock).await;
        *place.app.write().await = Some(app);
        self.says(format!("{at}: killed, and started again"));
    }

    async fn restarts_the_database(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        let away = Duration::from_millis(self.rng.below(3000) as u64);
        let started = tokio::task::spawn_blocking(move || {
            server.stop();
            std::thread::sleep(away);
            server.start_again();
            server
        });
        self.server = Some(started.await.unwrap());
        self.says("the database was restarted".to_owned());
    }

    /// Every line for notices is cut, and what is said meanwhile is heard by nobody.
    async fn loses_notices(&mut self) {
        let Some(server) = &self.server else { return };
        let mut config = tokio_postgres::Config::new();
        config.host_path(server.folder()).user("vestibule").dbname("postgres");
        let Ok((client, connection)) = config.connect(tokio_postgres::NoTls).await else { return };
        tokio::spawn(connection);
        let cut = "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' OR query LIKE '%pg_is_in_recovery%' \
                   AND pid <> pg_backend_pid()";
        let _ = client.batch_execute(cut).await;
        self.says("the lines for notices were cut".to_owned());
    }

    async fn cuts(&mut self, at: usize) {
        let _ = self.places[at].way.open.send(false);
        self.says(format!("{at}: cut off"));
    }

    async fn heals(&mut self) {
        for place in self.places.iter() {
            let _ = place.way.open.send(true);
        }
    }

    /// At the end every session that was not ended passes everywhere, and no other.
    async fn settles(&mut self) {
        self.heals().await;
        for place in self.places.iter() {
            let app = place.app.read().await.clone().unwrap();
            let start = Instant::now();
            while app.services.live.is_behind() {
                assert!(start.elapsed() < Duration::from_secs(60), "a gateway does not come back");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            for (id, token, must_pass) in self.witness.verdicts() {
                let start = Instant::now();
                loop {
                    let seen = Seen::of(look_up(&app, &token).await);
                    if seen != Seen::Unknown {
                        assert_eq!(seen == Seen::Passed, must_pass, "{id} in the end");
                        break;
                    }
                    assert!(start.elapsed() < Duration::from_secs(60), "nobody can tell of {id}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
}

/// Requests at one gateway, one after the other.
async fn requests(at: usize, places: Arc<Vec<Place>>, witness: Arc<Witness>, stop: Arc<AtomicBool>, seed: u64) -> usize {
    let (mut rng, mut passed) = (Dice(seed), 0);
    while !stop.load(Ordering::Relaxed) {
        let Some((id, token)) = witness.any_token(&mut rng) else {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        // Held for the request alone: a gateway that is killed is gone.
        let Some(app) = places[at].app.read().await.clone() else {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        let before = Instant::now();
        let seen = Seen::of(look_up(&app, &token).await);
        drop(app);
        witness.sees(at, id, seen, before, Instant::now());
        passed += usize::from(seen == Seen::Passed);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    passed
}

async fn walks(seed: u64, steps: usize, most: Duration) {
    let mut walk = Walk::begin(seed).await;
    let stop = Arc::new(AtomicBool::new(false));
    let going: Vec<_> = (0..GATEWAYS * 2)
        .map(|n| tokio::spawn(requests(n % GATEWAYS, walk.places.clone(), walk.witness.clone(), stop.clone(), seed + n as u64)))
        .collect();
    let (start, mut done) = (Instant::now(), 0);
    while done < steps && start.elapsed() < most && walk.witness.is_content() {
        walk.step().await;
        done += 1;
    }
    if walk.witness.is_content() {
        walk.settles().await;
    }
    stop.store(true, Ordering::Relaxed);
    let mut passed = 0;
    for one in going {
        passed += one.await.unwrap();
    }
    println!("seed {seed}: {done} steps in {:?}, {} requests, {passed} passed", start.elapsed(), walk.witness.requests());
    let complaints = walk.witness.complaints();
    let last = walk.said.iter().rev().take(40).rev().cloned().collect::<Vec<_>>().join("\n");
    assert!(complaints.is_empty(), "seed {seed}, after {done} steps:\n{last}\n\n{}", complaints.join("\n"));
    drop(walk.folder);
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_walk_of_three_gateways_lets_nobody_in_who_is_out_and_signs_nobody_out() {
    walks(number("WALK_SEED").unwrap_or(7), 60, Duration::from_secs(15)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "takes minutes"]
async fn a_walk_of_a_thousand_steps() {
    walks(number("WALK_SEED").unwrap_or(1), usize::try_from(number("WALK_STEPS").unwrap_or(1000)).unwrap(), Duration::from_secs(3600))
        .await;
}
