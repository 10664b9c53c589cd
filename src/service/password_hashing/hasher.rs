//! Computes password hashes on a few threads of their own, at low priority: a storm of sign-ins waits here and leaves traffic alone
//! (OWASP ASVS 15.2.2).

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::queue::{Job, Load, Queue};
use super::threads;
use crate::factor::password::Workspace;

/// The queue is full; the client should come back in a second or two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many sign-ins at once")]
pub struct Busy;

/// The threads that hash; they end when the last of its clones is gone.
#[derive(Clone)]
pub struct Hasher(Arc<Asking>);

impl Hasher {
    /// Computes `most` hashes at once; twice as many only if the machine is so busy that the first get no time.
    ///
    /// # Errors
    /// If the system starts no thread.
    pub fn new(most: usize) -> std::io::Result<Self> {
        Self::of(Queue::new(most))
    }

    fn of(queue: Queue) -> std::io::Result<Self> {
        let asking = Asking(Arc::new(queue));
        threads::start(&asking.0)?;
        Ok(Self(Arc::new(asking)))
    }

    /// Runs `job` when its turn comes, with the memory of the thread that runs it; if that thread gets no time, another one runs it again,
    /// and the first answer counts.
    ///
    /// # Errors
    /// [`Busy`] if too many wait already, or the job died.
    pub async fn run<T: Send + 'static>(&self, job: impl Fn(&mut Workspace) -> T + Send + Sync + 'static) -> Result<T, Busy> {
        self.queues(job)?.await.map_err(|_| Busy)
    }

    fn queues<T: Send + 'static>(&self, job: impl Fn(&mut Workspace) -> T + Send + Sync + 'static) -> Result<oneshot::Receiver<T>, Busy> {
        let (answer, answered) = oneshot::channel();
        let answer = Mutex::new(Some(answer));
        let job: Job = Arc::new(move |memory| {
            let answer = || answer.lock().unwrap_or_else(PoisonError::into_inner);
            // Nobody computes for who was answered, or has left.
            if answer().as_ref().is_some_and(|answer| !answer.is_closed()) {
                let found = job(memory);
                answer().take().map(|answer| answer.send(found).ok());
            }
        });
        if self.0.0.push(job) { Ok(answered) } else { Err(Busy) }
    }

    pub fn load(&self) -> Load {
        self.0.0.load()
    }
}

/// The asking side: if it goes, the threads end after what still waits.
struct Asking(Arc<Queue>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use thread_priority::{NormalThreadSchedulePolicy, ThreadSchedulePolicy, thread_schedule_policy};

    use super::super::queue::WAITING;
    use super::*;

    #[tokio::test]
    async fn a_full_queue_refuses_and_a_dead_job_kills_no_thread() {
        let hasher = Hasher::new(1).unwrap();
        assert_eq!(hasher.run(|_| panic!("dead")).await, Err::<(), _>(Busy));
        let (hold, first) = holds(&hasher, || 1);
        let mut queued: Vec<_> = (0..WAITING).map(|n| hasher.queues(move |_| n).unwrap()).collect();
        assert_eq!(hasher.run(|_| 0).await, Err(Busy));
        assert_eq!(hasher.load(), Load { waiting: WAITING as u64, running: 1, refused: 1 });
        hold.send(()).unwrap();
        assert_eq!(first.await, Ok(1));
        assert_eq!(queued.remove(7).await, Ok(7));
    }

    #[tokio::test]
    async fn who_has_left_is_computed_for_no_more() {
        let hasher = Hasher::of(Queue::patient(1)).unwrap();
        let ((hold, first), (tell, told)) = (holds(&hasher, || ()), mpsc::channel());
        let (tells, left) = (tell.clone(), hasher.queues(move |_| tell.send("left").unwrap()).unwrap());
        drop(left);
        let stays = hasher.queues(move |_| tells.send("stays").unwrap()).unwrap();
        hold.send(()).unwrap();
        first.await.unwrap();
        stays.await.unwrap();
        assert_eq!(told.iter().collect::<Vec<_>>(), ["stays"]);
    }

    #[tokio::test]
    async fn the_first_answer_counts() {
        let (queue, (tell, told)) = (Arc::new(Queue::patient(1)), mpsc::channel());
        let hasher = Hasher(Arc::new(Asking(Arc::clone(&queue))));
        let answer = hasher.queues(move |_| tell.send(()).unwrap()).unwrap();
        let taken = queue.next_steady(|| panic!("there is work")).unwrap();
        let [mut one, mut other] = [Workspace::default(), Workspace::default()];
        (taken.job)(&mut one);
        (taken.job)(&mut other);
        answer.await.unwrap();
        drop((taken, hasher, queue));
        assert_eq!(told.iter().count(), 1);
    }

    /// Has a steady thread at a job until it is asked to end it, with what is found then.
    fn holds<T: Send + 'static>(hasher: &Hasher, find: fn() -> T) -> (mpsc::Sender<()>, oneshot::Receiver<T>) {
        let ((hold, held), (start, started)) = (mpsc::channel(), mpsc::channel());
        let held = Mutex::new(held);
        let job = move |_: &mut Workspace| {
            start.send(()).unwrap();
            held.lock().unwrap().recv().unwrap();
            find()
        };
        let answer = hasher.queues(job).unwrap();
        started.recv().unwrap();
        (hold, answer)
    }

    /// Asks for so much memory and keeps so much of it; what it found.
    fn lends(count: usize, keep: usize) -> impl Fn(&mut Workspace) -> usize + Send + Sync + 'static {
        move |memory| {
            let found = memory.kept();
            assert!(memory.lend(count, keep).is_some());
            found
        }
    }

    #[tokio::test]
    async fn a_thread_keeps_one_memory_while_others_wait_and_no_more_than_is_configured() {
        let hasher = Hasher::of(Queue::patient(1)).unwrap();
        let (hold, first) = holds(&hasher, || ());
        // A crowd, which the one spare thread takes from its first to its last once the first is done.
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
        let queue = Arc::downgrade(&hasher.0.0);
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
        let (hold, alone) = holds(&hasher, standing);
        let crowd: Vec<_> = (0..3).map(|_| hasher.queues(|_| standing()).unwrap()).collect();
        hold.send(()).unwrap();
        assert_eq!(alone.await.unwrap(), ((nice + 10).min(19), policy));
        for one in crowd {
            assert_eq!(one.await.unwrap().1, Some(ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle)));
        }
    }
}
