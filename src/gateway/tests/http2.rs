//! An HTTP/2 client that behaves.

use bytes::Bytes;
use h2::client::SendRequest;

use super::support::soon;
use super::tls::secure_connect;
use crate::gateway::Running;

/// One connection to first.example.
pub(super) struct Http2(SendRequest<Bytes>);

pub(super) async fn http2(running: &Running) -> Http2 {
    let stream = secure_connect(running, "first.example", &[b"h2"]).await;
    let (send, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    Http2(send)
}

impl Http2 {
    fn request(path: &str, headers: &[(&'static str, &str)]) -> http::Request<()> {
        let mut request = http::Request::builder().uri(format!("https://first.example{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    /// The answer's head and its whole body.
    pub(super) async fn get(&mut self, path: &str, headers: &[(&'static str, &str)]) -> (http::response::Parts, String) {
        soon(async {
            let mut send = self.0.clone().ready().await.unwrap();
            let (response, _) = send.send_request(Self::request(path, headers), true).unwrap();
            let (parts, mut body) = response.await.unwrap().into_parts();
            let mut all = Vec::new();
            while let Some(chunk) = body.data().await {
                all.extend_from_slice(&chunk.unwrap());
            }
            (parts, String::from_utf8(all).unwrap())
        })
        .await
    }

    /// Reads the beginning of an answer and resets the stream.
    pub(super) async fn begins_and_cancels(&mut self, path: &str) {
        soon(async {
            let mut send = self.0.clone().ready().await.unwrap();
            let (response, mut stream) = send.send_request(Self::request(path, &[]), true).unwrap();
            let mut body = response.await.unwrap().into_body();
            body.data().await.unwrap().unwrap();
            stream.send_reset(h2::Reason::CANCEL);
        })
        .await;
    }

    /// How much of a request's body may be sent before any of it is taken.
    pub(super) async fn window(&mut self) -> usize {
        soon(async {
            // The server's settings are there once a first request was answered.
            self.get("/", &[]).await;
            let mut send = self.0.clone().ready().await.unwrap();
            let (_response, mut stream) = send.send_request(Self::request("/", &[]), false).unwrap();
            stream.reserve_capacity(16 * 1024 * 1024);
            std::future::poll_fn(|cx| stream.poll_capacity(cx)).await.unwrap().unwrap()
        })
        .await
    }
}
