//! WebSockets, carried by the gateway itself: pingora 0.9.1 loses some whose first bytes come together with the 101
//! (its issue 946). Guarantees that nothing is tunnelled before the upstream has answered this handshake with 101, that bytes that came early go
//! on first, and that the tunnel ends when the session does (the edge drops it).

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

use super::carry::{self, Answered, Failed, HOP_BY_HOP, INTERNAL};
use super::context::Context;
use super::front::Outcome;
use super::tenure::Tenure;
use super::{course, handshake, judge, replay, respond};

/// How often a tunnel that moves bytes says that its session is in use.
const TOUCH: Duration = Duration::from_secs(60);
/// How long one direction may go on when the other is over.
const HALF_CLOSED: Duration = Duration::from_secs(10);
/// One read of a direction, in bytes.
const CHUNK: usize = 8 * 1024;

/// Checks that the Origin is the host's own (OWASP ASVS 4.4.2). Only browsers send one, and they always do.
///
/// # Errors
/// What is wrong with it; the scheme alone hints at a TLS proxy in front that `trusted_proxies` does not name.
pub fn check_origin(header: &RequestHeader, authority: &str, secure: bool) -> Result<(), &'static str> {
    let mut origins = header.headers.get_all(header::ORIGIN).iter();
    let (Some(origin), None) = (origins.next(), origins.next()) else {
        return if header.headers.contains_key(header::ORIGIN) { Err("origin") } else { Ok(()) };
    };
    let (scheme, theirs) = origin.to_str().ok().and_then(|o| o.split_once("://")).ok_or("origin")?;
    let (ours, port) = if secure { ("https", ":443") } else { ("http", ":80") };
    let bare = |a: &str, port: &str| a.strip_suffix(port).unwrap_or(a).to_ascii_lowercase();
    let their_port = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
    match (bare(theirs, their_port) == bare(authority, port), scheme.eq_ignore_ascii_case(ours)) {
        (true, true) => Ok(()),
        (true, false) => Err("origin_scheme"),
        (false, _) => Err("origin"),
    }
}

/// Carries an admitted WebSocket from its request to its end.
///
/// # Errors
/// Where the client is gone before it could be answered.
pub async fn carry(session: &mut Session, context: &mut Context) -> Result<()> {
    session.set_keepalive(None);
    let response = match ask(session, context).await {
        Ok(response) => response,
        Err((status, reason)) => return respond::refuse(session, context, status, Outcome::Failed, reason).await,
    };
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return replay::relay(session, context, response).await;
    }
    if handshake::is_agreed(&session.req_header().headers, response.headers()) {
        return open(session, context, response).await;
    }
    respond::refuse(session, context, StatusCode::BAD_GATEWAY, Outcome::Failed, "upstream_answer").await
}

/// Connects, asks, and waits for the answer's head.
async fn ask(session: &Session, context: &mut Context) -> Result<Answered, Failed> {
    let timeout = judge::route(&context.snapshot, context.admission.as_ref()).map(|route| route.proxy.read_timeout).ok_or(INTERNAL)?;
    let io = carry::connect(context).await?;
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
    let outgoing = carry::outgoing(header, context)?;
    let mut request = http::Request::new(Empty::new());
    *request.uri_mut() = carry::exact_uri(header.raw_path()).ok_or((StatusCode::BAD_REQUEST, "target_form"))?;
    *request.headers_mut() = outgoing.headers.clone();
    request.headers_mut().insert(header::CONNECTION, http::HeaderValue::from_static("Upgrade"));
    request.headers_mut().insert(header::UPGRADE, http::HeaderValue::from_static("websocket"));
    Ok(request)
}

