//! What pingora's proxy lacks at its edge: a deadline for the whole request header, and the end of requests whose session
//! ended. Dropping pingora's future closes the connection, or resets the HTTP/2 stream.

use std::future::{pending, poll_fn};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;
use tokio::sync::watch;

use super::front::Visitor;
use super::hooks::Gate;

/// How long an idle connection is kept between requests.
pub const IDLE: Duration = Duration::from_secs(60);

tokio::task_local! {
    /// The line that a request came over. Not set in the tasks of HTTP/2 streams.
    static LINE: Arc<Line>;
    /// The request's place for the session that admitted it.
    static SLOT: Arc<Slot>;
}

/// How far a connection is: waiting for a header until a deadline, or serving.
pub struct Line {
    opened: Instant,
    header_timeout: Duration,
    /// Milliseconds after `opened`; zero: serving.
    deadline: AtomicU64,
    served: AtomicBool,
    http2: AtomicBool,
}

impl Line {
    pub fn new(header_timeout: Duration) -> Arc<Self> {
        let line = Self {
            opened: Instant::now(),
            header_timeout,
            deadline: AtomicU64::new(0),
            served: AtomicBool::new(false),
            http2: AtomicBool::new(false),
        };
        line.awaits_header();
        Arc::new(line)
    }

    /// A first header must be there within the timeout; a later one may also wait for the connection's idle time.
    fn awaits_header(&self) {
        let idle = if self.served.load(Ordering::Relaxed) { IDLE } else { Duration::ZERO };
        let deadline = self.opened.elapsed() + self.header_timeout + idle;
        self.deadline.store(u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX).max(1), Ordering::Relaxed);
    }

    fn serves(&self) {
        self.served.store(true, Ordering::Relaxed);
        self.deadline.store(0, Ordering::Relaxed);
    }

    /// Ends when a deadline has passed. Kept as one sleeping timer for the connection, looked after when it fires, instead of
    /// a timer for each request.
    pub async fn overdue(&self) {
        loop {
            let deadline = self.deadline.load(Ordering::Relaxed);
            let now = self.opened.elapsed();
            let wait = match Duration::from_millis(deadline) {
                Duration::ZERO => self.header_timeout / 4,
                deadline if deadline <= now => return,
                deadline => deadline - now,
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

/// The request goes on in the name of a session: it is to be cut when that ends.
pub fn depends_on(visitor: Arc<dyn Visitor>, revocations: watch::Receiver<u64>) {
    let _ = SLOT.try_with(|slot| slot.fill(visitor, revocations));
}

type Watched = (Arc<dyn Visitor>, watch::Receiver<u64>);

#[derive(Default)]
struct Slot(Mutex<Option<Watched>>);

impl Slot {
    fn fill(&self, visitor: Arc<dyn Visitor>, revocations: watch::Receiver<u64>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((visitor, revocations));
    }

    fn take(&self) -> Option<Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Ends when the session in the slot has ended. The slot is filled while the request's own future is polled, just before
    /// this one is, so that nobody has to wake it.
    async fn revoked(&self) {
        let (visitor, mut revocations) = poll_fn(|_| self.take().map_or(Poll::Pending, Poll::Ready)).await;
        while !visitor.is_ended() {
            if revocations.changed().await.is_err() {
                pending::<()>().await;
            }
        }
    }
}

/// pingora's proxy with the two guards around it.
pub struct Edge {
    proxy: Arc<HttpProxy<Gate>>,
    options: HttpServerOptions,
}

impl Edge {
    pub fn new(proxy: HttpProxy<Gate>) -> Self {
        let mut options = HttpServerOptions::default();
        options.h2_idle_timeout = Some(IDLE);
        Self { proxy: Arc::new(proxy), options }
    }
}

#[async_trait]
impl HttpServerApp for Edge {
    async fn process_new_http(self: &Arc<Self>, session: ServerSession, shutdown: &ShutdownWatch) -> Option<ReusedHttpStream> {
        let _ = LINE.try_with(|line| line.awaits_header());
        let slot = Arc::new(Slot::default());
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
