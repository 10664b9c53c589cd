//! Which thread takes which password hash, and when. A hash that comes alone goes to the steady thread, whose share of the processor nobody takes;
//! where a crowd waits, the spare threads take it, which only have what time is left over. Never more than `most` hashes at once, but for one:
//! where the machine leaves the spare threads no time, the steady one lends a hand.
//!
//! ```text
//!             more than `most` wait                       nothing waits for LINGER
//!   alone ───────────────────────────▶ crowd ───────────────────────────────────────▶ alone
//!   the steady thread takes            the spare threads take; the steady one,
//!                                      where none has been taken for PATIENCE
//! ```

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::factor::password::Workspace;

pub type Job = Box<dyn FnOnce(&mut Workspace) + Send>;

/// How many hashes may wait; at 15 ms each on two threads the last waits for half a second.
pub const WAITING: usize = 64;
/// So long may a crowd wait with nothing taken: many hashes' time, where the spare threads have any.
const PATIENCE: Duration = Duration::from_secs(1);
/// So long after the last of a crowd the next one counts to it.
const LINGER: Duration = Duration::from_secs(1);

/// What waits, for the threads that hash and those who ask them.
pub struct Queue {
    inner: Mutex<State>,
    steady: Condvar,
    spare: Condvar,
    most: usize,
    patience: Duration,
    linger: Duration,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// How many are being computed.
    running: usize,
    /// How many were ever taken.
    taken: u64,
    /// That number when the steady thread last lent a hand.
    lent_at: Option<u64>,
    crowd: bool,
    closed: bool,
}

impl State {
    fn take(&mut self) -> Option<Job> {
        let job = self.jobs.pop_front()?;
        self.running += 1;
        self.taken += 1;
        Some(job)
    }
}

impl Queue {
    /// Of hashes of which `most` are computed at once.
    pub fn new(most: usize) -> Self {
        Self::with(most, PATIENCE, LINGER)
    }

    /// One whose crowds the steady thread never takes, however busy the machine is.
    #[cfg(test)]
    pub fn patient(most: usize) -> Self {
        Self::with(most, Duration::from_secs(100_000), LINGER)
    }

    fn with(most: usize, patience: Duration, linger: Duration) -> Self {
        let (inner, steady, spare) = Default::default();
        Self { inner, steady, spare, most: most.max(1), patience, linger }
    }

