//! One request over a connection to an upstream, in the version that was agreed on.

use bytes::Bytes;
use http::header::{CONNECTION, HOST, HeaderName, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, Scheme};
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::gateway::upstream::connect::Connected;

/// The request could not be sent, or was not answered.
#[derive(Debug, thiserror::Error)]
#[error("the upstream did not answer properly")]
pub struct Unanswered;

/// What HTTP/2 has no place for (RFC 9113 section 8.2.2).
const OF_HTTP1: [HeaderName; 6] =
    [CONNECTION, HOST, TRANSFER_ENCODING, UPGRADE, HeaderName::from_static("keep-alive"), HeaderName::from_static("proxy-connection")];

/// Sends a request and waits for the answer's header. The target is in origin-form, and Host is there. The caller sets the deadline.
///
/// # Errors
/// If it cannot be sent, or the connection ends before the answer.
pub async fn send(connected: Connected, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Unanswered> {
    let io = TokioIo::new(connected.io);
    if connected.http2 {
        let request = for_http2(request).ok_or(Unanswered)?;
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), io);
        let (mut sender, connection) = handshake.await.map_err(|_| Unanswered)?;
        tokio::spawn(connection);
        return sender.send_request(request).await.map_err(|_| Unanswered);
    }
    let handshake = hyper::client::conn::http1::Builder::new().title_case_headers(true).handshake(io);
    let (mut sender, connection) = handshake.await.map_err(|_| Unanswered)?;
    tokio::spawn(connection);
    sender.send_request(request).await.map_err(|_| Unanswered)
}

/// The same request with its authority in the target (RFC 9113 section 8.3.1). The path stays, byte for byte.
fn for_http2(mut request: Request<Full<Bytes>>) -> Option<Request<Full<Bytes>>> {
    let authority = Authority::try_from(request.headers().get(HOST)?.as_bytes()).ok()?;
    let path = request.uri().path_and_query()?.clone();
    *request.uri_mut() = Uri::builder().scheme(Scheme::HTTP).authority(authority).path_and_query(path).build().ok()?;
    *request.version_mut() = http::Version::HTTP_2;
    for name in OF_HTTP1 {
        request.headers_mut().remove(name);
    }
    Some(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_http2_the_target_stays_and_the_host_moves() {
        let request = Request::builder().uri("/a%2Fb//c;x?q=%41").header("host", "wiki.example:8443").header("connection", "close");
        let moved = for_http2(request.body(Full::default()).unwrap()).unwrap();
        assert_eq!(moved.uri(), "http://wiki.example:8443/a%2Fb//c;x?q=%41");
        assert!(moved.headers().is_empty());
        assert!(for_http2(Request::new(Full::default())).is_none(), "without a host there is no authority");
    }
}
