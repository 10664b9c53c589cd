//! Which thread takes which password hash, and when. A hash that comes alone goes to a steady thread, whose share of the processor nobody takes;
//! if a crowd waits, the spare threads take it, which have what time is left over. If the machine leaves them none, the steady threads lend a
//! hand, first with what they hold: so a busy machine makes nobody wait for longer than [`PATIENCE`] more.
//!
//! ```text
//!             more than `most` wait                       nothing waits for LINGER
//!   alone ───────────────────────────▶ crowd ───────────────────────────────────────▶ alone
//!   the steady threads take            the spare threads take; the steady ones,
//!                                      if they finish none within PATIENCE
//! ```

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::factor::password::Workspace;

/// May be run more than once.
pub type Job = Arc<dyn Fn(&mut Workspace) + Send + Sync>;

/// How many hashes may wait; at 15 ms each on two threads the last waits for half a second.
pub const WAITING: usize = 64;
/// So long may the spare threads finish nothing: many hashes' time, if they have any.
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
    /// What the spare threads compute, the longest first, but for what a steady one lends a hand with.
    held: VecDeque<Taken>,
    running: usize,
    /// How many were ever taken, finished by who took them, and refused.
    taken: u64,
    finished: u64,
    refused: u64,
    /// How many were finished when a steady thread last lent a hand.
    lent_at: Option<u64>,
    crowd: bool,
    closed: bool,
}

/// A job that a thread has taken, and is to give back to [`Queue::done`].
#[derive(Clone)]
pub struct Taken {
    pub job: Job,
    number: u64,
    /// By a steady thread, if the spare ones finish nothing.
    is_help: bool,
}

/// How busy the hashes are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Load {
    /// Hashes in the queue.
    pub waiting: u64,
    /// Hashes being computed.
    pub running: u64,
    /// Refused since the start because the queue was full.
    pub refused: u64,
}

impl State {
    fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.held.is_empty()
    }

    fn take(&mut self) -> Option<Taken> {
        let job = self.jobs.pop_front()?;
        self.running += 1;
        self.taken += 1;
        Some(Taken { job, number: self.taken, is_help: false })
    }

    fn hold(&mut self) -> Option<Taken> {
        let taken = self.take()?;
        self.held.push_back(taken.clone());
        Some(taken)
    }

    fn lend(&mut self) -> Option<Taken> {
        self.lent_at = Some(self.finished);
        let taken = match self.held.pop_front() {
            None => self.take()?,
            Some(held) => {
                self.running += 1;
                held
            }
        };
        Some(Taken { is_help: true, ..taken })
    }

    /// Whether nothing was finished since a steady thread lent a hand, but with its help.
    fn is_stuck(&self) -> bool {
        self.lent_at == Some(self.finished)
    }
}

impl Queue {
    /// Of hashes of which `most` are computed at once.
    pub fn new(most: usize) -> Self {
        Self::with(most, PATIENCE, LINGER)
    }

    /// One whose crowds the steady threads never take, however busy the machine is.
    #[cfg(test)]
    pub fn patient(most: usize) -> Self {
        Self::with(most, Duration::from_secs(100_000), LINGER)
    }

    fn with(most: usize, patience: Duration, linger: Duration) -> Self {
        let (inner, steady, spare) = Default::default();
        Self { inner, steady, spare, most: most.max(1), patience, linger }
    }

    /// How many hashes are computed at once, and so many threads of each kind there are.
    pub const fn most(&self) -> usize {
        self.most
    }

    pub fn load(&self) -> Load {
        let state = self.locked();
        Load { waiting: state.jobs.len() as u64, running: state.running as u64, refused: state.refused }
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there was room.
    pub fn push(&self, job: Job) -> bool {
        let mut state = self.locked();
        if state.jobs.len() >= WAITING {
            state.refused += 1;
            return false;
        }
        // From a crowd's first on, the steady ones watch whether anything is finished.
        if state.is_empty() {
            self.steady.notify_all();
        } else if !state.crowd {
            self.steady.notify_one();
        }
        state.jobs.push_back(job);
        let gathers = !state.crowd && state.jobs.len() > self.most;
        state.crowd |= gathers;
        if gathers {
            self.spare.notify_all();
        } else if state.crowd {
            self.spare.notify_one();
        }
        true
    }

    /// A thread has run what it took.
    pub fn done(&self, taken: &Taken) {
        let mut state = self.locked();
        state.running = state.running.saturating_sub(1);
        state.finished += u64::from(!taken.is_help);
        state.held.retain(|held| held.number != taken.number);
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

    /// A steady thread's next job, waited for; `None` if none will come any more. Calls `rests` first if it has to wait.
    pub fn next_steady(&self, rests: impl FnOnce()) -> Option<Taken> {
        let nothing = |state: &State| state.is_empty() && !state.closed;
        let ready = |state: &State| state.closed || (!state.jobs.is_empty() && self.may(state, false));
        if !ready(&self.locked()) {
            rests();
        }
        let mut state = self.locked();
        loop {
            state = self.steady.wait_while(state, |state| nothing(state)).unwrap_or_else(PoisonError::into_inner);
            if ready(&state) {
                return state.take();
            }
            let finished = state.finished;
            let moves = |state: &State| state.finished != finished || nothing(state) || ready(state);
            if !state.is_stuck() {
                let waited = self.steady.wait_timeout_while(state, self.patience, |state| !moves(state));
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                if moves(&state) {
                    continue;
                }
            }
            return state.lend();
        }
    }

    /// A spare thread's next job, as [`Self::next_steady`].
    pub fn next_spare(&self, rests: impl FnOnce()) -> Option<Taken> {
        let ready = |state: &State| state.closed || (!state.jobs.is_empty() && self.may(state, true));
        let lingers = |state: &State| state.crowd && state.jobs.is_empty();
        if !ready(&self.locked()) {
            rests();
        }
        let mut state = self.locked();
        while !ready(&state) {
            if lingers(&state) {
                let waited = self.spare.wait_timeout_while(state, self.linger, |state| !ready(state) && lingers(state));
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                state.crowd &= !lingers(&state);
            } else {
                state = self.spare.wait_while(state, |state| !ready(state) && !lingers(state)).unwrap_or_else(PoisonError::into_inner);
            }
        }
        state.hold()
    }
}

#[cfg(test)]
mod tests;
