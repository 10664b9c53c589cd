//! A client's connection and what it is waiting for. Guarantees a deadline and a bound for every request header, and that a connection
//! does not stay idle for ever. A request reads no clock and sets no timer for that: it changes a mark, and `deadlines` looks how long
//! the mark has stood.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Poll, Waker};
use std::time::Duration;

use http::HeaderValue;

use crate::gateway::connection::upload_windows::{LargeWindow, UploadWindows};

/// How many bytes may arrive while a header is awaited: the largest header that is answered, and what may arrive with it.
const MAX_AWAITED: usize = 96 * 1024;

tokio::task_local! {
    /// The connection that a request came over. Not set in the tasks of HTTP/2 streams.
    static CONNECTION: Arc<Connection>;
}

/// What a connection is waiting for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// A request is served: nothing has a deadline here.
    Serving,
    /// The first header.
    Opened,
    /// Another request, of which nothing has arrived.
    Idle,
    /// The rest of that request's header.
    Begun,
}

impl Phase {
    pub const fn of(mark: u32) -> Self {
        match mark & 3 {
            0 => Self::Serving,
            1 => Self::Opened,
            2 => Self::Idle,
            _ => Self::Begun,
        }
    }
}

/// A client's connection.
#[derive(Debug)]
pub struct Connection {
    /// The peer's address, and the same as a header's value.
    peer: (IpAddr, HeaderValue),
    /// The phase in the lowest two bits; the rest changes with every phase. Written by the connection's task alone.
    pub mark: AtomicU32,
    /// Bytes that arrived while the header is awaited.
    awaited: AtomicUsize,
    served: AtomicBool,
    http2: AtomicBool,
    /// It missed a deadline.
    pub overdue: AtomicBool,
    /// Wakes the connection's task.
    pub waker: OnceLock<Waker>,
    newcomers: NewConnections,
    /// Of a connection that uses HTTP/2.
    window: OnceLock<LargeWindow>,
}

/// How many connections of a shard have not sent their first request yet.
#[derive(Clone, Debug, Default)]
pub struct NewConnections(Arc<AtomicUsize>);

