//! An upstream's host name and its addresses. Names are looked up off the shard's thread and cached for a short time. After that, the old
//! addresses remain in use while one look-up for all requests is under way, and for as long as none succeeds.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::policy::Upstream;

/// How long the addresses of a name are kept.
const LIFETIME: Duration = Duration::from_secs(10);

/// How long an address or an upstream that could not be reached is left out.
pub const DOWN_TIME: Duration = Duration::from_secs(10);

/// A host name and its last known addresses.
pub struct Resolver {
    host: String,
    port: u16,
    addresses: Mutex<Option<(Instant, Arc<[SocketAddr]>)>>,
    /// Addresses that could not be reached, and until when they are left out.
    down: Mutex<Vec<(SocketAddr, Instant)>>,
    /// Counts, so that the addresses are used in turn.
    turn: AtomicUsize,
    /// Whether a look-up is under way.
    refreshing: AtomicBool,
}

impl Resolver {
    pub fn new(upstream: &Upstream) -> Self {
        let (addresses, refreshing) = (Mutex::new(None), AtomicBool::new(false));
        let (down, turn) = (Mutex::default(), AtomicUsize::new(0));
        Self { host: upstream.host.clone(), port: upstream.port, addresses, down, turn, refreshing }
    }

    /// The next address that is not among `tried`, one that is down only if there is no other; and whether there is a further one that
    /// could be tried after it.
    ///
    /// # Errors
    /// If the name is not known and never was, or all its addresses were tried.
    pub async fn next(self: &Arc<Self>, tried: &[SocketAddr]) -> std::io::Result<(SocketAddr, bool)> {
        let known = self.addresses().await?;
        let turn = if known.len() > 1 { self.turn.fetch_add(1, Ordering::Relaxed) } else { 0 };
        let in_turn =
            || (0..known.len()).filter_map(|i| known.get(turn.wrapping_add(i).checked_rem(known.len())?)).filter(|a| !tried.contains(a));
        let chosen = in_turn().find(|address| !self.is_down(address)).or_else(|| in_turn().next());
        let chosen = chosen.copied().ok_or(std::io::ErrorKind::NotFound)?;
        Ok((chosen, in_turn().count() > 1))
    }

    /// The address could not be reached: it is left out for a while. Gives whether there is another one to try.
    pub fn mark_down(&self, address: SocketAddr, tried: &[SocketAddr]) -> bool {
        let known = self.known().map(|(_, known)| known).unwrap_or_default();
        if known.len() > 1 {
            let mut down = locked(&self.down);
            down.retain(|(other, until)| *other != address && *until > Instant::now());
            down.push((address, Instant::now() + DOWN_TIME));
        }
        known.iter().any(|other| *other != address && !tried.contains(other))
    }

    fn is_down(&self, address: &SocketAddr) -> bool {
        let now = Instant::now();
        locked(&self.down).iter().any(|(other, until)| other == address && *until > now)
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
        locked(&self.addresses)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
    async fn each_address_is_tried_once_and_what_is_down_last() {
        let resolver = Arc::new(Resolver::new(&Upstream::new(false, "name.invalid".into(), 80)));
        let [a, b]: [SocketAddr; 2] = ["[::1]:80".parse().unwrap(), "127.0.0.1:80".parse().unwrap()];
        *resolver.locked() = Some((Instant::now(), Arc::new([a, b])));
        assert_eq!(resolver.next(&[]).await.unwrap(), (a, true));
        assert!(resolver.mark_down(a, &[a]), "there is another");
        for _ in 0..3 {
            assert_eq!(resolver.next(&[]).await.unwrap().0, b);
        }
        assert_eq!(resolver.next(&[b]).await.unwrap(), (a, false), "one that is down is better than none");
        assert!(resolver.next(&[a, b]).await.is_err());
        assert!(!resolver.mark_down(b, &[a, b]));
    }

    #[tokio::test]
    async fn old_addresses_go_on_while_one_look_up_is_under_way() {
        let name = Arc::new(Resolver::new(&Upstream::new(false, "name.invalid".into(), 80)));
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
