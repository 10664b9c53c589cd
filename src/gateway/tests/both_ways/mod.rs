//! The straight way and pingora's, side by side: the same requests through both, before upstreams that answer the same. Guarantees that both send
//! the upstream the same lines, answer the client byte for byte alike, and write the same records.

mod answers;
mod requests;
mod script;

use std::sync::Arc;

use super::support::*;
use super::tls::secure_gateway_by;
use crate::gateway::*;
use crate::policy::{Level, Route};
use script::{Answer, Upstream};

/// The same routes before an upstream of its own, by one way.
struct Side {
    house: Arc<House>,
    running: Running,
    upstream: Upstream,
}

/// What a request led to: what the upstream received, what the client received, and the records.
#[derive(PartialEq, Debug)]
struct Seen {
    sent: Vec<String>,
    answered: String,
    records: Vec<String>,
    bytes: Vec<(u64, u64)>,
}

impl Side {
    async fn new(straight: bool, change: impl Fn(&mut Route)) -> Self {
        let upstream = Upstream::start().await;
        let mut app = route("app", "", Level::TwoFactor, &[upstream.address]);
        change(&mut app);
        let (house, running) = gateway_by(straight, vec![app]);
        Self { house, running, upstream }
    }

    /// Sends the bytes over one connection and takes what comes until its end.
    async fn ask(&self, bytes: &str, answer: &Answer) -> Seen {
        self.upstream.answers(answer);
        self.house.records.send_modify(Vec::clear);
        self.house.bytes.lock().unwrap().clear();
        let answered = without_the_moment(&ask(&self.running, bytes).await);
        let mut records = self.house.records(answers_in(&answered)).await;
        let mut bytes = self.house.bytes.lock().unwrap().clone();
        records.sort();
        bytes.sort_unstable();
        // Sent again over another connection, if the first was closed meanwhile: each way has idle connections of its own.
        let mut sent = self.upstream.taken();
        sent.dedup();
        Seen { sent, answered, records, bytes }
    }
}

/// How many requests were answered in this, each of which makes a record.
fn answers_in(answered: &str) -> usize {
    answered.matches("HTTP/1.1 ").count() - answered.matches("HTTP/1.1 1").count()
}

/// Without the date, and without the borders of chunks, which depend on what arrives together.
fn without_the_moment(text: &str) -> String {
    let dateless = text.split("\r\n").filter(|line| !line.starts_with("Date: ")).collect::<Vec<_>>().join("\r\n");
    let Some((head, mut rest)) = dateless.split_once("Transfer-Encoding: chunked\r\n") else { return dateless };
    let Some((more, chunks)) = rest.split_once("\r\n\r\n") else { return dateless };
    let mut body = String::new();
    rest = chunks;
    while let Some((size, after)) = rest.split_once("\r\n") {
        let Some(chunk) = usize::from_str_radix(size, 16).ok().filter(|size| *size > 0).and_then(|size| after.get(..size)) else { break };
        body.push_str(chunk);
        rest = after.get(chunk.len() + 2..).unwrap_or_default();
    }
    format!("{head}in chunks\r\n{more}\r\n\r\n{body}\r\n{rest}")
}

/// Both ways, alike but for the way.
async fn both(change: impl Fn(&mut Route)) -> [Side; 2] {
    [Side::new(true, &change).await, Side::new(false, &change).await]
}

/// A request, and another behind it on the same connection, which shows what was left of the connection.
fn twice(head: &str) -> String {
    format!("{head}GET /end HTTP/1.1\r\nHost: a.example\r\n{SIGNED_IN}Connection: close\r\n\r\n")
}

async fn compare(sides: &[Side; 2], bytes: &str, answer: &Answer) -> Seen {
    let [straight, pingoras] = sides;
    let seen = straight.ask(bytes, answer).await;
    assert_eq!(seen, pingoras.ask(bytes, answer).await, "{bytes} answered by {answer}");
    seen
}

#[tokio::test]
async fn every_answer_reaches_the_client_alike() {
    let sides = both(|_| ()).await;
    for answer in answers::ALL {
        for first in [
            format!("GET /a?b=c HTTP/1.1\r\nHost: a.example\r\n{SIGNED_IN}\r\n"),
            format!("HEAD /a HTTP/1.1\r\nHost: a.example\r\nAccept: */*\r\n{SIGNED_IN}\r\n"),
            format!("GET /a HTTP/1.0\r\nHost: a.example\r\nConnection: keep-alive\r\n{SIGNED_IN}\r\n"),
        ] {
            // What comes late after an answer to HEAD meets the next request, or does not: a matter of luck on either way.
            if first.starts_with("HEAD") && answer.pieces.len() > 1 {
                continue;
            }
            compare(&sides, &twice(&first), answer).await;
            compare(&sides, &first.replace("\r\nHost:", "\r\nConnection: close\r\nHost:"), answer).await;
        }
    }
}

