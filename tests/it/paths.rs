//! Paths: whatever an application may make of one, nothing of `/admin` is reached without a sign-in, and honest bytes go out as
//! they came in. The host is one where everything is open but `/admin`, which wants two factors.

use crate::harness::*;

/// Ways of writing `/admin/users`; each is read so by something that people run.
const DISGUISES: [&str; 72] = [
    "/admin",
    "/admin/",
    "/admin/users",
    "/admin?x",
    "/admin?/../public",
    "/ADMIN/users",
    "/Admin",
    "/aDmIn/users",
    "//admin/users",
    "///admin",
    "/admin//users",
    "/./admin/users",
    "/x/../admin/users",
    "/public/../admin",
    "/public/..//admin",
    "/..;/admin",
    "/public/..;/admin",
    "/.;/admin",
    "/;/admin",
    "/;x=y/admin",
    "/admin;/users",
    "/admin;jsessionid=1",
    "/admin;a=b/users;c",
    "/%61dmin",
    "/%61%64%6d%69%6e/users",
    "/%41DMIN",
    "/%2561dmin",
    "/%25%36%31dmin",
    "/%2541dmin",
    "/%252561dmin",
    "/x/%2e%2e/admin",
    "/x/%2E%2e/admin",
    "/x/.%2e/admin",
    "/x/%2e./admin",
    "/x/%252e%252e/admin",
    "/x/%25%32%65%25%32%65/admin",
    "/%2e/admin",
    "/%2fadmin",
    "/%2Fadmin",
    "/x%2f..%2fadmin",
    "/x/..%2fadmin",
    "/%5cadmin",
    "/\\admin",
    "/x\\..\\admin",
    "/x/..%5cadmin",
    "/%255cadmin",
    "/%252fadmin",
    "/%c0%afadmin",
    "/x/%c0%ae%c0%ae/admin",
    "/%e2%88%95admin",
    "/%ef%bc%8fadmin",
    "/%ef%bd%81dmin",
    "/%ef%bc%a1dmin",
    "/adm%c4%b1n",
    "/adm%c4%b0n",
    "/%e1%b5%83dmin",
    "/admi%e2%81%bf",
    "/admin%00",
    "/admin%00/public",
    "/admin%20",
    "/admin%09",
    "/admin.",
    "/admin%2e",
    "/admin/.",
    "/admin/..",
    "/admin/%2e%2e/public",
    "/admin%3fx",
    "/admin%23x",
    "/admin%3b/users",
    "/%u0061dmin",
    "/a%64min%2fusers",
    "http://legacy.example/admin",
];

/// What is another name than `/admin` to everybody.
const FORWARDED_ALL_THE_SAME: [&str; 8] =
    ["/admin%20", "/admin%09", "/admin.", "/admin%2e", "/adm%c4%b1n", "/adm%c4%b0n", "/admin%3fx", "/admin%23x"];

#[tokio::test]
async fn no_disguise_gets_past_the_door() {
    let world = World::new().await;
    let mut stranger = world.at_a_browser("x");
    stranger.host = "legacy.example".to_owned();
    for disguise in DISGUISES {
        let before = world.upstream.count();
        let answer = stranger.asks("GET", disguise, "", b"").await;
        let reached = world.upstream.count() > before;
        if FORWARDED_ALL_THE_SAME.contains(&disguise) {
            assert!(matches!(answer.status, 200 | 400 | 401), "{disguise}: {}", answer.status);
            continue;
        }
        assert!(!reached, "{disguise} reached the application as {}", world.upstream.last().line());
        assert!(matches!(answer.status, 400 | 401 | 404), "{disguise}: {}", answer.status);
    }
}

#[tokio::test]
async fn no_disguise_hides_the_gateways_own_pages_from_it() {
    let world = World::new().await;
    let mut stranger = world.at_a_browser("x");
    stranger.host = "legacy.example".to_owned();
    for disguise in [
        "/.VESTIBULE/login",
        "//.vestibule/login",
        "/%2evestibule/login",
        "/.vestibule;x/login",
        "/.vestibul%65/login",
        "/%252evestibule/login",
        "/x/../.vestibule/login",
        "/.vestibule/../x",
        "/.vestibule//login",
        "/.vestibule/unknown",
    ] {
        let status = stranger.asks("GET", disguise, "", b"").await.status;
        assert!(matches!(status, 400 | 404), "{disguise}: {status}");
    }
    assert_eq!(world.upstream.count(), 0);
}

