//! Password hashes on threads of their own, few and at low priority: a storm of sign-ins queues here and leaves the traffic alone.
//! (OWASP ASVS 15.2.2.)

mod queue;
mod threads;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::oneshot;

use self::queue::{Job, Queue};
use crate::factor::password::Workspace;

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
    /// Computes `most` hashes at once, and one more only where the machine is so busy that these get no time.
    ///
    /// # Errors
    /// Where the system starts no thread.
    pub fn new(most: usize) -> std::io::Result<Self> {
        Self::of(Queue::new(most))
    }

    fn of(queue: Queue) -> std::io::Result<Self> {
        let jobs = Arc::new(Jobs(Arc::new(queue)));
        threads::start(&jobs.0)?;
        Ok(Self { jobs, counts: Arc::default() })
    }

    /// Runs `job` when its turn comes, with the memory of the thread that runs it.
    ///
    /// # Errors
    /// [`Busy`] where too many wait already, or the job died.
    pub async fn run<T: Send + 'static>(&self, job: impl FnOnce(&mut Workspace) -> T + Send + 'static) -> Result<T, Busy> {
        self.queues(job)?.await.map_err(|_| Busy)
    }

    fn queues<T: Send + 'static>(&self, job: impl FnOnce(&mut Workspace) -> T + Send + 'static) -> Result<oneshot::Receiver<T>, Busy> {
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
            return Ok(answered);
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

/// The asking side: where it goes, the threads end after what still waits.
struct Jobs(Arc<Queue>);

impl Drop for Jobs {
    fn drop(&mut self) {
        self.0.close();
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use thread_priority::{NormalThreadSchedulePolicy, ThreadSchedulePolicy, thread_schedule_policy};

    use super::queue::WAITING;
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
        let mut queued: Vec<_> = (0..WAITING)
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
        assert_eq!(hasher.load(), Load { waiting: WAITING as u64, running: 1, refused: 1 });
        hold.send(()).unwrap();
        assert_eq!(first.await.unwrap(), Ok(1));
        assert_eq!(queued.remove(7).await, Ok(7));
    }

    /// Asks for so much memory and keeps so much of it; what it found.
    fn lends(count: usize, keep: usize) -> impl FnOnce(&mut Workspace) -> usize + Send + 'static {
        move |memory| {
            let found = memory.kept();
            assert!(memory.lend(count, keep).is_some());
            found
        }
    }

    #[tokio::test]
    async fn a_thread_keeps_one_memory_while_others_wait_and_no_more_than_is_configured() {
        let hasher = Hasher::of(Queue::patient(1)).unwrap();
        let (hold, held) = mpsc::channel::<()>();
        let first = hasher.queues(move |_| held.recv().unwrap()).unwrap();
        // A crowd, which the one spare thread takes from its first to its last once the steady one rests.
        let asked = [(64, 64), (64, 64), (128, 64), (8, 64), (64, 64)].map(|(count, keep)| hasher.queues(lends(count, keep)).unwrap());
        hold.send(()).unwrap();
        first.await.unwrap();
        let mut found = Vec::new();
        for answer in asked {
            found.push(answer.await.unwrap());
        }
        assert_eq!(found, [0, 64, 64, 0, 8]);
    }

    #[tokio::test]
    async fn a_thread_at_rest_keeps_no_memory() {
        let hasher = Hasher::new(1).unwrap();
        assert_eq!(hasher.run(lends(64, 64)).await, Ok(0));
        // Each comes alone: sooner or later when the thread has found nothing to do.
        let start = std::time::Instant::now();
        while hasher.run(lends(64, 64)).await.unwrap() > 0 {
            assert!(start.elapsed() < std::time::Duration::from_secs(60), "it never rests");
        }
    }

    #[tokio::test]
    async fn the_threads_end_with_who_asks_after_what_still_waits() {
        let hasher = Hasher::new(1).unwrap();
        let queue = Arc::downgrade(&hasher.jobs.0);
        let answers: Vec<_> = (0..9).map(|n| hasher.queues(move |_| n).unwrap()).collect();
        drop(hasher);
        for (n, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.await.unwrap(), n);
        }
        while queue.strong_count() > 0 {
            std::thread::yield_now();
        }
    }

    /// The nice value and the scheduling policy of the thread that runs it.
    fn standing() -> (i32, Option<ThreadSchedulePolicy>) {
        (rustix::process::getpriority_process(Some(rustix::thread::gettid())).unwrap(), thread_schedule_policy().ok())
    }

    #[tokio::test]
    async fn one_alone_gives_way_and_a_crowd_has_what_time_is_left() {
        let (hasher, (nice, policy)) = (Hasher::of(Queue::patient(1)).unwrap(), standing());
        let ((hold, held), (start, started)) = (mpsc::channel::<()>(), oneshot::channel());
        let alone = hasher
            .queues(move |_| {
                start.send(()).unwrap();
                held.recv().unwrap();
                standing()
            })
            .unwrap();
        started.await.unwrap();
        let crowd: Vec<_> = (0..3).map(|_| hasher.queues(|_| standing()).unwrap()).collect();
        hold.send(()).unwrap();
        assert_eq!(alone.await.unwrap(), ((nice + 10).min(19), policy));
        for one in crowd {
            assert_eq!(one.await.unwrap().1, Some(ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle)));
        }
    }

    fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        match future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }
}
