//! The decision alone, for another proxy: what it may forward is never more than this gateway would forward itself.

mod proxies;

use std::net::IpAddr;
use std::sync::Arc;

use vestibule::base::Clock;

use crate::harness::binary::{Gateway, Machine};
use crate::harness::*;
use proxies::{Kind, Proxy};

fn config(upstream: &Upstream) -> String {
    format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\nthreads = 1\ntrusted_proxies = [\"127.0.0.1\"]\n[forward_auth]\nfrom = [\"127.0.0.1\"]\n\
         [password]\nmemory_kib = 64\niterations = 1\n[mfa]\nfirst_enrolment = \"password\"\n\
         [[routes]]\nname = \"wiki\"\nhosts = [\"wiki.example\", \"*.wiki.example\"]\nupstreams = [\"http://{0}\"]\npolicy = \"one_factor\"\n\
         tokens = [\"bearer\"]\nassertion = {{ audience = \"wiki\" }}\n\
         [[routes.rules]]\npaths = [\"/public/\"]\npolicy = \"bypass\"\n\
         [[routes.rules]]\npaths = [\"/public/\"]\nquery = {{ do = [\"admin\"] }}\npolicy = \"two_factor\"\n\
         [[routes.rules]]\npaths = [\"/admins/\"]\npolicy = \"one_factor\"\ngroups = [\"admins\"]\n\
         [[routes]]\nname = \"vault\"\nhosts = [\"wiki.example\"]\npath = \"/vault/\"\nidentity = \"x_webauth\"\n\
         upstreams = [\"http://{0}\"]\npolicy = \"two_factor\"\n",
        upstream.address
    )
}

/// A gateway with alice in it, and an application.
async fn site() -> (Machine, Gateway, Upstream) {
    let upstream = Upstream::start().await;
    let machine = Machine::new(&config(&upstream));
    machine.does_with(&["user", "add", "alice", "--email", "alice@post.example", "--group", "staff", "--password-stdin"], PASSWORD);
    let gateway = machine.serves();
    (machine, gateway, upstream)
}

fn person(address: std::net::SocketAddr) -> Person {
    let mut person = Person::new("alice", address, Clock::system(), Arc::default());
    person.host = "wiki.example".to_owned();
    person
}

/// Every header of a request by which some application might be told who it is.
fn identity(seen: &upstream::Seen) -> Vec<String> {
    let lines = seen.head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    let names_somebody = |name: &str| {
        let name = name.to_ascii_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        ["remote-", "x-authentik", "x-webauth", "x-vestibule-assertion"].iter().any(|start| name.starts_with(start))
    };
    let told = lines.filter(|(name, value)| names_somebody(name) && !value.trim().is_empty());
    told.map(|(name, value)| format!("{}: {}", name.to_ascii_lowercase(), value.trim())).collect()
}

async fn the_proxy_obeys(kind: Kind) {
    let (machine, gateway, upstream) = site().await;
    let proxy = Proxy::start(kind, &machine, &gateway);
    let mut stranger = person(proxy.address);
    a_stranger_gets_nowhere(&mut stranger, &upstream).await;
    nobody_names_themselves(&mut stranger, &upstream).await;
    no_path_leads_around(&mut stranger, &upstream).await;
    no_header_leads_around(&mut stranger, &upstream).await;
    let mut alice = person(proxy.address);
    alice_is_let_in(&mut alice, &upstream).await;
    her_requests_arrive_whole(&mut alice, &upstream).await;
    her_robot_uses_a_token(&machine, &mut person(proxy.address), &upstream).await;
    if kind != Kind::Envoy && kind != Kind::Traefik {
        alice.calls("GET", "/page").await.is(200);
        assert!(!upstream.last().values("cookie").concat().contains("vestibule="), "the session's cookie stays in front");
    }
    alice.visits("/.vestibule/logout").await;
    alice.sends("logout", &[]).await;
    alice.opens("/page").await.is(303);
}

