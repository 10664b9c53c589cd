//! Calling requests back. Each shard has a [`Roll`] of the requests that are under way, and one task that hears of what ends or
//! changes; then every request on the roll asks its `tenure` whether it may go on. A request costs the other shards nothing: no
//! count and no list is shared with them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::sync::watch;

use super::memory::Shared;
use super::tenure::Tenure;

/// The requests of one shard that may be called back.
#[derive(Default)]
pub struct Roll {
    /// Counts the news.
    turn: AtomicU64,
    seats: Mutex<Seats>,
}

#[derive(Default)]
struct Seats {
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl Roll {
    /// Has everybody on the roll ask anew at each piece of news. Ends with its sender.
    pub async fn follow(self: Arc<Self>, mut news: watch::Receiver<u64>) {
        while news.changed().await.is_ok() {
            self.turn.fetch_add(1, Ordering::AcqRel);
            let wakers: Vec<Waker> = locked(&self.seats).wakers.iter().flatten().cloned().collect();
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    fn turn(&self) -> u64 {
        self.turn.load(Ordering::Acquire)
    }

    fn sit(&self, waker: Waker) -> usize {
        let mut seats = locked(&self.seats);
        if let Some(at) = seats.free.pop()
            && let Some(seat) = seats.wakers.get_mut(at)
        {
            *seat = Some(waker);
            return at;
        }
        seats.wakers.push(Some(waker));
        seats.wakers.len() - 1
    }

    fn refresh(&self, at: usize, waker: &Waker) {
        if let Some(Some(seat)) = locked(&self.seats).wakers.get_mut(at) {
            seat.clone_from(waker);
        }
    }

    fn leave(&self, at: usize) {
        let mut seats = locked(&self.seats);
        if seats.wakers.get_mut(at).and_then(Option::take).is_some() {
            seats.free.push(at);
        }
    }
}

/// One request's place on the roll, for as long as it lasts.
pub struct Slot {
    /// What its shard remembers.
    pub memory: Shared,
    roll: Arc<Roll>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    tenure: Option<Arc<Tenure>>,
    /// The roll's turn at which the tenure was last looked at.
    seen: u64,
    /// Where it sits, and who is woken there.
    seat: Option<(usize, Waker)>,
}

impl Slot {
    pub fn new(roll: &Arc<Roll>, memory: &Shared) -> Arc<Self> {
        Arc::new(Self { memory: Arc::clone(memory), roll: Arc::clone(roll), held: Mutex::default() })
    }

    /// The request was admitted on this, in the same turn of its task: what changed since the judgement is news to come.
    pub fn fill(&self, tenure: Arc<Tenure>) {
        let mut held = locked(&self.held);
        held.tenure = Some(tenure);
        held.seen = self.roll.turn();
    }

    /// Ready when the request is called back. The slot is filled while the request's own future is polled, just before this is
    /// asked, so that nobody has to wake it.
    pub fn poll_revoked(&self, cx: &Context<'_>) -> Poll<()> {
        let held = &mut *locked(&self.held);
        let Some(tenure) = &held.tenure else { return Poll::Pending };
        match &mut held.seat {
            None => held.seat = Some((self.roll.sit(cx.waker().clone()), cx.waker().clone())),
            Some((_, known)) if known.will_wake(cx.waker()) => {}
            Some((at, known)) => {
                known.clone_from(cx.waker());
                self.roll.refresh(*at, known);
            }
        }
        let turn = self.roll.turn();
        if turn != held.seen {
            held.seen = turn;
            if tenure.is_over() {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let seat = locked(&self.held).seat.take();
        if let Some((at, _)) = seat {
            self.roll.leave(at);
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
        let roll = Roll::default();
        let waker = Waker::noop();
        assert_eq!((roll.sit(waker.clone()), roll.sit(waker.clone())), (0, 1));
        roll.leave(0);
        roll.leave(0);
        assert_eq!((roll.sit(waker.clone()), roll.sit(waker.clone())), (0, 2));
    }
}
