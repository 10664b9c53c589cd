//! The deadlines of a shard's connections. Guarantees that a connection which waits for too long ends, at most half a header's time
//! late. One task looks at all connections a few times within the shortest deadline; a request sets no timer.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use crate::gateway::connection::client::{Connection, IDLE, Phase};

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
    pub async fn run(&self, header_timeout: Duration, each_round: impl Fn()) {
        let pause = (header_timeout / 4).clamp(Duration::from_millis(10), Duration::from_secs(1));
        let mut tick = tokio::time::interval(pause);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            self.look(header_timeout, Instant::now());
            each_round();
        }
    }

    fn look(&self, header_timeout: Duration, now: Instant) {
        locked(&self.0).retain_mut(|watched| {
            let Some(connection) = watched.connection.upgrade() else { return false };
            let mark = connection.mark.load(Ordering::Relaxed);
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

    fn connection() -> Arc<Connection> {
        Connection::new([127, 0, 0, 1].into(), &NewConnections::default())
    }

    /// Whether a connection that goes through this is overdue after so long.
    fn overdue_after(story: impl Fn(&Connection), wait: Duration) -> bool {
        let (deadlines, connection, start) = (Deadlines::default(), connection(), Instant::now());
        deadlines.watch(&connection);
        story(&connection);
        deadlines.look(TIMEOUT, start);
        deadlines.look(TIMEOUT, start + wait);
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
            deadlines.look(TIMEOUT, start + TIMEOUT * round);
        }
        assert!(!connection.overdue.load(Ordering::Relaxed));
        drop(connection);
        deadlines.look(TIMEOUT, start);
        assert!(locked(&deadlines.0).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_overdue_ends() {
        let (deadlines, connection) = (Deadlines::default(), connection());
        deadlines.watch(&connection);
        tokio::select! {
            () = connection.run(std::future::pending()) => (),
            () = deadlines.run(TIMEOUT, || ()) => (),
        }
    }
}