async fn a_stranger_gets_nowhere(stranger: &mut Person, upstream: &Upstream) {
    let before = upstream.count();
    let answer = stranger.opens("/page?a=b&c=%2f").await;
    answer.is(303);
    assert_eq!(answer.location(), "http://wiki.example/.vestibule/login?rd=/page%3Fa%3Db%26c%3D%252f");
    stranger.follows().await;
    stranger.is_at("login");
    for method in ["GET", "POST", "PROPFIND", "DELETE"] {
        stranger.calls(method, "/page").await.is(401);
    }
    let forged = "X-Original-URL: http://wiki.example/public/a\r\nX-Original-Method: GET\r\nX-Forwarded-Uri: /public/a\r\n\
                  X-Forwarded-Method: GET\r\nX-Forwarded-Host: wiki.example\r\nX-Forwarded-Prefix: /public\r\nX-Rewrite-Url: /public/a\r\n";
    let answer = stranger.asks("GET", "/page?x-forwarded-uri=/public/a", forged, b"").await;
    assert!([401, 403].contains(&answer.status), "{}", answer.status);
    for place in ["nginx", "forward", "envoy/public/a"] {
        let answer = stranger.asks("GET", &format!("/.vestibule/auth/{place}"), forged, b"").await;
        assert!([403, 404].contains(&answer.status), "auth/{place} is closed to clients: {}", answer.status);
    }
    let mut wire = stranger.wire().await;
    wire.send(b"GET http://wiki.example/page HTTP/1.1\r\nHost: other.example\r\nConnection: close\r\n\r\n").await;
    assert_ne!(wire.answer("GET").await.map(|answer| answer.status), Some(200));
    assert_eq!(upstream.count(), before, "nothing reached the application");
}

async fn nobody_names_themselves(stranger: &mut Person, upstream: &Upstream) {
    stranger.calls("GET", "/public/a").await.is(200);
    assert_eq!(identity(&upstream.last()), Vec::<String>::new());
    let names = ["Remote-User", "remote_user", "Remote_Groups", "Remote.User", "REMOTE-EMAIL", "X-authentik-username", "X_WEBAUTH_USER"];
    for name in names.into_iter().chain(["X-Vestibule-Assertion", "x_vestibule_assertion"]) {
        let before = upstream.count();
        let answer = stranger.asks("GET", "/public/a", &format!("{name}: root\r\n"), b"").await;
        let reached = upstream.count() > before;
        assert_eq!(reached, answer.status == 200, "{name}");
        assert!(!reached || identity(&upstream.last()).is_empty(), "{name}: {:?}", identity(&upstream.last()));
    }
}

async fn no_header_leads_around(stranger: &mut Person, upstream: &Upstream) {
    for line in ["X-Rewrite-URL: /page", "X-Original-URL: /page", "X_Original_URL: /page", "X-HTTP-Method-Override: DELETE", "Proxy: evil"]
    {
        let before = upstream.count();
        let answer = stranger.asks("GET", "/public/a", &format!("{line}\r\n"), b"").await;
        let reached = upstream.count() > before;
        assert_eq!(reached, answer.status == 200, "{line}");
        let (name, _) = line.split_once(':').unwrap();
        assert!(!reached || upstream.last().values(name).concat().is_empty(), "{line} reached the application");
    }
}

