//! Credentials for the sign-in of applications, and what happens if they are refused.

use vestibule::service::audit::{PageStart, RecordFilter};

use crate::harness::*;

const ROUTES: &str = r#"
[[routes]]
name = "static"
hosts = ["door.example"]
path = "/static"
upstreams = ["UPSTREAM"]
policy = "one_factor"
tokens = ["bearer", "header"]
upstream_auth = { basic = { user = "svc", password = "right" } }
[[routes]]
name = "open"
hosts = ["door.example"]
path = "/open"
upstreams = ["UPSTREAM"]
policy = "bypass"
upstream_auth = { bearer = "right-token" }
[[routes]]
name = "wrong"
hosts = ["door.example"]
path = "/wrong"
upstreams = ["UPSTREAM"]
policy = "one_factor"
upstream_auth = { bearer = "old-token" }
[[routes]]
name = "own"
hosts = ["door.example"]
path = "/own"
upstreams = ["UPSTREAM"]
policy = "one_factor"
upstream_auth = { basic = "personal" }
[[routes]]
name = "other"
hosts = ["door.example"]
path = "/other"
upstreams = ["UPSTREAM"]
policy = "one_factor"
upstream_auth = { basic = "personal" }
"#;

fn basic(pair: &str) -> String {
    format!("Basic {}", data_encoding::BASE64.encode(pair.as_bytes()))
}

async fn world() -> World {
    World::builder().mfa("first_enrolment = \"password\"").with(ROUTES).build().await
}

async fn alice(world: &World) -> Person {
    let mut alice = world.person_with_app("alice", &[]).await;
    alice.host = "door.example".into();
    alice.signs_in_at("/static/x").await;
    alice
}

/// How often the application's door was tried, as whom.
fn tries(world: &World) -> Vec<String> {
    world.upstream.seen().iter().filter(|seen| seen.target().contains("/door")).map(|seen| seen.values("authorization").concat()).collect()
}

#[tokio::test]
async fn a_static_credential_replaces_the_clients_and_goes_out_for_somebody_only() {
    let world = world().await;
    let mut alice = alice(&world).await;
    let many: String = (0..12).map(|n| format!("X-More-{n}: {n}\r\n")).collect();
    for lines in ["", "Authorization: Basic bW86bW8=\r\n", "authorization: Bearer mine\r\nAuthorization: Basic bW86bW8=\r\n", &many] {
        alice.asks("GET", "/static/door", lines, b"").await.is(200);
        assert_eq!(world.upstream.last().values("authorization"), [basic("svc:right")]);
    }
    let (_, socket) = alice.opens_socket("/static/ws", "http://door.example").await;
    socket.is(101);
    assert_eq!(world.upstream.last().values("authorization"), [basic("svc:right")]);
    let mut stranger = world.at_a_browser("nobody");
    stranger.host = "door.example".into();
    for person in [&mut stranger, &mut alice] {
        person.asks("GET", "/open/x", "", b"").await.is(200);
        assert!(world.upstream.last().values("authorization").is_empty(), "bypass: {}", world.upstream.last().head);
        person.asks("GET", "/open/x", "Authorization: Bearer mine\r\n", b"").await.is(200);
        assert_eq!(world.upstream.last().values("authorization"), ["Bearer mine"]);
    }
    let through = stranger.asks("GET", "/open/door", "", b"").await;
    assert_eq!(
        through.is(401).header("www-authenticate"),
        Some("Basic realm=\"door\""),
        "where we say nothing, the application's word counts"
    );
}

#[tokio::test]
async fn a_refused_static_credential_is_a_page_and_no_prompt() {
    let world = world().await;
    let mut alice = alice(&world).await;
    let page = alice.opens("/wrong/door").await;
    assert!(page.is(502).header("www-authenticate").is_none() && page.text().contains("administrator"), "{}", page.text());
    let answer = alice.calls("GET", "/wrong/door").await;
    assert_eq!(answer.is(502).json()["reason"], "upstream_credentials");
    alice.calls("GET", "/wrong/other").await.is(200);
}

