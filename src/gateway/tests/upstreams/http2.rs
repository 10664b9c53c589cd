//! Upstreams that speak HTTP/2, with gRPC's trailers. Guarantees what HTTP/1.1 does: the same path, byte for byte, the identity once, no
//! cookie of the gateway's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, HeaderValue};
use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::gateway::Running;
use crate::gateway::tests::support::*;
use crate::gateway::tests::tls::{secure_connect, secure_gateway};
use crate::policy::{Level, Route};

/// What an upstream saw of a request, as lines.
fn seen(request: &http::request::Parts, body: &[u8], trailers: Option<&HeaderMap>) -> String {
    let mut lines = vec![format!("{} {}", request.method, request.uri)];
    let line = |(name, value): (&http::HeaderName, &HeaderValue)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()));
    lines.extend(request.headers.iter().map(line));
    lines.extend(trailers.into_iter().flat_map(HeaderMap::iter).map(|field| format!("trailer {}", line(field))));
    lines.push(format!("body {}", body.len()));
    lines.join("\n")
}

/// Serves HTTP/2 on a connection: each answer is what was seen, with trailers as gRPC has them.
async fn serve<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static>(stream: T) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        tokio::spawn(async move {
            let (parts, mut body) = request.into_parts();
            let mut all = Vec::new();
            while let Some(Ok(part)) = body.data().await {
                let _ = body.flow_control().release_capacity(part.len());
                all.extend(part);
            }
            let trailers = body.trailers().await.unwrap_or(None);
            let response = http::Response::builder().header("content-type", "application/grpc").header("set-cookie", "vestibule=evil");
            let mut send = respond.send_response(response.body(()).unwrap(), false).unwrap();
            send.send_data(seen(&parts, &all, trailers.as_ref()).into(), false).unwrap();
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            trailers.insert("set-cookie", HeaderValue::from_static("vestibule=evil"));
            send.send_trailers(trailers).unwrap();
        });
    }
}

/// An upstream without TLS that speaks nothing but HTTP/2, and how many connections were made to it.
async fn prior_knowledge() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(serve(stream));
        }
    });
    (address, count)
}

fn over_http2(name: &str, path: &str, app: SocketAddr) -> Route {
    let mut route = route(name, path, Level::OneFactor, &[app]);
    route.proxy.http2 = true;
    route
}

struct Client(SendRequest<Bytes>);

impl Client {
    async fn new(running: &Running) -> Self {
        let (send, connection) = h2::client::handshake(secure_connect(running, "first.example", &[b"h2"]).await).await.unwrap();
        tokio::spawn(connection);
        Self(send)
    }

    /// A call as gRPC makes them: a POST with a body and, as no honest client does, trailers of its own.
    async fn call(&self, path: &str) -> (u16, String, Option<HeaderMap>) {
        let request = http::Request::post(format!("https://first.example{path}")).header("te", "trailers");
        let request =
            request.header("content-type", "application/grpc").header("cookie", "__Host-vestibule=good").header("remote-user", "root");
        let mut ready = self.0.clone().ready().await.unwrap();
        let (response, mut send) = ready.send_request(request.body(()).unwrap(), false).unwrap();
        send.send_data(Bytes::from_static(b"12345"), false).unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("remote-user", HeaderValue::from_static("root"));
        send.send_trailers(trailers).unwrap();
        let (parts, mut body) = soon(response).await.unwrap().into_parts();
        let mut all = Vec::new();
        while let Some(part) = soon(body.data()).await {
            let part = part.unwrap();
            let _ = body.flow_control().release_capacity(part.len());
            all.extend(part);
        }
        assert!(parts.headers.get("set-cookie").is_none());
        (parts.status.as_u16(), String::from_utf8(all).unwrap(), soon(body.trailers()).await.unwrap())
    }
}

#[tokio::test]
async fn a_grpc_call_arrives_with_its_trailers_and_the_callers_name() {
    let (app, connections) = prior_knowledge().await;
    let (_house, running, _) = secure_gateway(vec![over_http2("app", "", app)], &["first"]);
    let client = Client::new(&running).await;
    for _ in 0..5 {
        let (status, seen, trailers) = client.call("/pkg.Service/Method").await;
        assert_eq!(status, 200, "{seen}");
        assert!(seen.starts_with("POST http://first.example/pkg.Service/Method\n"), "{seen}");
        for line in ["te: trailers", "remote-user: bob", "x-forwarded-proto: https", "content-type: application/grpc", "body 5"] {
            assert_eq!(seen.lines().filter(|l| *l == line).count(), 1, "{line} in {seen}");
        }
        assert!(!seen.contains("root") && !seen.contains("vestibule") && !seen.contains("\nhost:"), "{seen}");
        let trailers = trailers.unwrap();
        assert_eq!(trailers.get("grpc-status").unwrap(), "0");
        assert!(trailers.get("set-cookie").is_none());
    }
    assert!(connections.load(Ordering::SeqCst) <= 2, "calls share a shard's connection");
}