/// Passes the 101 on and then bytes both ways.
async fn open(session: &mut Session, context: &mut Context, response: Answered) -> Result<()> {
    let mut header = ResponseHeader::build(StatusCode::SWITCHING_PROTOCOLS, Some(response.headers().len()))?;
    let nominated = carry::nominated(response.headers());
    let stays = |name: &str| name == "upgrade" || !(nominated.iter().any(|other| other == name) || HOP_BY_HOP.contains(&name));
    for (name, value) in response.headers().iter().filter(|(name, _)| stays(name.as_str())) {
        header.append_header(name.clone(), value.clone())?;
    }
    header.insert_header(header::CONNECTION, "Upgrade")?;
    course::tame(&mut header, context)?;
    let Ok(upgraded) = hyper::upgrade::on(response).await else {
        return respond::refuse(session, context, StatusCode::BAD_GATEWAY, Outcome::Failed, "upstream_answer").await;
    };
    context.ends(Outcome::Tunnel, "");
    context.story.status = 101;
    session.downstream_session.write_response_header(Box::new(header)).await?;
    let mut upstream = TokioIo::new(upgraded);
    let (early, downstream) = take_stream(session).await?;
    if upstream.write_all(&early).await.is_ok() {
        pump(downstream, upstream, context, early.len() as u64).await;
    }
    Ok(())
}

/// Takes the client's connection out of pingora's session, with what had come in together with the request.
async fn take_stream(session: &mut Session) -> Result<(Bytes, Stream)> {
    let early = {
        let read = session.downstream_session.read_request_body();
        tokio::pin!(read);
        // One look: what was read ahead is there at once, and otherwise nothing is taken from the connection.
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
        _ => Err(respond::internal("an upgrade over HTTP/2")),
    }
}

/// Copies both ways until both are over, or one has been for a while.
async fn pump(downstream: Stream, upstream: impl AsyncRead + AsyncWrite, context: &mut Context, early: u64) {
    let (from_client, to_client) = tokio::io::split(downstream);
    let (from_upstream, to_upstream) = tokio::io::split(upstream);
    let story = &mut context.story;
    story.bytes_in = early;
    let (bytes_in, bytes_out) = (&mut story.bytes_in, &mut story.bytes_out);
    let tenure = context.tenure.clone();
    let up = copy(from_client, to_upstream, bytes_in, tenure.as_deref());
    let down = copy(from_upstream, to_client, bytes_out, tenure.as_deref());
    tokio::pin!(up, down);
    tokio::select! {
        () = &mut up => { let _ = tokio::time::timeout(HALF_CLOSED, down).await; }
        () = &mut down => { let _ = tokio::time::timeout(HALF_CLOSED, up).await; }
    }
}

/// Copies until the end or an error, flushing what was read before waiting for more, and passes the end on. What moves is use of the
/// session.
async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, count: &mut u64, tenure: Option<&Tenure>) {
    let mut buffer = vec![0u8; CHUNK];
    let mut touched = tokio::time::Instant::now();
    while let Ok(read) = from.read(&mut buffer).await {
        let Some(chunk) = buffer.get(..read).filter(|c| !c.is_empty()) else { break };
        if to.write_all(chunk).await.is_err() || to.flush().await.is_err() {
            return;
        }
        *count += read as u64;
        if touched.elapsed() >= TOUCH {
            touched = tokio::time::Instant::now();
            tenure.into_iter().for_each(Tenure::touch);
        }
    }
    let _ = to.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(value: Option<&str>, authority: &str, secure: bool) -> Result<(), &'static str> {
        let mut header = RequestHeader::build("GET", b"/", None).unwrap();
        if let Some(value) = value {
            header.append_header("Origin", value).unwrap();
        }
        check_origin(&header, authority, secure)
    }

    #[test]
    fn the_origin_must_be_the_hosts_own() {
        assert_eq!(origin(None, "a.example", false), Ok(()));
        assert_eq!(origin(Some("http://A.example:80"), "a.example", false), Ok(()));
        assert_eq!(origin(Some("http://a.example:8080"), "a.example:8080", false), Ok(()));
        assert_eq!(origin(Some("https://a.example"), "a.example:443", true), Ok(()));
        assert_eq!(origin(Some("https://a.example"), "a.example", false), Err("origin_scheme"));
        for other in ["http://b.example", "http://a.example.evil", "null", "", "http://a.example:81", "file://"] {
            assert_eq!(origin(Some(other), "a.example", false), Err("origin"), "{other}");
        }
    }
}