#[tokio::test]
async fn a_personal_password_is_typed_once_sealed_replaced_and_forgotten() {
    let mut world = world().await;
    let mut alice = alice(&world).await;
    let page = alice.opens("/own/door").await;
    assert!(page.is(502).text().contains("account/applications"), "what to do: {}", page.text());
    assert_eq!(alice.calls("GET", "/own/door").await.is(502).json()["reason"], "application_password_missing");
    assert_eq!(tries(&world), Vec::<String>::new(), "nothing goes out without one");
    let account = format!("{PREFIX}/account/applications");
    assert!(alice.visits(&account).await.is(200).text().contains("own"));
    let stored = [("route", "own"), ("username", "there"), ("password", "right")];
    alice.sends("account/applications", &stored).await.is(200);
    alice.asks("GET", "/own/door", "Authorization: Basic bW86bW8=\r\n", b"").await.is(200);
    assert_eq!(tries(&world), [basic("there:right")]);
    assert_eq!(
        alice.calls("GET", "/other/door").await.is(502).json()["reason"],
        "application_password_missing",
        "it is for one application"
    );
    let mut bob = world.person("bob", &[]).await;
    bob.host = "door.example".into();
    bob.signs_in_at("/static/x").await;
    bob.calls("GET", "/own/door").await.is(502);
    let shown = alice.visits(&account).await.text();
    assert!(shown.contains("there") && !shown.contains("right"), "the password is not shown again: {shown}");
    let stored = world.app().services.accounts.named("alice").await.unwrap();
    assert!(!serde_json::to_string(&stored).unwrap().contains("right"), "sealed at rest");
    world.restart().await;
    let mut back = world.at_a_browser("alice");
    (back.host, back.jar, back.phone) = (alice.host, alice.jar, alice.phone);
    let mut alice = back;
    alice.calls("GET", "/own/door").await.is(200);
    alice.visits(&account).await;
    alice.sends("account/applications/forget", &[]).await.is(200);
    alice.calls("GET", "/own/door").await.is(502);
    assert_eq!(tries(&world).len(), 2);
}

#[tokio::test]
async fn a_refused_personal_password_is_never_sent_again_until_it_is_replaced() {
    let world = world().await;
    let mut alice = alice(&world).await;
    let account = format!("{PREFIX}/account/applications");
    alice.visits(&account).await;
    alice.sends("account/applications", &[("route", "own"), ("username", "there"), ("password", "wrong")]).await.is(200);
    let page = alice.opens("/own/door").await;
    assert!(page.is(502).header("www-authenticate").is_none() && page.text().contains("account/applications"), "{}", page.text());
    for _ in 0..5 {
        assert_eq!(alice.calls("GET", "/own/door").await.is(502).json()["reason"], "application_password_refused");
        alice.calls("GET", "/own/anything").await.is(502);
    }
    let (_, socket) = alice.opens_socket("/own/ws", "http://door.example").await;
    socket.is(502);
    assert_eq!(tries(&world), [basic("there:wrong")], "once");
    let shown = alice.visits(&account).await.text();
    assert!(shown.contains("refused"), "{shown}");
    for bad in [[("username", "a:b"), ("password", "x")], [("username", "there"), ("password", "")]] {
        alice.visits(&account).await;
        alice.sends("account/applications", &bad).await.is(422);
    }
    alice.visits(&account).await;
    alice.sends("account/applications", &[("route", "own"), ("username", "there"), ("password", "right")]).await.is(200);
    alice.calls("GET", "/own/door").await.is(200);
    alice.visits(&account).await;
    alice.sends("account/applications", &[("route", "static"), ("username", "there"), ("password", "right")]).await.is(422);
    let page = world.app().services.audit_reader.page(&RecordFilter::default(), PageStart::End, 100).await.unwrap();
    let mut events: Vec<_> = page.records.into_iter().filter(|record| record.event.starts_with("application.")).collect();
    events.sort_by_key(|record| record.seq);
    let names: Vec<&str> = events.iter().map(|record| record.event.as_str()).collect();
    assert_eq!(names, ["application.stored", "application.refused", "application.stored"]);
}
