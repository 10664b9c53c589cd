//! Whether a chosen password became known in a breach: an own file first, then, if it is configured, a range API, which learns five
//! characters of a digest. Guarantees that a list that cannot be asked stops nobody from choosing a password: that is a log line.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::base::Secret;
use crate::config::Breached;
use crate::factor::breached::Digest;
use crate::notify::trust;

/// For a range API as a whole.
const PATIENCE: Duration = Duration::from_secs(5);
/// Its answer, in bytes; a real one has some 60 KiB.
const MAX_ANSWER: usize = 1024 * 1024;

/// Whether a list has it. What cannot be found out counts as no.
pub async fn is_listed(lists: &Breached, password: &Secret) -> bool {
    let digest = Arc::new(Digest::of(password));
    if let Some(file) = lists.file.clone() {
        let looked_up = Arc::clone(&digest);
        let found = tokio::task::spawn_blocking(move || looked_up.is_in(&file).map_err(|error| format!("{}: {error}", file.display())));
        match found.await.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(true) => return true,
            Ok(false) => {}
            Err(error) => tracing::warn!(error, "a new password was not looked up in password.breached_file"),
        }
    }
    let Some(url) = &lists.url else { return false };
    match tokio::time::timeout(PATIENCE, ask(url, lists.ca.as_deref().map(Vec::as_slice), &digest)).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => {
            tracing::warn!(error, "a new password was not looked up at password.breached_url");
            false
        }
        Err(_) => {
            tracing::warn!(error = "no answer in time", "a new password was not looked up at password.breached_url");
            false
        }
    }
}

/// Asks for the range that the digest is in, with padding, so that the length of the answer says nothing.
async fn ask(url: &str, ca: Option<&[u8]>, digest: &Digest) -> Result<bool, String> {
    let tls = trust::client(ca)?;
    let connector = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config((*tls).clone()).https_or_http().enable_http1().build();
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    let request = Request::get(format!("{url}{}", digest.prefix())).header("add-padding", "true").header(header::USER_AGENT, "vestibule");
    let request = request.body(Empty::new()).map_err(|error| error.to_string())?;
    let answer = client.request(request).await.map_err(|error| error.to_string())?;
    if answer.status() != StatusCode::OK {
        return Err(format!("the answer was {}", answer.status()));
    }
    let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await.map_err(|error| error.to_string())?;
    Ok(digest.is_in_range(&String::from_utf8_lossy(&body.to_bytes())))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::TcpListener;
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    fn lists(url: Option<String>, file: Option<std::path::PathBuf>) -> Breached {
        Breached { file, url, ca: None }
    }

    /// A range API that gives every question the same answer, and what it was asked.
    async fn api(answer: String) -> (String, tokio::sync::mpsc::UnboundedReceiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/range/", listener.local_addr().unwrap());
        let (told, heard) = unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut stream = BufReader::new(stream);
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    stream.read_line(&mut head).await.unwrap();
                }
                told.send(head).unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        (url, heard)
    }

    #[tokio::test]
    async fn the_range_api_learns_five_characters_and_says_the_rest() {
        let body = "0018A45C4D1DEF81644B54AB7F969B88D65:0\r\n1E4C9B93F3F0682250B6CF8331B7EE68FD8:9659365\r\n";
        let (url, mut heard) = api(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())).await;
        assert!(is_listed(&lists(Some(url.clone()), None), &Secret::new("password")).await);
        let head = heard.recv().await.unwrap();
        assert!(head.starts_with("GET /range/5BAA6 HTTP/1.1\r\n") && head.contains("add-padding: true"), "{head}");
        assert!(!is_listed(&lists(Some(url), None), &Secret::new("another")).await);
    }

    #[tokio::test]
    async fn what_cannot_be_asked_stops_nobody() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert!(
            !is_listed(&lists(Some(format!("http://{closed}/range/")), Some("/nowhere/list.txt".into())), &Secret::new("password")).await
        );
        let (url, _heard) = api("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".into()).await;
        assert!(!is_listed(&lists(Some(url), None), &Secret::new("password")).await);
    }

    #[tokio::test]
    async fn the_own_file_is_asked_first() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list.txt");
        std::fs::write(&file, "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:3\n").unwrap();
        let (url, mut heard) = api("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".into()).await;
        assert!(is_listed(&lists(Some(url), Some(file)), &Secret::new("password")).await);
        assert!(heard.try_recv().is_err(), "nobody else was asked");
    }
}
