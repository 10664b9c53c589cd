//! Spans as OTLP takes them over HTTP in JSON (opentelemetry-proto 1.x, `ExportTraceServiceRequest`; ids in hex, 64-bit numbers as
//! strings). Guarantees that nothing goes in but what the access log has too, without client, user and query.

use std::time::Duration;

use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use crate::base::trace::Trace;
use crate::gateway::{AccessRecord, Outcome};

/// `SPAN_KIND_SERVER` and `SPAN_KIND_CLIENT`.
const SERVER: u8 = 2;
const CLIENT: u8 = 3;
/// `STATUS_CODE_ERROR`.
const ERROR: u8 = 2;

/// A request that is over, as far as it is exported.
#[derive(Clone, Debug)]
pub struct Finished {
    trace: Trace,
    /// Nanoseconds since the epoch.
    start: u64,
    duration: Duration,
    method: String,
    host: Option<String>,
    path: String,
    route: Option<String>,
    upstream: Option<String>,
    status: u16,
    outcome: Outcome,
    reason: String,
    request_id: String,
}

impl Finished {
    pub fn new(record: &AccessRecord<'_>, trace: &Trace) -> Self {
        Self {
            trace: trace.clone(),
            start: u64::try_from(record.at.millis()).unwrap_or(0).saturating_mul(1_000_000),
            duration: record.duration,
            method: record.method.to_string(),
            host: record.host.map(ToString::to_string),
            path: record.path.to_owned(),
            route: record.route.map(str::to_owned),
            upstream: record.upstream.map(str::to_owned),
            status: record.status,
            outcome: record.outcome,
            reason: record.reason.to_owned(),
            request_id: record.request_id.to_owned(),
        }
    }

    fn after(&self, span: Duration) -> String {
        self.start.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)).to_string()
    }

    /// The request's own span, and below it the upstream's if one was asked.
    fn spans(&self) -> Vec<Value> {
        let mut spans = vec![self.server()];
        spans.extend(self.client());
        spans
    }

    fn server(&self) -> Value {
        let mut attributes = vec![
            text("http.request.method", &self.method),
            text("url.path", &self.path),
            text("vestibule.outcome", self.outcome.name()),
            text("vestibule.request_id", &self.request_id),
        ];
        attributes.extend(self.host.as_deref().map(|host| text("server.address", host)));
        attributes.extend(self.route.as_deref().map(|route| text("http.route", route)));
        attributes.extend((!self.reason.is_empty()).then(|| text("vestibule.reason", &self.reason)));
        let name = self.route.as_deref().map_or_else(|| self.method.clone(), |route| format!("{} {route}", self.method));
        let parent = self.trace.parent.map(|span| HEXLOWER.encode(&span));
        self.span(&HEXLOWER.encode(&self.trace.server), parent, &name, SERVER, Duration::ZERO, attributes)
    }

    fn client(&self) -> Option<Value> {
        let (upstream, began) = (self.upstream.as_deref()?, self.trace.upstream_after?);
        let attributes = vec![text("http.request.method", &self.method), text("server.address", upstream)];
        let parent = Some(HEXLOWER.encode(&self.trace.server));
        Some(self.span(&HEXLOWER.encode(&self.trace.client), parent, &self.method, CLIENT, began, attributes))
    }

    fn span(&self, id: &str, parent: Option<String>, name: &str, kind: u8, began: Duration, mut attributes: Vec<Value>) -> Value {
        if self.status > 0 {
            attributes.push(json!({ "key": "http.response.status_code", "value": { "intValue": self.status.to_string() } }));
        }
        let failed = self.status >= 500 || self.outcome == Outcome::Failed;
        let mut span = json!({
            "traceId": HEXLOWER.encode(&self.trace.id),
            "spanId": id,
            "name": name,
            "kind": kind,
            "startTimeUnixNano": self.after(began),
            "endTimeUnixNano": self.after(self.duration.max(began)),
            "attributes": attributes,
            "status": if failed { json!({ "code": ERROR }) } else { json!({}) },
        });
        if let (Some(object), Some(parent)) = (span.as_object_mut(), parent) {
            object.insert("parentSpanId".to_owned(), parent.into());
        }
        span
    }
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

/// The body of one request to the collector.
pub fn body(finished: &[Finished]) -> String {
    let spans: Vec<Value> = finished.iter().flat_map(Finished::spans).collect();
    let resource = [text("service.name", "vestibule"), text("service.version", env!("CARGO_PKG_VERSION"))];
    json!({ "resourceSpans": [{
        "resource": { "attributes": resource },
        "scopeSpans": [{ "scope": { "name": "vestibule" }, "spans": spans }],
    }] })
    .to_string()
}
