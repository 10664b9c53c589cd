//! The gateway's hooks in pingora's proxy. Guarantees that nothing is forwarded without an `Admission`, that identity headers are
//! written last, and that each request makes one access record.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::protocols::Digest;
use pingora::protocols::http::ServerSession;
use pingora::proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, Result};

use crate::forward_auth;
use crate::gateway::authorize::action::Action;
use crate::gateway::authorize::context::Context;
use crate::gateway::authorize::credentials::session::waits_for_session;
use crate::gateway::authorize::route::{self, Seen};
use crate::gateway::authorize::{policy, question};
use crate::gateway::connection::client;
use crate::gateway::connection::private::PrivateRegistry;
use crate::gateway::host::{GatewayHost, Outcome, Snapshot};
use crate::gateway::pipeline::selection::{self, Selection};
use crate::gateway::pipeline::straight::StraightWay;
use crate::gateway::pipeline::{dispatch, errors, messages};
use crate::gateway::reply::write;
use crate::gateway::saved_post::recognition;

/// Idle connections are ended by `connection::deadlines`, without a timer of pingora's for each request.
const NO_TIMER: u64 = 0;

/// How long it may take to send what an upstream said before it broke off.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The hooks of one shard.
pub struct ProxyHooks {
    /// The shard's own handle of what all shards share.
    host: Arc<Arc<dyn GatewayHost>>,
    snapshot: Mutex<Option<CachedSnapshot>>,
    selection: Selection,
    /// For plain requests; `None`: all go pingora's way.
    straight: Option<StraightWay>,
    seen: Seen,
    /// What this shard's request ids begin with, and how many there were so far.
    prefix: String,
    count: AtomicU64,
}

/// A snapshot, and the shard's own copy: if the requests of all shards counted references in one place, cores would fight over it.
struct CachedSnapshot {
    given: Arc<Snapshot>,
    own: Arc<Snapshot>,
}

impl ProxyHooks {
    pub fn new(
        host: Arc<dyn GatewayHost>,
        private: Arc<PrivateRegistry>,
        seen: Seen,
        prefix: String,
        straight: Option<StraightWay>,
    ) -> Self {
        let selection = Selection::new(private);
        Self { host: Arc::new(host), snapshot: Mutex::default(), selection, straight, seen, prefix, count: AtomicU64::new(0) }
    }

    fn authorize(&self, session: &Session, context: &mut Context) -> Action {
        match forward_auth::find(session.req_header().raw_path(), context.snapshot.policy.prefix()) {
            Some(place) => question::authorize(session, context, place),
            None => route::authorize(session, context, &self.seen),
        }
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        let mut kept = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = kept.as_ref().filter(|kept| self.host.is_current(&kept.given)) {
            return Arc::clone(&kept.own);
        }
        let given = self.host.snapshot();
        let own = Arc::new(Snapshot::clone(&given));
        *kept = Some(CachedSnapshot { given, own: Arc::clone(&own) });
        own
    }
}

/// The prefix and the number in hexadecimal digits.
fn request_id(prefix: &str, number: u64) -> String {
    let digits = (16 - number.leading_zeros() / 4).max(1);
    let mut id = String::with_capacity(prefix.len() + 16);
    id.push_str(prefix);
    id.extend((0..digits).rev().filter_map(|at| char::from_digit(((number >> (at * 4)) & 15) as u32, 16)));
    id
}