    /// How many hashes are computed at once, and so many spare threads there are.
    pub const fn most(&self) -> usize {
        self.most
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there was room.
    pub fn push(&self, job: Job) -> bool {
        let mut state = self.locked();
        if state.jobs.len() >= WAITING {
            return false;
        }
        state.jobs.push_back(job);
        let gathers = !state.crowd && state.jobs.len() > self.most;
        state.crowd |= gathers;
        // The steady one hears of a crowd's first as well: from then on it watches whether anything is taken.
        if state.jobs.len() == 1 {
            self.steady.notify_one();
        }
        if gathers {
            self.spare.notify_all();
        } else if state.crowd {
            self.spare.notify_one();
        }
        true
    }

    /// A thread has done what it took.
    pub fn done(&self) {
        let mut state = self.locked();
        state.running = state.running.saturating_sub(1);
        if state.crowd { &self.spare } else { &self.steady }.notify_one();
    }

    /// No more will come: the threads end after what still waits.
    pub fn close(&self) {
        self.locked().closed = true;
        self.steady.notify_all();
        self.spare.notify_all();
    }

    const fn may(&self, state: &State, crowd: bool) -> bool {
        state.closed || (state.crowd == crowd && state.running < self.most)
    }

    /// The steady thread's next job, waited for; `None` where none will come any more. Calls `rests` first where it has to wait.
    pub fn next_steady(&self, rests: impl FnOnce()) -> Option<Job> {
        let nothing = |state: &State| state.jobs.is_empty() && !state.closed;
        let is_idle = |state: &State| nothing(state) || !self.may(state, false);
        if is_idle(&self.locked()) {
            rests();
        }
        let mut state = self.locked();
        loop {
            state = self.steady.wait_while(state, |state| nothing(state)).unwrap_or_else(PoisonError::into_inner);
            if self.may(&state, false) {
                return state.take();
            }
            let seen = state.taken;
            let moves = |state: &State| state.taken != seen || !is_idle(state);
            let lends = state.lent_at == Some(seen) || {
                let waited = self.steady.wait_timeout_while(state, self.patience, |state| !moves(state) && !nothing(state));
                let (after, _) = waited.unwrap_or_else(PoisonError::into_inner);
                state = after;
                !moves(&state)
            };
            if lends && let Some(job) = state.take() {
                state.lent_at = Some(state.taken);
                return Some(job);
            }
        }
    }

    /// A spare thread's next job, as [`Self::next_steady`].
    pub fn next_spare(&self, rests: impl FnOnce()) -> Option<Job> {
        let ready = |state: &State| self.may(state, true) && (state.closed || !state.jobs.is_empty());
        let lingers = |state: &State| state.crowd && state.jobs.is_empty();
        if !ready(&self.locked()) {
            rests();
        }
        let mut state = self.locked();
        while !ready(&state) {
            if lingers(&state) {
                let waited = self.spare.wait_timeout_while(state, self.linger, |state| !ready(state) && lingers(state));
                let (after, _) = waited.unwrap_or_else(PoisonError::into_inner);
                state = after;
                state.crowd &= !lingers(&state);
            } else {
                state = self.spare.wait_while(state, |state| !ready(state) && !lingers(state)).unwrap_or_else(PoisonError::into_inner);
            }
        }
        state.take()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    const NEVER: Duration = Duration::from_secs(100_000);
    const AT_ONCE: Duration = Duration::ZERO;

    fn with_jobs(queue: Queue, count: usize) -> Arc<Queue> {
        for _ in 0..count {
            assert!(queue.push(Box::new(|_| ())));
        }
        Arc::new(queue)
    }

    /// Hears of each job that a thread takes in this way, each done at once, until there are no more.
    fn takes(queue: &Arc<Queue>, next: impl Fn(&Queue) -> Option<Job> + Send + 'static) -> Receiver<()> {
        let (queue, (tell, told)) = (Arc::clone(queue), channel());
        std::thread::spawn(move || {
            while next(&queue).is_some() {
                queue.done();
                tell.send(()).unwrap();
            }
        });
        told
    }

    fn steady(queue: &Arc<Queue>) -> Receiver<()> {
        takes(queue, |queue| queue.next_steady(|| ()))
    }

    fn spare(queue: &Arc<Queue>) -> Receiver<()> {
        takes(queue, |queue| queue.next_spare(|| ()))
    }

    #[test]
    fn who_comes_alone_is_the_steady_threads() {
        let queue = with_jobs(Queue::with(2, NEVER, NEVER), 2);
        let (spare, steady) = (spare(&queue), steady(&queue));
        for _ in 0..2 {
            steady.recv().unwrap();
        }
        queue.close();
        assert!(spare.recv().is_err());
    }

    #[test]
    fn a_crowd_is_the_spare_threads_and_whoever_comes_soon_after_it() {
        let queue = with_jobs(Queue::with(2, NEVER, NEVER), 3);
        let (steady, spares) = (steady(&queue), [spare(&queue), spare(&queue)]);
        for _ in 0..4 {
            assert!(queue.push(Box::new(|_| ())));
        }
        while !queue.locked().jobs.is_empty() {
            std::thread::yield_now();
        }
        queue.close();
        assert!(steady.recv().is_err());
        assert_eq!(spares.iter().map(|spare| spare.iter().count()).sum::<usize>(), 7);
    }

    #[test]
    fn some_time_after_a_crowd_all_is_as_before() {
        let queue = with_jobs(Queue::with(1, NEVER, AT_ONCE), 2);
        let spare = spare(&queue);
        for _ in 0..2 {
            spare.recv().unwrap();
        }
        while queue.locked().crowd {
            std::thread::yield_now();
        }
        assert!(queue.push(Box::new(|_| ())));
        steady(&queue).recv().unwrap();
    }

    #[test]
    fn where_the_spare_threads_get_no_time_the_steady_one_takes_the_crowd() {
        let queue = with_jobs(Queue::with(1, AT_ONCE, NEVER), 9);
        // It took one, and has no time to compute it.
        assert!(queue.next_spare(|| panic!("there is work")).is_some());
        let steady = steady(&queue);
        for _ in 0..8 {
            steady.recv().unwrap();
        }
    }

    #[test]
    fn a_spare_thread_waits_while_so_many_are_computed() {
        let queue = with_jobs(Queue::with(1, NEVER, NEVER), 3);
        assert!(queue.next_spare(|| panic!("there is work")).is_some());
        let spare = spare(&queue);
        assert!(spare.try_recv().is_err());
        assert_eq!(queue.locked().running, 1);
        queue.done();
        for _ in 0..2 {
            spare.recv().unwrap();
        }
    }

    #[test]
    fn who_asks_for_work_rests_only_where_there_is_none() {
        let queue = with_jobs(Queue::with(2, NEVER, NEVER), 1);
        assert!(queue.next_steady(|| panic!("there is work")).is_some());
        let ((rests, rested), asked) = (channel(), Arc::clone(&queue));
        let waits = std::thread::spawn(move || asked.next_steady(|| rests.send(()).unwrap()).is_some());
        rested.recv().unwrap();
        assert!(queue.push(Box::new(|_| ())));
        assert!(waits.join().unwrap());
        queue.close();
        assert!(queue.next_steady(|| ()).is_none());
        assert!(queue.next_spare(|| ()).is_none());
    }
}
