//! What pingora's proxy lacks at its edge: the end of requests whose session ended, and the marks by which a shard keeps a client to its
//! deadlines (`line`). Dropping pingora's future closes the connection, or resets the HTTP/2 stream.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use async_trait::async_trait;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;
use tokio::sync::watch;

use super::hooks::Gate;
use super::line;
use super::memory::Shared;
use super::recall::{Roll, Slot};
use super::tenure::Tenure;

tokio::task_local! {
    /// The request's place on the roll of those that may be called back.
    static SLOT: Arc<Slot>;
}

/// The request was admitted on this: it is to be cut when that no longer holds.
pub fn depends_on(tenure: Arc<Tenure>) {
    let _ = SLOT.try_with(|slot| slot.fill(tenure));
}

/// Works with the memory of the shard that serves the request; `None` where there is no request.
pub fn memory<T>(work: impl FnOnce(&Shared) -> T) -> Option<T> {
    SLOT.try_with(|slot| work(&slot.memory)).ok()
}

/// As within a request of a shard that remembers nothing yet.
#[cfg(test)]
pub fn within_a_request<T>(story: impl FnOnce() -> T) -> T {
    SLOT.sync_scope(Slot::new(&Arc::default(), &Shared::default()), story)
}

/// pingora's proxy with the two guards around it.
pub struct Edge {
    proxy: Arc<HttpProxy<Gate>>,
    options: HttpServerOptions,
    roll: Arc<Roll>,
    memory: Shared,
}

impl Edge {
    pub fn new(proxy: HttpProxy<Gate>, memory: Shared) -> Self {
        let mut options = HttpServerOptions::default();
        options.h2_idle_timeout = Some(line::IDLE);
        Self { proxy: Arc::new(proxy), options, roll: Arc::default(), memory }
    }

    /// Calls requests back at each piece of news; ends with its sender.
    pub async fn follow(&self, news: watch::Receiver<u64>) {
        Arc::clone(&self.roll).follow(news).await;
    }
}

#[async_trait]
impl HttpServerApp for Edge {
    /// Written out, so that the session moves into pingora's future and not through another of kilobytes.
    fn process_new_http<'a, 'b, 'c>(
        self: &'a Arc<Self>,
        session: ServerSession,
        shutdown: &'b ShutdownWatch,
    ) -> Pin<Box<dyn Future<Output = Option<ReusedHttpStream>> + Send + 'c>>
    where
        'a: 'c,
        'b: 'c,
        Self: 'c,
    {
        line::header_is_awaited();
        let slot = Slot::new(&self.roll, &self.memory);
        let served = self.proxy.process_new_http(session, shutdown);
        Box::pin(async move {
            let mut served = pin!(SLOT.scope(Arc::clone(&slot), served));
            std::future::poll_fn(|cx| match served.as_mut().poll(cx) {
                Poll::Pending => slot.poll_revoked(cx).map(|()| None),
                reusable => reusable,
            })
            .await
        })
    }

    fn h2_options(&self) -> Option<H2Options> {
        line::turns_to_http2();
        Some(default_h2_options())
    }

    /// pingora asks once more after the HTTP/2 handshake: from then on the idle timeout guards the connection.
    fn server_options(&self) -> Option<&HttpServerOptions> {
        line::speaks_http2();
        Some(&self.options)
    }

    async fn http_cleanup(&self) {
        self.proxy.http_cleanup().await;
    }
}
