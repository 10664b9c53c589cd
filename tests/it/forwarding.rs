//! Forwarding: what reaches the application, what is turned away, and how it is told.

use crate::harness::*;

#[tokio::test]
async fn a_navigation_is_sent_to_sign_in_and_knows_the_way_back() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    let answer = alice.opens("/reports/2026?q=a%20b&x=%C3%A9").await;
    answer.leads_to("/.vestibule/login?rd=");
    let rd = answer.location().split_once("rd=").unwrap().1;
    assert_eq!(percent_encoding::percent_decode_str(rd).decode_utf8().unwrap(), "/reports/2026?q=a%20b&x=%C3%A9");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(world.upstream.count(), 0);
}

#[tokio::test]
async fn an_api_call_is_told_in_json() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    for lines in [
        "Accept: application/json\r\n",
        "Accept: text/html\r\nX-Requested-With: XMLHttpRequest\r\n",
        "Accept: text/html\r\nSec-Fetch-Mode: cors\r\n",
        "",
    ] {
        let answer = alice.asks("GET", "/api?x=1", lines, b"").await;
        answer.is(401);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        let told = answer.json();
        for key in ["type", "title", "status", "detail", "reason", "login_url"] {
            assert!(told.get(key).is_some(), "{key} in {told}");
        }
        assert_eq!((&told["status"], &told["reason"]), (&401.into(), &"sign_in".into()));
        let url = told["login_url"].as_str().unwrap();
        assert!(url.ends_with("/.vestibule/login?rd=/api%3Fx%3D1") || url.ends_with("/.vestibule/login?rd=%2Fapi%3Fx%3D1"), "{url}");
    }
    let post = alice.asks("POST", "/form", "Accept: text/html\r\nSec-Fetch-Mode: navigate\r\n", b"a=1").await;
    post.is(401);
    assert_eq!(world.upstream.count(), 0);
}

#[tokio::test]
async fn a_bypassed_page_has_no_identity_signed_in_or_not() {
    let world = World::new().await;
    let mut alice = world.person("alice", &["staff"]).await;
    alice.visits("/public/page").await;
    alice.sees("/public/page");
    alice.signs_in().await;
    alice.visits("/public/page").await;
    alice.sees("/public/page");
    let seen = world.upstream.last();
    for name in ["remote-user", "remote-name", "remote-email", "remote-groups"] {
        assert!(seen.values(name).is_empty(), "{}", seen.head);
    }
    assert_eq!(seen.values("x-forwarded-host"), [HOST]);
    assert_eq!(seen.values("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.values("x-forwarded-proto"), ["http"]);
}

#[tokio::test]
async fn what_is_closed_is_closed_to_everybody() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    alice.opens("/closed/x").await.is(403);
    alice.calls("GET", "/closed").await.is(403);
    alice.signs_in().await;
    alice.opens("/closed/x").await.is(403);
    assert!(world.upstream.seen().iter().all(|seen| !seen.target().starts_with("/closed")));
}

#[tokio::test]
async fn the_wrong_group_is_told_so_and_the_right_one_is_let_in() {
    let world = World::new().await;
    let (mut alice, mut bob) = (world.person("alice", &["guests"]).await, world.person("bob", &["guests", "staff"]).await);
    alice.signs_in().await;
    alice.opens("/staff/rota").await.is(403);
    assert_eq!(alice.calls("GET", "/staff").await.is(403).json()["reason"], "group");
    bob.signs_in().await;
    bob.visits("/staff/rota").await;
    bob.sees("/staff/rota");
    let seen = world.upstream.last();
    assert_eq!(seen.values("remote-user"), ["bob"]);
    assert_eq!(seen.values("remote-groups"), ["guests,staff"]);
    assert_eq!(seen.values("remote-email"), ["bob@post.example"]);
    assert_eq!(seen.values("remote-name"), ["bob Example"]);
}

#[tokio::test]
async fn where_no_route_leads_there_is_nothing() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    for (host, target) in [
        ("unknown.example", "/"),
        ("unknown.example", "/.vestibule/login"),
        ("app.example.evil.example", "/.vestibule/login"),
        ("part.example", "/elsewhere"),
        ("127.0.0.1", "/.vestibule/login"),
    ] {
        alice.host = host.to_owned();
        alice.opens(target).await.is(404);
        alice.calls("GET", target).await.is(404);
    }
    alice.host = "part.example".to_owned();
    alice.opens("/.vestibule/login").await.is(200);
    alice.host = HOST.to_owned();
    for target in ["/.vestibule/unknown", "/.vestibule", "/.vestibule/", "/.vestibule/login/x", "/.Vestibule/login", "/.vestibule//login"] {
        alice.opens(target).await.is(404);
    }
    assert_eq!(world.upstream.count(), 0);
}

