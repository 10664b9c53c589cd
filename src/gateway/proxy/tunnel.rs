//! WebSockets, without pingora's proxy: pingora 0.9.1 loses some whose first bytes arrive together with the 101 (its issue 946).
//! Guarantees that nothing is tunnelled before the upstream has answered this handshake with 101, that early bytes go on first, and that
//! the tunnel ends when the session does (`pipeline::http_app` drops it).

use std::time::Duration;

use bytes::Bytes;
use http::{StatusCode, header};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use pingora::Result;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::proxy::Session;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::gateway::authorize::context::Context;
use crate::gateway::authorize::lease::Lease;
use crate::gateway::authorize::policy;
use crate::gateway::host::Outcome;
use crate::gateway::proxy::direct::{self, Failed, INTERNAL, UpstreamResponse};
use crate::gateway::proxy::{relay, response_headers};
use crate::gateway::reply::write;
use crate::gateway::request::hop_by_hop::{self, HOP_BY_HOP};
use crate::gateway::request::target;
use crate::gateway::request::websocket;
use crate::gateway::upstream::connect::Speaks;

/// How long one direction may go on when the other is over.
const HALF_CLOSED: Duration = Duration::from_secs(10);
/// One read of a direction, in bytes.
const CHUNK: usize = 8 * 1024;

/// Serves an admitted WebSocket from its request to its end.
///
/// # Errors
/// If the client is gone before it could be answered.
pub async fn carry(session: &mut Session, context: &mut Context) -> Result<()> {
    session.set_keepalive(None);
    let response = match ask(session, context).await {
        Ok(response) => response,
        Err((status, reason)) => return write::refuse(session, context, status, Outcome::Failed, reason).await,
    };
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return relay::relay(session, context, response).await;
    }
    if websocket::is_agreed(&session.req_header().headers, response.headers()) {
        return open(session, context, response).await;
    }
    write::refuse(session, context, StatusCode::BAD_GATEWAY, Outcome::Failed, "upstream_answer").await
}

/// Connects, sends the request, and waits for the answer's header.
async fn ask(session: &Session, context: &mut Context) -> Result<UpstreamResponse, Failed> {
    let timeout = policy::route(&context.snapshot, context.admission.as_ref()).map(|route| route.proxy.read_timeout).ok_or(INTERNAL)?;
    let io = direct::connect(context, Speaks::Http1).await?.io;
    let request = request(session.req_header(), context)?;
    let answer = async {
        let (mut sender, connection) =
            hyper::client::conn::http1::Builder::new().title_case_headers(true).handshake(TokioIo::new(io)).await?;
        tokio::spawn(connection.with_upgrades());
        sender.send_request(request).await
    };
    match tokio::time::timeout(timeout, answer).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(_)) => Err((StatusCode::BAD_GATEWAY, "upstream_answer")),
        Err(_) => Err((StatusCode::GATEWAY_TIMEOUT, "upstream_timeout")),
    }
}

/// The request as it goes out, with the upgrade.
fn request(header: &RequestHeader, context: &Context) -> Result<http::Request<Empty<Bytes>>, Failed> {
    let outgoing = direct::outgoing(header, context)?;
    let mut request = http::Request::new(Empty::new());
    *request.uri_mut() = target::exact_uri(outgoing.raw_path()).ok_or((StatusCode::BAD_REQUEST, "target_form"))?;
    *request.headers_mut() = outgoing.headers.clone();
    request.headers_mut().insert(header::CONNECTION, http::HeaderValue::from_static("Upgrade"));
    request.headers_mut().insert(header::UPGRADE, http::HeaderValue::from_static("websocket"));
    Ok(request)
}

/// Passes the 101 on and then bytes in both directions.
async fn open(session: &mut Session, context: &mut Context, response: UpstreamResponse) -> Result<()> {
    let mut header = ResponseHeader::build(StatusCode::SWITCHING_PROTOCOLS, Some(response.headers().len()))?;
    let nominated = hop_by_hop::nominated(response.headers());
    let stays = |name: &str| name == "upgrade" || !(nominated.iter().any(|other| other == name) || HOP_BY_HOP.contains(&name));
    for (name, value) in response.headers().iter().filter(|(name, _)| stays(name.as_str())) {
        header.append_header(name.clone(), value.clone())?;
    }
    header.insert_header(header::CONNECTION, "Upgrade")?;
    response_headers::clean(&mut header, context)?;
    let Ok(upgraded) = hyper::upgrade::on(response).await else {
        return write::refuse(session, context, StatusCode::BAD_GATEWAY, Outcome::Failed, "upstream_answer").await;
    };
    context.set_outcome(Outcome::Tunnel, "");
    context.log.status = 101;
    session.downstream_session.write_response_header(Box::new(header)).await?;
    let mut upstream = TokioIo::new(upgraded);
    let (early, downstream) = take_stream(session).await?;
    if upstream.write_all(&early).await.is_ok() {
        pump(downstream, upstream, context, early.len() as u64).await;
    }
    Ok(())
}

/// Takes the client's connection out of pingora's session, with what had arrived together with the request.
async fn take_stream(session: &mut Session) -> Result<(Bytes, Stream)> {
    let early = {
        let read = session.downstream_session.read_request_body();
        tokio::pin!(read);
        // Polled once: what was read ahead is there at once, and otherwise nothing is taken from the connection.
        std::future::poll_fn(|cx| match read.as_mut().poll(cx) {
            std::task::Poll::Ready(done) => std::task::Poll::Ready(Some(done)),
            std::task::Poll::Pending => std::task::Poll::Ready(None),
        })
        .await
    };
    let early = early.transpose()?.flatten().unwrap_or_default();
    let (unused, _) = tokio::io::duplex(1);
    match std::mem::replace(&mut *session.downstream_session, ServerSession::new_http1(Box::new(unused))) {
        ServerSession::H1(h1) => Ok((early, h1.into_inner())),
        _ => Err(write::internal("an upgrade over HTTP/2")),
    }
}

/// Copies in both directions until both are over, or one has been over for a while.
async fn pump(downstream: Stream, upstream: impl AsyncRead + AsyncWrite, context: &mut Context, early: u64) {
    let (from_client, to_client) = tokio::io::split(downstream);
    let (from_upstream, to_upstream) = tokio::io::split(upstream);
    let log = &mut context.log;
    log.bytes_in = early;
    let (bytes_in, bytes_out) = (&mut log.bytes_in, &mut log.bytes_out);
    let lease = context.lease.clone();
    let up = copy(from_client, to_upstream, bytes_in, lease.as_deref());
    let down = copy(from_upstream, to_client, bytes_out, lease.as_deref());
    tokio::pin!(up, down);
    tokio::select! {
        () = &mut up => { let _ = tokio::time::timeout(HALF_CLOSED, down).await; }
        () = &mut down => { let _ = tokio::time::timeout(HALF_CLOSED, up).await; }
    }
}

/// Copies until the end or an error, flushing what was read before waiting for more, and passes the end on. Moving bytes count as use of
/// the session.
async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, count: &mut u64, lease: Option<&Lease>) {
    let mut buffer = vec![0u8; CHUNK];
    while let Ok(read) = from.read(&mut buffer).await {
        let Some(chunk) = buffer.get(..read).filter(|c| !c.is_empty()) else { break };
        if to.write_all(chunk).await.is_err() || to.flush().await.is_err() {
            return;
        }
        *count += read as u64;
        lease.into_iter().for_each(Lease::in_use);
    }
    let _ = to.shutdown().await;
}
