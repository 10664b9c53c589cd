//! Which upstream a request goes to, over which connection, and whether another one is tried if that fails.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use http::Version;
use pingora::http::RequestHeader;
use pingora::protocols::{Digest, SocketDigest};
use pingora::proxy::Session;
use pingora::upstreams::peer::{HttpPeer, Peer};
use pingora::{Error, ErrorType, Result};

use crate::gateway::authorize::context::Context;
use crate::gateway::authorize::policy;
use crate::gateway::connection::private::{PrivateConnections, PrivateRegistry, client_id};
use crate::gateway::host::Snapshot;
use crate::gateway::reply::write;
use crate::gateway::request::connection_auth;
use crate::gateway::upstream::endpoint::{Address, Endpoint};
use crate::gateway::upstream::pool::Pool;
use crate::gateway::upstream::reuse::{Reuse, UnderWay, may_be_repeated};
use crate::gateway::upstream::trust;

/// What the choices of a shard depend on.
pub struct Selection {
    pub private: Arc<PrivateRegistry>,
    /// How many requests that must not be sent twice are under way.
    once: Arc<AtomicUsize>,
}

impl Selection {
    pub fn new(private: Arc<PrivateRegistry>) -> Self {
        Self { private, once: Arc::default() }
    }

    /// The next upstream to try.
    ///
    /// # Errors
    /// If there is no admission, or no upstream that was not tried.
    pub async fn peer(&self, session: &Session, context: &mut Context) -> Result<Box<HttpPeer>> {
        let (at, address) = place(context).await?;
        let snapshot = Arc::clone(&context.snapshot);
        let (pool, endpoint) = endpoint(&snapshot, context, at)?;
        let reuse = self.reuse(session, context, is_multiplexed(pool, endpoint));
        Ok(Box::new(pool.peer(endpoint, address, reuse)))
    }

    /// Whether a request may use whichever connection is idle.
    pub fn is_shared(&self, session: &Session, context: &Context) -> bool {
        may_be_repeated(session.req_header()) && self.owner(session, context).is_none()
    }

    fn reuse(&self, session: &Session, context: &mut Context, is_multiplexed: bool) -> Reuse {
        if let Some(owner) = self.owner(session, context) {
            return Reuse::Private(owner, user_number(context));
        }
        if is_multiplexed || may_be_repeated(session.req_header()) {
            return Reuse::Shared;
        }
        let (under_way, others) = UnderWay::new(&self.once);
        context.under_way = Some(under_way);
        Reuse::once(others)
    }

    /// The private connections of the client's connection, if it has any or needs them now.
    fn owner(&self, session: &Session, context: &Context) -> Option<Arc<PrivateConnections>> {
        let is_asked = || policy::pool(&context.snapshot, context.admission.as_ref()).is_some_and(|pool| pool.authenticates_connections());
        if connection_auth::is_presented(&session.req_header().headers) || is_asked() {
            return connection_of(session).map(|client| self.private.enter(client));
        }
        self.private.find(|| connection_of(session).map(client_id))
    }

    /// The upstream asks for authentication of the connection: from now on each client's connection has connections of its own there, and nobody takes
    /// the one that this was said over.
    pub fn demanded(&self, session: &Session, context: &Context) {
        if let Some(pool) = policy::pool(&context.snapshot, context.admission.as_ref()) {
            context.snapshot.upstreams.connection_auth_demanded(pool);
        }
        connection_of(session).into_iter().for_each(|client| drop(self.private.enter(client)));
    }
}

/// The next of the route's endpoints, and where it is found.
///
/// # Errors
/// If there is no admission, or no upstream that was not tried.
pub async fn place(context: &mut Context) -> Result<(usize, (Address, bool))> {
    if context.admission.is_none() {
        return Err(write::internal("no admission"));
    }
    context.upstream_starts();
    let snapshot = Arc::clone(&context.snapshot);
    let pool = policy::pool(&snapshot, context.admission.as_ref()).ok_or_else(|| write::internal("no upstreams"))?;
    let Some((at, endpoint)) = pool.pick(&context.tried, context.preferred) else {
        return Err(Error::new(ErrorType::HTTPStatus(503)));
    };
    context.tried.push(at);
    if let Some(address) = endpoint.fixed() {
        return Ok((at, (address, false)));
    }
    match Box::pin(tokio::time::timeout(pool.connect_timeout(), endpoint.address(&context.tried_addresses))).await {
        Ok(Ok(address)) => Ok((at, address)),
        Ok(Err(_)) | Err(_) => {
            endpoint.mark_down();
            let mut error = Error::new(ErrorType::HTTPStatus(503));
            error.set_retry(context.tried.len() < pool.len());
            Err(error)
        }
    }
}

/// That endpoint of the request's route.
///
/// # Errors
/// If there is none.
pub fn endpoint<'s>(snapshot: &'s Snapshot, context: &Context, at: usize) -> Result<(&'s Arc<Pool>, &'s Endpoint)> {
    let pool = policy::pool(snapshot, context.admission.as_ref());
    pool.and_then(|pool| Some((pool, pool.get(at)?))).ok_or_else(|| write::internal("no upstreams"))
}

