//! What the gateway tells about itself: the log, the access log, metrics.

mod access;
mod alarms;
mod collector;
mod log_writer;
mod metrics;
mod otlp;
mod registered;
mod series;
pub mod server;
mod tracer;

use std::time::Duration;

use tokio::runtime::Handle;

use crate::base::ClientAddr;
use crate::config;
use crate::gateway::AccessRecord;

pub use collector::{CertificateHealth, Channel, DirectoryHealth, Scrape};
pub use metrics::Metrics;

use otlp::Finished;
use tracer::Tracer;

/// The log and the metrics of one gateway.
pub struct Telemetry {
    pub metrics: Metrics,
    /// `None`: traces are off.
    tracer: Option<Tracer>,
}

impl Telemetry {
    /// # Errors
    /// Where two metrics have the same name, or traces cannot be sent to what the configuration names. `work` is if they are sent from.
    pub fn new(config: &config::Telemetry, work: &Handle) -> anyhow::Result<Self> {
        let metrics = Metrics::new()?;
        let tracer = Tracer::start(config, metrics.traces(), work)?;
        Ok(Self { metrics, tracer })
    }

    /// Waits, for so long at most, until the traces of all finished requests are sent.
    pub async fn drain(&self, most: Duration) {
        if let Some(tracer) = &self.tracer {
            tracer.drain(most).await;
        }
    }

    /// One event and one count for each connection that said something which is no request.
    pub fn unread(&self, peer: ClientAddr) {
        self.metrics.unread();
        tracing::info!(target: "access", client = %peer, outcome = "unread");
    }

    /// One event and one count for each request.
    pub fn record(&self, record: &AccessRecord<'_>) {
        self.metrics.request(record);
        if let (Some(trace), Some(tracer)) = (record.trace.filter(|trace| trace.sampled), &self.tracer) {
            tracer.export(Finished::new(record, trace));
        }
        if tracing::enabled!(target: "access", tracing::Level::INFO) {
            access::tell(record);
        }
    }
}

/// Where the log goes: standard error; `VESTIBULE_LOG` filters (`info` by default, `access=off` silences requests), JSON where
/// `VESTIBULE_LOG_FORMAT=json`.
pub fn start_log(default: &str) {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_env("VESTIBULE_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    // A line that cannot be written, as on a full disk, is lost. Saying so on standard error would end in a panic, request by request.
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    let json = std::env::var("VESTIBULE_LOG_FORMAT").is_ok_and(|format| format == "json");
    let _ = if json { builder.json().flatten_event(true).try_init() } else { builder.with_ansi(false).try_init() };
    if let Err(error) = access::start(if json { access::Form::Json } else { access::Form::Text }) {
        tracing::error!(%error, "there is no access log");
    }
}

/// Writes what of the access log has not been written yet. To be called before the program ends.
pub fn flush_log() {
    access::flush();
}
