//! Password hashes on threads of their own, few and at low priority: a storm of sign-ins queues here and leaves the traffic alone.
//! (OWASP ASVS 15.2.2.)

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::factor::password::Workspace;

type Job = Box<dyn FnOnce(&mut Workspace) + Send>;

/// How many hashes may wait; at 15 ms each on two threads the last waits for half a second.
const QUEUE: usize = 64;

/// The queue is full; the client should come back in a second or two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many sign-ins at once")]
pub struct Busy;

/// The threads that hash.
#[derive(Clone)]
pub struct Hasher {
    jobs: SyncSender<Job>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    waiting: AtomicU64,
    running: AtomicU64,
    refused: AtomicU64,
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

impl Hasher {
    /// # Errors
    /// Where the system starts no thread.
    pub fn new(threads: usize) -> std::io::Result<Self> {
        let (jobs, waiting) = sync_channel::<Job>(QUEUE);
        let waiting = Arc::new(Mutex::new(waiting));
        for number in 0..threads.max(1) {
            let waiting = waiting.clone();
            std::thread::Builder::new().name(format!("hash-{number}")).spawn(move || work(&waiting))?;
        }
        Ok(Self { jobs, counts: Arc::default() })
    }

    /// Runs `job` when its turn comes, with the memory of the thread that runs it.
    ///
    /// # Errors
    /// [`Busy`] where too many wait already, or the job died.
    pub async fn run<T: Send + 'static>(&self, job: impl FnOnce(&mut Workspace) -> T + Send + 'static) -> Result<T, Busy> {
        let (answer, answered) = oneshot::channel();
        let counts = self.counts.clone();
        let job: Job = Box::new(move |memory| {
            counts.waiting.fetch_sub(1, Ordering::Relaxed);
            let _running = Running::start(&counts.running);
            drop(answer.send(job(memory)));
        });
        // Counted before it is sent: the job may start, and count itself out, before `try_send` returns.
        self.counts.waiting.fetch_add(1, Ordering::Relaxed);
        match self.jobs.try_send(job) {
            Ok(()) => answered.await.map_err(|_| Busy),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.counts.waiting.fetch_sub(1, Ordering::Relaxed);
                self.counts.refused.fetch_add(1, Ordering::Relaxed);
                Err(Busy)
            }
        }
    }

    pub fn load(&self) -> Load {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Load { waiting: of(&self.counts.waiting), running: of(&self.counts.running), refused: of(&self.counts.refused) }
    }
}

/// Counts a job for as long as it runs, also where it ends in a panic.
struct Running<'a>(&'a AtomicU64);

impl<'a> Running<'a> {
    fn start(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many of one address may hash or wait for it at once.
const PER_ADDRESS: usize = 4;
const GATES: usize = 1024;

/// Lets few sign-ins of one address at the hashes at the same time, so that one address cannot fill the queue for all. Addresses
/// share a fixed number of gates.
pub struct Turnstile {
    gates: Box<[tokio::sync::Semaphore]>,
    seed: std::hash::RandomState,
}

impl Turnstile {
    pub fn new() -> Self {
        Self { gates: (0..GATES).map(|_| tokio::sync::Semaphore::new(PER_ADDRESS)).collect(), seed: std::hash::RandomState::new() }
    }

    /// Waits for this address's turn.
    ///
    /// # Errors
    /// [`Busy`]: none that is known; the gates are never closed.
    pub async fn pass(&self, address: std::net::IpAddr) -> Result<tokio::sync::SemaphorePermit<'_>, Busy> {
        use std::hash::BuildHasher;
        let gate = (self.seed.hash_one(address) % GATES as u64) as usize;
        self.gates.get(gate).ok_or(Busy)?.acquire().await.map_err(|_| Busy)
    }
}

impl Default for Turnstile {
    fn default() -> Self {
        Self::new()
    }
}

fn work(waiting: &Mutex<Receiver<Job>>) {
    lower_priority();
    // One for as long as the thread lives: so many threads, so many times `password.memory_kib`, and no more.
    let mut memory = Workspace::default();
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        // A job that panics answers nobody, which its caller takes as a refusal; the thread goes on.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(&mut memory)));
    }
}

/// On Linux a thread has a nice value of its own.
fn lower_priority() {
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 10);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_refuses_and_a_dead_job_kills_no_thread() {
        let hasher = Hasher::new(1).unwrap();
        assert_eq!(hasher.run(|_| panic!("dead")).await, Err::<(), _>(Busy));
        let (hold, held) = std::sync::mpsc::channel::<()>();
        let (started, began) = oneshot::channel();
        let first = tokio::spawn({
            let hasher = hasher.clone();
            async move {
                hasher
                    .run(move |_| {
                        started.send(()).unwrap();
                        held.recv().unwrap();
                        1
                    })
                    .await
            }
        });
        began.await.unwrap();
        let mut queued: Vec<_> = (0..QUEUE)
            .map(|n| {
                Box::pin({
                    let hasher = hasher.clone();
                    async move { hasher.run(move |_| n).await }
                })
            })
            .collect();
        for wait in &mut queued {
            assert!(futures_poll(wait.as_mut()).is_none());
        }
        assert_eq!(hasher.run(|_| 0).await, Err(Busy));
        assert_eq!(hasher.load(), Load { waiting: QUEUE as u64, running: 1, refused: 1 });
        hold.send(()).unwrap();
        assert_eq!(first.await.unwrap(), Ok(1));
        assert_eq!(queued.remove(7).await, Ok(7));
    }

    #[tokio::test]
    async fn a_thread_keeps_one_memory_and_no_more_than_is_configured() {
        let hasher = Hasher::new(1).unwrap();
        let lends = |count, keep| hasher.run(move |memory| (memory.kept(), memory.lend(count, keep).is_some()));
        for (count, keep, found) in [(64, 64, 0), (64, 64, 64), (128, 64, 64), (8, 64, 0), (64, 64, 8)] {
            assert_eq!(lends(count, keep).await, Ok((found, true)));
        }
    }

    fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        match future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }
}
