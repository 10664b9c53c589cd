//! The state of one request on its way through pingora's hooks. Guarantees one access record for each request, however it ends:
//! if a hook panics or the connection is cut, dropping the context writes it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use http::HeaderValue;
use pingora::http::RequestHeader;
use smallvec::SmallVec;

use crate::base::trace::{Parent, Trace};
use crate::base::{Subject, Time, TokenId, UserId};
use crate::forward_auth::Dialect;
use crate::gateway::authorize::lease::Lease;
use crate::gateway::authorize::policy::{self, Admission};
use crate::gateway::client_certificate::{ClientCertificate, Fault};
use crate::gateway::connection::tls_peer::TlsPeer;
use crate::gateway::host::{AccessRecord, GatewayHost, Lookup, Outcome, Snapshot};
use crate::gateway::request::navigation;
use crate::gateway::request::parse::RequestInfo;
use crate::gateway::upstream::reuse::UnderWay;
use crate::limit::Place;
use crate::policy::Person;

/// The state of one request.
pub struct Context {
    host: Arc<Arc<dyn GatewayHost>>,
    started: Instant,
    pub at: Time,
    pub snapshot: Arc<Snapshot>,
    pub request_id: String,
    /// Whether a user waits for a page. Known only if the gateway answers itself, see [`Context::note_navigation`].
    pub navigation: bool,
    pub info: Option<Arc<RequestInfo>>,
    /// The connection, if its listener asks for certificates.
    pub tls_peer: Option<Arc<TlsPeer>>,
    /// The upstream hooks do nothing without it.
    pub admission: Option<Admission>,
    /// What the admission is based on, for as long as it is used.
    pub lease: Option<Arc<Lease>>,
    /// The request is another proxy's question, in this dialect.
    pub question: Option<Dialect>,
    /// The session cookie in the request is invalid: expire it in the answer.
    pub expire_cookie: bool,
    /// The bound cookie in the request does not count, or not any more: expire it in the answer.
    pub expire_bound: bool,
    /// The session cookie in the request may be valid, and nobody can tell at the moment.
    pub session_unknown: bool,
    /// The session of the request's cookie is not in memory.
    pub session_elsewhere: bool,
    /// What was found out about it.
    pub session_found: Option<Lookup>,
    /// The request's `Authorization` is an API token, which goes no further.
    pub token_came: bool,
    /// Of the body that went on so far, where its length is limited.
    pub body_bytes: u64,
    /// The person's own name and password at the application.
    pub credential: Option<OwnCredential>,
    /// The endpoint that the browser was led to before, on a sticky route.
    pub preferred: Option<usize>,
    /// Which of the route's endpoints were tried, the current one last.
    pub tried: SmallVec<[usize; 4]>,
    /// Addresses at which no connection could be made.
    pub tried_addresses: Vec<SocketAddr>,
    /// Counts a request that must not be sent twice.
    pub under_way: Option<UnderWay>,
    /// Its place in a trace, if traces are on.
    pub trace: Option<Box<Trace>>,
    pub log: AccessLog,
}

/// The credentials that a request carries, and what to note if the application refuses them.
pub struct OwnCredential {
    pub value: HeaderValue,
    pub user: UserId,
    pub added: Time,
}

/// What the access record says beyond the request.
pub struct AccessLog {
    pub method: http::Method,
    /// The request target that the decision is about.
    pub target: Arc<[u8]>,
    /// The route of a request that is not admitted.
    pub route: Option<Arc<str>>,
    pub user: Option<Arc<Person>>,
    /// The API token with which the request came.
    pub token: Option<TokenId>,
    /// The client's certificate, if it counts.
    pub certificate: Option<Arc<ClientCertificate>>,
    /// Why the one that came does not.
    pub certificate_fault: Option<Fault>,
    pub status: u16,
    pub outcome: Outcome,
    pub reason: &'static str,
    pub bytes_in: u64,
    pub bytes_out: u64,
    written: bool,
}

impl Context {
    pub fn new(host: Arc<Arc<dyn GatewayHost>>, snapshot: Arc<Snapshot>, request_id: String) -> Self {
        let log = AccessLog {
            method: http::Method::GET,
            target: Arc::default(),
            route: None,
            user: None,
            token: None,
            certificate: None,
            certificate_fault: None,
            status: 0,
            outcome: Outcome::Cut,
            reason: "",
            bytes_in: 0,
            bytes_out: 0,
            written: false,
        };
        Self {
            started: Instant::now(),
            at: host.now(),
            snapshot,
            host,
            request_id,
            navigation: false,
            info: None,
            tls_peer: None,
            admission: None,
            lease: None,
            question: None,
            expire_cookie: false,
            expire_bound: false,
            session_unknown: false,
            session_elsewhere: false,
            session_found: None,
            token_came: false,
            body_bytes: 0,
            credential: None,
            preferred: None,
            tried: SmallVec::new(),
            tried_addresses: Vec::new(),
            under_way: None,
            trace: None,
            log,
        }
    }