#[async_trait]
impl ProxyHttp for ProxyHooks {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        Context::new(Arc::clone(&self.host), self.snapshot(), request_id(&self.prefix, number))
    }

    /// None of pingora's modules: nothing here compresses or buffers.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn early_request_filter(&self, session: &mut Session, context: &mut Context) -> Result<()> {
        client::header_is_read();
        session.set_write_timeout(Some(context.snapshot.config.limits.write_timeout));
        write::adapt_to_version(session);
        if let ServerSession::H1(client) = &mut *session.downstream_session {
            // Answers go out in the order of the requests (RFC 9112 section 9.3.2); without this, pingora gives the first one up.
            client.set_pipelining_enabled(true);
        }
        if session.get_keepalive().is_some() {
            // pingora reads only the first of several Connection lines.
            let closes = says_close(&session.req_header().headers);
            session.set_keepalive(if closes { None } else { Some(NO_TIMER) });
        }
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, context: &mut Context) -> Result<bool> {
        let mut action = self.authorize(session, context);
        // The portal's pages ask for it themselves.
        if !matches!(action, Action::Portal { .. })
            && let Some(token) = waits_for_session(session.req_header(), context)
        {
            // Boxed, as below.
            Box::pin(context.find_session(&token)).await;
            action = self.authorize(session, context);
        }
        context.begin_trace(session.req_header());
        if matches!(action, Action::Forward) && !recognition::may_be(session.req_header(), &context.snapshot.config.portal.prefix) {
            context.set_outcome(Outcome::Forwarded, "");
            return match &self.straight {
                Some(way) => way.forward(&self.selection, session, context).await,
                None => Ok(false),
            };
        }
        // Boxed: this future takes kilobytes, which a forwarded request would have to move about.
        Box::pin(dispatch::act(session, context, action)).await.map(|()| true)
    }

    async fn upstream_peer(&self, session: &mut Session, context: &mut Context) -> Result<Box<HttpPeer>> {
        self.selection.peer(session, context).await
    }

    async fn connected_to_upstream(
        &self,
        _session: &mut Session,
        _reused: bool,
        peer: &HttpPeer,
        _fd: std::os::fd::RawFd,
        digest: Option<&Digest>,
        context: &mut Context,
    ) -> Result<()> {
        selection::verify_pinned(peer, digest, context)
    }

    fn fail_to_connect(&self, _session: &mut Session, peer: &HttpPeer, context: &mut Context, error: Box<Error>) -> Box<Error> {
        selection::not_connected(peer, context, error)
    }

    fn error_while_proxy(
        &self,
        peer: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        context: &mut Context,
        reused: bool,
    ) -> Box<Error> {
        selection::broken(peer, session, context, error, reused)
    }

    /// An HTTP/2 body may end with a DATA frame that has nothing in it. pingora 0.9.1 writes it to an HTTP/1.1 upstream as a chunk of length zero,
    /// and the last chunk once more: the second would stand before the next request on that connection, whoever's that is.
    async fn request_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        is_last: bool,
        context: &mut Context,
    ) -> Result<()> {
        if let Some(most) = policy::route(&context.snapshot, context.admission.as_ref()).and_then(|route| route.application.max_body) {
            context.body_bytes = context.body_bytes.saturating_add(body.as_ref().map_or(0, |part| part.len() as u64));
            if context.body_bytes > most {
                return Err(Error::new(ErrorType::HTTPStatus(413)).into_down());
            }
        }
        if is_last && body.as_ref().is_some_and(Bytes::is_empty) {
            *body = None;
        }
        context.received(body.as_ref().map_or(0, Bytes::len));
        Ok(())
    }

    async fn upstream_request_filter(&self, session: &mut Session, request: &mut RequestHeader, context: &mut Context) -> Result<()> {
        messages::rewrite(session, request, context)
    }

    async fn upstream_response_filter(&self, session: &mut Session, response: &mut ResponseHeader, context: &mut Context) -> Result<()> {
        messages::arrives(&self.selection, session, response, context)
    }

    fn upstream_response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        _is_last: bool,
        context: &mut Context,
    ) -> Result<Option<Duration>> {
        context.sent(body.as_ref().map_or(0, Bytes::len));
        Ok(None)
    }

    async fn response_filter(&self, session: &mut Session, response: &mut ResponseHeader, context: &mut Context) -> Result<()> {
        messages::leaves(session, response, context)
    }

    fn upstream_response_trailer_filter(&self, _session: &mut Session, trailers: &mut HeaderMap, _context: &mut Context) -> Result<()> {
        trailers.remove(header::SET_COOKIE);
        Ok(())
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, context: &mut Context) -> FailToProxy {
        let failure = errors::read(error);
        context.note_navigation(session.req_header());
        session.set_keepalive(None);
        let answered = session.response_written().is_some_and(|r| !r.status.is_informational());
        match failure.status.filter(|_| !answered) {
            Some(status) => {
                let _ = write::refuse(session, context, status, failure.outcome(), failure.reason).await;
            }
            None => context.set_outcome(failure.outcome(), failure.reason),
        }
        if answered && failure.status.is_some() {
            // pingora flushes only a body that is complete: the start of one that broke off would be lost with the connection.
            let _ = tokio::time::timeout(LAST_WORDS, session.as_downstream_mut().shutdown()).await;
        }
        FailToProxy { error_code: failure.status.map_or(0, |s: StatusCode| s.as_u16()), can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, _error: Option<&Error>, context: &mut Context) {
        if context.log.outcome != Outcome::Tunnel {
            if let Some(response) = session.response_written() {
                context.log.status = response.status.as_u16();
            }
            context.log.bytes_in = session.body_bytes_read() as u64;
            context.log.bytes_out = session.body_bytes_sent() as u64;
        }
        context.write_record();
    }

    /// The access record says it once.
    fn suppress_error_log(&self, _session: &Session, _context: &Context, _error: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(&self, _session: &Session, _context: &Context, _error: &Error, _why: ProxyWarnLogContext) -> bool {
        true
    }
}

/// Whether any Connection line says `close` (RFC 9110 section 7.6.1).
fn says_close(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::CONNECTION);
    lines.iter().flat_map(|line| line.as_bytes().split(|b| *b == b',')).any(|word| word.trim_ascii().eq_ignore_ascii_case(b"close"))
}
