//! An upstream's host name and its addresses. Names are looked up off the shard's thread and cached for a short time. After that, the old
//! addresses remain in use while one look-up for all requests is under way, and for as long as none succeeds.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::policy::Upstream;

/// How long the addresses of a name are kept.
const LIFETIME: Duration = Duration::from_secs(10);

/// A host name and its last known addresses.
pub struct Resolver {
    host: String,
    port: u16,
    addresses: Mutex<Option<(Instant, Arc<[SocketAddr]>)>>,
    /// Whether a look-up is under way.
    refreshing: AtomicBool,
}

impl Resolver {
    pub fn new(upstream: &Upstream) -> Self {
        let (addresses, refreshing) = (Mutex::new(None), AtomicBool::new(false));
        Self { host: upstream.host.clone(), port: upstream.port, addresses, refreshing }
    }

    /// # Errors
    /// If the name is not known and never was.
    pub async fn addresses(self: &Arc<Self>) -> std::io::Result<Arc<[SocketAddr]>> {
        let Some((at, addresses)) = self.known() else {
            return self.look_up().await;
        };
        if at.elapsed() >= LIFETIME && !self.refreshing.swap(true, Ordering::AcqRel) {
            let name = Arc::clone(self);
            tokio::spawn(async move {
                let refreshing = Refreshing(&name);
                if name.look_up().await.is_err() {
                    name.keep();
                }
                drop(refreshing);
            });
        }
        Ok(addresses)
    }

    async fn look_up(&self) -> std::io::Result<Arc<[SocketAddr]>> {
        let found: Arc<[SocketAddr]> = tokio::net::lookup_host((self.host.as_str(), self.port)).await?.collect();
        if found.is_empty() {
            return Err(std::io::ErrorKind::NotFound.into());
        }
        *self.locked() = Some((Instant::now(), Arc::clone(&found)));
        Ok(found)
    }

    /// Keeps the last known addresses for another lifetime.
    fn keep(&self) {
        if let Some((at, _)) = self.locked().as_mut() {
            *at = Instant::now();
        }
    }

    fn known(&self) -> Option<(Instant, Arc<[SocketAddr]>)> {
        self.locked().clone()
    }

    fn locked(&self) -> MutexGuard<'_, Option<(Instant, Arc<[SocketAddr]>)>> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A look-up that is under way until this is dropped.
struct Refreshing<'n>(&'n Resolver);

impl Drop for Refreshing<'_> {
    fn drop(&mut self) {
        self.0.refreshing.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn old_addresses_go_on_while_one_look_up_is_under_way() {
        let name = Arc::new(Resolver::new(&Upstream { tls: false, host: "name.invalid".into(), port: 80 }));
        assert!(name.addresses().await.is_err(), "nothing is known of it");
        let old: SocketAddr = "192.0.2.1:80".parse().unwrap();
        let long_ago = Instant::now().checked_sub(LIFETIME * 2).unwrap();
        *name.locked() = Some((long_ago, Arc::new([old])));
        for _ in 0..3 {
            // Polled once: nothing is waited for.
            let polled = tokio::time::timeout(Duration::ZERO, name.addresses()).await;
            assert_eq!(*polled.unwrap().unwrap(), [old]);
        }
        assert_eq!(Arc::strong_count(&name), 2, "one look-up for all");
        while name.refreshing.load(Ordering::Acquire) {
            tokio::task::yield_now().await;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(*name.addresses().await.unwrap(), [old], "and for as long as none succeeds");
    }
}