/// Whether its connections use HTTP/2, whose server says which requests it did not get to (RFC 9113 section 6.8): then one that must not be
/// sent twice may share a connection. Of TLS it is known once a connection was made.
fn is_multiplexed(pool: &Pool, endpoint: &Endpoint) -> bool {
    pool.http2() && (!endpoint.upstream.tls || endpoint.speaks_http2())
}

/// The request goes out in this version.
pub fn note_version(request: &RequestHeader, context: &Context) {
    let pool = policy::pool(&context.snapshot, context.admission.as_ref()).filter(|pool| pool.http2());
    if let Some(endpoint) = pool.zip(context.tried.last()).and_then(|(pool, at)| pool.get(*at)) {
        endpoint.note_version(request.version == Version::HTTP_2);
    }
}

/// What tells the client's connection from all others.
fn connection_of(session: &Session) -> Option<&Arc<SocketDigest>> {
    session.digest()?.socket_digest.as_ref()
}

/// Tells the users of one client's connection apart: a proxy in front may bring many.
fn user_number(context: &Context) -> u64 {
    let mut hasher = DefaultHasher::new();
    let person = context.admission.as_ref().and_then(policy::person);
    person.map(|person| person.name.as_str()).hash(&mut hasher);
    context.info.as_ref().map(|info| info.client.to_string()).hash(&mut hasher);
    hasher.finish()
}

/// No connection could be made. Nothing was sent, so that any request may try the next address or upstream.
pub fn not_connected(peer: &HttpPeer, context: &mut Context, mut error: Box<Error>) -> Box<Error> {
    let Some(pool) = policy::pool(&context.snapshot, context.admission.as_ref()) else { return error };
    let Some(at) = context.tried.last().copied() else { return error };
    if may_be_pinned(pool, at, peer, &error) {
        context.tried.pop();
        error.set_retry(true);
        return error;
    }
    tell_tls_failure(pool, at, &error);
    let Some(address) = peer.address().as_inet().copied() else {
        // A socket has one address.
        pool.get(at).into_iter().for_each(Endpoint::mark_down);
        error.set_retry(context.tried.len() < pool.len());
        return error;
    };
    context.tried_addresses.push(address);
    if pool.get(at).is_some_and(|endpoint| endpoint.failed(address, &context.tried_addresses)) {
        // The same upstream, at its next address.
        context.tried.pop();
        error.set_retry(true);
    } else {
        error.set_retry(context.tried.len() < pool.len());
    }
    error
}

/// The upstream's certificate may be one that the route names itself: the next attempt compares it with those.
fn may_be_pinned(pool: &Pool, at: usize, peer: &HttpPeer, error: &Error) -> bool {
    let endpoint = pool.get(at).filter(|_| peer.options.verify_cert);
    let endpoint = endpoint.filter(|_| pool.trust.as_ref().is_some_and(|trust| trust.may_be_pinned(&error.to_string())));
    endpoint.into_iter().for_each(|endpoint| endpoint.pin(true));
    endpoint.is_some()
}

/// Once for each time that the upstream is left out.
fn tell_tls_failure(pool: &Pool, at: usize, error: &Error) {
    let is_tls = matches!(error.etype(), ErrorType::TLSHandshakeFailure | ErrorType::InvalidCert | ErrorType::TLSHandshakeTimedout);
    if let Some(endpoint) = pool.get(at).filter(|endpoint| is_tls && endpoint.is_up()) {
        let text = error.to_string();
        let cause = trust::cause(&text);
        tracing::warn!(upstream = endpoint.label, cause, error = text, "no TLS connection to an upstream");
    }
}

/// Compares the certificate of an upstream whose chain was not verified, before anything is sent.
///
/// # Errors
/// If it is not one of those that the route names.
pub fn verify_pinned(peer: &HttpPeer, digest: Option<&Digest>, context: &Context) -> Result<()> {
    if peer.options.verify_cert {
        return Ok(());
    }
    let pool = policy::pool(&context.snapshot, context.admission.as_ref());
    let presented = digest.and_then(|digest| digest.ssl_digest.as_ref()).map(|tls| tls.cert_digest.as_slice());
    let trust = pool.and_then(|pool| pool.trust.as_ref());
    if trust.zip(presented).is_some_and(|(trust, presented)| trust.is_pinned(presented)) {
        return Ok(());
    }
    // Its certificate is another one: the next connection looks for a chain again.
    pool.zip(context.tried.last()).and_then(|(pool, at)| pool.get(*at)).into_iter().for_each(|endpoint| endpoint.pin(false));
    Err(Error::explain(ErrorType::InvalidCert, "not the certificate that proxy.ca names").into_up())
}

/// Something went wrong after the connection was made: only what may be repeated is, and only if the connection was an old one.
pub fn broken(peer: &HttpPeer, session: &Session, context: &mut Context, error: Box<Error>, reused: bool) -> Box<Error> {
    let mut error = error.more_context(format!("Peer: {peer}"));
    if !session.req_header().method.is_idempotent() || session.as_ref().retry_buffer_truncated() {
        error.set_retry(false);
    } else {
        error.retry.decide_reuse(reused);
    }
    if error.retry() {
        // The pooled connection was stale: the same upstream may be tried again.
        context.tried.pop();
    }
    error
}
