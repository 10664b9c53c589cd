//! A client's connection as it goes from request to request. Guarantees a deadline and a bound for every request header, and that a
//! connection does not idle for ever. A request reads no clock and sets no timer for that: it leaves a mark, and a patrol of the shard
//! that comes by a few times within the shortest deadline looks how long the mark has stood.

mod patrol;

use std::net::IpAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use http::HeaderValue;

pub use self::patrol::Patrol;

/// How long an idle connection is kept between requests.
pub const IDLE: Duration = Duration::from_secs(60);

/// How many bytes may come while a header is awaited: the largest header that is answered, and what may come along with it.
const MAX_AWAITED: usize = 96 * 1024;

tokio::task_local! {
    /// The line that a request came over. Not set in the tasks of HTTP/2 streams.
    static LINE: Arc<Line>;
}

/// What a connection is waiting for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Nothing of the client's that has a deadline here.
    Serving,
    /// The first header.
    Opened,
    /// Another request, of which nothing has come yet.
    Idle,
    /// The rest of that.
    Begun,
}

impl Phase {
    const fn of(mark: u32) -> Self {
        match mark & 3 {
            0 => Self::Serving,
            1 => Self::Opened,
            2 => Self::Idle,
            _ => Self::Begun,
        }
    }
}

/// How far a connection is.
#[derive(Debug)]
pub struct Line {
    /// Who is connected, and how that is written in a header.
    peer: (IpAddr, HeaderValue),
    /// The phase in the lowest two bits; the rest changes with every phase. Written by the connection's task alone.
    mark: AtomicU32,
    /// Bytes that came while the header is awaited.
    awaited: AtomicUsize,
    served: AtomicBool,
    http2: AtomicBool,
    /// The patrol found it overdue.
    overdue: AtomicBool,
    /// Wakes the connection's task.
    waker: OnceLock<Waker>,
    newcomers: Newcomers,
}

/// How many connections of a shard have not come to their first request yet.
#[derive(Clone, Debug, Default)]
pub struct Newcomers(Arc<AtomicUsize>);

impl Newcomers {
    /// Waits until there are none: what was accepted just before a stop has its request on the way.
    pub async fn settle(&self) {
        while self.0.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Line {
    pub fn new(peer: IpAddr, newcomers: &Newcomers) -> Arc<Self> {
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
        })
    }

    fn phase(&self) -> Phase {
        Phase::of(self.mark.load(Ordering::Relaxed))
    }

    fn turns_to(&self, phase: Phase) {
        let next = (self.mark.load(Ordering::Relaxed) | 3).wrapping_add(1) | phase as u32;
        self.mark.store(next, Ordering::Relaxed);
    }

    /// A first header must be there within the timeout; a later one may begin within the connection's idle time, and must be there
    /// within the timeout from its first byte.
    fn awaits_header(&self) {
        if self.served.load(Ordering::Relaxed) {
            self.awaited.store(0, Ordering::Relaxed);
            self.turns_to(Phase::Idle);
        }
    }

    /// Whether the connection may be read from: not where more came than a header may have, and none was complete.
    pub fn may_read(&self) -> bool {
        self.phase() == Phase::Serving || self.awaited.load(Ordering::Relaxed) <= MAX_AWAITED
    }

    /// So many bytes were read.
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

    /// Whether something came and no request could be read from it: malformed, CONNECT, or cut off. Over TLS (`secure`) the word at
    /// the end of a connection is nothing (RFC 8446 section 6.1).
    pub fn is_unread(&self, secure: bool) -> bool {
        let goodbye = if secure { 32 } else { 0 };
        self.phase() != Phase::Serving && self.awaited.load(Ordering::Relaxed) > goodbye
    }

    fn serves(&self) {
        if !self.served.load(Ordering::Relaxed) && !self.served.swap(true, Ordering::Relaxed) {
            self.newcomers.0.fetch_sub(1, Ordering::Relaxed);
        }
        self.turns_to(Phase::Serving);
    }

    /// Runs a connection over this line, to its end or until the patrol calls it off.
    pub async fn carry(self: Arc<Self>, connection: impl Future<Output = ()>) {
        let line = Arc::clone(&self);
        let mut connection = pin!(LINE.scope(self, connection));
        std::future::poll_fn(|cx| {
            if line.overdue.load(Ordering::Relaxed) {
                return Poll::Ready(());
            }
            // A task has the same waker all its life.
            line.waker.get_or_init(|| cx.waker().clone());
            connection.as_mut().poll(cx)
        })
        .await;
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !*self.served.get_mut() {
            self.newcomers.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// The connection is about to read a request's header.
pub fn header_is_awaited() {
    let _ = LINE.try_with(|line| line.awaits_header());
}

/// The header is complete: the deadline is met.
pub fn header_is_read() {
    let _ = LINE.try_with(|line| line.serves());
}

/// The connection is to speak HTTP/2. Its handshake has the first header's time.
pub fn turns_to_http2() {
    let _ = LINE.try_with(|line| line.http2.store(true, Ordering::Relaxed));
}

/// From here on pingora's idle timeout guards a connection that speaks HTTP/2.
pub fn speaks_http2() {
    let _ = LINE.try_with(|line| {
        if line.http2.load(Ordering::Relaxed) {
            line.serves();
        }
    });
}

/// The address of the line's client as a header's value, where it is this one.
pub fn peer_as_header(peer: IpAddr) -> Option<HeaderValue> {
    LINE.try_with(|line| Some(&line.peer).filter(|(own, _)| *own == peer).map(|(_, written)| written.clone())).ok().flatten()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Arc<Line> {
        Line::new([127, 0, 0, 1].into(), &Newcomers::default())
    }

    #[test]
    fn bytes_count_while_a_header_is_awaited_and_only_then() {
        let line = line();
        line.has_read(MAX_AWAITED);
        assert!(line.may_read());
        line.has_read(1);
        assert!(!line.may_read() && line.is_unread(true));
        line.serves();
        assert!(!line.is_unread(false));
        line.has_read(MAX_AWAITED * 2);
        assert!(line.may_read(), "a body is not bounded");
        line.awaits_header();
        assert!(line.may_read() && !line.is_unread(false), "the next header begins anew");
        line.has_read(24);
        assert!(line.is_unread(false) && !line.is_unread(true));
    }

    #[tokio::test(start_paused = true)]
    async fn newcomers_are_those_that_have_neither_spoken_nor_left() {
        let newcomers = Newcomers::default();
        let is_settled = async || tokio::time::timeout(Duration::from_secs(1), newcomers.settle()).await.is_ok();
        let line = || Line::new([127, 0, 0, 1].into(), &newcomers);
        let (speaks, leaves) = (line(), line());
        speaks.serves();
        speaks.serves();
        assert!(!is_settled().await);
        drop(leaves);
        assert!(is_settled().await);
        drop(speaks);
        assert!(is_settled().await);
    }
}
