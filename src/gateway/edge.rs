//! What pingora's proxy lacks at its edge: a deadline and a bound for the whole request header, and the end of requests whose session
//! ended. Dropping pingora's future closes the connection, or resets the HTTP/2 stream.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use http::HeaderValue;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;
use tokio::sync::watch;

use super::hooks::Gate;
use super::recall::{Roll, Slot};
use super::tenure::Tenure;

/// How long an idle connection is kept between requests.
pub const IDLE: Duration = Duration::from_secs(60);

/// How many bytes may come while a header is awaited: the largest header that is answered, and what may come along with it.
const MAX_AWAITED: usize = 96 * 1024;

tokio::task_local! {
    /// The line that a request came over. Not set in the tasks of HTTP/2 streams.
    static LINE: Arc<Line>;
    /// The request's place on the roll of those that may be called back.
    static SLOT: Arc<Slot>;
}

/// How far a connection is: waiting for a header until a deadline, or serving.
#[derive(Debug)]
pub struct Line {
    opened: Instant,
    /// Who is connected, and how that is written in a header.
    peer: (IpAddr, HeaderValue),
    header_timeout: Duration,
    /// Milliseconds after `opened`; zero: serving.
    deadline: AtomicU64,
    /// Bytes that came while the header is awaited.
    awaited: AtomicUsize,
    served: AtomicBool,
    http2: AtomicBool,
}

impl Line {
    pub fn new(peer: IpAddr, header_timeout: Duration) -> Arc<Self> {
        let peer = peer.to_canonical();
        // The text of an address is always a header's value.
        let written = HeaderValue::try_from(peer.to_string()).unwrap_or_else(|_| HeaderValue::from_static("unknown"));
        let line = Self {
            opened: Instant::now(),
            peer: (peer, written),
            header_timeout,
            deadline: AtomicU64::new(0),
            awaited: AtomicUsize::new(0),
            served: AtomicBool::new(false),
            http2: AtomicBool::new(false),
        };
        line.awaits_header();
        Arc::new(line)
    }

    /// A first header must be there within the timeout; a later one may begin within the connection's idle time, and must be there
    /// within the timeout from its first byte.
    fn awaits_header(&self) {
        self.awaited.store(0, Ordering::Relaxed);
        self.ends_in(self.header_timeout + if self.served.load(Ordering::Relaxed) { IDLE } else { Duration::ZERO });
    }

    fn ends_in(&self, wait: Duration) {
        let deadline = self.opened.elapsed() + wait;
        self.deadline.store(u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX).max(1), Ordering::Relaxed);
    }

    /// Whether the connection may be read from: not where more came than a header may have, and none was complete.
    pub fn may_read(&self) -> bool {
        self.deadline.load(Ordering::Relaxed) == 0 || self.awaited.load(Ordering::Relaxed) <= MAX_AWAITED
    }

    /// So many bytes were read.
    pub fn has_read(&self, bytes: usize) {
        if bytes == 0 || self.deadline.load(Ordering::Relaxed) == 0 {
            return;
        }
        let before = self.awaited.fetch_add(bytes, Ordering::Relaxed);
        if before == 0 && self.served.load(Ordering::Relaxed) {
            self.ends_in(self.header_timeout);
        }
    }

    fn serves(&self) {
        self.served.store(true, Ordering::Relaxed);
        self.deadline.store(0, Ordering::Relaxed);
    }

    /// Ends when a deadline has passed, at the latest by half a header timeout more. Kept as one sleeping timer for the connection,
    /// looked after when it fires, instead of a timer for each request.
    pub async fn overdue(&self) {
        loop {
            let deadline = self.deadline.load(Ordering::Relaxed);
            let now = self.opened.elapsed();
            let wait = match Duration::from_millis(deadline) {
                Duration::ZERO => self.header_timeout / 4,
                deadline if deadline <= now => return,
                // A header may begin meanwhile, which brings the deadline nearer.
                deadline => (deadline - now).min(self.header_timeout / 2),
            };
            tokio::time::sleep(wait.max(Duration::from_millis(10))).await;
        }
    }

    /// Runs a connection over this line.
    pub async fn carry<F: Future>(self: Arc<Self>, connection: F) -> F::Output {
        LINE.scope(self, connection).await
    }
}

/// The header is complete: the deadline is met.
pub fn header_is_read() {
    let _ = LINE.try_with(|line| line.serves());
}

/// The address of the line's client as a header's value, where it is this one.
pub fn peer_as_header(peer: IpAddr) -> Option<HeaderValue> {
    LINE.try_with(|line| Some(&line.peer).filter(|(own, _)| *own == peer).map(|(_, written)| written.clone())).ok().flatten()
}

/// The request was admitted on this: it is to be cut when that no longer holds.
pub fn depends_on(tenure: Arc<Tenure>) {
    let _ = SLOT.try_with(|slot| slot.fill(tenure));
}

/// pingora's proxy with the two guards around it.
pub struct Edge {
    proxy: Arc<HttpProxy<Gate>>,
    options: HttpServerOptions,
    roll: Arc<Roll>,
}

impl Edge {
    pub fn new(proxy: HttpProxy<Gate>) -> Self {
        let mut options = HttpServerOptions::default();
        options.h2_idle_timeout = Some(IDLE);
        Self { proxy: Arc::new(proxy), options, roll: Arc::default() }
    }

    /// Calls requests back at each piece of news; ends with its sender.
    pub async fn follow(&self, news: watch::Receiver<u64>) {
        Arc::clone(&self.roll).follow(news).await;
    }
}

#[async_trait]
impl HttpServerApp for Edge {
    async fn process_new_http(self: &Arc<Self>, session: ServerSession, shutdown: &ShutdownWatch) -> Option<ReusedHttpStream> {
        let _ = LINE.try_with(|line| line.awaits_header());
        let slot = Slot::new(&self.roll);
        let served = SLOT.scope(Arc::clone(&slot), self.proxy.process_new_http(session, shutdown));
        tokio::select! {
            biased;
            reusable = served => reusable,
            () = slot.revoked() => None,
        }
    }

    fn h2_options(&self) -> Option<H2Options> {
        let _ = LINE.try_with(|line| line.http2.store(true, Ordering::Relaxed));
        Some(default_h2_options())
    }

    /// pingora asks once more after the HTTP/2 handshake: from then on the idle timeout guards the connection.
    fn server_options(&self) -> Option<&HttpServerOptions> {
        let _ = LINE.try_with(|line| {
            if line.http2.load(Ordering::Relaxed) {
                line.serves();
            }
        });
        Some(&self.options)
    }

    async fn http_cleanup(&self) {
        self.proxy.http_cleanup().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_count_while_a_header_is_awaited_and_only_then() {
        let line = Line::new([127, 0, 0, 1].into(), Duration::from_secs(10));
        line.has_read(MAX_AWAITED);
        assert!(line.may_read());
        line.has_read(1);
        assert!(!line.may_read());
        line.serves();
        line.has_read(MAX_AWAITED * 2);
        assert!(line.may_read(), "a body is not bounded");
        line.awaits_header();
        assert!(line.may_read(), "the next header begins anew");
    }

    #[tokio::test(start_paused = true)]
    async fn a_later_header_has_its_time_from_its_first_byte() {
        let line = Line::new([127, 0, 0, 1].into(), Duration::from_millis(20));
        line.serves();
        line.awaits_header();
        line.has_read(1);
        std::thread::sleep(Duration::from_millis(25));
        tokio::time::timeout(Duration::from_secs(1), line.overdue()).await.unwrap();
    }
}
