//! The threads that hash. None of them delays traffic: a steady thread has a tenth of the weight of those that carry it, and a spare thread
//! gets only time that nobody else wants.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::queue::{Queue, Taken};
use crate::factor::password::Workspace;

/// Starts as many steady and as many spare threads as hashes may be computed at once; they end when the queue is closed.
///
/// # Errors
/// If the system starts no thread.
pub fn start(queue: &Arc<Queue>) -> std::io::Result<()> {
    let thread = |name: String, work: fn(&Queue)| {
        let queue = Arc::clone(queue);
        std::thread::Builder::new().name(name).spawn(move || work(&queue)).map(drop)
    };
    (0..queue.most()).try_for_each(|number| {
        thread(format!("hash-{number}"), steady)?;
        thread(format!("hash-spare-{number}"), spare)
    })
}

/// Below the threads that carry traffic and those of the pages, but not so far that others on the machine could keep everybody out: on Linux a thread
/// has a nice value of its own, and ten steps are a tenth of the weight.
fn steady(queue: &Queue) {
    let _ = rustix::process::nice(10);
    work(queue, |rests| queue.next_steady(rests));
}

/// On Linux `SCHED_IDLE`: whatever else wakes has the processor at once, if one that is merely nicer has the rest of its slice, some
/// milliseconds, first. If the system does not let it, as the steady ones.
fn spare(queue: &Queue) {
    if !waits_for_all() {
        let _ = rustix::process::nice(10);
    }
    work(queue, |rests| queue.next_spare(rests));
}

#[cfg(target_os = "linux")]
fn waits_for_all() -> bool {
    use thread_priority::{
        NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
    };
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn waits_for_all() -> bool {
    false
}

/// Computes what `next` gives. One block of memory while there is work: so many threads at work, so many times `password.memory_kib`, and no more.
/// None at rest, so that hashes one after the other share one block, whichever thread makes them.
fn work(queue: &Queue, next: impl Fn(&mut dyn FnMut()) -> Option<Taken>) {
    let mut memory = Workspace::default();
    while let Some(taken) = next(&mut || memory = Workspace::default()) {
        // A job that panics answers nobody, which its caller takes as a refusal; the thread goes on.
        drop(catch_unwind(AssertUnwindSafe(|| (taken.job)(&mut memory))));
        queue.done(&taken);
    }
}
