//! Who takes what: alone, in a crowd, and where the machine is busy.

use std::sync::mpsc::{Receiver, channel};

use super::*;

const NEVER: Duration = Duration::from_secs(100_000);
const AT_ONCE: Duration = Duration::ZERO;

fn with_jobs(queue: Queue, count: usize) -> Arc<Queue> {
    for _ in 0..count {
        assert!(queue.push(Arc::new(|_| ())));
    }
    Arc::new(queue)
}

/// Hears of each job that a thread takes in this way, each done at once, until there are no more.
fn takes(queue: &Arc<Queue>, next: impl Fn(&Queue) -> Option<Taken> + Send + 'static) -> Receiver<u64> {
    let (queue, (tell, told)) = (Arc::clone(queue), channel());
    std::thread::spawn(move || {
        while let Some(taken) = next(&queue) {
            queue.done(&taken);
            tell.send(taken.number).unwrap();
        }
    });
    told
}

fn steady(queue: &Arc<Queue>) -> Receiver<u64> {
    takes(queue, |queue| queue.next_steady(|| ()))
}

fn spare(queue: &Arc<Queue>) -> Receiver<u64> {
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
        assert!(queue.push(Arc::new(|_| ())));
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
    assert!(queue.push(Arc::new(|_| ())));
    steady(&queue).recv().unwrap();
}

#[test]
fn where_the_spare_threads_get_no_time_the_steady_one_takes_the_crowd_and_what_they_hold_first() {
    let queue = with_jobs(Queue::with(2, AT_ONCE, NEVER), 9);
    // They took two, and have no time to compute them.
    let held = [(); 2].map(|()| queue.next_spare(|| panic!("there is work")).unwrap());
    let steady = steady(&queue);
    for number in 1..=9 {
        assert_eq!(steady.recv().unwrap(), number);
    }
    held.iter().for_each(|held| queue.done(held));
    assert_eq!(queue.load(), Load::default());
}

#[test]
fn the_last_that_a_spare_thread_holds_is_not_forgotten() {
    let queue = with_jobs(Queue::with(1, AT_ONCE, NEVER), 2);
    let first = queue.next_spare(|| panic!("there is work")).unwrap();
    queue.done(&first);
    let last = queue.next_spare(|| panic!("there is work")).unwrap();
    assert_eq!(steady(&queue).recv().unwrap(), last.number);
}

#[test]
fn a_spare_thread_waits_while_so_many_are_computed() {
    let queue = with_jobs(Queue::with(1, NEVER, NEVER), 3);
    let first = queue.next_spare(|| panic!("there is work")).unwrap();
    let spare = spare(&queue);
    assert!(spare.try_recv().is_err());
    assert_eq!(queue.load(), Load { waiting: 2, running: 1, refused: 0 });
    queue.done(&first);
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
    assert!(queue.push(Arc::new(|_| ())));
    assert!(waits.join().unwrap());
    queue.close();
    assert!(queue.next_steady(|| ()).is_none());
    assert!(queue.next_spare(|| ()).is_none());
}
