//! The straight way of a request without a body to an HTTP/1 upstream: its own task sends it, reads the answer and writes it. pingora's proxy joins
//! two futures over channels for that, which only a body or an upgrade needs. Guarantees that both ways build the same request and the same answer,
//! by the same functions, and that whatever is out of the ordinary goes pingora's way: so does a request that is sent again.

use std::sync::Arc;

use futures_util::FutureExt;
use http::{HeaderMap, Method, Version, header};
use pingora::connectors::{ConnectorOptions, TransportConnector};
use pingora::http::ResponseHeader;
use pingora::protocols::http::HttpTask;
use pingora::protocols::http::authority::validate_request_authority;
use pingora::protocols::http::v1::client::HttpSession;
use pingora::proxy::Session;
use pingora::server::configuration::ServerConf;
use pingora::{Error, ErrorType, Result};

use crate::gateway::authorize::context::Context;
use crate::gateway::authorize::policy;
use crate::gateway::pipeline::messages;
use crate::gateway::pipeline::selection::{self, Selection};
use crate::gateway::reply::write;
use crate::gateway::upstream::endpoint::Address;
use crate::gateway::upstream::idle::IdleConnections;
use crate::gateway::upstream::reuse::Reuse;

/// So many parts of an answer that are there at once are written together, as pingora does.
const TOGETHER: usize = 4;

