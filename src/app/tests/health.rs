//! What the administration listener says of a store that fails, over HTTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::app::*;
use crate::base::{Clock, Time};
use crate::config::Config;
use crate::session::KeyRing;
use crate::store::kv::{Batch, Kv, Pair};
use crate::store::{SledKv, Store, StoreError, keyfile};

/// A store on a bad day.
#[derive(Default)]
struct Weather {
    unreadable: AtomicBool,
    full: AtomicBool,
}

struct Fickle(SledKv, Arc<Weather>);

impl Fickle {
    fn check(of: &AtomicBool) -> Result<(), StoreError> {
        if of.load(Ordering::Relaxed) { Err(StoreError::Backend("no space left on device".to_owned())) } else { Ok(()) }
    }
}

#[async_trait::async_trait]
impl Kv for Fickle {
    async fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Self::check(&self.1.unreadable)?;
        self.0.get(key).await
    }

    async fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize, reverse: bool) -> Result<Vec<Pair>, StoreError> {
        Self::check(&self.1.unreadable)?;
        self.0.scan(prefix, after, limit, reverse).await
    }

    async fn commit(&self, batch: Batch) -> Result<bool, StoreError> {
        Self::check(&self.1.full)?;
        self.0.commit(batch).await
    }

    async fn snapshot(&self) -> Result<Vec<Pair>, StoreError> {
        self.0.snapshot().await
    }

    async fn replace(&self, pairs: Vec<Pair>, only_empty: bool) -> Result<bool, StoreError> {
        self.0.replace(pairs, only_empty).await
    }
}

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_tells_the_truth_about_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.server.data_dir = folder.path().join("data");
    let clock = Clock::manual(Time::from_secs(1_700_000_000));
    let keys = keyfile::load_or_create(&config.server.data_dir, clock.now()).unwrap();
    let keys = Arc::new(KeyRing::new(&keys).unwrap());
    let weather = Arc::new(Weather::default());
    let kv = Fickle(SledKv::open(&folder.path().join("store")).await.unwrap(), weather.clone());
    let store = Store::new(Arc::new(kv), keys.clone());
    let app = App::over(store, Arc::new(config), clock, Post::Outbox(Arc::default())).await.unwrap();
    let address = crate::telemetry::server::start("127.0.0.1:0".parse().unwrap(), app.telemetry.clone(), app.clone()).await.unwrap();

    assert!(get(address, "/health/ready").await.starts_with("HTTP/1.1 200"));
    weather.unreadable.store(true, Ordering::Relaxed);
    let answer = get(address, "/health/ready").await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("no space left"), "{answer}");
    weather.unreadable.store(false, Ordering::Relaxed);
    assert!(get(address, "/health/ready").await.starts_with("HTTP/1.1 200"));

    // What can be read but not written is not ready, from the first write that fails until one succeeds.
    weather.full.store(true, Ordering::Relaxed);
    let event = crate::service::audit::Event::KeysRotated;
    assert!(app.services.audit.record(event, None, crate::service::audit::Actor::Gateway, "").await.is_err());
    assert!(get(address, "/health/ready").await.starts_with("HTTP/1.1 503"));
    assert!(get(address, "/health/live").await.starts_with("HTTP/1.1 200"), "a restart mends no disk");
    weather.full.store(false, Ordering::Relaxed);
    assert!(get(address, "/health/ready").await.starts_with("HTTP/1.1 200"));
    assert!(get(address, "/metrics").await.contains("vestibule_store_errors_total{operation=\"commit\"} 2"));
}
