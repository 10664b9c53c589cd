//! The servers of a directory, in order of preference. One that failed is passed over for a while, longer each time; if all have failed, all are tried.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use rustls::ClientConfig;
use tokio::time::Instant;

use super::wire::connection::Connection;
use crate::config::directory::Server;
use crate::source::Cause;

/// How long the first failure counts against a server, and the longest that any does.
const FIRST_PENALTY: Duration = Duration::from_secs(5);
const LONGEST_PENALTY: Duration = Duration::from_secs(60);

const UNKNOWN: u8 = 0;
const UP: u8 = 1;
const DOWN: u8 = 2;

struct Known {
    server: Server,
    /// Milliseconds after the start until which it is passed over.
    down_until: AtomicU64,
    failures: AtomicU32,
    state: AtomicU8,
}

/// The servers of one directory.
pub(super) struct Servers {
    directory: String,
    list: Vec<Known>,
    tls: Option<Arc<ClientConfig>>,
    connect_timeout: Duration,
    started: Instant,
}

impl Servers {
    pub fn new(directory: &str, servers: &[Server], tls: Option<Arc<ClientConfig>>, connect_timeout: Duration) -> Self {
        let known = |server: &Server| Known {
            server: server.clone(),
            down_until: AtomicU64::new(0),
            failures: AtomicU32::new(0),
            state: AtomicU8::new(UNKNOWN),
        };
        let list = servers.iter().map(known).collect();
        Self { directory: directory.to_owned(), list, tls, connect_timeout, started: Instant::now() }
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn url(&self, index: usize) -> &str {
        self.list.get(index).map(|known| known.server.url.as_str()).unwrap_or_default()
    }

    /// In which order they are asked now: those without a penalty first.
    pub fn order(&self) -> Vec<usize> {
        self.order_at(self.now())
    }

    fn order_at(&self, now: u64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.list.len()).collect();
        order.sort_by_key(|index| self.list.get(*index).is_some_and(|known| known.down_until.load(Ordering::Relaxed) > now));
        order
    }

    /// A new connection to this server, on which nobody is bound.
    pub async fn open(&self, index: usize) -> Result<Connection, Cause> {
        let Some(known) = self.list.get(index) else { return Err(Cause::Connect("there is no such server".into())) };
        if known.state.load(Ordering::Relaxed) == DOWN {
            // It failed before: while this one tries it, others pass it over.
            known.down_until.fetch_max(self.now().saturating_add(millis(self.connect_timeout)), Ordering::Relaxed);
        }
        let opened = Connection::open(&known.server, self.tls.as_ref(), self.connect_timeout).await;
        if let Err(cause) = &opened {
            self.failed(index, cause);
        }
        opened
    }

    /// It answered.
    pub fn succeeded(&self, index: usize) {
        let Some(known) = self.list.get(index) else { return };
        known.down_until.store(0, Ordering::Relaxed);
        known.failures.store(0, Ordering::Relaxed);
        if known.state.swap(UP, Ordering::Relaxed) == DOWN {
            tracing::info!(directory = %self.directory, server = %known.server.url, "the directory server answers again");
        }
    }

    /// It did not do what was asked of it.
    pub fn failed(&self, index: usize, cause: &Cause) {
        self.failed_at(index, cause, self.now());
    }

    fn failed_at(&self, index: usize, cause: &Cause, now: u64) {
        let Some(known) = self.list.get(index) else { return };
        let before = known.failures.fetch_add(1, Ordering::Relaxed).min(8);
        let penalty = FIRST_PENALTY.saturating_mul(1 << before).min(LONGEST_PENALTY);
        known.down_until.fetch_max(now.saturating_add(millis(penalty)), Ordering::Relaxed);
        if known.state.swap(DOWN, Ordering::Relaxed) != DOWN {
            tracing::warn!(directory = %self.directory, server = %known.server.url, error = %cause, "a directory server fails; others are asked first");
        }
    }

    /// Each server's address and whether it answered last; `None`: it was not asked yet.
    pub fn states(&self) -> Vec<(String, Option<bool>)> {
        let state = |known: &Known| match known.state.load(Ordering::Relaxed) {
            UP => Some(true),
            DOWN => Some(false),
            _ => None,
        };
        self.list.iter().map(|known| (known.server.url.clone(), state(known))).collect()
    }

    fn now(&self) -> u64 {
        millis(self.started.elapsed()).saturating_add(1)
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::directory::Protection;

    fn servers(count: u16) -> Servers {
        let server =
            |port| Server { url: format!("ldap://127.0.0.1:{port}"), host: "127.0.0.1".into(), port, protection: Protection::None };
        Servers::new("corp", &(0..count).map(server).collect::<Vec<_>>(), None, Duration::from_secs(2))
    }

    #[tokio::test]
    async fn a_server_that_failed_is_asked_last_for_a_while_and_longer_each_time() {
        let all = servers(3);
        let (fault, first) = (Cause::Connect("refused".into()), millis(FIRST_PENALTY));
        assert_eq!(all.order_at(1), [0, 1, 2]);
        all.failed_at(0, &fault, 1);
        assert_eq!((all.order_at(2), all.order_at(first + 2)), (vec![1, 2, 0], vec![0, 1, 2]));
        all.failed_at(0, &fault, first + 2);
        assert_eq!(all.order_at(2 * first + 3), [1, 2, 0], "the second failure counts for longer");
        all.succeeded(0);
        assert_eq!(all.order_at(2 * first + 3), [0, 1, 2]);
        (0..3).for_each(|index| all.failed_at(index, &fault, 1));
        assert_eq!(all.order_at(2), [0, 1, 2], "if all have failed, all are tried");
        assert_eq!(all.states().iter().filter(|(_, up)| *up == Some(false)).count(), 3);
    }
}
