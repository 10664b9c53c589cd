//! The admin listener: `/metrics`, `/health/live`, `/health/ready`. Nothing here needs or gives a sign-in; bind it where only
//! operators and their tools can reach it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::{Scrape, Telemetry};

/// What can be asked of the rest of the program.
#[async_trait::async_trait]
pub trait Health: Send + Sync + 'static {
    /// Whether requests can be served, and with what limitation: `Err` says what is missing.
    async fn ready(&self) -> Result<Option<String>, String>;

    /// How things stand, for the gauges.
    fn measure(&self) -> Scrape;
}

/// Starts to listen; ends with the runtime.
///
/// # Errors
/// Where the address cannot be had.
pub async fn start(address: SocketAddr, telemetry: Arc<Telemetry>, health: Arc<dyn Health>) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let (telemetry, health) = (telemetry.clone(), health.clone());
            let service = service_fn(move |request| answer(request, telemetry.clone(), health.clone()));
            tokio::spawn(hyper::server::conn::http1::Builder::new().keep_alive(true).serve_connection(TokioIo::new(stream), service));
        }
    });
    Ok(address)
}

async fn answer(
    request: Request<Incoming>,
    telemetry: Arc<Telemetry>,
    health: Arc<dyn Health>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, body) = match request.uri().path() {
        "/metrics" => {
            telemetry.metrics.show(&health.measure());
            (StatusCode::OK, telemetry.metrics.text())
        }
        "/health/live" => (StatusCode::OK, "live\n".to_owned()),
        "/health/ready" => match health.ready().await {
            Ok(None) => (StatusCode::OK, "ready\n".to_owned()),
            Ok(Some(limitation)) => (StatusCode::OK, format!("ready: {limitation}\n")),
            Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
        },
        _ => (StatusCode::NOT_FOUND, "there are /metrics, /health/live and /health/ready here\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
    Ok(response)
}
