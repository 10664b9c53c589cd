//! pingora's proxy with two guards around it: requests end when they are revoked, and a client's connection is told what it is
//! waiting for, so that its deadlines can be kept. Dropping pingora's future closes the connection, or resets the HTTP/2 stream.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;
use tokio::sync::watch;

use crate::gateway::authorize::cache::SharedCache;
use crate::gateway::authorize::in_flight::InFlight;
use crate::gateway::authorize::revocation::{self, Revocable};
use crate::gateway::connection::client;
use crate::gateway::connection::upload_windows::{LARGE, UploadWindows};
use crate::gateway::pipeline::hooks::ProxyHooks;

/// pingora's proxy with the two guards around it.
pub struct HttpApp {
    proxy: Arc<HttpProxy<ProxyHooks>>,
    options: HttpServerOptions,
    in_flight: Arc<InFlight>,
    cache: SharedCache,
    windows: UploadWindows,
}

impl HttpApp {
    pub fn new(proxy: HttpProxy<ProxyHooks>, cache: SharedCache, idle_timeout: Duration) -> Self {
        let mut options = HttpServerOptions::default();
        options.h2_idle_timeout = Some(idle_timeout);
        Self { proxy: Arc::new(proxy), options, in_flight: Arc::default(), cache, windows: UploadWindows::default() }
    }

    /// Revokes requests at each piece of news; ends when the sender is gone.
    pub async fn follow(&self, news: watch::Receiver<u64>) {
        Arc::clone(&self.in_flight).follow(news).await;
    }
}

#[async_trait]
impl HttpServerApp for HttpApp {
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
        client::header_is_awaited();
        let request = Revocable::new(&self.in_flight, &self.cache);
        let served = self.proxy.process_new_http(session, shutdown);
        Box::pin(async move {
            let mut served = pin!(revocation::scope(Arc::clone(&request), served));
            std::future::poll_fn(|cx| match served.as_mut().poll(cx) {
                Poll::Pending => request.poll_revoked(cx).map(|()| None),
                reusable => reusable,
            })
            .await
        })
    }

    fn h2_options(&self) -> Option<H2Options> {
        let mut options = default_h2_options();
        if client::turns_to_http2(&self.windows) {
            options.initial_window_size(LARGE).initial_connection_window_size(LARGE);
        }
        Some(options)
    }

    /// pingora asks once more after the HTTP/2 handshake: from then on the idle timeout guards the connection.
    fn server_options(&self) -> Option<&HttpServerOptions> {
        client::speaks_http2();
        Some(&self.options)
    }

    async fn http_cleanup(&self) {
        self.proxy.http_cleanup().await;
    }
}