#[tokio::test]
async fn every_request_reaches_the_upstream_alike() {
    let sides = both(|_| ()).await;
    for request in requests::ALL {
        let head = request.replace("SIGNED_IN", SIGNED_IN);
        let seen = compare(&sides, &twice(&head), &answers::USUAL).await;
        assert!(!seen.answered.is_empty(), "{request}");
    }
    for request in requests::REFUSED {
        let bytes = request.replace("SIGNED_IN", SIGNED_IN);
        for side in &sides {
            side.upstream.answers(&answers::USUAL);
            assert!(ask(&side.running, &bytes).await.starts_with("HTTP/1.1 400"), "{request}");
            assert_eq!(side.upstream.taken(), [""; 0], "{request}");
        }
    }
    let many: String = (0..30).map(|n| format!("X-Line-{n}: {n}\r\n")).collect();
    let seen = compare(&sides, &twice(&format!("GET / HTTP/1.1\r\nHost: a.example\r\n{SIGNED_IN}{many}\r\n")), &answers::USUAL).await;
    assert!(seen.sent[0].contains("X-Line-29: 29\r\n") && seen.sent[0].contains("Remote-User: bob\r\n"), "{seen:?}");
}

#[tokio::test]
async fn what_a_route_changes_is_changed_alike() {
    let change = |route: &mut Route| {
        route.path = "/app".into();
        route.proxy.strip_prefix = Some("/app".into());
        route.proxy.host = crate::policy::HostHeader::Name("inside.example".into());
        route.application.max_body = Some(3);
    };
    let sides = both(change).await;
    for head in ["GET /app/x?y HTTP/1.1", "GET /app HTTP/1.1", "HEAD /app/%2e%2e/x HTTP/1.1", "GET /elsewhere HTTP/1.1"] {
        for answer in [&answers::USUAL, &answers::MOVED, &answers::COOKIES] {
            compare(&sides, &twice(&format!("{head}\r\nHost: a.example\r\n{SIGNED_IN}\r\n")), answer).await;
        }
    }
}

#[tokio::test]
async fn over_http2_both_ways_are_alike() {
    let mut seen = Vec::new();
    for straight in [true, false] {
        let upstream = Upstream::start().await;
        let routes = vec![route("app", "", Level::TwoFactor, &[upstream.address])];
        let (house, running, _) = secure_gateway_by(straight, routes, &["first"]);
        let mut all = Vec::new();
        for answer in answers::ALL.iter().filter(|answer| !answer.is_broken) {
            let cookie: &[(&str, &str)] = &[("cookie", "a=1; __Host-vestibule=good"), ("cookie", "b=2"), ("x-own", "1"), ("accept", "*/*")];
            upstream.answers(answer);
            let mut client = super::http2::http2(&running).await;
            let (parts, body) = client.get("/a?b=c", cookie).await;
            let mut headers = parts.headers;
            headers.remove("date");
            all.push((parts.status, headers, body, upstream.taken()));
        }
        let records = house.records(all.len()).await;
        seen.push((all, records));
    }
    let [(straight, one), (pingoras, other)] = &seen[..] else { panic!("two ways") };
    assert!(straight[0].3[0].contains("Cookie: a=1; b=2\r\n"), "{:?}", straight[0]);
    assert!(straight.iter().zip(pingoras).all(|(one, other)| {
        assert_eq!(one, other);
        true
    }));
    assert_eq!(one, other);
}

/// The two ways keep their idle connections apart: this tells which one a request took.
#[tokio::test]
async fn what_is_plain_goes_straight_and_nothing_else_does() {
    let plain = format!("GET / HTTP/1.1\r\nHost: a.example\r\n{SIGNED_IN}Connection: close\r\n\r\n");
    let odd = |line: &str| format!("GET / HTTP/1.1\r\nHost: a.example\r\n{SIGNED_IN}{line}\r\nConnection: close\r\n\r\n");
    let odd = ["TE: trailers", "Upgrade: h2c", "Expect: 100-continue", "Keep-Alive: 1", "Content-Length: 0", "Connection: x-own"].map(odd);
    for (straight, connections) in [(true, 2), (false, 1)] {
        let side = Side::new(straight, |_| ()).await;
        for bytes in std::iter::once(&plain).chain(&odd).chain([&plain]) {
            side.ask(bytes, &answers::USUAL).await;
        }
        assert_eq!(side.upstream.connections(), connections, "straight: {straight}");
    }
}

/// All live tests of the gateway once more, with everything on pingora's way: by themselves, in a process of its own.
#[test]
fn every_live_test_holds_on_pingoras_way_too() {
    if std::env::var_os(PINGORAS_WAY).is_some() {
        return;
    }
    let again = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["gateway::tests::", "--skip", "both_ways"])
        .env(PINGORAS_WAY, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&again.stdout);
    assert!(again.status.success() && said.contains("test result: ok."), "{said}\n{}", String::from_utf8_lossy(&again.stderr));
}

const PINGORAS_WAY: &str = "VESTIBULE_TEST_PINGORAS_WAY";
