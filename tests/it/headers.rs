//! What the application is told of a person comes from the gateway alone.

use crate::harness::*;

const NAMES: [(&str, &str); 7] = [
    ("remote-user", "alice"),
    ("remote-name", "alice Example"),
    ("remote-email", "alice@post.example"),
    ("remote-groups", "staff"),
    ("x-forwarded-for", "127.0.0.1"),
    ("x-forwarded-proto", "http"),
    ("x-forwarded-host", "app.example"),
];

/// As WSGI, CGI and their kin read a header's name.
fn as_variable(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

/// Exactly one header reads as each name, with the gateway's value.
#[track_caller]
fn is_told(seen: &upstream::Seen, expected: &[(&str, &str)]) {
    assert!(!format!("{}{}", seen.head, seen.trailers).to_lowercase().contains("mallory"), "{}{}", seen.head, seen.trailers);
    for (name, _) in NAMES {
        let pairs = seen.head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        let values: Vec<&str> = pairs.filter(|(n, _)| as_variable(n.trim()) == as_variable(name)).map(|(_, v)| v.trim()).collect();
        let wanted: Vec<&str> = expected.iter().filter(|(n, _)| *n == name).map(|(_, v)| *v).collect();
        assert_eq!(values, wanted, "{name} in {}", seen.head);
    }
}

#[tokio::test]
async fn no_spelling_of_an_identity_header_arrives() {
    let world = World::new().await;
    let mut alice = world.person("alice", &["staff"]).await;
    alice.signs_in().await;
    for (name, _) in NAMES {
        let upper = name.to_uppercase();
        let title: String = name.split('-').map(|w| format!("{}{}", w[..1].to_uppercase(), &w[1..])).collect::<Vec<_>>().join("-");
        let under = name.replace('-', "_");
        let dotted = name.replace('-', ".");
        let mixed = name.replacen('-', "_", 1);
        for lines in [
            format!("{name}: mallory\r\n"),
            format!("{upper}: mallory\r\n{upper}: mallory2\r\n"),
            format!("{title}: mallory\r\n{under}: mallory\r\n"),
            format!("{}: mallory\r\n", under.to_uppercase()),
            format!("{dotted}: mallory\r\n{mixed}: mallory\r\n"),
            format!("{title}: mallory\r\nConnection: {title}\r\n"),
            format!("Connection: {name}, {under}\r\n"),
            format!("Connection: {upper}\r\nConnection: close, {name}\r\n{name}:mallory\r\n"),
            format!("{name}:\r\n"),
        ] {
            let answer = alice.asks("GET", "/x", &lines, b"").await;
            // To nominate what is the gateway's own is refused, or comes to nothing.
            if answer.status == 400 && lines.contains("Connection:") {
                continue;
            }
            assert_eq!(answer.status, 200, "{lines}");
            is_told(&world.upstream.last(), &NAMES);
            alice.clone().asks("GET", "/public/x", &lines, b"").await.is(200);
            is_told(&world.upstream.last(), &NAMES[4..]);
        }
    }
}

#[tokio::test]
async fn no_trailer_becomes_a_header() {
    let world = World::new().await;
    let mut alice = world.person("alice", &["staff"]).await;
    alice.signs_in().await;
    let mut wire = alice.wire().await;
    let head = format!("POST /echo HTTP/1.1\r\n{}Transfer-Encoding: chunked\r\nTrailer: Remote-User\r\n\r\n", alice.lines("/echo"));
    wire.send(format!("{head}5\r\nhello\r\n0\r\nRemote-User: mallory\r\nremote_groups: mallory\r\n\r\n").as_bytes()).await;
    let answer = wire.answer("POST").await.unwrap();
    if answer.status == 200 {
        assert_eq!(answer.body, b"hello");
        is_told(&world.upstream.last(), &NAMES);
    } else {
        answer.is(400);
    }
}

#[tokio::test]
async fn a_websocket_carries_the_same_identity() {
    let world = World::new().await;
    let mut alice = world.person("alice", &["staff"]).await;
    alice.signs_in().await;
    let mut wire = alice.wire().await;
    let upgrade = "Connection: Upgrade, Remote-User\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let spoof = "Remote-User: mallory\r\nREMOTE_USER: mallory\r\nX_Forwarded-For: mallory\r\n";
    wire.send(format!("GET /ws HTTP/1.1\r\n{}{upgrade}{spoof}\r\n", alice.lines("/ws")).as_bytes()).await;
    wire.answer("GET").await.unwrap().is(101);
    let seen = world.upstream.last();
    is_told(&seen, &NAMES);
    assert!(!seen.head.contains("vestibule="), "{}", seen.head);
}

#[tokio::test]
async fn the_gateways_cookies_stay_with_the_gateway() {
    let world = World::new().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    alice.signs_in_at("/payroll").await;
    alice.visits("/.vestibule/login?fresh=1").await;
    alice.types_password().await;
    assert!(alice.jar.get("vestibule_flow").is_some());
    let odd = "a=1; b=\"x y\"; c==; d; vestibules=mine; xvestibule=2; Vestibule=3; e=%20\u{7f}";
    let odd = odd.trim_end_matches('\u{7f}');
    let ours = alice.jar.header(HOST, "/", false);
    let mut bare = world.at_a_browser("alice");
    for line in [format!("{ours}; {odd}"), format!("{odd}; {ours}")] {
        bare.asks("GET", "/payroll", &format!("Cookie: {line}\r\n"), b"").await.is(200);
        let seen = world.upstream.last();
        assert_eq!(seen.values("cookie"), [odd], "{}", seen.head);
    }
    // None of ours: not a byte is touched.
    bare.asks("GET", "/public/x", &format!("Cookie: {odd};  z=1 ;;\r\n"), b"").await.is(200);
    assert_eq!(world.upstream.last().values("cookie"), [format!("{odd};  z=1 ;;")]);
    // Only ours: no line at all.
    bare.asks("GET", "/payroll", &format!("Cookie: {ours}\r\n"), b"").await.is(200);
    assert!(world.upstream.last().values("cookie").is_empty());
}

#[tokio::test]
async fn an_application_cannot_set_the_gateways_cookies() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in().await;
    for target in ["/set-cookie", "/public/set-cookie"] {
        let answer = alice.calls("GET", target).await;
        let set: Vec<&str> = answer.is(200).all("set-cookie").collect();
        assert_eq!(set, ["app=1; Path=/", "vestibules=mine"]);
    }
    assert!(alice.is_signed_in().await);
}

#[tokio::test]
async fn only_a_trusted_proxy_is_believed() {
    let world = World::builder().with("[server]\ndata_dir = \"data\"\ntrusted_proxies = [\"127.0.0.9/32\"]").build().await;
    let mut stranger = world.at_a_browser("x");
    stranger.asks("GET", "/public/x", "X-Forwarded-For: 10.1.2.3\r\nX-Forwarded-Proto: https\r\n", b"").await.is(200);
    let seen = world.upstream.last();
    assert_eq!((seen.values("x-forwarded-for"), seen.values("x-forwarded-proto")), (vec!["127.0.0.1"], vec!["http"]));
    let mut proxy = stranger.elsewhere(9);
    proxy.asks("GET", "/public/x", "X-Forwarded-For: 10.1.2.3\r\nX-Forwarded-Proto: https\r\n", b"").await.is(200);
    let seen = world.upstream.last();
    assert_eq!((seen.values("x-forwarded-for"), seen.values("x-forwarded-proto")), (vec!["10.1.2.3, 127.0.0.9"], vec!["https"]));
}
