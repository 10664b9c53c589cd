//! What a request carries through pingora's hooks. Guarantees one access record for each request, whichever way it ends:
//! where a hook panics or the connection is cut, dropping the context makes it.

use std::sync::Arc;
use std::time::Instant;

use pingora::http::RequestHeader;
use smallvec::SmallVec;

use super::answer;
use super::front::{AccessRecord, Front, Outcome, Snapshot};
use super::judge::{self, Admission};
use super::request::Asked;
use super::tenure::Tenure;
use crate::base::Time;
use crate::base::trace::{Parent, Trace};
use crate::policy::Person;

/// The state of one request.
pub struct Context {
    front: Arc<Arc<dyn Front>>,
    started: Instant,
    pub at: Time,
    pub snapshot: Arc<Snapshot>,
    pub request_id: String,
    /// Whether a person waits for a page. Found out where the gateway answers itself, see [`Context::learn_navigation`].
    pub navigation: bool,
    pub asked: Option<Arc<Asked>>,
    /// The upstream hooks do nothing without it.
    pub admission: Option<Admission>,
    /// What the admission rests on, for as long as it is used.
    pub tenure: Option<Arc<Tenure>>,
    /// The session cookie that came is no good: expire it on the answer.
    pub expire_cookie: bool,
    /// The session cookie that came may be good, and nobody can tell for now.
    pub session_unknown: bool,
    /// Which of the route's endpoints were tried, the current one last.
    pub tried: SmallVec<[usize; 4]>,
    /// Its place in a trace, where traces are on.
    pub trace: Option<Box<Trace>>,
    pub story: Story,
}

/// What the access record tells beyond the request.
pub struct Story {
    pub method: http::Method,
    /// The request target, as it is judged.
    pub target: Arc<[u8]>,
    /// Of a request that is not admitted.
    pub route: Option<Arc<str>>,
    pub user: Option<Arc<Person>>,
    pub status: u16,
    pub outcome: Outcome,
    pub reason: &'static str,
    pub bytes_in: u64,
    pub bytes_out: u64,
    told: bool,
}

impl Context {
    pub fn new(front: Arc<Arc<dyn Front>>, snapshot: Arc<Snapshot>, request_id: String) -> Self {
        let story = Story {
            method: http::Method::GET,
            target: Arc::default(),
            route: None,
            user: None,
            status: 0,
            outcome: Outcome::Cut,
            reason: "",
            bytes_in: 0,
            bytes_out: 0,
            told: false,
        };
        Self {
            started: Instant::now(),
            at: front.now(),
            snapshot,
            front,
            request_id,
            navigation: false,
            asked: None,
            admission: None,
            tenure: None,
            expire_cookie: false,
            session_unknown: false,
            tried: SmallVec::new(),
            trace: None,
            story,
        }
    }

    pub fn front(&self) -> &Arc<dyn Front> {
        &self.front
    }

    /// The same by the shard's own handle: sharing that one touches no memory of the other shards.
    pub const fn shared_front(&self) -> &Arc<Arc<dyn Front>> {
        &self.front
    }

    /// Finds out whether a person waits for a page, where it is not known that one does.
    pub fn learn_navigation(&mut self, header: &RequestHeader) {
        self.navigation = self.navigation || answer::is_navigation(&header.method, &header.headers);
    }

    /// Finds the request's place in a trace, where traces are on; only a trusted proxy is believed about what is in front.
    pub fn begin_trace(&mut self, header: &RequestHeader) {
        let telemetry = &self.snapshot.config.telemetry;
        if telemetry.otlp.is_some() {
            let trusted = self.asked.as_ref().is_some_and(|asked| asked.trusted);
            let mut lines = header.headers.get_all("traceparent").iter().filter(|_| trusted);
            let only = lines.next().filter(|_| lines.next().is_none());
            let parent = only.and_then(|line| Parent::parse(line.to_str().ok()?));
            self.trace = Trace::begin(parent, telemetry.sample_ratio).map(Box::new);
        }
    }

    /// The name of the route that the request met.
    pub fn route(&self) -> Option<&str> {
        judge::route(&self.snapshot, self.admission.as_ref()).map(|route| &*route.name).or(self.story.route.as_deref())
    }

    /// From here on it is the upstream's time.
    pub fn goes_on(&mut self) {
        if let Some(trace) = &mut self.trace {
            trace.upstream_after.get_or_insert(self.started.elapsed());
        }
    }

    /// Says how the request ends, for the record. The last word counts.
    pub fn ends(&mut self, outcome: Outcome, reason: &'static str) {
        self.story.outcome = outcome;
        self.story.reason = reason;
    }

    /// Makes the record, once.
    pub fn tell(&mut self) {
        if std::mem::replace(&mut self.story.told, true) {
            return;
        }
        let path = String::from_utf8_lossy(self.story.target.split(|b| *b == b'?').next().unwrap_or_default());
        let pool = judge::pool(&self.snapshot, self.admission.as_ref());
        let upstream = pool.zip(self.tried.last()).and_then(|(pool, at)| pool.get(*at));
        let record = AccessRecord {
            request_id: &self.request_id,
            at: self.at,
            client: self.asked.as_ref().map(|a| a.client),
            method: &self.story.method,
            host: self.asked.as_ref().map(|a| &a.host),
            path: &path,
            route: self.route(),
            user: self.story.user.as_ref().map(|person| person.name.as_str()),
            status: self.story.status,
            outcome: self.story.outcome,
            reason: self.story.reason,
            observed: self.admission.as_ref().and_then(judge::observed),
            upstream: upstream.map(|e| e.label.as_str()),
            duration: self.started.elapsed(),
            bytes_in: self.story.bytes_in,
            bytes_out: self.story.bytes_out,
            trace: self.trace.as_deref(),
        };
        self.front.record(&record);
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if !self.story.told {
            self.story.outcome = Outcome::Cut;
            self.tell();
        }
    }
}
