//! The browser's side over HTTP/2: requests side by side on one connection, cookies in fields of their own.

use bytes::Bytes;
use h2::RecvStream;
use h2::client::SendRequest;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;

use super::browser::challenged;
use super::*;
use crate::harness::door::Door;

/// One connection of a browser's.
#[derive(Clone)]
struct Http2 {
    send: SendRequest<Bytes>,
}

impl Http2 {
    async fn open(door: &Door) -> Self {
        let (to, connector) = door.entrance();
        let tcp = soon(TcpStream::connect(to)).await.unwrap();
        let stream = soon(connector.connect(ServerName::try_from(HOST).unwrap(), tcp)).await.unwrap();
        let (send, connection) = soon(h2::client::handshake(stream)).await.unwrap();
        tokio::spawn(connection);
        Self { send }
    }

    async fn begins(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> (Answer, RecvStream) {
        let mut request = http::Request::builder().method(method).uri(format!("https://{HOST}{path}"));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let mut send = soon(self.send.clone().ready()).await.unwrap();
        let (response, _) = send.send_request(request.body(()).unwrap(), true).unwrap();
        let (parts, body) = soon(response).await.unwrap().into_parts();
        let headers = parts.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        (Answer { status: parts.status.as_u16(), headers, body: Vec::new() }, body)
    }

    async fn asks(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let (mut answer, mut body) = self.begins(method, path, fields).await;
        while let Some(chunk) = soon(body.data()).await {
            let chunk = chunk.unwrap();
            body.flow_control().release_capacity(chunk.len()).unwrap();
            answer.body.extend_from_slice(&chunk);
        }
        answer
    }

    async fn refreshes(&self, name: &str, proof: &str) -> Answer {
        let fields = [("sec-fetch-mode", "no-cors"), ("sec-secure-session-id", name), ("secure-session-response", proof)];
        self.asks("POST", "/.vestibule/device/refresh", &fields).await
    }
}

fn cookie_of(answer: &Answer) -> String {
    answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn the_device_is_registered_and_shown_over_one_http2_connection() {
    let world = world().await;
    let door = Door::before(&world, HOST);
    let (alice, offer) = signed_in(&world, "alice").await;
    let (path, challenge) = offered(&offer).unwrap();
    let device = Device::new();
    let browser = Http2::open(&door).await;
    let session = format!("__Host-vestibule={}", alice.jar.get("__Host-vestibule").unwrap());
    // Side by side on one connection, one key is taken.
    let registration = device.registration(&challenge);
    let others: Vec<String> = (0..3).map(|_| Device::new().registration("another")).collect();
    let register =
        async |proof: &str| browser.asks("POST", &path, &[("sec-fetch-mode", "no-cors"), ("secure-session-response", proof)]).await;
    let (one, two, three, four) = tokio::join!(register(&others[0]), register(&others[1]), register(&registration), register(&others[2]));
    assert_eq!([one.status, two.status, three.status, four.status], [404, 404, 200, 404]);
    let name = three.json()["session_identifier"].as_str().unwrap().to_owned();
    let bound = cookie_of(&three);
    world.advance(seconds(61));
    let get = async |fields: &[(&str, &str)]| browser.asks("GET", "/vault", fields).await.status;
    // Browsers split the cookies of a request over several fields.
    assert_eq!(get(&[("cookie", &session), ("cookie", "a=1"), ("cookie", &bound)]).await, 200);
    assert!(!world.upstream.last().head.contains("bound"));
    assert_eq!(get(&[("cookie", &format!("{session}; {bound}"))]).await, 200);
    for fields in [
        &[("cookie", session.as_str())][..],
        &[("cookie", &session), ("cookie", &bound), ("cookie", &bound)],
        &[("cookie", &session), ("cookie", &bound), ("cookie", "__Host-vestibule-bound=")],
        &[("cookie", &session), ("cookie", &bound.replace("__Host-", ""))],
        &[("cookie", &bound)],
    ] {
        assert_eq!(get(fields).await, 401, "{fields:?}");
    }
    // The same proof on eight streams counts once.
    let given = challenged(&three).unwrap();
    let proof = device.proof(&given);
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (browser, name, proof) = (browser.clone(), name.clone(), proof.clone());
        tries.spawn(async move { browser.refreshes(&name, &proof).await });
    }
    let shown = tries.join_all().await;
    let right: Vec<&Answer> = shown.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!((right.len(), shown.iter().filter(|answer| answer.status == 403).count()), (1, 7));
    let (bound, next) = (cookie_of(right[0]), challenged(right[0]).unwrap());
    // What is open closes alone: the other streams of the connection go on.
    let both = [("cookie", session.as_str()), ("cookie", bound.as_str())];
    let (head, mut vault) = browser.begins("GET", "/vault/sse", &both).await;
    assert_eq!((head.status, soon(vault.data()).await.unwrap().unwrap()), (200, Bytes::from_static(b"data: one\n\n")));
    let (_, mut watched) = browser.begins("GET", "/watched/sse", &both).await;
    soon(watched.data()).await.unwrap().unwrap();
    world.advance(minutes(12));
    world.sweeps();
    assert!(soon(vault.data()).await.is_none_or(|chunk| chunk.is_err()), "the stream of events is cut");
    world.upstream.all_go_on();
    assert_eq!(soon(watched.data()).await.unwrap().unwrap(), Bytes::from_static(b"data: two\n\n"));
    assert_eq!(get(&both).await, 401);
    let again = browser.refreshes(&name, &device.proof(&next)).await;
    assert_eq!(again.status, 200);
    assert_eq!(get(&[("cookie", &session), ("cookie", &cookie_of(&again))]).await, 200);
}
