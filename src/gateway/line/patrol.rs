//! Who looks at the lines of a shard from time to time. Guarantees that one which has been where it is for too long ends, half a header's time late at most.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, Weak};
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use super::{IDLE, Line, Phase, locked};
use crate::gateway::memory::Shared;

/// The lines of a shard, and since when each has been where it is.
#[derive(Default)]
pub struct Patrol(Mutex<Vec<Watched>>);

struct Watched {
    line: Weak<Line>,
    mark: u32,
    since: Instant,
}

impl Patrol {
    /// Watches a line from now on.
    pub fn watch(&self, line: &Arc<Line>) {
        let mark = line.mark.load(Ordering::Relaxed);
        locked(&self.0).push(Watched { line: Arc::downgrade(line), mark, since: Instant::now() });
    }

    /// Comes by for ever, four times in a header's time: what is overdue ends half that time late at most.
    pub async fn walk(&self, header_timeout: Duration, memory: &Shared) {
        let pause = (header_timeout / 4).clamp(Duration::from_millis(10), Duration::from_secs(1));
        let mut tick = tokio::time::interval(pause);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            self.look(header_timeout, Instant::now());
            locked(memory).ages();
        }
    }

    fn look(&self, header_timeout: Duration, now: Instant) {
        locked(&self.0).retain_mut(|watched| {
            let Some(line) = watched.line.upgrade() else { return false };
            let mark = line.mark.load(Ordering::Relaxed);
            if mark != watched.mark {
                (watched.mark, watched.since) = (mark, now);
                return true;
            }
            let most = match Phase::of(mark) {
                Phase::Serving => return true,
                Phase::Opened | Phase::Begun => header_timeout,
                Phase::Idle => IDLE,
            };
            if now.duration_since(watched.since) >= most {
                line.overdue.store(true, Ordering::Relaxed);
                line.waker.get().into_iter().for_each(Waker::wake_by_ref);
            }
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::line::Newcomers;

    const TIMEOUT: Duration = Duration::from_secs(10);

    fn line() -> Arc<Line> {
        Line::new([127, 0, 0, 1].into(), &Newcomers::default())
    }

    /// Whether a line that goes through this is overdue so long after.
    fn overdue_after(story: impl Fn(&Line), wait: Duration) -> bool {
        let (patrol, line, start) = (Patrol::default(), line(), Instant::now());
        patrol.watch(&line);
        story(&line);
        patrol.look(TIMEOUT, start);
        patrol.look(TIMEOUT, start + wait);
        line.overdue.load(Ordering::Relaxed)
    }

    #[tokio::test(start_paused = true)]
    async fn each_header_has_its_time_from_its_first_byte() {
        let short = TIMEOUT / 2;
        assert!(!overdue_after(|_| (), short) && overdue_after(|_| (), TIMEOUT));
        let dribbles = |line: &Line| line.has_read(1);
        assert!(overdue_after(dribbles, TIMEOUT), "bytes lengthen nothing");
        assert!(!overdue_after(Line::serves, IDLE * 2), "whoever is served has no deadline");
        let idles = |line: &Line| {
            line.serves();
            line.awaits_header();
        };
        assert!(!overdue_after(idles, TIMEOUT) && overdue_after(idles, IDLE));
        let begins = |line: &Line| {
            idles(line);
            line.has_read(1);
        };
        assert!(!overdue_after(begins, short) && overdue_after(begins, TIMEOUT));
    }

    #[tokio::test(start_paused = true)]
    async fn each_request_begins_anew_and_what_is_over_is_forgotten() {
        let (patrol, line, start) = (Patrol::default(), line(), Instant::now());
        patrol.watch(&line);
        for round in 0..5 {
            line.serves();
            line.awaits_header();
            line.has_read(1);
            patrol.look(TIMEOUT, start + TIMEOUT * round);
        }
        assert!(!line.overdue.load(Ordering::Relaxed));
        drop(line);
        patrol.look(TIMEOUT, start);
        assert!(locked(&patrol.0).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_overdue_ends() {
        let (patrol, line) = (Patrol::default(), line());
        patrol.watch(&line);
        let memory = Shared::default();
        tokio::select! {
            () = line.carry(std::future::pending()) => (),
            () = patrol.walk(TIMEOUT, &memory) => (),
        }
    }
}