/// The application learns who it is, and never the token; its own credentials are left alone.
async fn her_robot_uses_a_token(machine: &Machine, robot: &mut Person, upstream: &Upstream) {
    let token = machine.does(&["token", "create", "alice", "--name", "robot", "--expires", "1h"]);
    let token = token.split_whitespace().find(|word| word.starts_with("vst_")).expect("a token").to_owned();
    robot.asks("GET", "/page", &format!("Authorization: Bearer {token}\r\n"), b"").await.is(200);
    let seen = upstream.last();
    assert_eq!(seen.values("remote-user"), ["alice"]);
    assert_eq!(seen.values("x-vestibule-assertion").concat().split('.').count(), 3, "a signed statement");
    assert!(!seen.head.contains("vst_"), "{}", seen.head);
    robot.asks("GET", "/public/a", &format!("Authorization: Bearer {token}\r\n"), b"").await.is(200);
    assert!(!upstream.last().head.contains("vst_"), "{}", upstream.last().head);
    let before = upstream.count();
    let answer = robot.asks("GET", "/page", "Authorization: Bearer vst_wrong\r\n", b"").await;
    answer.is(401);
    assert!(
        answer.header("www-authenticate").is_some_and(|said| said.contains("invalid_token")),
        "{:?}",
        answer.header("www-authenticate")
    );
    robot.asks("GET", "/vault/a", &format!("Authorization: Bearer {token}\r\n"), b"").await.is(401);
    robot.asks("GET", "/page", &format!("X-Vestibule-Token: {token}\r\n"), b"").await.is(401);
    assert_eq!(upstream.count(), before);
    robot.asks("GET", "/public/a", "Authorization: Basic YWxpY2U6cHc=\r\n", b"").await.is(200);
    assert_eq!(upstream.last().values("authorization"), ["Basic YWxpY2U6cHc="], "the application's own");
}

async fn no_path_leads_around(stranger: &mut Person, upstream: &Upstream) {
    for target in [
        "/public/../page",
        "/public/..%2fpage",
        "/public/%2e%2e/page",
        "/public%2f..%2fpage",
        "/public/..;/page",
        "/public/%252e%252e/page",
        "//page",
        "/./page",
        "/public/..%5cpage",
        "/public/.%2e/page",
        "/.vestibule/../page",
        "/.vestibule/..%2fpage",
        "/.vestibule/auth/envoy/../../../page",
    ] {
        let before = upstream.count();
        let answer = stranger.calls("GET", target).await;
        let reached = (upstream.count() > before).then(|| upstream.last().target().to_owned());
        assert!(reached.as_deref().is_none_or(|path| path.starts_with("/public/") && !path.contains("..")), "{target} became {reached:?}");
        assert!(answer.status >= 400 || reached.is_some(), "{target}: {}", answer.status);
    }
}

async fn alice_is_let_in(alice: &mut Person, upstream: &Upstream) {
    alice.visits("/page?a=b&c=%2f").await;
    alice.is_at("login");
    alice.types_password().await;
    alice.follows().await;
    alice.sees("/page?a=b&c=%2f");
    let seen = upstream.last();
    assert_eq!(seen.values("remote-user"), ["alice"]);
    assert_eq!(seen.values("remote-email"), ["alice@post.example"]);
    assert_eq!(seen.values("remote-groups"), ["staff"]);
    assert!(seen.values("x-webauth-user").concat().is_empty(), "another route's names");
    alice.calls("GET", "/public/a").await.is(200);
    assert_eq!(identity(&upstream.last()), Vec::<String>::new(), "a bypass says nothing of her");
    let before = upstream.count();
    alice.asks("GET", "/page", "Remote-Groups: admins\r\n", b"").await.is(403);
    alice.calls("GET", "/admins/a").await.is(403);
    alice.calls("GET", "/vault/a").await.is(401);
    alice.visits("/vault/a").await;
    alice.is_at("enrol");
    assert_eq!(upstream.count(), before);
}