    pub fn host(&self) -> &Arc<dyn GatewayHost> {
        &self.host
    }

    /// Room for a large body that the gateway reads itself.
    pub fn large_body(&self) -> Option<Place> {
        self.host.large_body(self.info.as_ref()?.client)
    }

    /// The shard's own handle: cloning it touches no memory of the other shards.
    pub const fn shared_host(&self) -> &Arc<Arc<dyn GatewayHost>> {
        &self.host
    }

    /// Asks for the session that is not in memory. The request is then to be decided again, from the beginning.
    pub async fn find_session(&mut self, token: &str) {
        let found = self.host.find_session(token, self.at).await;
        self.session_found = Some(found);
        self.session_elsewhere = false;
        self.session_unknown = false;
        self.expire_cookie = false;
        self.expire_bound = false;
        self.admission = None;
        self.lease = None;
        self.preferred = None;
        self.log.route = None;
        self.log.user = None;
    }

    /// Finds out whether a user waits for a page, unless that is known.
    pub fn note_navigation(&mut self, header: &RequestHeader) {
        self.navigation = self.navigation || navigation::is_navigation(&header.method, &header.headers);
    }

    /// Finds the request's place in a trace, if traces are on; only a trusted proxy is believed about what came before.
    pub fn begin_trace(&mut self, header: &RequestHeader) {
        let telemetry = &self.snapshot.config.telemetry;
        if telemetry.otlp.is_some() {
            let trusted = self.info.as_ref().is_some_and(|info| info.trusted);
            let mut lines = header.headers.get_all("traceparent").iter().filter(|_| trusted);
            let only = lines.next().filter(|_| lines.next().is_none());
            let parent = only.and_then(|line| Parent::parse(line.to_str().ok()?));
            self.trace = Trace::begin(parent, telemetry.sample_ratio).map(Box::new);
        }
    }

    pub const fn started(&self) -> Instant {
        self.started
    }

    /// The name of the route that the request matched.
    pub fn route(&self) -> Option<&str> {
        policy::route(&self.snapshot, self.admission.as_ref()).map(|route| &*route.name).or(self.log.route.as_deref())
    }

    /// From here on, time is spent on the upstream.
    pub fn upstream_starts(&mut self) {
        if let Some(trace) = &mut self.trace {
            trace.upstream_after.get_or_insert(self.started.elapsed());
        }
    }

    /// So much of the request's body arrived. Moving bytes are use of the session.
    pub fn received(&mut self, bytes: usize) {
        self.log.bytes_in += bytes as u64;
        self.moved(bytes);
    }

    /// So much of the answer's body arrived.
    pub fn sent(&mut self, bytes: usize) {
        self.log.bytes_out += bytes as u64;
        self.moved(bytes);
    }

    fn moved(&self, bytes: usize) {
        if let Some(lease) = self.lease.as_ref().filter(|_| bytes > 0) {
            lease.in_use();
        }
    }

    /// Sets how the request ends, for the record. The last call counts.
    pub fn set_outcome(&mut self, outcome: Outcome, reason: &'static str) {
        self.log.outcome = outcome;
        self.log.reason = reason;
    }

    /// Writes the record, once.
    pub fn write_record(&mut self) {
        if std::mem::replace(&mut self.log.written, true) {
            return;
        }
        let path = String::from_utf8_lossy(self.log.target.split(|b| *b == b'?').next().unwrap_or_default());
        let pool = policy::pool(&self.snapshot, self.admission.as_ref());
        let upstream = pool.zip(self.tried.last()).and_then(|(pool, at)| pool.get(*at));
        let record = AccessRecord {
            request_id: &self.request_id,
            at: self.at,
            client: self.info.as_ref().map(|a| a.client),
            method: &self.log.method,
            host: self.info.as_ref().map(|a| &a.host),
            path: &path,
            route: self.route(),
            user: self.log.user.as_ref().map(|person| person.name.as_str()),
            token: self.log.token,
            certificate: self.log.certificate.as_ref().map(|shown| shown.subject.as_ref().map_or("", Subject::as_str)),
            certificate_fault: self.log.certificate_fault.map(Fault::name),
            status: self.log.status,
            outcome: self.log.outcome,
            reason: self.log.reason,
            observed: self.admission.as_ref().and_then(policy::observed),
            upstream: upstream.map(|e| e.label.as_str()),
            duration: self.started.elapsed(),
            bytes_in: self.log.bytes_in,
            bytes_out: self.log.bytes_out,
            trace: self.trace.as_deref(),
        };
        self.host.record(&record);
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if !self.log.written {
            self.log.outcome = Outcome::Cut;
            self.write_record();
        }
    }
}