#[tokio::test]
async fn over_http2_the_path_is_the_one_that_was_judged() {
    let (app, _) = prior_knowledge().await;
    let plain = mirror().await;
    let (mut same, mut cut) = (over_http2("app", "", app), over_http2("cut", "/cut", app));
    (same.encoded_slash, cut.proxy.strip_prefix) = (true, Some("/cut".into()));
    let mut first = route("plain", "", Level::OneFactor, &[plain]);
    first.encoded_slash = true;
    let mut stripped = route("stripped", "/cut", Level::OneFactor, &[plain]);
    stripped.proxy.strip_prefix = Some("/cut".into());
    let (_old, over_http1) = gateway(vec![first, stripped]);
    let (_new, running) = gateway(vec![same, cut]);
    for path in [
        "/",
        "/?",
        "/a?b=c&d",
        "//a///b",
        "/a;b=c/d",
        "/a%20b",
        "/%41%c3%a4",
        "/a%2Fb",
        "/a%252e%252e/b",
        "/a?x=/../y",
        "/a?x=%2e%2e%2f",
        "/a:b@c",
        "/a'()*!$&+,=",
        "/a?{}|^`",
        "/cut",
        "/cut/",
        "/cut/a//b",
        "/cut?x",
        "//cut/a",
        "/cut//a",
        "/CUT/a",
        "/a\\b",
        "/../a",
        "/a/%2e%2e/b",
        "*",
        "/a\u{e4}",
    ] {
        let target = |answer: &str| answer.lines().find_map(|line| line.strip_prefix("GET ").map(str::to_owned));
        let sent = |answer: &str| target(answer).map(|line| line.trim_end_matches(" HTTP/1.1").to_owned());
        let (old, new) = (get(&over_http1, path, SIGNED_IN).await, get(&running, path, SIGNED_IN).await);
        let moved = sent(&new).map(|uri| uri.strip_prefix("http://a.example").unwrap_or(&uri).to_owned());
        assert_eq!(sent(&old), moved, "{path}: {old}\n{new}");
        // What HTTP/2 cannot carry is refused rather than changed.
        assert!(old[..12] == new[..12] || (sent(&old).is_some() && new.starts_with("HTTP/1.1 400")), "{path}: {old}\n{new}");
    }
}

/// An upstream with TLS that agrees to one protocol.
async fn agreeing(alpn: &'static [u8]) -> SocketAddr {
    let (certificate, key) = super::certificates::own("localhost");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config =
        config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::try_from(key).unwrap()).unwrap();
    config.alpn_protocols = vec![alpn.to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    upstream(move |stream: TcpStream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            if alpn == b"h2" {
                return serve(stream).await;
            }
            let service = hyper::service::service_fn(|request: http::Request<hyper::body::Incoming>| async move {
                let text = seen(&request.into_parts().0, b"", None);
                Ok::<_, std::convert::Infallible>(http::Response::new(http_body_util::Full::new(Bytes::from(text))))
            });
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(hyper_util::rt::TokioIo::new(stream), service).await;
        }
    })
    .await
}

#[tokio::test]
async fn with_tls_the_upstream_chooses_the_version() {
    let (mut new, mut old) = (over_http2("new", "/new", agreeing(b"h2").await), over_http2("old", "/old", agreeing(b"http/1.1").await));
    for route in [&mut new, &mut old] {
        route.upstreams[0].tls = true;
        route.proxy.certificate_name = Some("localhost".into());
        route.proxy.ca = Some(Arc::new(super::certificates::own("localhost").0.pem().into_bytes()));
    }
    let (_house, running) = gateway(vec![new, old]);
    for _ in 0..3 {
        let (new, old) = (get(&running, "/new", SIGNED_IN).await, get(&running, "/old", SIGNED_IN).await);
        assert!(new.contains("\nGET https://a.example/new\n") && new.contains("remote-user: bob"), "{new}");
        assert!(old.contains("\nGET /old\n") && old.contains("host: a.example"), "{old}");
        for path in ["/new", "/old"] {
            let post = format!("POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{SIGNED_IN}Content-Length: 0\r\n\r\n");
            assert!(ask(&running, &post).await.starts_with("HTTP/1.1 200"), "{path}");
        }
    }
}

#[tokio::test]
async fn an_upstream_that_speaks_something_else_is_a_bad_gateway() {
    let app = mirror().await;
    let (_house, running) = gateway(vec![over_http2("app", "", app)]);
    assert!(get(&running, "/", SIGNED_IN).await.starts_with("HTTP/1.1 502"));
}