async fn her_requests_arrive_whole(alice: &mut Person, upstream: &Upstream) {
    let body = vec![b'x'; 300_000];
    alice.asks("PUT", "/page/echo", "Accept: application/json\r\n", &body).await.is(200);
    assert_eq!((upstream.last().line(), upstream.last().body.len()), ("PUT /page/echo HTTP/1.1", body.len()));
    alice.calls("PROPFIND", "/page").await.is(200);
    let (mut socket, answer) = alice.opens_socket("/ws", "http://wiki.example").await;
    answer.is(101);
    socket.say("hello").await;
    assert_eq!(socket.hear().await.as_deref(), Some("hello"));
    let (_, answer) = alice.opens_socket("/ws", "http://evil.example").await;
    answer.is(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_obeys() {
    the_proxy_obeys(Kind::Nginx).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn haproxy_obeys() {
    the_proxy_obeys(Kind::Haproxy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn caddy_obeys_the_old_one_and_the_current_one() {
    the_proxy_obeys(Kind::Caddy).await;
    the_proxy_obeys(Kind::CurrentCaddy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn traefik_obeys() {
    the_proxy_obeys(Kind::Traefik).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_obeys() {
    the_proxy_obeys(Kind::Envoy).await;
}

/// One question, asked by hand from an address of this machine.
async fn asked(gateway: &Gateway, from: [u8; 4], method: &str, target: &str, lines: &str) -> Answer {
    let mut wire = Wire::open(gateway.address, IpAddr::from(from)).await;
    wire.send(format!("{method} {target} HTTP/1.1\r\nHost: wiki.example\r\nConnection: close\r\n{lines}\r\n").as_bytes()).await;
    wire.answer(method).await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_proxies_may_ask_and_each_in_its_own_dialect() {
    let (_machine, gateway, upstream) = site().await;
    let (proxy, other) = ([127, 0, 0, 1], [127, 0, 0, 2]);
    let nginx = |url: &str, more: &str| format!("X-Original-URL: {url}\r\nX-Original-Method: GET\r\n{more}");
    let forward = |uri: &str, more: &str| {
        format!("X-Forwarded-Method: GET\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: wiki.example\r\nX-Forwarded-Uri: {uri}\r\n{more}")
    };
    let public = nginx("http://wiki.example/public/a", "");
    let answer = asked(&gateway, proxy, "GET", "/.vestibule/auth/nginx", &public).await;
    answer.is(200);
    let names = ["remote-user", "remote-name", "remote-email", "remote-groups", "x-webauth-user", "x-vestibule-assertion", "authorization"];
    for name in names {
        assert_eq!(answer.header(name), Some(""), "{name}");
    }
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    asked(&gateway, other, "GET", "/.vestibule/auth/nginx", &public).await.is(404);
    asked(&gateway, proxy, "GET", "/.vestibule/auth/forward", &public).await.is(403);
    asked(&gateway, proxy, "GET", "/.vestibule/auth/forward?a=/b", &forward("/public/a", "")).await.is(200);
    asked(&gateway, proxy, "GET", "/.vestibule/auth/nginx", &forward("/public/a", "")).await.is(403);
    asked(&gateway, proxy, "PROPFIND", "/.vestibule/auth/envoy/public/a", "").await.is(200);
    asked(&gateway, proxy, "GET", "/.vestibule/auth/envoy", &public).await.is(403);
    asked(&gateway, proxy, "GET", "/.vestibule/auth/other", &public).await.is(404);

    // What would be 400, 404, 405 or 431 here is 403 there; nothing below our own pages is another's to forward.
    for url in [
        "http://nobody.example/public/a",
        "http://wiki.example/public/../page",
        "http://wiki.example/public/%2e%2e/page",
        "http://wiki.example/.vestibule/login",
        "http://wiki.example/.vestibule/auth/nginx",
        "http://wiki.example/%2evestibule/login",
        "http://wiki.example:x/public/a",
        "http://wiki.example/public/a#/../../page",
        "wiki.example/public/a",
    ] {
        asked(&gateway, proxy, "GET", "/.vestibule/auth/nginx", &nginx(url, "")).await.is(403);
    }
    let trace = public.replace("Method: GET", "Method: TRACE");
    asked(&gateway, proxy, "GET", "/.vestibule/auth/nginx", &trace).await.is(403);
    asked(&gateway, proxy, "GET", "/.vestibule/auth/envoy/public/../page", "").await.is(403);
    for line in ["SM_USER: root", "iv-user: root", "X_Rewrite-Url: /x", "X-Original-Uri: /x", "X_Original_URL: /x", "X-HTTP-Method: PUT"] {
        asked(&gateway, proxy, "GET", "/.vestibule/auth/nginx", &nginx("http://wiki.example/public/a", &format!("{line}\r\n")))
            .await
            .is(403);
    }

    // A rule by query: what a body says cannot be seen, so a form counts, and so does what does not say that it is none.
    let status = async |method: &str, target: &str, more: &str| {
        let line = nginx(&format!("http://wiki.example{target}"), more).replace("Method: GET", &format!("Method: {method}"));
        asked(&gateway, proxy, "GET", "/.vestibule/auth/nginx", &line).await.status
    };
    assert_eq!(status("GET", "/public/a?do=show", "").await, 200);
    assert_eq!(status("GET", "/public/a?DO=%61dmin", "").await, 401);
    assert_eq!(status("POST", "/public/a", "Content-Type: application/json\r\n").await, 200);
    assert_eq!(status("POST", "/public/a", "Content-Type: application/x-www-form-urlencoded\r\n").await, 401);
    assert_eq!(status("POST", "/public/a", "").await, 401);

    // nginx takes 200, 401 and 403 and nothing else; the others a redirect too.
    let navigates = "Accept: text/html\r\nSec-Fetch-Mode: navigate\r\n";
    let answer = asked(&gateway, proxy, "GET", "/.vestibule/auth/nginx", &nginx("https://wiki.example/page?a", navigates)).await;
    assert_eq!((answer.status, answer.location()), (401, "https://wiki.example/.vestibule/login?rd=/page%3Fa"));
    let answer = asked(&gateway, proxy, "GET", "/.vestibule/auth/forward", &forward("/page", navigates)).await;
    assert_eq!((answer.status, answer.location()), (303, "http://wiki.example/.vestibule/login?rd=/page"));
    let script = asked(&gateway, proxy, "GET", "/.vestibule/auth/nginx", &nginx("http://wiki.example/page", "")).await;
    assert_eq!((script.status, script.header("location")), (401, None));
    let posted = nginx("http://wiki.example/page", navigates).replace("Method: GET", "Method: POST");
    let posted = asked(&gateway, proxy, "GET", "/.vestibule/auth/nginx", &posted).await;
    assert_eq!((posted.status, posted.header("location")), (401, None), "a form is no navigation, however its question is asked");
    assert_eq!(upstream.count(), 0, "questions go nowhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_section_nobody_may_ask() {
    let upstream = Upstream::start().await;
    let machine = Machine::new(&config(&upstream).replace("[forward_auth]\nfrom = [\"127.0.0.1\"]\n", ""));
    let gateway = machine.serves();
    let public = "X-Original-URL: http://wiki.example/public/a\r\nX-Original-Method: GET\r\n";
    asked(&gateway, [127, 0, 0, 1], "GET", "/.vestibule/auth/nginx", public).await.is(404);
    asked(&gateway, [127, 0, 0, 1], "GET", "/.vestibule/auth/envoy/public/a", "").await.is(404);
}

/// The one host for signing in, behind another proxy: the printed configuration has all that it needs.
#[tokio::test(flavor = "multi_thread")]
async fn the_way_over_the_portal_works_behind_each_proxy() {
    for kind in [Kind::Nginx, Kind::Haproxy, Kind::Caddy, Kind::CurrentCaddy, Kind::Traefik, Kind::Envoy] {
        let upstream = Upstream::start().await;
        let machine = Machine::new(&format!("{}[portal]\nurl = \"http://login.example\"\n", config(&upstream)));
        machine.does_with(&["user", "add", "alice", "--email", "alice@post.example", "--password-stdin"], PASSWORD);
        let gateway = machine.serves();
        let proxy = Proxy::start(kind, &machine, &gateway);
        let mut alice = person(proxy.address);
        alice.goes_to("http://wiki.example/page?a=b&c=%2f").await;
        alice.travels().await;
        alice.is_on("login.example", "login");
        alice.types_password().await.is(303);
        alice.travels().await;
        alice.sees_at("wiki.example", "/page?a=b&c=%2f");
        assert_eq!(upstream.last().values("remote-user"), ["alice"], "{kind:?}");
        alice.goes_to("http://login.example/").await.leads_to("/.vestibule/account");
        alice.goes_to("http://login.example/.vestibule/auth/nginx").await.is(404);
        alice.signs_out_from("wiki.example", "login.example").await;
        alice.goes_to("http://wiki.example/page").await.is(303);
    }
}
