//! What a route changes for its application: a prefix that is cut off, headers, the longest body, a page while it is away.

use crate::harness::*;

const ROUTES: &str = r#"
[[routes]]
name = "cut"
hosts = ["changes.example"]
path = "/wiki"
upstreams = ["UPSTREAM"]
policy = "one_factor"
proxy = { strip_prefix = "/wiki" }
  [[routes.rules]]
  paths = ["/wiki/admin"]
  policy = "two_factor"
[[routes]]
name = "headers"
hosts = ["changes.example"]
path = "/headers"
upstreams = ["UPSTREAM"]
policy = "one_factor"
request_headers = { "X-Environment" = "prod", "User-Agent" = "" }
response_headers = { "X-Frame-Options" = "DENY", "Content-Type" = "" }
[[routes]]
name = "short"
hosts = ["changes.example"]
path = "/short"
upstreams = ["UPSTREAM"]
policy = "bypass"
max_body = "8B"
[[routes]]
name = "away"
hosts = ["changes.example"]
path = "/away"
upstreams = ["UPSTREAM"]
policy = "one_factor"
maintenance = "away.html"
maintenance_groups = ["builders"]
[[routes]]
name = "query"
hosts = ["changes.example"]
path = "/query"
upstreams = ["UPSTREAM"]
policy = "one_factor"
  [[routes.rules]]
  query = { do = ["admin"] }
  policy = "two_factor"
"#;

async fn world() -> World {
    let page = |folder: &std::path::Path| std::fs::write(folder.join("away.html"), "<h1>Back at noon</h1>").unwrap();
    World::builder().mfa("first_enrolment = \"password\"").after(page).with(ROUTES).build().await
}

async fn somebody(world: &World, name: &str, groups: &[&str]) -> Person {
    let mut person = world.person(name, groups).await;
    person.host = "changes.example".into();
    person.signs_in_at("/headers/x").await;
    person
}

#[tokio::test]
async fn the_prefix_is_cut_off_what_was_judged_and_comes_back_in_answers() {
    let world = world().await;
    let mut alice = somebody(&world, "alice", &[]).await;
    for (asked, sent) in [("/wiki/a//b;c?x=/wiki", "/a//b;c?x=/wiki"), ("/wiki", "/"), ("/wiki/", "/"), ("/wiki?x=1", "/?x=1")] {
        alice.calls("GET", asked).await.is(200);
        let seen = world.upstream.last();
        assert_eq!(seen.target(), sent, "{asked}");
        assert_eq!(seen.values("x-forwarded-prefix"), ["/wiki"]);
        alice.asks("GET", asked, "X-Forwarded-Prefix: /evil\r\n", b"").await.is(200);
        assert_eq!(world.upstream.last().values("x-forwarded-prefix"), ["/wiki"]);
    }
    let before = world.upstream.count();
    // The rule is about the client's path; a prefix in another spelling cannot be cut off.
    for (asked, status) in [("/wiki/admin/x", 401), ("/WIKI/a", 400), ("/w%69ki/a", 400), ("//wiki/a", 400)] {
        let answer = alice.calls("GET", asked).await;
        assert!(answer.status == status || answer.status == 401 || answer.status == 404, "{asked}: {}", answer.status);
    }
    assert_eq!(world.upstream.count(), before, "nothing of that went out");
    let moved = alice.asks("MOVE", "/wiki/a", "Destination: http://changes.example/wiki/b\r\n", b"").await;
    moved.is(200);
    assert_eq!(world.upstream.last().values("destination"), ["http://changes.example/b"]);
    let cookies = alice.calls("GET", "/wiki/set-cookie").await;
    assert!(
        cookies.all("set-cookie").any(|line| line == "app=1; Path=/wiki/" || line == "app=1; Path=/wiki"),
        "{:?}",
        cookies.all("set-cookie").collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn headers_are_set_and_removed_both_ways() {
    let world = world().await;
    let mut alice = somebody(&world, "alice", &[]).await;
    let many: String = (0..12).map(|n| format!("X-More-{n}: {n}\r\n")).collect();
    for lines in ["x-environment: test\r\nX-Environment: dev\r\n".to_owned(), many] {
        let answer = alice.asks("GET", "/headers/x", &lines, b"").await;
        let seen = world.upstream.last();
        assert_eq!((seen.values("x-environment"), seen.values("user-agent")), (vec!["prod"], vec![]), "{}", seen.head);
        assert_eq!((answer.is(200).header("x-frame-options"), answer.header("content-type")), (Some("DENY"), None));
    }
}

#[tokio::test]
async fn a_longer_body_is_refused_before_and_while_it_arrives() {
    let world = world().await;
    let mut stranger = world.at_a_browser("nobody");
    stranger.host = "changes.example".into();
    stranger.asks("POST", "/short/echo", "", b"12345678").await.is(200);
    let before = world.upstream.count();
    stranger.asks("POST", "/short/echo", "", b"123456789").await.is(413);
    assert_eq!(world.upstream.count(), before, "its length was known");
    let mut wire = stranger.wire().await;
    let head =
        "POST /short/echo HTTP/1.1\r\nHost: changes.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n5\r\n67890\r\n0\r\n\r\n";
    wire.send(head.as_bytes()).await;
    wire.answer("POST").await.unwrap().is(413);
}

#[tokio::test]
async fn while_an_application_is_away_only_its_builders_get_through() {
    let world = world().await;
    let (mut alice, mut bob) = (somebody(&world, "alice", &[]).await, somebody(&world, "bob", &["builders"]).await);
    let mut stranger = world.at_a_browser("nobody");
    stranger.host = "changes.example".into();
    let before = world.upstream.count();
    for person in [&mut alice, &mut stranger] {
        assert!(person.opens("/away/x").await.is(503).text().contains("Back at noon"));
        assert_eq!(person.calls("GET", "/away/x").await.is(503).json()["reason"], "maintenance");
    }
    assert_eq!(world.upstream.count(), before);
    bob.calls("GET", "/away/x").await.is(200);
}

#[tokio::test]
async fn a_query_in_any_spelling_demands_more_and_never_less() {
    let world = world().await;
    let mut alice = somebody(&world, "alice", &[]).await;
    alice.calls("GET", "/query/doku.php?do=show").await.is(200);
    for query in [
        "do=admin",
        "a=b&do=admin",
        "DO=Admin",
        "d%6f=adm%69n",
        "do=%61dmin",
        "do=show&do=admin",
        "do=admin&do=show",
        "a;do=admin",
        "do[]=admin",
        "%64%256f=admin",
    ] {
        let answer = alice.calls("GET", &format!("/query/doku.php?{query}")).await;
        assert_eq!(answer.is(401).json()["reason"].as_str().unwrap(), "enrol", "{query}");
    }
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    alice.asks("POST", "/query/doku.php", form, b"do=admin").await.is(401);
    alice.asks("POST", "/query/doku.php", "Content-Type: application/json\r\n", b"{}").await.is(200);
}
