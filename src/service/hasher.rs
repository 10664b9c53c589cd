//! Password hashes on threads of their own, few and at low priority: a storm of sign-ins queues here and leaves the traffic alone.
//! (OWASP ASVS 15.2.2.)

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::factor::password::Workspace;

type Job = Box<dyn FnOnce(&mut Workspace) + Send>;

/// How many hashes may wait; at 15 ms each on two threads the last waits for half a second.
const QUEUE: usize = 64;

/// The queue is full; the client should come back in a second or two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many sign-ins at once")]
pub struct Busy;

/// The threads that hash; they end when the last of its clones is gone.
#[derive(Clone)]
pub struct Hasher {
    jobs: Arc<Jobs>,
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
        let jobs = Arc::new(Jobs(Arc::default()));
        for number in 0..threads.max(1) {
            let queue = jobs.0.clone();
            std::thread::Builder::new().name(format!("hash-{number}")).spawn(move || work(&queue))?;
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
        // Counted before it is queued: the job may start, and count itself out, before `push` returns.
        self.counts.waiting.fetch_add(1, Ordering::Relaxed);
        if self.jobs.0.push(job) {
            return answered.await.map_err(|_| Busy);
        }
        self.counts.waiting.fetch_sub(1, Ordering::Relaxed);
        self.counts.refused.fetch_add(1, Ordering::Relaxed);
        Err(Busy)
    }

    pub fn load(&self) -> Load {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Load { waiting: of(&self.counts.waiting), running: of(&self.counts.running), refused: of(&self.counts.refused) }
    }
}

/// What waits, for the threads that hash and those who ask them.
#[derive(Default)]
struct Queue {
    inner: Mutex<Waiting>,
    news: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    closed: bool,
}

impl Queue {
    /// Whether there was room.
    fn push(&self, job: Job) -> bool {
        let mut waiting = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.jobs.len() >= QUEUE {
            return false;
        }
        waiting.jobs.push_back(job);
        self.news.notify_one();
        true
    }

    /// The next job, waited for; `None` where none will come any more. Calls `rests` first where none is there already.
    fn next(&self, rests: impl FnOnce()) -> Option<Job> {
        let locked = || self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let nothing = |waiting: &mut Waiting| waiting.jobs.is_empty() && !waiting.closed;
        let is_idle = nothing(&mut locked());
        if is_idle {
            rests();
        }
        self.news.wait_while(locked(), nothing).unwrap_or_else(PoisonError::into_inner).jobs.pop_front()
    }
}

/// The asking side: where it goes, the threads end after what still waits.
struct Jobs(Arc<Queue>);

impl Drop for Jobs {
    fn drop(&mut self) {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.0.news.notify_all();
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

fn work(queue: &Queue) {
    lower_priority();
    // One while there is work: so many threads, so many times `password.memory_kib`, and no more. None at rest, so that hashes one after the other
    // share one block, whichever thread makes them; in a storm the next one waits already.
    let mut memory = Workspace::default();
    while let Some(job) = queue.next(|| memory = Workspace::default()) {
        // A job that panics answers nobody, which its caller takes as a refusal; the thread goes on.
        drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(&mut memory))));
    }
}

/// Below the threads that carry traffic and those of the pages, but not so far that others on the machine could keep everybody out: on
/// Linux a thread has a nice value of its own, and ten steps are a tenth of the weight.
fn lower_priority() {
    let _ = rustix::process::nice(10);
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

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

    /// Lends so much memory and keeps so much, and says how much was there before.
    fn lends(count: usize, keep: usize, said: &mpsc::Sender<usize>) -> Job {
        let said = said.clone();
        Box::new(move |memory| {
            said.send(memory.kept()).unwrap();
            assert!(memory.lend(count, keep).is_some());
        })
    }

    #[test]
    fn a_thread_keeps_one_memory_while_others_wait_and_no_more_than_is_configured() {
        let (queue, (said, heard)) = (Arc::new(Queue::default()), mpsc::channel());
        for (count, keep) in [(64, 64), (64, 64), (128, 64), (8, 64), (64, 64)] {
            assert!(queue.push(lends(count, keep, &said)));
        }
        drop((said, Jobs(queue.clone())));
        std::thread::spawn(move || work(&queue)).join().unwrap();
        assert_eq!(heard.iter().collect::<Vec<_>>(), [0, 64, 64, 0, 8]);
    }

    #[test]
    fn a_thread_at_rest_keeps_no_memory_and_an_abandoned_one_ends() {
        let (queue, (said, heard)) = (Arc::new(Queue::default()), mpsc::channel());
        let jobs = Jobs(queue.clone());
        let thread = std::thread::spawn(move || work(&queue));
        // Each job is alone: sooner or later one comes when the thread has found nothing to do.
        let start = std::time::Instant::now();
        assert!(jobs.0.push(lends(64, 64, &said)));
        assert_eq!(heard.recv().unwrap(), 0);
        while {
            assert!(jobs.0.push(lends(64, 64, &said)));
            heard.recv().unwrap() > 0
        } {
            assert!(start.elapsed() < Duration::from_secs(60), "it never rests");
        }
        drop(jobs);
        thread.join().unwrap();
    }

    #[test]
    fn who_asks_for_work_rests_only_where_there_is_none() {
        let (queue, (said, heard)) = (Arc::new(Queue::default()), mpsc::channel());
        assert!(queue.push(Box::new(|_| ())));
        assert!(queue.next(|| panic!("there is work")).is_some());
        let waits = {
            let queue = queue.clone();
            std::thread::spawn(move || queue.next(|| said.send(()).unwrap()).is_some())
        };
        heard.recv().unwrap();
        assert!(queue.push(Box::new(|_| ())));
        assert!(waits.join().unwrap());
        drop(Jobs(queue.clone()));
        assert!(queue.next(|| panic!("none will come")).is_none());
    }

    #[test]
    fn a_thread_that_hashes_gives_way() {
        let nice_here = || rustix::process::getpriority_process(Some(rustix::thread::gettid())).unwrap();
        let (hasher, before) = (Hasher::new(1).unwrap(), nice_here());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(hasher.run(move |_| nice_here())).unwrap(), (before + 10).min(19));
    }

    fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        match future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }
}
