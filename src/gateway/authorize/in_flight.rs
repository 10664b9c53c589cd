//! The requests of one shard that are under way. One task hears of what ends or changes and wakes them all; each then asks its lease
//! whether it may go on. A request costs the other shards nothing: no count and no list is shared with them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use tokio::sync::watch;

/// The requests of one shard that may be revoked.
#[derive(Default)]
pub struct InFlight {
    /// Counts the news.
    turn: AtomicU64,
    slots: Mutex<Slots>,
}

#[derive(Default)]
struct Slots {
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl InFlight {
    /// Has every request ask again at each piece of news. Ends when the sender is gone.
    pub async fn follow(self: Arc<Self>, mut news: watch::Receiver<u64>) {
        while news.changed().await.is_ok() {
            self.turn.fetch_add(1, Ordering::AcqRel);
            let wakers: Vec<Waker> = locked(&self.slots).wakers.iter().flatten().cloned().collect();
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    /// How many pieces of news there were.
    pub fn turn(&self) -> u64 {
        self.turn.load(Ordering::Acquire)
    }

    /// Registers the waker of a request; gives its slot.
    pub fn register(&self, waker: Waker) -> usize {
        let mut slots = locked(&self.slots);
        if let Some(at) = slots.free.pop()
            && let Some(slot) = slots.wakers.get_mut(at)
        {
            *slot = Some(waker);
            return at;
        }
        slots.wakers.push(Some(waker));
        slots.wakers.len() - 1
    }

    /// The request in this slot has another waker now.
    pub fn refresh(&self, at: usize, waker: &Waker) {
        if let Some(Some(slot)) = locked(&self.slots).wakers.get_mut(at) {
            slot.clone_from(waker);
        }
    }

    /// The request in this slot is over.
    pub fn deregister(&self, at: usize) {
        let mut slots = locked(&self.slots);
        if slots.wakers.get_mut(at).and_then(Option::take).is_some() {
            slots.free.push(at);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_are_given_back_and_taken_again() {
        let requests = InFlight::default();
        let waker = Waker::noop();
        assert_eq!((requests.register(waker.clone()), requests.register(waker.clone())), (0, 1));
        requests.deregister(0);
        requests.deregister(0);
        assert_eq!((requests.register(waker.clone()), requests.register(waker.clone())), (0, 2));
    }
}