#[tokio::test]
async fn every_spelling_of_a_host_comes_to_the_same_route() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    for host in ["APP.example", "app.example.", "app.example:8080", "deep.sub.app.example"] {
        alice.host = host.to_owned();
        alice.opens("/payroll").await.leads_to("/.vestibule/login?rd=");
    }
}

#[tokio::test]
async fn a_head_request_has_the_head_of_the_answer_alone() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    let answer = alice.asks("HEAD", "/public/page", "", b"").await;
    assert_eq!(answer.is(200).header("content-length"), Some("27"));
    assert!(world.upstream.last().line().starts_with("HEAD "));
    alice.asks("HEAD", "/x", "Accept: text/html\r\nSec-Fetch-Mode: navigate\r\n", b"").await.leads_to("/.vestibule/login");
    alice.asks("HEAD", "/x", "", b"").await.is(401);
    alice.asks("HEAD", "/.vestibule/login", "", b"").await.is(200);
}

#[tokio::test]
async fn a_large_upload_arrives_whole() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in().await;
    let body: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    let answer = alice.asks("POST", "/echo", "Content-Type: application/octet-stream\r\n", &body).await;
    assert!(answer.is(200).body == body);
}

#[tokio::test]
async fn events_are_not_held_back() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in().await;
    let mut wire = alice.wire().await;
    wire.send(format!("GET /sse HTTP/1.1\r\n{}\r\n", alice.lines("/sse")).as_bytes()).await;
    wire.head().await.unwrap().is(200);
    assert_eq!(wire.chunk().await.unwrap(), b"data: one\n\n");
    world.upstream.go_on();
    assert_eq!(wire.chunk().await.unwrap(), b"data: two\n\n");
}

#[tokio::test]
async fn a_websocket_speaks_both_ways_for_who_is_signed_in() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    alice.opens_socket("/ws", "http://app.example").await.1.is(401);
    assert_eq!(world.upstream.count(), 0);
    alice.signs_in().await;
    let (mut socket, answer) = alice.opens_socket("/ws", "http://app.example").await;
    answer.is(101);
    assert_eq!(answer.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "RFC 6455 section 1.3");
    for word in ["hello", "again"] {
        socket.say(word).await;
        assert_eq!(socket.hear().await.as_deref(), Some(word));
    }
    assert_eq!(world.upstream.last().values("remote-user"), ["alice"]);
}

#[tokio::test]
async fn a_websocket_of_another_site_is_refused() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in().await;
    let before = world.upstream.count();
    for origin in ["http://evil.example", "https://app.example", "null", "http://app.example.evil.example", "http://app.example:81"] {
        alice.opens_socket("/ws", origin).await.1.is(403);
    }
    assert_eq!(world.upstream.count(), before);
    // Where anybody may ask, another site has nothing to abuse: the application hears no name.
    alice.opens_socket("/public/ws", "http://evil.example").await.1.is(101);
    assert_eq!(world.upstream.last().values("remote-user"), Vec::<String>::new());
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in().await;
    let mut wire = alice.wire().await;
    for target in ["/one", "/two", "/.vestibule/account", "/public/three"] {
        wire.send(format!("GET {target} HTTP/1.1\r\n{}\r\n", alice.lines(target)).as_bytes()).await;
        wire.answer("GET").await.unwrap().is(200);
    }
    // Who one is, is asked for each request again.
    let nobody = world.at_a_browser("alice");
    wire.send(format!("GET /four HTTP/1.1\r\n{}\r\n", nobody.lines("/four")).as_bytes()).await;
    wire.answer("GET").await.unwrap().is(401);
}
