//! Conversations with an SMS gateway.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::config::Sms;

/// An HTTP server that gives `answers` in turn and hands over what it was asked.
async fn sms_gateway(answers: &'static [&'static str]) -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/messages", listener.local_addr().unwrap());
    let (requests, taken) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            let mut buffer = [0u8; 4096];
            while !is_whole(&request) {
                let count = stream.read(&mut buffer).await.unwrap();
                request.extend_from_slice(&buffer[..count]);
            }
            requests.send(String::from_utf8(request).unwrap()).unwrap();
            let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (url, taken)
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.trim().parse().unwrap());
    body.len() >= length
}

fn texter(url: &str) -> Notifier {
    let body = r#"{"to": {{ phone | tojson }}, "text": {{ text | tojson }}}"#.to_owned();
    let config = Sms { url: url.into(), headers: vec![("authorization".into(), Secret::new("Bearer token"))], body };
    Notifier::start_at(QUICK, None, Some(&config), texts(), clock(), &Handle::current()).unwrap()
}

#[tokio::test]
async fn an_sms_is_posted_and_posted_again_after_a_503() {
    let (url, mut requests) = sms_gateway(&["503 Busy", "202 Accepted"]).await;
    let notifier = texter(&url);
    notifier.try_send(&message(phone(), code())).unwrap();
    assert!(notifier.drain(SOON).await);
    let (first, second) = (requests.recv().await.unwrap(), requests.recv().await.unwrap());
    assert_eq!(first, second);
    let (head, body) = first.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /messages HTTP/1.1"), "{head}");
    assert!(head.contains("authorization: Bearer token") && head.contains("content-type: application/json"), "{head}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["to"], "+49 170 1234567");
    assert!(body["text"].as_str().unwrap().contains("271828"));
    assert_eq!(notifier.health().sms.unwrap().sent, 1);
}

#[tokio::test]
async fn an_sms_that_is_refused_is_given_up_at_once() {
    let (url, mut requests) = sms_gateway(&["401 Unauthorized", "200 OK"]).await;
    let notifier = texter(&url);
    notifier.try_send(&message(phone(), code())).unwrap();
    assert!(notifier.drain(SOON).await);
    assert!(requests.recv().await.is_some() && requests.try_recv().is_err());
    let health = notifier.health().sms.unwrap();
    assert_eq!((health.failed, health.last_failure.unwrap().1), (1, "the SMS gateway answered 401".to_owned()));
}
