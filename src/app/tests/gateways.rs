//! Several gateways over one PostgreSQL: they know each other, a revocation says how far it has reached, and one does what only one should.

use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

use super::look_up;
use crate::app::*;
use crate::base::{Clock, FlowId, Secret, Time};
use crate::config::{Config, StoreUrl};
use crate::gateway::Lookup;
use crate::login::{Flow, Purpose};
use crate::service::gateways::Reach;
use crate::service::sessions::replication::tests::{alice, sign_in};
use crate::session::EndReason;
use crate::store::postgres::server;
use crate::telemetry::server::Health;

/// A way to the database that can be cut: a socket that passes everything on while it is open.
struct Way {
    folder: tempfile::TempDir,
    open: watch::Sender<bool>,
}

impl Way {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("way").tempdir_in("/tmp").unwrap();
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).unwrap();
        let (open, is_open) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, is_open.clone()));
            }
        });
        Self { folder, open }
    }

    fn url(&self, database: &str) -> Secret {
        let host = percent_encoding::utf8_percent_encode(self.folder.path().to_str().unwrap(), percent_encoding::NON_ALPHANUMERIC);
        Secret::new(format!("postgres://vestibule@{host}/{database}"))
    }
}

async fn pass(mut client: UnixStream, mut is_open: watch::Receiver<bool>) {
    if !*is_open.borrow() {
        return;
    }
    let mut server = UnixStream::connect(server::folder().join(".s.PGSQL.5432")).await.unwrap();
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
        _ = is_open.wait_for(|is_open| !is_open) => {}
    }
}

/// Gateways over one database, each with a data folder of its own and the same keys.
struct Fleet {
    database: String,
    clock: Clock,
    folder: tempfile::TempDir,
    gateways: std::sync::Mutex<usize>,
}

impl Fleet {
    async fn new() -> Self {
        let clock = Clock::manual(Time::from_secs(1_700_000_000));
        Self { database: server::database().await, clock, folder: tempfile::tempdir().unwrap(), gateways: Default::default() }
    }

    fn data_dir(&self) -> PathBuf {
        let mut number = self.gateways.lock().unwrap();
        let data_dir = self.folder.path().join(number.to_string());
        std::fs::DirBuilder::new().mode(0o700).create(&data_dir).unwrap();
        if *number > 0 {
            let keys = std::fs::read(self.folder.path().join("0/keys.json")).unwrap();
            let mut file = std::fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(data_dir.join("keys.json")).unwrap();
            std::io::Write::write_all(&mut file, &keys).unwrap();
        }
        *number += 1;
        data_dir
    }

    async fn over(&self, url: Secret, data_dir: PathBuf) -> Arc<App> {
        let mut config = Config { fingerprint: "aaaa".into(), store: StoreUrl::Postgres(url), ..Config::default() };
        config.server.data_dir = data_dir;
        let app = App::open(Arc::new(config), self.clock.clone(), Post::Outbox(Arc::default())).await.unwrap();
        app.join_gateways().await;
        app
    }

    async fn gateway(&self) -> Arc<App> {
        self.over(server::url(&self.database), self.data_dir()).await
    }
}

