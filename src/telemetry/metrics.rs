//! Prometheus metrics, named in the field's style (base units, `_total` for counters).

use std::time::Duration;

use prometheus::{Encoder, HistogramVec, IntCounter, IntCounterVec, Registry, TextEncoder};

use super::alarms::Alarms;
use super::collector::{Gauges, Scrape};
use super::registered::{counter, counters, gauges, times};
use super::series::Series;
use crate::gateway::AccessRecord;

/// The registry and what is counted in it. Labels have bounded values: route names, status classes, outcomes.
pub struct Metrics {
    registry: Registry,
    series: Series,
    unread: IntCounter,
    observed: IntCounterVec,
    audited: IntCounterVec,
    authentications: IntCounterVec,
    store: HistogramVec,
    store_errors: IntCounterVec,
    pub alarms: Alarms,
    traces: IntCounterVec,
    gauges: Gauges,
}

/// From a tenth of a millisecond, what the embedded store takes, to what a database in trouble takes. Seconds.
const STORE_BUCKETS: [f64; 10] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0];
/// Seconds.
const REQUEST_BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

impl Metrics {
    /// # Errors
    /// Where two metrics have the same name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let at = &registry;
        let by = &["route", "status", "outcome"];
        let requests = counters(at, "vestibule_requests_total", "Requests by route, status class and outcome.", by)?;
        let about = "Time from the request's header to its end.";
        let durations = times(at, "vestibule_request_duration_seconds", about, &["route"], &REQUEST_BUCKETS)?;
        let metrics = Self {
            series: Series::new(requests, durations),
            unread: counter(
                at,
                "vestibule_unread_requests_total",
                "Connections that sent something which is no request: malformed, CONNECT, or cut off by a limit.",
            )?,
            observed: counters(
                at,
                "vestibule_observed_total",
                "Requests that a route with enforce = false let through, by what would have stopped them.",
                &["route", "reason"],
            )?,
            audited: counters(at, "vestibule_events_total", "Security events by kind, as the audit log names them.", &["event"])?,
            authentications: counters(
                at,
                "vestibule_authentications_total",
                "Passwords and second factors that were tried, by factor and outcome.",
                &["factor", "outcome"],
            )?,
            store: times(at, "vestibule_store_duration_seconds", "Time that calls of the store took.", &["operation"], &STORE_BUCKETS)?,
            store_errors: counters(at, "vestibule_store_errors_total", "Calls of the store that failed.", &["operation"])?,
            traces: counters(
                at,
                "vestibule_traces_total",
                "Traced requests that were sent to the collector, dropped because the queue was full, or given up (failed).",
                &["outcome"],
            )?,
            alarms: Alarms::new(at)?,
            gauges: Gauges::new(at)?,
            registry,
        };
        metrics.begin()?;
        Ok(metrics)
    }

    /// What is there from the start: a series that begins at its first event hides that event from `rate`.
    fn begin(&self) -> Result<(), prometheus::Error> {
        let build = gauges(&self.registry, "vestibule_build_info", "Always 1; the version is a label.", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        for factor in ["password", "totp", "webauthn", "email", "sms", "external", "recovery"] {
            for outcome in ["success", "failure"] {
                self.authentications.with_label_values(&[factor, outcome]).inc_by(0);
            }
        }
        for outcome in ["sent", "dropped", "failed"] {
            self.traces.with_label_values(&[outcome]).inc_by(0);
        }
        for operation in ["get", "scan", "commit", "snapshot", "replace"] {
            self.store_errors.with_label_values(&[operation]).inc_by(0);
        }
        Ok(())
    }

    /// Counts one request.
    pub fn request(&self, record: &AccessRecord<'_>) {
        let route = record.route.unwrap_or("");
        let status = match record.status {
            100..=199 => "1xx",
            200..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            500..=599 => "5xx",
            _ => "none",
        };
        self.series.count(route, status, record.outcome, record.duration.as_secs_f64());
        if let Some(reason) = record.observed {
            self.observed.with_label_values(&[route, reason]).inc();
        }
    }

    /// Counts one connection that sent something which is no request.
    pub fn unread(&self) {
        self.unread.inc();
    }

    /// By outcome: where the tracer counts.
    pub(super) fn traces(&self) -> IntCounterVec {
        self.traces.clone()
    }

    /// An event of the audit log, and the factor that was tried where it was an authentication.
    pub fn event(&self, name: &str, attempts: &[(&str, bool)]) {
        self.audited.with_label_values(&[name]).inc();
        for (factor, right) in attempts.iter().copied() {
            self.authentications.with_label_values(&[factor, if right { "success" } else { "failure" }]).inc();
        }
    }

    /// One call of the store.
    pub fn stored(&self, operation: &str, took: Duration, failed: bool) {
        self.store.with_label_values(&[operation]).observe(took.as_secs_f64());
        if failed {
            self.store_errors.with_label_values(&[operation]).inc();
        }
    }

    /// Brings the gauges up to date.
    pub fn show(&self, scrape: &Scrape) {
        self.gauges.show(scrape);
    }

    /// The text that Prometheus reads.
    pub fn text(&self) -> String {
        self.series.settle();
        let mut buffer = Vec::new();
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut buffer);
        String::from_utf8(buffer).unwrap_or_default()
    }
}