/// What pingora may have to do something about, beside a `Connection` with a word of its own: framing, hop-by-hop fields, upgrades.
const ODD: [&str; 11] = [
    "content-length",
    "expect",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The straight way of a shard's requests, with idle connections of its own.
pub struct StraightWay {
    connector: TransportConnector,
    idle: Arc<IdleConnections>,
}

impl StraightWay {
    pub fn new(conf: &ServerConf, idle: Arc<IdleConnections>) -> Self {
        Self { connector: TransportConnector::new(Some(ConnectorOptions::from_server_conf(conf))), idle }
    }

    /// Forwards an admitted request and answers it. `false`: it is for pingora's proxy, since it is not plain, no connection could be made and
    /// there is another place to try, or it has to be sent again.
    ///
    /// # Errors
    /// As pingora's proxy has them.
    pub async fn forward(&self, selection: &Selection, session: &mut Session, context: &mut Context) -> Result<bool> {
        if !is_plain(session, context) || !selection.is_shared(session, context) {
            return Ok(false);
        }
        match self.attempt(selection, session, context).await {
            Ok(()) => Ok(true),
            Err(error) if error.retry() => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn attempt(&self, selection: &Selection, session: &mut Session, context: &mut Context) -> Result<()> {
        let (at, place) = selection::place(context).await?;
        let snapshot = Arc::clone(&context.snapshot);
        let (pool, endpoint) = selection::endpoint(&snapshot, context, at)?;
        let Address::Inet(address) = place.0 else { return Err(write::internal("no address")) };
        let peer = || pool.peer(endpoint, place.clone(), Reuse::Shared);
        let idle = self.idle.take(&address);
        let reused = idle.is_some();
        let stream = match idle {
            Some(stream) => stream,
            None => {
                let peer = peer();
                // Boxed: to connect takes a future of kilobytes.
                let connected = Box::pin(self.connector.new_stream(&peer)).await;
                connected.map_err(|error| selection::not_connected(&peer, context, error.into_up()))?
            }
        };
        let mut upstream = HttpSession::new(stream);
        upstream.read_timeout = Some(pool.read_timeout());
        upstream.write_timeout = Some(pool.read_timeout());
        let is_whole = exchange(selection, session, context, &mut upstream)
            .await
            .map_err(|error| selection::broken(&peer(), session, context, error, reused))?;
        if is_whole {
            upstream.respect_keepalive();
            if let Some(stream) = upstream.reuse().await {
                self.idle.put(address, stream, pool.idle_timeout(address.ip()));
            }
        }
        Ok(())
    }
}

/// Sends the request and passes the answer on; whether all of it came.
async fn exchange(selection: &Selection, session: &mut Session, context: &mut Context, upstream: &mut HttpSession) -> Result<bool> {
    let request = messages::plain(session, context)?;
    validate_request_authority(&request).map_err(|error| error.into_in())?;
    upstream.write_request_header(Box::new(request)).await.map_err(|error| error.into_up())?;
    upstream.finish_body().await.map_err(|error| error.into_up())?;
    loop {
        let first = next(upstream, session).await?;
        let (tasks, is_whole) = gather(selection, session, context, upstream, first)?;
        let is_written = session.write_response_tasks(tasks).await?;
        if is_whole || is_written {
            if session.as_mut().finish_body().await.is_err() {
                session.set_keepalive(None);
            }
            return Ok(is_whole);
        }
    }
}

/// Whether a request is as nearly all are. In doubt it is not.
fn is_plain(session: &mut Session, context: &Context) -> bool {
    if !session.is_body_empty() {
        return false;
    }
    let header = session.req_header();
    let pool = policy::pool(&context.snapshot, context.admission.as_ref());
    matches!(header.method, Method::GET | Method::HEAD)
        && matches!(header.version, Version::HTTP_11 | Version::HTTP_2)
        && pool.is_some_and(|pool| pool.is_plain())
        && !header.headers.keys().any(|name| ODD.contains(&name.as_str()))
        && says_nothing_of_its_own(&header.headers)
}

/// Whether `Connection` names no field.
fn says_nothing_of_its_own(headers: &HeaderMap) -> bool {
    let usual = |line: &http::HeaderValue| ["keep-alive", "close"].iter().any(|word| line.as_bytes().eq_ignore_ascii_case(word.as_bytes()));
    headers.get_all(header::CONNECTION).iter().all(usual)
}

/// The next part of the answer, unless the client goes away meanwhile.
async fn next(upstream: &mut HttpSession, session: &mut Session) -> Result<HttpTask> {
    tokio::select! {
        biased;
        task = upstream.read_response_task() => Ok(task.unwrap_or_else(|error| HttpTask::Failed(error.into_up()))),
        gone = session.downstream_session.read_body_or_idle(true) => match gone {
            Err(error) => Err(error.into_down()),
            Ok(_) => Error::e_explain(ErrorType::InternalError, "a body that nobody announced"),
        },
    }
}

/// This part, as it goes to the client, and those that are there already; and whether the last one ends the answer.
fn gather(
    selection: &Selection,
    session: &mut Session,
    context: &mut Context,
    upstream: &mut HttpSession,
    first: HttpTask,
) -> Result<(Vec<HttpTask>, bool)> {
    let mut tasks = Vec::with_capacity(TOGETHER);
    let mut next = Some(first);
    let mut is_whole = false;
    while let Some(task) = next.take() {
        let is_failed = matches!(task, HttpTask::Failed(_));
        is_whole = task.is_end() && !is_failed;
        tasks.push(changed(selection, session, context, task)?);
        if !is_whole && !is_failed && tasks.len() < TOGETHER {
            // pingora reads so that a read may be given up and begun anew; the task's own budget does not count here.
            let ready = tokio::task::unconstrained(upstream.read_response_task()).now_or_never();
            next = ready.map(|task| task.unwrap_or_else(|error| HttpTask::Failed(error.into_up())));
        }
    }
    Ok((tasks, is_whole))
}

/// A part of the answer as it goes to the client.
fn changed(selection: &Selection, session: &mut Session, context: &mut Context, task: HttpTask) -> Result<HttpTask> {
    match task {
        HttpTask::Header(mut response, is_end) => {
            messages::arrives(selection, session, &mut response, context)?;
            chunk(&session.req_header().method, &mut response, is_end)?;
            messages::leaves(session, &mut response, context)?;
            Ok(HttpTask::Header(response, is_end))
        }
        HttpTask::Body(data, is_end) => {
            context.sent(data.as_ref().map_or(0, bytes::Bytes::len));
            Ok(HttpTask::Body(data, is_end))
        }
        // The end or a failure: an HTTP/1 upstream has no trailers here, and a protocol was not changed.
        task => Ok(task),
    }
}

/// A body without a length is chunked, as in pingora's proxy, so that the client's connection stays usable.
fn chunk(method: &Method, response: &mut ResponseHeader, is_end: bool) -> Result<()> {
    let is_without = *method == Method::HEAD || response.status.is_informational() || matches!(response.status.as_u16(), 204 | 304);
    let is_framed = response.headers.contains_key(header::TRANSFER_ENCODING) || response.headers.contains_key(header::CONTENT_LENGTH);
    if is_end || is_without || is_framed {
        return Ok(());
    }
    response.set_version(Version::HTTP_11);
    response.insert_header(header::TRANSFER_ENCODING, "chunked")
}