async fn comes_about(what: impl AsyncFn() -> bool) {
    let start = Instant::now();
    while !what().await {
        assert!(start.elapsed() < Duration::from_secs(60), "it never came about");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn admits(app: &App, token: &str) -> bool {
    matches!(look_up(app, token).await, Lookup::Live(_))
}

/// A gateway that was slow to answer on a busy machine is asked again.
async fn reaches(app: &App, reached: usize, of: usize) -> Reach {
    let start = Instant::now();
    loop {
        let reach = app.services.gateways.reach().await.unwrap();
        if (reach.reached, reach.of) == (reached, of) {
            return reach;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{reach:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_revocation_says_how_far_it_reached_and_who_may_not_know() {
    let fleet = Fleet::new().await;
    let (a, b) = (fleet.gateway().await, fleet.gateway().await);
    let way = Way::new();
    let c = fleet.over(way.url(&fleet.database), fleet.data_dir()).await;
    assert_eq!(reaches(&a, 3, 3).await.text(), "reached 3 of 3 gateways");
    let account = alice(&a.services).await;
    // Who counts as reached has followed what was committed before, each time.
    for _ in 0..20 {
        let (id, token) = sign_in(&a.services, &account).await;
        comes_about(async || admits(&b, &token).await && admits(&c, &token).await).await;
        a.services.sessions.end(id, EndReason::Revoked).await.unwrap();
        let reach = a.services.gateways.reach().await.unwrap();
        for (name, app) in [("b", &b), ("c", &c)] {
            let id = app.services.gateways.id().unwrap();
            let is_missing = reach.missing.iter().any(|missing| missing.id == id);
            assert!(is_missing || !admits(app, &token).await, "{name} was said to know");
        }
    }
    let (_, kept) = sign_in(&a.services, &account).await;
    let (id, revoked) = sign_in(&a.services, &account).await;
    comes_about(async || admits(&c, &kept).await && admits(&c, &revoked).await).await;
    way.open.send(false).unwrap();
    comes_about(async || c.services.live.is_behind()).await;
    a.services.sessions.end(id, EndReason::Revoked).await.unwrap();
    let started = Instant::now();
    let reach = reaches(&a, 2, 3).await;
    assert!(started.elapsed() < Duration::from_secs(30));
    assert_eq!(reach.missing.len(), 1);
    assert_eq!((reach.missing[0].id.clone(), reach.missing[0].max_stale), (c.services.gateways.id().unwrap(), 300));
    let text = reach.text();
    assert!(text.starts_with("reached 2 of 3 gateways; ") && text.contains("may let people in for up to 5m (store.max_stale)"), "{text}");
    // As it says: the one that is cut off still lets both in, and the others the one.
    assert!(
        admits(&c, &revoked).await
            && admits(&c, &kept).await
            && admits(&b, &kept).await
            && !admits(&b, &revoked).await
            && !admits(&a, &revoked).await
    );
    // From where it is cut off nobody can say how far anything reached.
    assert!(c.services.gateways.reach().await.is_none());
    way.open.send(true).unwrap();
    comes_about(async || !admits(&c, &revoked).await).await;
    reaches(&a, 3, 3).await;
    comes_about(async || admits(&c, &kept).await).await;
    reaches(&c, 3, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn gateways_know_each_other_and_warn_of_a_configuration_that_differs() {
    let fleet = Fleet::new().await;
    let (a, b) = (fleet.gateway().await, fleet.gateway().await);
    a.services.gateways.beat().await.unwrap();
    let status = serde_json::to_value(a.status().await).unwrap();
    let gateways = status["gateways"].as_array().unwrap();
    assert_eq!(gateways.len(), 2, "{status}");
    assert!(gateways.iter().all(|one| one["version"] == env!("CARGO_PKG_VERSION") && one["fingerprint"] == "aaaa" && one["live"] == true));
    assert_eq!(gateways.iter().filter(|one| one["own"] == true).count(), 1);
    assert_eq!((a.ready().await, &status["warnings"]), (Ok(None), &serde_json::json!([])));
    // One is reloaded with another configuration.
    let mut other = (*b.config()).clone();
    other.fingerprint = "bbbb".into();
    b.reconfigure(Arc::new(other)).await.unwrap();
    for app in [&b, &a] {
        app.services.gateways.beat().await.unwrap();
        let said = app.ready().await.unwrap().unwrap();
        assert!(said.contains("different configurations") && said.contains("aaaa") && said.contains("bbbb"), "{said}");
    }
    assert!(a.status().await.ready && a.status().await.warnings.len() == 1, "a warning, and no failure");
    // Whoever stops takes its leave; whoever dies is silent, then gone. A silent one's configuration concerns nobody.
    let c = fleet.gateway().await;
    a.services.gateways.beat().await.unwrap();
    assert_eq!(a.services.gateways.all().unwrap().len(), 3);
    c.flush().await.unwrap();
    a.services.gateways.beat().await.unwrap();
    assert_eq!(a.services.gateways.all().unwrap().len(), 2);
    let dead = b.services.gateways.id().unwrap();
    let of_b = a.services.store.gateways().await.unwrap()[&dead].clone();
    b.flush().await.unwrap();
    drop((b, c));
    a.services.store.put_gateway(&dead, &of_b).await.unwrap();
    fleet.clock.advance(Duration::from_secs(60));
    a.services.gateways.beat().await.unwrap();
    let all = a.services.gateways.all().unwrap();
    assert_eq!(all.iter().map(|one| one.live).filter(|live| *live).count(), 1, "{all:?}");
    assert_eq!(a.ready().await, Ok(None));
    assert_eq!(a.services.gateways.reach().await.unwrap().of, 2, "it may still let people in");
    fleet.clock.advance(Duration::from_secs(310));
    a.services.gateways.beat().await.unwrap();
    assert_eq!(a.services.gateways.reach().await.unwrap().of, 1, "it lets nobody in any more");
    fleet.clock.advance(Duration::from_secs(600));
    a.services.gateways.beat().await.unwrap();
    assert_eq!(a.services.gateways.all().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_a_crash_a_gateway_is_listed_once() {
    let fleet = Fleet::new().await;
    let data_dir = fleet.data_dir();
    let url = || server::url(&fleet.database);
    let before = fleet.over(url(), data_dir.clone()).await;
    let former = before.services.gateways.id().unwrap();
    drop(before);
    let after = fleet.over(url(), data_dir).await;
    let ids: Vec<_> = after.services.store.gateways().await.unwrap().into_keys().collect();
    assert!(!ids.contains(&former), "{ids:?}");
    // An import takes the record away, and the gateway puts it back.
    let backup = after.services.backup.export(crate::service::audit::Actor::CommandLine).await.unwrap();
    // One that is cut off at that moment does not hear of it, and is still to be named.
    let cut_off = crate::store::Gateway { name: "web9".into(), heard: fleet.clock.now(), ..crate::store::Gateway::default() };
    after.services.store.put_gateway("9", &cut_off).await.unwrap();
    after.services.backup.import(&backup, true, crate::service::audit::Actor::CommandLine).await.unwrap();
    assert!(after.services.store.gateways().await.unwrap().contains_key("9"));
    let own = after.services.gateways.id().unwrap();
    comes_about(async || after.services.store.gateways().await.unwrap().contains_key(&own)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_gateway_sweeps_for_all_and_another_takes_over() {
    let fleet = Fleet::new().await;
    let (a, b) = (fleet.gateway().await, fleet.gateway().await);
    // Whichever of the two was first holds it.
    let mut apps = [a, b];
    comes_about(async || {
        let mut holders = 0;
        for app in &apps {
            holders += usize::from(app.sweep_store(&mut None).await.is_ok_and(|swept| swept.is_some()));
        }
        holders == 1
    })
    .await;
    if apps[0].sweep_store(&mut None).await.unwrap().is_none() {
        apps.swap(0, 1);
    }
    let [holder, other] = &apps;
    let account = alice(&other.services).await;
    let mut flow = Flow::new(FlowId::random().unwrap(), &account, Purpose::Second, false, fleet.clock.now());
    flow.expires = fleet.clock.now();
    other.services.store.create_flow(&flow).await.unwrap();
    assert_eq!(other.sweep_store(&mut None).await.unwrap(), None);
    assert!(other.services.store.flow(flow.id).await.unwrap().is_some(), "it is the other's to sweep");
    assert!(holder.sweep_store(&mut None).await.unwrap().is_some());
    assert!(other.services.store.flow(flow.id).await.unwrap().is_none());
    // It stops, and the other goes on at once; it dies, and the lease runs out.
    holder.flush().await.unwrap();
    assert!(other.sweep_store(&mut None).await.unwrap().is_some());
    assert_eq!(holder.sweep_store(&mut None).await.unwrap(), None);
    fleet.clock.advance(Duration::from_secs(61));
    assert!(holder.sweep_store(&mut None).await.unwrap().is_some());
}
