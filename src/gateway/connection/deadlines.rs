//! The deadlines of a shard's connections. Guarantees that a connection which waits for too long ends, at most half a header's time
//! late. One task looks at all connections a few times within the shortest deadline; a request sets no timer.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use crate::gateway::connection::client::{Connection, Phase};

/// How long a connection may wait.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For a header, from its first byte.
    pub header: Duration,
    /// For the next request.
    pub idle: Duration,
}

/// The connections of a shard, and since when each has been in its phase.
#[derive(Default)]
pub struct Deadlines(Mutex<Vec<Watched>>);

struct Watched {
    connection: Weak<Connection>,
    mark: u32,
    since: Instant,
}

impl Deadlines {
    /// Watches a connection from now on.
    pub fn watch(&self, connection: &Arc<Connection>) {
        let mark = connection.mark.load(Ordering::Relaxed);
        locked(&self.0).push(Watched { connection: Arc::downgrade(connection), mark, since: Instant::now() });
    }

    /// Looks at all connections for ever, four times within a header's time, and calls `each_round` each time.
    pub async fn run(&self, timeouts: Timeouts, each_round: impl Fn()) {
        let pause = (timeouts.header.min(timeouts.idle) / 4).clamp(Duration::from_millis(10), Duration::from_secs(1));
        let mut tick = tokio::time::interval(pause);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            self.look(timeouts, Instant::now());
            each_round();
        }
    }

    fn look(&self, timeouts: Timeouts, now: Instant) {
        locked(&self.0).retain_mut(|watched| {
            let Some(connection) = watched.connection.upgrade() else { return false };
            let mark = connection.mark.load(Ordering::Relaxed);
            if mark != watched.mark {
                (watched.mark, watched.since) = (mark, now);
                return true;
            }
            let most = match Phase::of(mark) {
                Phase::Serving => return true,
                Phase::Opened | Phase::Begun => timeouts.header,
                Phase::Idle => timeouts.idle,
            };
            if now.duration_since(watched.since) >= most {
                connection.overdue.store(true, Ordering::Relaxed);
                connection.waker.get().into_iter().for_each(Waker::wake_by_ref);
            }
            true
        });
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::connection::client::NewConnections;

    const TIMEOUT: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_secs(60);
    const TIMEOUTS: Timeouts = Timeouts { header: TIMEOUT, idle: IDLE };

    fn connection() -> Arc<Connection> {
        Connection::new([127, 0, 0, 1].into(), &NewConnections::default())
    }

    /// Whether a connection that goes through this is overdue after so long.
    fn overdue_after(story: impl Fn(&Connection), wait: Duration) -> bool {
        let (deadlines, connection, start) = (Deadlines::default(), connection(), Instant::now());
        deadlines.watch(&connection);
        story(&connection);
        deadlines.look(TIMEOUTS, start);
        deadlines.look(TIMEOUTS, start + wait);
        connection.overdue.load(Ordering::Relaxed)
    }

    #[tokio::test(start_paused = true)]
    async fn each_header_has_its_time_from_its_first_byte() {
        let short = TIMEOUT / 2;
        assert!(!overdue_after(|_| (), short) && overdue_after(|_| (), TIMEOUT));
        let dribbles = |connection: &Connection| connection.has_read(1);
        assert!(overdue_after(dribbles, TIMEOUT), "bytes lengthen nothing");
        assert!(!overdue_after(Connection::serves, IDLE * 2), "whoever is served has no deadline");
        let idles = |connection: &Connection| {
            connection.serves();
            connection.awaits_header();
        };
        assert!(!overdue_after(idles, TIMEOUT) && overdue_after(idles, IDLE));
        let begins = |connection: &Connection| {
            idles(connection);
            connection.has_read(1);
        };
        assert!(!overdue_after(begins, short) && overdue_after(begins, TIMEOUT));
    }

    #[tokio::test(start_paused = true)]
    async fn each_request_begins_anew_and_what_is_over_is_forgotten() {
        let (deadlines, connection, start) = (Deadlines::default(), connection(), Instant::now());
        deadlines.watch(&connection);
        for round in 0..5 {
            connection.serves();
            connection.awaits_header();
            connection.has_read(1);
            deadlines.look(TIMEOUTS, start + TIMEOUT * round);
        }
        assert!(!connection.overdue.load(Ordering::Relaxed));
        drop(connection);
        deadlines.look(TIMEOUTS, start);
        assert!(locked(&deadlines.0).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_overdue_ends() {
        let (deadlines, connection) = (Deadlines::default(), connection());
        deadlines.watch(&connection);
        tokio::select! {
            () = connection.run(std::future::pending()) => (),
            () = deadlines.run(TIMEOUTS, || ()) => (),
        }
    }
}
