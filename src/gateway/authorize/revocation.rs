//! Revocation: a request under way is dropped as soon as its lease does not hold any more.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::gateway::authorize::cache::{ShardCache, SharedCache};
use crate::gateway::authorize::in_flight::InFlight;
use crate::gateway::authorize::lease::Lease;

tokio::task_local! {
    /// The request that the current task works on.
    static REQUEST: Arc<Revocable>;
}

/// One request, for as long as it lasts.
pub struct Revocable {
    cache: SharedCache,
    in_flight: Arc<InFlight>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    lease: Option<Arc<Lease>>,
    /// How many pieces of news there were when the lease was last looked at.
    seen: u64,
    /// Its slot in the register, and the waker that is there.
    slot: Option<(usize, Waker)>,
}

impl Revocable {
    pub fn new(in_flight: &Arc<InFlight>, cache: &SharedCache) -> Arc<Self> {
        Arc::new(Self { cache: Arc::clone(cache), in_flight: Arc::clone(in_flight), held: Mutex::default() })
    }

    /// The request was admitted on this lease, in the same turn of its task: what changed since the decision is news to come.
    pub fn fill(&self, lease: Arc<Lease>) {
        let mut held = locked(&self.held);
        held.lease = Some(lease);
        held.seen = self.in_flight.turn();
    }

    /// Ready when the request is revoked. The lease is set while the request's own future is polled, just before this is
    /// asked, so that nobody has to wake it.
    pub fn poll_revoked(&self, cx: &Context<'_>) -> Poll<()> {
        let held = &mut *locked(&self.held);
        let Some(lease) = &held.lease else { return Poll::Pending };
        match &mut held.slot {
            None => held.slot = Some((self.in_flight.register(cx.waker().clone()), cx.waker().clone())),
            Some((_, known)) if known.will_wake(cx.waker()) => {}
            Some((at, known)) => {
                known.clone_from(cx.waker());
                self.in_flight.refresh(*at, known);
            }
        }
        let turn = self.in_flight.turn();
        if turn != held.seen {
            held.seen = turn;
            if lease.is_over() {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }
}

impl Drop for Revocable {
    fn drop(&mut self) {
        let slot = locked(&self.held).slot.take();
        if let Some((at, _)) = slot {
            self.in_flight.deregister(at);
        }
    }
}

/// Runs a future as the work on this request: what it calls finds the request's lease and its shard's cache.
pub fn scope<F: Future>(request: Arc<Revocable>, work: F) -> impl Future<Output = F::Output> {
    REQUEST.scope(request, work)
}

/// The request was admitted on this lease: it is to be cut when that no longer holds.
pub fn depends_on(lease: Arc<Lease>) {
    let _ = REQUEST.try_with(|request| request.fill(lease));
}

/// Works with the cache of the shard that serves the request; `None` outside a request.
pub fn with_cache<T>(work: impl FnOnce(&mut ShardCache) -> T) -> Option<T> {
    REQUEST.try_with(|request| work(&mut locked(&request.cache))).ok()
}

/// As within a request of a shard that remembers nothing yet.
#[cfg(test)]
pub fn within_a_request<T>(story: impl FnOnce() -> T) -> T {
    REQUEST.sync_scope(Revocable::new(&Arc::default(), &SharedCache::default()), story)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
