//! Sends finished requests to an OpenTelemetry collector. The queue is bounded, and who puts something into it never waits: what does
//! not fit, or cannot be sent, is counted and let go.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use prometheus::IntCounterVec;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::otlp::{self, Finished};
use crate::config;

/// Requests that wait to be sent, about a kilobyte each.
const QUEUE: usize = 8192;
/// Requests in one post.
const MOST: usize = 512;
/// How long the first of a batch waits for others.
const GATHER: Duration = Duration::from_secs(1);
/// For one post.
const PATIENCE: Duration = Duration::from_secs(10);
/// Before a batch is tried again; after the last it is let go.
const AGAIN: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];

/// Why traces cannot be sent to what the configuration names.
#[derive(Debug, thiserror::Error)]
pub enum TracerError {
    #[error("telemetry.otlp is no URL that can be posted to")]
    Url,
    #[error("telemetry.headers: “{0}” cannot be sent")]
    Header(String),
    #[error("TLS: {0}")]
    Tls(String),
}

/// Where finished requests are put.
pub struct Tracer {
    queue: mpsc::Sender<Finished>,
    /// In the queue or being sent.
    pending: Arc<AtomicUsize>,
    count: IntCounterVec,
}

struct Collector {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: Uri,
    headers: HeaderMap,
}

impl Tracer {
    /// `None` where traces are off. `count` has one label, the outcome.
    ///
    /// # Errors
    /// [`TracerError`].
    pub fn start(config: &config::Telemetry, count: IntCounterVec, work: &Handle) -> Result<Option<Self>, TracerError> {
        let Some(url) = config.otlp.as_deref() else { return Ok(None) };
        let collector = Collector::new(url, config)?;
        let (queue, finished) = mpsc::channel(QUEUE);
        let pending = Arc::new(AtomicUsize::new(0));
        work.spawn(run(collector, finished, pending.clone(), count.clone()));
        Ok(Some(Self { queue, pending, count }))
    }

    /// Never waits.
    pub fn export(&self, finished: Finished) {
        self.pending.fetch_add(1, Ordering::AcqRel);
        if self.queue.try_send(finished).is_err() {
            self.pending.fetch_sub(1, Ordering::AcqRel);
            self.count.with_label_values(&["dropped"]).inc();
        }
    }

    /// Waits, for so long at most, until nothing is left to send.
    pub async fn drain(&self, most: Duration) {
        let deadline = Instant::now() + most;
        while self.pending.load(Ordering::Acquire) > 0 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn run(collector: Collector, mut finished: mpsc::Receiver<Finished>, pending: Arc<AtomicUsize>, count: IntCounterVec) {
    let (mut batch, mut failing) = (Vec::new(), false);
    while finished.recv_many(&mut batch, MOST).await > 0 {
        let deadline = Instant::now() + GATHER;
        while batch.len() < MOST {
            let room = MOST - batch.len();
            match tokio::time::timeout_at(deadline, finished.recv_many(&mut batch, room)).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => break,
            }
        }
        let outcome = match collector.send(&batch).await {
            Ok(()) => "sent",
            Err(why) => {
                if !failing {
                    tracing::warn!(why, "traces cannot be sent to the collector; they are counted and let go");
                }
                "failed"
            }
        };
        failing = outcome == "failed";
        count.with_label_values(&[outcome]).inc_by(batch.len() as u64);
        pending.fetch_sub(batch.len(), Ordering::AcqRel);
        batch.clear();
    }
}

impl Collector {
    fn new(base: &str, config: &config::Telemetry) -> Result<Self, TracerError> {
        let url = format!("{}/v1/traces", base.trim_end_matches('/')).parse().map_err(|_| TracerError::Url)?;
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(PATIENCE));
        let tls = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())
            .map_err(|e| TracerError::Tls(e.to_string()))?
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        Ok(Self { client: Client::builder(TokioExecutor::new()).build(tls), url, headers: headers(config)? })
    }

    /// Tries again where the collector asks for patience (OTLP specification, "Retryable Response Codes"), or is not there.
    async fn send(&self, batch: &[Finished]) -> Result<(), &'static str> {
        let body = Bytes::from(otlp::body(batch));
        let mut pauses = AGAIN.into_iter();
        loop {
            let why = match self.post(body.clone()).await {
                Ok(status) if status.is_success() => return Ok(()),
                Ok(
                    StatusCode::TOO_MANY_REQUESTS | StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT,
                ) => "the collector has no room",
                Ok(_) => return Err("the collector refuses them"),
                Err(why) => why,
            };
            match pauses.next() {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(why),
            }
        }
    }

    async fn post(&self, body: Bytes) -> Result<StatusCode, &'static str> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.clone();
        *request.headers_mut() = self.headers.clone();
        match tokio::time::timeout(PATIENCE, self.client.request(request)).await {
            Ok(Ok(answer)) => Ok(answer.status()),
            Ok(Err(_)) => Err("the collector cannot be reached"),
            Err(_) => Err("the collector does not answer in time"),
        }
    }
}

fn headers(config: &config::Telemetry) -> Result<HeaderMap, TracerError> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static("vestibule"));
    for (name, value) in &config.headers {
        let bad = || TracerError::Header(name.clone());
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
        let mut value = HeaderValue::from_str(value.expose()).map_err(|_| bad())?;
        value.set_sensitive(true);
        headers.insert(key, value);
    }
    Ok(headers)
}
