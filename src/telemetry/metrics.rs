//! Prometheus metrics, named in the field's style (base units, `_total` for counters).

use prometheus::{Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};

use crate::base::Time;
use crate::gateway::AccessRecord;

/// The registry and what is counted in it. Labels have bounded values: route names, status classes, outcomes.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
    observed: IntCounterVec,
    audited: IntCounterVec,
    sessions: IntGauge,
    messages: IntGaugeVec,
    reload_ok: IntGauge,
    reload_at: IntGauge,
}

impl Metrics {
    /// # Errors
    /// Where two metrics have the same name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let requests = IntCounterVec::new(
            Opts::new("vestibule_requests_total", "Requests by route, status class and outcome."),
            &["route", "status", "outcome"],
        )?;
        let durations = HistogramVec::new(
            HistogramOpts::new("vestibule_request_duration_seconds", "Time from the request's header to its end.")
                .buckets(vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0]),
            &["route"],
        )?;
        let observed = IntCounterVec::new(
            Opts::new(
                "vestibule_observed_total",
                "Requests that a route with enforce = false let through, by what would have stopped them.",
            ),
            &["route", "reason"],
        )?;
        let audited = IntCounterVec::new(Opts::new("vestibule_events_total", "Security events by kind, as the audit log names them."), &["event"])?;
        let sessions = IntGauge::new("vestibule_sessions", "Live sessions.")?;
        let messages = IntGaugeVec::new(Opts::new("vestibule_messages_pending", "Messages waiting to be sent."), &["channel"])?;
        let reload_ok = IntGauge::new("vestibule_config_last_reload_successful", "Whether the last reload was taken (1) or refused (0).")?;
        let reload_at = IntGauge::new("vestibule_config_last_reload_timestamp_seconds", "When the configuration was last asked to reload.")?;
        reload_ok.set(1);
        registry.register(Box::new(audited.clone()))?;
        registry.register(Box::new(sessions.clone()))?;
        registry.register(Box::new(messages.clone()))?;
        registry.register(Box::new(reload_ok.clone()))?;
        registry.register(Box::new(reload_at.clone()))?;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(durations.clone()))?;
        registry.register(Box::new(observed.clone()))?;
        Ok(Self { registry, requests, durations, observed, audited, sessions, messages, reload_ok, reload_at })
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
        self.requests.with_label_values(&[route, status, record.outcome.name()]).inc();
        self.durations.with_label_values(&[route]).observe(record.duration.as_secs_f64());
        if let Some(reason) = record.observed {
            self.observed.with_label_values(&[route, reason]).inc();
        }
    }

    /// A reload was taken or refused.
    pub fn reloaded(&self, taken: bool, at: Time) {
        self.reload_ok.set(i64::from(taken));
        self.reload_at.set(i64::try_from(at.unix()).unwrap_or(i64::MAX));
    }

    /// An event of the audit log.
    pub fn event(&self, name: &str) {
        self.audited.with_label_values(&[name]).inc();
    }

    pub fn set_sessions(&self, count: usize) {
        self.sessions.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub fn set_pending(&self, channel: &str, count: usize) {
        self.messages.with_label_values(&[channel]).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// The text that Prometheus reads.
    pub fn text(&self) -> String {
        let mut buffer = Vec::new();
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut buffer);
        String::from_utf8(buffer).unwrap_or_default()
    }
}