impl NewConnections {
    /// Waits until there are none: the request of a connection that was accepted just before a stop may be on its way.
    pub async fn settle(&self) {
        while self.0.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Connection {
    pub fn new(peer: IpAddr, newcomers: &NewConnections) -> Arc<Self> {
        newcomers.0.fetch_add(1, Ordering::Relaxed);
        let peer = peer.to_canonical();
        // The text of an address is always a header's value.
        let written = HeaderValue::try_from(peer.to_string()).unwrap_or_else(|_| HeaderValue::from_static("unknown"));
        Arc::new(Self {
            peer: (peer, written),
            mark: AtomicU32::new(Phase::Opened as u32),
            awaited: AtomicUsize::new(0),
            served: AtomicBool::new(false),
            http2: AtomicBool::new(false),
            overdue: AtomicBool::new(false),
            waker: OnceLock::new(),
            newcomers: newcomers.clone(),
            window: OnceLock::new(),
        })
    }

    fn phase(&self) -> Phase {
        Phase::of(self.mark.load(Ordering::Relaxed))
    }

    fn turns_to(&self, phase: Phase) {
        let next = (self.mark.load(Ordering::Relaxed) | 3).wrapping_add(1) | phase as u32;
        self.mark.store(next, Ordering::Relaxed);
    }

    /// The first header must be complete within the timeout; a later one may begin within the idle time, and must be complete within the
    /// timeout from its first byte.
    pub fn awaits_header(&self) {
        if self.served.load(Ordering::Relaxed) {
            self.awaited.store(0, Ordering::Relaxed);
            self.turns_to(Phase::Idle);
        }
    }

    /// Whether the connection may be read from: not if more arrived than a header may have, and no header was complete.
    pub fn may_read(&self) -> bool {
        self.phase() == Phase::Serving || self.awaited.load(Ordering::Relaxed) <= MAX_AWAITED
    }

    /// Notes that so many bytes were read.
    pub fn has_read(&self, bytes: usize) {
        let phase = self.phase();
        if bytes == 0 || phase == Phase::Serving {
            return;
        }
        self.awaited.fetch_add(bytes, Ordering::Relaxed);
        if phase == Phase::Idle {
            self.turns_to(Phase::Begun);
        }
    }

    /// Whether something arrived from which no request could be read: malformed, CONNECT, or cut off. Over TLS (`secure`) the closing
    /// alert does not count (RFC 8446 section 6.1).
    pub fn is_unread(&self, secure: bool) -> bool {
        let goodbye = if secure { 32 } else { 0 };
        self.phase() != Phase::Serving && self.awaited.load(Ordering::Relaxed) > goodbye
    }

    pub fn serves(&self) {
        if !self.served.load(Ordering::Relaxed) && !self.served.swap(true, Ordering::Relaxed) {
            self.newcomers.0.fetch_sub(1, Ordering::Relaxed);
        }
        self.turns_to(Phase::Serving);
    }

    /// Runs the work of this connection to its end, or until it misses a deadline.
    pub async fn run(self: Arc<Self>, work: impl Future<Output = ()>) {
        let connection = Arc::clone(&self);
        let mut work = pin!(CONNECTION.scope(self, work));
        std::future::poll_fn(|cx| {
            if connection.overdue.load(Ordering::Relaxed) {
                return Poll::Ready(());
            }
            // A task has the same waker all its life.
            connection.waker.get_or_init(|| cx.waker().clone());
            work.as_mut().poll(cx)
        })
        .await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if !*self.served.get_mut() {
            self.newcomers.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// The connection is about to read a request's header.
pub fn header_is_awaited() {
    let _ = CONNECTION.try_with(|connection| connection.awaits_header());
}

/// The header is complete: the deadline is met.
pub fn header_is_read() {
    let _ = CONNECTION.try_with(|connection| connection.serves());
}

/// The connection is to use HTTP/2. Its handshake has the time of the first header. `true`: its upload windows may be large.
pub fn turns_to_http2(windows: &UploadWindows) -> bool {
    let turned = CONNECTION.try_with(|connection| {
        connection.http2.store(true, Ordering::Relaxed);
        let window = windows.take();
        let is_large = window.is_some();
        window.into_iter().for_each(|window| drop(connection.window.set(window)));
        is_large
    });
    turned.unwrap_or(false)
}

/// From here on, pingora's idle timeout guards a connection that uses HTTP/2.
pub fn speaks_http2() {
    let _ = CONNECTION.try_with(|connection| {
        if connection.http2.load(Ordering::Relaxed) {
            connection.serves();
        }
    });
}

/// The peer's address as a header's value, if it is this address.
pub fn peer_as_header(peer: IpAddr) -> Option<HeaderValue> {
    CONNECTION
        .try_with(|connection| Some(&connection.peer).filter(|(own, _)| *own == peer).map(|(_, written)| written.clone()))
        .ok()
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> Arc<Connection> {
        Connection::new([127, 0, 0, 1].into(), &NewConnections::default())
    }

    #[test]
    fn bytes_count_while_a_header_is_awaited_and_only_then() {
        let connection = connection();
        connection.has_read(MAX_AWAITED);
        assert!(connection.may_read());
        connection.has_read(1);
        assert!(!connection.may_read() && connection.is_unread(true));
        connection.serves();
        assert!(!connection.is_unread(false));
        connection.has_read(MAX_AWAITED * 2);
        assert!(connection.may_read(), "a body is not bounded");
        connection.awaits_header();
        assert!(connection.may_read() && !connection.is_unread(false), "the next header begins anew");
        connection.has_read(24);
        assert!(connection.is_unread(false) && !connection.is_unread(true));
    }

    #[tokio::test(start_paused = true)]
    async fn newcomers_are_those_that_have_neither_spoken_nor_left() {
        let newcomers = NewConnections::default();
        let is_settled = async || tokio::time::timeout(Duration::from_secs(1), newcomers.settle()).await.is_ok();
        let connection = || Connection::new([127, 0, 0, 1].into(), &newcomers);
        let (speaks, leaves) = (connection(), connection());
        speaks.serves();
        speaks.serves();
        assert!(!is_settled().await);
        drop(leaves);
        assert!(is_settled().await);
        drop(speaks);
        assert!(is_settled().await);
    }
}
