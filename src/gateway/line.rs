//! A client's connection as it goes from request to request. Guarantees a deadline and a bound for every request header, and that a
//! connection does not idle for ever. A request reads no clock and sets no timer for that: it leaves a mark, and a patrol of the shard
//! that comes by a few times within the shortest deadline looks how long the mark has stood.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::{Poll, Waker};
use std::time::Duration;

use http::HeaderValue;
use pingora::protocols::{Digest, SocketDigest};
use tokio::time::Instant;

use super::edge;
use super::front::Visitor;
use super::headers::Prepared;
use crate::base::Host;

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
    /// Where its socket's digest is.
    socket: OnceLock<usize>,
    /// Wakes the connection's task.
    waker: OnceLock<Waker>,
    memory: Mutex<Memory>,
    newcomers: Newcomers,
}

/// What a line knows of its last request, since the next is mostly like it. Counted and written in the shard's own memory, where what all
/// shards share would be taken from core to core.
#[derive(Default)]
struct Memory {
    /// The host that was named, and the authority that named it.
    place: Option<(Host, Arc<str>)>,
    /// Who it was.
    visitor: Option<Arc<dyn Visitor>>,
    /// What it was sent on with.
    prepared: Option<Prepared>,
}

/// Without anybody's names.
impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
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
            socket: OnceLock::new(),
            waker: OnceLock::new(),
            memory: Mutex::default(),
            newcomers: newcomers.clone(),
        })
    }

    /// The line is this socket's.
    pub fn belongs_to(&self, socket: &Arc<SocketDigest>) {
        let _ = self.socket.set(Arc::as_ptr(socket).addr());
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

/// The lines of a shard that speak HTTP/2, whose requests are served in tasks of their own, by what pingora tells of their sockets.
#[derive(Default)]
pub struct Lines(Mutex<HashMap<usize, Weak<Line>>>);

impl Lines {
    fn add(&self, line: &Arc<Line>) {
        let Some(socket) = line.socket.get() else { return };
        let mut lines = locked(&self.0);
        if lines.len() == lines.capacity() {
            lines.retain(|_, line| line.strong_count() > 0);
        }
        lines.insert(*socket, Arc::downgrade(line));
    }

    /// The line over which a stream came. Its socket is alive, so that no other can have come to the same place.
    pub fn of(&self, digest: &Digest) -> Option<Arc<Line>> {
        let socket = Arc::as_ptr(digest.socket_digest.as_ref()?).addr();
        locked(&self.0).get(&socket).and_then(Weak::upgrade)
    }
}

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
    pub async fn walk(&self, header_timeout: Duration) {
        let pause = (header_timeout / 4).clamp(Duration::from_millis(10), Duration::from_secs(1));
        let mut tick = tokio::time::interval(pause);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            self.look(header_timeout, Instant::now());
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
            // Nobody is asking: what a person takes is given back.
            let mut memory = locked(&line.memory);
            (memory.visitor, memory.prepared) = (None, None);
            if now.duration_since(watched.since) >= most {
                line.overdue.store(true, Ordering::Relaxed);
                line.waker.get().into_iter().for_each(Waker::wake_by_ref);
            }
            true
        });
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
pub fn turns_to_http2(lines: &Lines) {
    let _ = LINE.try_with(|line| {
        line.http2.store(true, Ordering::Relaxed);
        lines.add(line);
    });
}

/// From here on pingora's idle timeout guards a connection that speaks HTTP/2.
pub fn speaks_http2() {
    let _ = LINE.try_with(|line| {
        if line.http2.load(Ordering::Relaxed) {
            line.serves();
        }
    });
}

/// The line that a request came over.
fn line() -> Option<Arc<Line>> {
    LINE.try_with(Arc::clone).ok().or_else(edge::line_of_stream)
}

/// The address of the line's client as a header's value, where it is this one.
pub fn peer_as_header(peer: IpAddr) -> Option<HeaderValue> {
    line().and_then(|line| Some(&line.peer).filter(|(own, _)| *own == peer).map(|(_, written)| written.clone()))
}

/// The host that an authority names, where the line's last request named it in the same words.
pub fn place_named_before(authority: &str) -> Option<(Host, Arc<str>)> {
    line().and_then(|line| locked(&line.memory).place.as_ref().filter(|(_, known)| **known == *authority).cloned())
}

/// Keeps what an authority was read as.
pub fn remember_place(place: &(Host, Arc<str>)) {
    if let Some(line) = line() {
        locked(&line.memory).place = Some(place.clone());
    }
}

/// Who made the line's last request, where that is who is looked for.
pub fn last_visitor(is_wanted: impl FnOnce(&dyn Visitor) -> bool) -> Option<Arc<dyn Visitor>> {
    line().and_then(|line| locked(&line.memory).visitor.as_ref().filter(|visitor| is_wanted(&***visitor)).cloned())
}

/// Keeps who made a request for the line's next one; a line that idles forgets it.
pub fn remember_visitor(visitor: &Arc<dyn Visitor>) {
    if let Some(line) = line() {
        locked(&line.memory).visitor = Some(Arc::clone(visitor));
    }
}

/// What the line's last request was sent on with, as the caller reads it.
pub fn last_prepared<T>(read: impl FnOnce(&Prepared) -> Option<T>) -> Option<T> {
    line().and_then(|line| locked(&line.memory).prepared.as_ref().and_then(read))
}

/// Keeps it for the line's next request; a line that idles forgets it.
pub fn remember_prepared(prepared: Prepared) {
    if let Some(line) = line() {
        locked(&line.memory).prepared = Some(prepared);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);

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
        tokio::select! {
            () = line.carry(std::future::pending()) => (),
            () = patrol.walk(TIMEOUT) => (),
        }
    }
}
