//! A bounded queue and its workers: a few tries with growing pauses, within the time for which a message is of use.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Mutex as AsyncMutex, mpsc};
use tokio::time::Instant;

use super::error::NotifyError;
use super::transport::{Payload, Transport};
use crate::base::{Clock, Time};

/// How fast and how stubbornly a channel works.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Messages that may wait.
    pub waiting: usize,
    /// Deliveries at the same time.
    pub workers: usize,
    /// The pause after each failed try; one more try than pauses.
    pub pauses: [Duration; 2],
}

impl Default for Pace {
    fn default() -> Self {
        Self { waiting: 256, workers: 4, pauses: [Duration::from_secs(2), Duration::from_secs(10)] }
    }
}

/// How a channel is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ChannelHealth {
    /// Queued or under way.
    pub pending: usize,
    pub sent: u64,
    /// Given up.
    pub failed: u64,
    /// Whether the last try, of whatever message, failed.
    pub failing: bool,
    /// When and why a try last failed; never with an address, a code or a body.
    pub last_failure: Option<(Time, String)>,
}

#[derive(Debug)]
pub(super) struct Job {
    payload: Payload,
    deadline: Instant,
}

impl Job {
    pub(super) fn new(payload: Payload, life: Duration) -> Self {
        Self { payload, deadline: Instant::now() + life.min(Duration::from_secs(86_400)) }
    }
}

#[derive(Debug)]
pub(super) struct Queue {
    jobs: mpsc::Sender<Job>,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    channel: &'static str,
    transport: Transport,
    pace: Pace,
    clock: Clock,
    pending: AtomicUsize,
    health: Mutex<ChannelHealth>,
}

impl Queue {
    pub(super) fn start(channel: &'static str, transport: Transport, pace: Pace, clock: Clock, runtime: &Handle) -> Self {
        let (jobs, waiting) = mpsc::channel(pace.waiting.max(1));
        let waiting = Arc::new(AsyncMutex::new(waiting));
        let state = Arc::new(State { channel, transport, pace, clock, pending: AtomicUsize::new(0), health: Mutex::default() });
        for _ in 0..pace.workers.max(1) {
            runtime.spawn(work(Arc::clone(&waiting), Arc::clone(&state)));
        }
        Self { jobs, state }
    }

    pub(super) fn push(&self, job: Job) -> Result<(), NotifyError> {
        self.state.pending.fetch_add(1, Ordering::SeqCst);
        self.jobs.try_send(job).map_err(|_| {
            self.state.pending.fetch_sub(1, Ordering::SeqCst);
            NotifyError::Busy
        })
    }

    pub(super) fn health(&self) -> ChannelHealth {
        let pending = self.state.pending.load(Ordering::SeqCst);
        ChannelHealth { pending, ..self.state.health.lock().unwrap_or_else(PoisonError::into_inner).clone() }
    }
}

async fn work(waiting: Arc<AsyncMutex<mpsc::Receiver<Job>>>, state: Arc<State>) {
    loop {
        let next = waiting.lock().await.recv().await;
        let Some(job) = next else { return };
        state.see_through(job).await;
        state.pending.fetch_sub(1, Ordering::SeqCst);
    }
}

impl State {
    async fn see_through(&self, job: Job) {
        let mut pauses = self.pace.pauses.iter();
        for tries in 1u32.. {
            let limit = job.deadline.saturating_duration_since(Instant::now());
            let failure = match self.transport.deliver(&job.payload, limit).await {
                Ok(()) => return self.note(|health| (health.sent += 1, health.failing = false)),
                Err(failure) => failure,
            };
            self.failed_try(&failure.reason);
            match pauses.next() {
                Some(pause) if failure.transient && Instant::now() + *pause < job.deadline => tokio::time::sleep(*pause).await,
                _ => {
                    tracing::warn!(channel = self.channel, tries, reason = failure.reason, "a message was not delivered");
                    return self.note(|health| health.failed += 1);
                }
            }
        }
    }

    fn failed_try(&self, reason: &str) {
        let at = self.clock.now();
        self.note(|health| {
            health.failing = true;
            health.last_failure = Some((at, reason.to_owned()));
        });
    }

    fn note<T>(&self, change: impl FnOnce(&mut ChannelHealth) -> T) {
        change(&mut self.health.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