#[tokio::test]
async fn what_no_honest_client_sends_is_refused() {
    let world = World::new().await;
    let mut stranger = world.at_a_browser("x");
    stranger.host = "legacy.example".to_owned();
    for target in [
        "/a/../b",
        "/a/./b",
        "/a/..",
        "/.",
        "/a/%2e%2e/b",
        "/a/%2e",
        "/a\\b",
        "/a%5cb",
        "/a%00b",
        "/a%0ab",
        "/a%7fb",
        "/a%",
        "/a%1",
        "/a%zz",
        "/a%ff",
        "/a%c0%af",
        "/a%ed%a0%80",
        "/a%2fb",
        "/a%2Fb",
        "http://legacy.example/public",
        "http://other.example/",
        "*",
        "legacy.example:80",
    ] {
        assert_eq!(stranger.asks("GET", target, "", b"").await.status, 400, "{target}");
    }
    assert_eq!(world.upstream.count(), 0);
}

#[tokio::test]
async fn honest_bytes_go_out_as_they_came() {
    let world = World::new().await;
    let mut stranger = world.at_a_browser("x");
    stranger.host = "legacy.example".to_owned();
    for target in [
        "/",
        "/a//b",
        "/a;b=c/d",
        "/%41bc",
        "/%e4%bd%a0%e5%a5%bd",
        "/a%20b+c",
        "/a?x=../../admin",
        "/a?x=%2f%00%ff&y=\\",
        "/a?",
        "/a??x",
        "/A/B.c",
        "/~a/$b&'(c)*,:@!=",
        "/a%25b",
        "/a/..b",
        "/.well-known/x",
        "/administrator",
        "/admins/x",
        "/x/admin",
    ] {
        assert_eq!(stranger.asks("GET", target, "", b"").await.status, 200, "{target}");
        assert_eq!(world.upstream.last().target(), target);
    }
}

/// Raw requests that are refused before anybody reads their path.
#[tokio::test]
async fn malformed_heads_are_refused() {
    let world = World::new().await;
    let stranger = world.at_a_browser("x");
    for head in [
        "GET /x HTTP/1.1\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost:\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: legacy.example\r\nHost: legacy.example\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: legacy.example\r\nHost: app.example\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: legacy.example,app.example\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: legacy.example/admin\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: user@legacy.example\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: legacy.example:99999\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: legacy example\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost : legacy.example\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: legacy.example\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: legacy.example\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "POST /x HTTP/1.1\r\nHost: legacy.example\r\nContent-Length: +5\r\n\r\nhello",
        "POST /x HTTP/1.1\r\nHost: legacy.example\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: legacy.example\r\n X-Folded: 1\r\n\r\n",
    ] {
        let mut wire = stranger.wire().await;
        wire.send(head.as_bytes()).await;
        if let Some(answer) = wire.answer("GET").await {
            assert!((400..500).contains(&answer.status), "{head:?}: {}", answer.status);
        }
    }
    assert_eq!(world.upstream.count(), 0, "{:?}", world.upstream.seen());
}

#[tokio::test]
async fn a_refused_body_is_not_the_next_request() {
    let world = World::new().await;
    let stranger = world.at_a_browser("x");
    let hidden = "GET /public/smuggled HTTP/1.1\r\nHost: app.example\r\n\r\n";
    for target in ["/payroll", "/closed", "/.vestibule/login", "/a/../b"] {
        let mut wire = stranger.wire().await;
        let head = format!("POST {target} HTTP/1.1\r\nHost: app.example\r\nContent-Length: {}\r\n\r\n", hidden.len());
        wire.send(head.as_bytes()).await;
        let answer = wire.answer("POST").await.unwrap();
        assert!(answer.status >= 400, "{target}: {}", answer.status);
        wire.send(hidden.as_bytes()).await;
        let _ = wire.rest_within_reason().await;
    }
    assert!(world.upstream.seen().iter().all(|seen| !seen.target().contains("smuggled")));
}
