//! Lines on their way out of threads that must not wait. Guarantees that a thread writes into memory of its own and neither blocks nor makes a
//! system call for a line; that lines of one thread stay in order and whole; and that they take bounded memory: what a stalled reader leaves no
//! room for is lost, counted, and said.
//!
//! One thread collects them a moment after the first, and sleeps while there are none.

use std::cell::RefCell;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::Thread;
use std::time::Duration;

/// How long lines are gathered before they are written.
const PAUSE: Duration = Duration::from_millis(20);
/// How many bytes of one thread's lines may wait.
const MOST: usize = 4 << 20;
/// A buffer that grew beyond this is given back, in bytes.
const KEPT: usize = 256 << 10;

type Lane = Arc<Mutex<Vec<u8>>>;

thread_local! {
    /// The thread's own lane to each of them.
    static OWN: RefCell<Vec<(u64, Lane)>> = RefCell::default();
}

/// Lines of many threads for one writer.
pub struct LogWriter {
    number: u64,
    lanes: Mutex<Vec<Lane>>,
    out: Mutex<Out>,
    /// The collecting thread knows that there is something.
    awake: AtomicBool,
    lost: AtomicU64,
    collector: std::sync::OnceLock<Thread>,
}

struct Out {
    to: Box<dyn Write + Send>,
    spare: Vec<u8>,
}

impl LogWriter {
    /// # Errors
    /// Where no thread can be had.
    pub fn to(to: Box<dyn Write + Send>) -> std::io::Result<Arc<Self>> {
        static COUNT: AtomicU64 = AtomicU64::new(1);
        let lanes = Arc::new(Self {
            number: COUNT.fetch_add(1, Ordering::Relaxed),
            lanes: Mutex::default(),
            out: Mutex::new(Out { to, spare: Vec::new() }),
            awake: AtomicBool::new(false),
            lost: AtomicU64::new(0),
            collector: std::sync::OnceLock::new(),
        });
        let weak = Arc::downgrade(&lanes);
        let thread = std::thread::Builder::new().name("access-log".into()).spawn(move || collect(&weak))?;
        let _ = lanes.collector.set(thread.thread().clone());
        Ok(lanes)
    }

    /// Puts one line in; `write` ends it.
    pub fn put(&self, write: impl FnOnce(&mut Vec<u8>)) {
        OWN.with_borrow_mut(|own| {
            if let Some((_, lane)) = own.iter().find(|(number, _)| *number == self.number) {
                return self.add(lane, write);
            }
            own.retain(|(_, lane)| Arc::strong_count(lane) > 1);
            let lane = Lane::default();
            locked(&self.lanes).push(Arc::clone(&lane));
            self.add(&lane, write);
            own.push((self.number, lane));
        });
        // Its lane's lock has shown this thread whether the collector has passed by.
        if !self.awake.load(Ordering::Relaxed)
            && !self.awake.swap(true, Ordering::AcqRel)
            && let Some(collector) = self.collector.get()
        {
            collector.unpark();
        }
    }

    fn add(&self, lane: &Lane, write: impl FnOnce(&mut Vec<u8>)) {
        let mut lane = locked(lane);
        if lane.len() < MOST {
            write(&mut lane);
        } else {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes what there is. Blocks for as long as the writer does.
    pub fn flush(&self) {
        self.awake.store(false, Ordering::Release);
        let mut out = locked(&self.out);
        let Out { to, spare } = &mut *out;
        let lanes: Vec<Lane> = locked(&self.lanes).clone();
        for lane in lanes {
            std::mem::swap(spare, &mut *locked(&lane));
            // Where standard error is gone there is nobody to tell.
            let _ = to.write_all(spare);
            spare.clear();
            spare.shrink_to(KEPT);
        }
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            tracing::warn!(lines = lost, "the access log is incomplete: it was read too slowly");
        }
        let _ = to.flush();
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.flush();
        self.collector.get().into_iter().for_each(Thread::unpark);
    }
}

fn collect(lanes: &Weak<LogWriter>) {
    while let Some(there) = lanes.upgrade() {
        let awake = there.awake.load(Ordering::Acquire);
        drop(there);
        if awake {
            std::thread::park_timeout(PAUSE);
            lanes.upgrade().iter().for_each(|lanes| lanes.flush());
        } else {
            std::thread::park();
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Tells of each write; waits for leave if there is a gate.
    struct Reader {
        told: mpsc::Sender<Vec<u8>>,
        gate: Option<mpsc::Receiver<()>>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            if let Some(gate) = &self.gate {
                let _ = gate.recv();
            }
            let _ = self.told.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn reader() -> (Arc<LogWriter>, mpsc::Receiver<Vec<u8>>) {
        let (told, heard) = mpsc::channel();
        (LogWriter::to(Box::new(Reader { told, gate: None })).unwrap(), heard)
    }

    #[test]
    fn a_line_comes_out_by_itself_again_and_again() {
        let (lanes, heard) = reader();
        for round in 0..20 {
            lanes.put(|line| line.extend(format!("{round}\n").bytes()));
            let mut seen = Vec::new();
            while !seen.ends_with(b"\n") {
                seen.extend(heard.recv_timeout(Duration::from_secs(20)).unwrap());
            }
            assert_eq!(seen, format!("{round}\n").into_bytes());
        }
    }

    #[test]
    fn lines_of_many_threads_stay_whole_and_each_thread_s_in_order() {
        let (lanes, heard) = reader();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let lanes = &lanes;
                scope.spawn(move || (0..2000).for_each(|n| lanes.put(|line| line.extend(format!("{thread} {n}\n").bytes()))));
            }
        });
        drop(lanes);
        let all = String::from_utf8(heard.iter().flatten().collect()).unwrap();
        let mut next = [0; 4];
        for line in all.lines() {
            let (thread, n) = line.split_once(' ').unwrap();
            let thread: usize = thread.parse().unwrap();
            assert_eq!(n.parse::<u32>().unwrap(), next[thread]);
            next[thread] += 1;
        }
        assert_eq!(next, [2000; 4]);
    }

    #[test]
    fn a_stalled_reader_stalls_nobody_and_takes_bounded_memory() {
        let (told, heard) = mpsc::channel();
        let (open, gate) = mpsc::channel();
        let lanes = LogWriter::to(Box::new(Reader { told, gate: Some(gate) })).unwrap();
        let line = vec![b'x'; 1 << 20];
        for _ in 0..40 {
            lanes.put(|out| out.extend(&line));
        }
        assert!(locked(&lanes.lanes).iter().all(|lane| locked(lane).len() <= MOST + line.len()));
        assert!(lanes.lost.load(Ordering::Relaxed) > 0);
        drop(open);
        drop(lanes);
        assert!(heard.iter().map(|bytes| bytes.len()).sum::<usize>() < 16 << 20);
    }
}
