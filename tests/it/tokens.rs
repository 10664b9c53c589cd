//! Machines with API tokens: what they open, what becomes of the token on the way, and how soon it is over.

use vestibule::service::accounts::NewAccount;
use vestibule::service::admin::AccountChange;
use vestibule::service::audit::Actor;
use vestibule::service::tokens::{NewToken, TokenView};

use crate::harness::*;

const ROUTES: &str = r#"
[[routes]]
name = "api"
hosts = ["api.example"]
upstreams = ["UPSTREAM"]
policy = "one_factor"
tokens = ["bearer", "basic", "header"]
  [[routes.rules]]
  paths = ["/staff"]
  policy = "one_factor"
  groups = ["staff"]
  [[routes.rules]]
  paths = ["/two"]
  policy = "two_factor"
[[routes]]
name = "bearer-only"
hosts = ["api.example"]
path = "/bearer-only"
upstreams = ["UPSTREAM"]
policy = "one_factor"
tokens = ["bearer"]
[[routes]]
name = "worth-two"
hosts = ["api.example"]
path = "/worth-two"
upstreams = ["UPSTREAM"]
policy = "two_factor"
tokens = ["bearer"]
tokens_count_as = "two_factor"
  [[routes.rules]]
  paths = ["/worth-two/fresh"]
  max_age = "15m"
[[routes]]
name = "open"
hosts = ["api.example"]
path = "/open"
upstreams = ["UPSTREAM"]
policy = "bypass"
"#;

/// A machine with a service account, at the host of the routes that take tokens.
struct Machine {
    world: World,
    at: Person,
}

async fn machine() -> Machine {
    let world = World::builder().mfa("first_enrolment = \"password\"").with(ROUTES).build().await;
    let new = NewAccount { name: "robot".into(), groups: vec!["staff".into()], service: true, ..NewAccount::default() };
    assert!(world.app().services.accounts.add(&new, None, Actor::CommandLine).await.unwrap().is_none(), "no set-up link");
    let mut at = world.at_a_browser("robot");
    at.host = "api.example".into();
    Machine { world, at }
}

fn wanted(name: &str) -> NewToken {
    NewToken { name: name.into(), lifetime: seconds(3600), ..NewToken::default() }
}

fn basic(user: &str, password: &str) -> String {
    format!("Authorization: Basic {}\r\n", data_encoding::BASE64.encode(format!("{user}:{password}").as_bytes()))
}

impl Machine {
    async fn token_of(&self, user: &str, new: &NewToken) -> (String, TokenView) {
        let services = &self.world.app().services;
        let account = services.accounts.named(user).await.unwrap();
        let (token, view) = services.api_tokens.make(&account, new, Actor::CommandLine).await.unwrap();
        (token.expose().to_owned(), view)
    }

    async fn token(&self) -> String {
        self.token_of("robot", &wanted("nightly")).await.0
    }

    async fn asks(&mut self, target: &str, lines: &str) -> Answer {
        self.at.asks("GET", target, lines, b"").await
    }
}

#[tokio::test]
async fn a_token_opens_its_routes_in_each_way_and_never_arrives() {
    let mut robot = machine().await;
    let token = robot.token().await;
    for lines in [
        format!("Authorization: Bearer {token}\r\n"),
        format!("authorization: bearer {token}\r\nConnection: close, Authorization\r\n"),
        basic("anybody", &token),
        format!("X-Vestibule-Token: {token}\r\n"),
        format!("X-Vestibule-Token: {token}\r\nAuthorization: Bearer the-applications-own\r\n"),
    ] {
        robot.asks("/x", &lines).await.is(200);
        let seen = robot.world.upstream.last();
        assert!(!seen.head.contains("vst_") && !seen.head.to_lowercase().contains("x-vestibule-token"), "{}", seen.head);
        assert_eq!(seen.values("remote-user"), ["robot"]);
        let own = lines.contains("the-applications-own");
        assert_eq!(seen.values("authorization").len(), usize::from(own), "{}", seen.head);
        // With more lines the header is written another way.
        let many: String = (0..12).map(|n| format!("X-More-{n}: {n}\r\n")).collect();
        robot.asks("/x", &format!("{lines}{many}")).await.is(200);
        assert!(!robot.world.upstream.last().head.contains("vst_"));
    }
    robot.asks("/staff", &format!("Authorization: Bearer {token}\r\n")).await.is(200);
}

#[tokio::test]
async fn a_credential_of_ours_is_refused_where_its_way_is_not_taken_and_is_never_forwarded() {
    let mut robot = machine().await;
    let token = robot.token().await;
    let before = robot.world.upstream.count();
    for (target, lines, reason) in [
        ("/bearer-only", basic("x", &token), "token"),
        ("/bearer-only", format!("X-Vestibule-Token: {token}\r\n"), "token"),
        ("/open", format!("Authorization: Bearer {token}\r\n"), "token"),
        ("/x", format!("Authorization: Token {token}\r\n"), "invalid_token"),
        ("/x", basic(&token, "x-oauth-basic"), "invalid_token"),
        ("/x", format!("Authorization: Bearer {token}\r\nX-Vestibule-Token: {token}\r\n"), "invalid_token"),
        ("/x", format!("Authorization: Bearer {token}x\r\n"), "invalid_token"),
        ("/open", "Authorization: Bearer vst_wrong\r\n".to_owned(), "invalid_token"),
        ("/x", basic("x", "vst_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), "invalid_token"),
    ] {
        let answer = robot.asks(target, &lines).await;
        answer.is(401);
        assert_eq!(answer.json()["reason"], reason, "{target} {lines}");
    }
    // Neither a cookie nor the query is a place for one.
    robot.asks(&format!("/x?access_token={token}"), "").await.is(401);
    robot.asks("/x", &format!("Cookie: vestibule={token}\r\n")).await.is(401);
    assert_eq!(robot.world.upstream.count(), before, "nothing was forwarded");
    robot.asks("/open", &basic("alice", "the-applications-own")).await.is(200);
    assert_eq!(robot.world.upstream.last().values("authorization").len(), 1);
}

#[tokio::test]
async fn what_a_token_is_worth_is_the_routes_word() {
    let mut robot = machine().await;
    let token = robot.token().await;
    let lines = format!("Authorization: Bearer {token}\r\n");
    robot.asks("/two", &lines).await.is(403);
    robot.asks("/worth-two", &lines).await.is(200);
    robot.asks("/worth-two/fresh", &lines).await.is(403);
}

#[tokio::test]
async fn a_token_is_held_to_its_scope() {
    let mut robot = machine().await;
    let scope = NewToken {
        routes: vec!["api".into()],
        methods: vec!["GET".into()],
        networks: vec!["127.0.0.1/32".parse().unwrap()],
        ..wanted("a")
    };
    let (token, view) = robot.token_of("robot", &scope).await;
    assert_eq!((view.routes.as_slice(), view.methods.as_slice()), (&["api".to_owned()][..], &["GET".to_owned()][..]));
    let lines = format!("Authorization: Bearer {token}\r\n");
    robot.asks("/x", &lines).await.is(200);
    robot.at.asks("HEAD", "/x", &lines, b"").await.is(200);
    robot.at.asks("POST", "/x", &lines, b"").await.is(403);
    robot.asks("/bearer-only", &lines).await.is(403);
    robot.asks("/BEARER-ONLY", &lines).await.is(403);
    robot.at.elsewhere(9).asks("GET", "/x", &lines, b"").await.is(403);
}

#[tokio::test]
async fn basic_is_asked_for_and_taken_from_programs_alone() {
    let mut robot = machine().await;
    let token = robot.token().await;
    let challenge = |answer: &Answer| answer.all("www-authenticate").map(str::to_owned).collect::<Vec<_>>();
    let asked = challenge(robot.asks("/x", "Accept: */*\r\n").await.is(401));
    assert!(asked[0].starts_with("Basic realm=\"api\"") && asked[1].starts_with("Bearer"), "{asked:?}");
    let asked = challenge(robot.asks("/bearer-only", "Accept: */*\r\n").await.is(401));
    assert!(asked.iter().all(|line| !line.starts_with("Basic")), "{asked:?}");
    for fetch in ["Sec-Fetch-Mode: cors\r\nSec-Fetch-Site: same-origin\r\n", "Sec-Fetch-Dest: image\r\n"] {
        let asked = challenge(robot.asks("/x", fetch).await.is(401));
        assert!(asked.iter().all(|line| !line.starts_with("Basic")), "{asked:?}");
    }
    robot.asks("/x", "Accept: text/html\r\n").await.is(303);
    let own = basic("x", &token);
    robot.asks("/x", &format!("{own}Sec-Fetch-Mode: cors\r\nSec-Fetch-Site: same-origin\r\n")).await.is(200);
    for from_a_browser in [
        "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Site: none\r\n",
        "Sec-Fetch-Mode: no-cors\r\nSec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Mode: no-cors\r\nSec-Fetch-Site: same-site\r\n",
        "Accept: text/html\r\n",
        "Origin: http://evil.example\r\n",
    ] {
        let answer = robot.asks("/x", &format!("{own}{from_a_browser}")).await;
        answer.is(401);
        assert!(
            challenge(&answer).iter().all(|line| !line.starts_with("Basic")) || from_a_browser.starts_with("Origin"),
            "{from_a_browser}"
        );
    }
}

#[tokio::test]
async fn a_token_decides_and_a_wrong_one_is_not_made_good_by_a_session() {
    let robot = machine().await;
    let token = robot.token().await;
    let mut alice = robot.world.person("alice", &[]).await;
    alice.host = "api.example".into();
    alice.signs_in_at("/x").await;
    alice.asks("GET", "/x", &format!("Authorization: Bearer {token}\r\n"), b"").await.is(200);
    assert_eq!(robot.world.upstream.last().values("remote-user"), ["robot"]);
    alice.asks("GET", "/x", "Authorization: Bearer vst_wrong\r\n", b"").await.is(401);
    alice.asks("GET", "/x", "Authorization: Bearer own\r\n", b"").await.is(200);
    assert_eq!(robot.world.upstream.last().values("remote-user"), ["alice"]);
}

#[tokio::test]
async fn a_token_is_over_with_its_time_its_revocation_and_its_owner() {
    let mut robot = machine().await;
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");

    let (revoked, view) = robot.token_of("robot", &wanted("revoked")).await;
    robot.asks("/x", &bearer(&revoked)).await.is(200);
    let ended = robot.world.app().services.api_tokens.revoke(view.id.parse().unwrap(), None, Actor::CommandLine).await;
    assert!(ended.unwrap());
    robot.asks("/x", &bearer(&revoked)).await.is(401);

    let token = robot.token().await;
    robot.asks("/staff", &bearer(&token)).await.is(200);
    robot.world.change("robot", AccountChange { groups: Some(Vec::new()), ..AccountChange::default() }).await;
    robot.asks("/staff", &bearer(&token)).await.is(403);
    robot.asks("/x", &bearer(&token)).await.is(200);

    robot.world.restart().await;
    robot.at = robot.world.at_a_browser("robot");
    robot.at.host = "api.example".into();
    robot.asks("/x", &bearer(&token)).await.is(200);
    robot.asks("/x", &bearer(&revoked)).await.is(401);

    robot.world.change("robot", AccountChange { disabled: Some(true), ..AccountChange::default() }).await;
    robot.asks("/x", &bearer(&token)).await.is(401);
    robot.world.change("robot", AccountChange { disabled: Some(false), ..AccountChange::default() }).await;
    robot.asks("/x", &bearer(&token)).await.is(401);

    let short = robot.token().await;
    robot.world.advance(seconds(3599));
    robot.asks("/x", &bearer(&short)).await.is(200);
    robot.world.advance(seconds(1));
    robot.asks("/x", &bearer(&short)).await.is(401);
}

#[tokio::test]
async fn a_changed_password_ends_the_tokens_of_its_owner_and_of_nobody_else() {
    let mut robot = machine().await;
    let _alice = robot.world.person("alice", &[]).await;
    let (hers, theirs) = (robot.token_of("alice", &wanted("a")).await.0, robot.token().await);
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    robot.asks("/x", &bearer(&hers)).await.is(200);
    let services = robot.world.app().services.clone();
    services.accounts.set_password("alice", &vestibule::base::Secret::new("another-harbour-tuning-42"), Actor::CommandLine).await.unwrap();
    robot.asks("/x", &bearer(&hers)).await.is(401);
    robot.asks("/x", &bearer(&theirs)).await.is(200);
}

#[tokio::test]
async fn what_a_token_carries_is_cut_when_it_is_revoked() {
    let robot = machine().await;
    let (token, view) = robot.token_of("robot", &wanted("stream")).await;
    let mut wire = robot.at.wire().await;
    wire.send(format!("GET /sse HTTP/1.1\r\n{}Authorization: Bearer {token}\r\n\r\n", robot.at.lines("/sse")).as_bytes()).await;
    assert_eq!(wire.head().await.unwrap().status, 200);
    let services = robot.world.app().services.clone();
    services.api_tokens.revoke(view.id.parse().unwrap(), None, Actor::CommandLine).await.unwrap();
    soon(wire.rest()).await;
}

#[tokio::test]
async fn wrong_tokens_are_counted_and_a_right_one_still_works() {
    let mut robot = machine().await;
    let token = robot.token().await;
    let mut statuses = Vec::new();
    for _ in 0..80 {
        statuses.push(robot.asks("/x", "Authorization: Bearer vst_wrong\r\n").await.status);
    }
    assert_eq!((statuses[0], *statuses.last().unwrap()), (401, 429));
    assert!(robot.asks("/x", "Authorization: Bearer vst_wrong\r\n").await.header("retry-after").is_some());
    robot.asks("/x", &format!("Authorization: Bearer {token}\r\n")).await.is(200);
}

#[tokio::test]
async fn its_last_use_is_listed_and_nothing_of_the_token_is_stored() {
    let mut robot = machine().await;
    let token = robot.token().await;
    robot.asks("/x", &format!("Authorization: Bearer {token}\r\n")).await.is(200);
    let services = robot.world.app().services.clone();
    services.tokens.sweep().await.unwrap();
    let listed = services.api_tokens.list(None).await.unwrap();
    assert_eq!(listed[0].last_used_from.as_deref(), Some("127.0.0.1"));
    let stored = services.store.kv().snapshot().await.unwrap();
    let secret = token.strip_prefix("vst_").unwrap();
    assert!(stored.iter().all(|(key, value)| !String::from_utf8_lossy(&[key.as_slice(), value].concat()).contains(secret)));
    let record = services.store.token(listed[0].id.parse().unwrap()).await.unwrap().unwrap();
    assert!(record.last_used.is_some());
}

#[tokio::test]
async fn a_service_account_has_no_password_no_link_and_no_second_factor() {
    let robot = machine().await;
    let services = robot.world.app().services.clone();
    assert!(services.accounts.setup_link("robot", Actor::CommandLine).await.is_err());
    assert!(services.accounts.set_password("robot", &vestibule::base::Secret::new(PASSWORD), Actor::CommandLine).await.is_err());
    let change = vestibule::service::admin::MfaChange { policy: None, ..Default::default() };
    assert!(services.accounts.change_mfa("robot", &change, Actor::CommandLine).await.is_err());
    let mut browser = robot.world.at_a_browser("robot");
    browser.opens("/x").await;
    browser.follows().await;
    browser.types_password().await.is(422);
}

#[tokio::test]
async fn an_owner_makes_and_revokes_a_token_on_the_account_page() {
    let robot = machine().await;
    let mut alice = robot.world.person_with_app("alice", &[]).await;
    alice.host = "api.example".into();
    alice.signs_in_at("/x").await;
    let page = format!("{PREFIX}/account/tokens");
    alice.visits(&page).await.is(200);
    let answer = alice.sends("account/tokens", &[("name", "laptop"), ("days", "30"), ("route", "api")]).await;
    let text = answer.is(200).text();
    let (_, after) = text.split_once("<code id=\"token\">").unwrap();
    let token = after.split('<').next().unwrap().to_owned();
    assert!(token.starts_with("vst_") && token.len() == 44, "{token}");
    let mut machine = robot.world.at_a_browser("laptop");
    machine.host = "api.example".into();
    let lines = format!("Authorization: Bearer {token}\r\n");
    machine.asks("GET", "/x", &lines, b"").await.is(200);
    let shown = alice.visits(&page).await.text();
    assert!(shown.contains("laptop") && !shown.contains("vst_"));
    alice.sends("account/tokens/revoke", &[]).await.is(200);
    machine.asks("GET", "/x", &lines, b"").await.is(401);
}

#[tokio::test]
async fn an_administrator_sees_and_revokes_somebodys_tokens() {
    let mut robot = machine().await;
    let token = robot.token().await;
    let lines = format!("Authorization: Bearer {token}\r\n");
    robot.asks("/x", &lines).await.is(200);
    let mut root = robot.world.person_with_app("root", &["admins"]).await;
    root.host = "api.example".into();
    root.signs_in_at("/x").await;
    let page = root.visits(&format!("{PREFIX}/admin/users/robot")).await;
    assert!(page.is(200).text().contains("nightly") && !page.text().contains("vst_"), "{}", page.text());
    let revoke = root.page.text();
    let id = revoke.split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    root.sends("admin/users/robot", &[("action", "revoke_token"), ("token", &id)]).await.is(200);
    robot.asks("/x", &lines).await.is(401);
}

#[tokio::test]
async fn a_token_of_one_route_opens_no_other_however_it_is_asked() {
    let mut robot = machine().await;
    let scope = NewToken { routes: vec!["api".into()], methods: vec!["GET".into(), "POST".into(), "MOVE".into()], ..wanted("a") };
    let (token, _) = robot.token_of("robot", &scope).await;
    let bearer = format!("Authorization: Bearer {token}\r\n");
    robot.asks("/x", &bearer).await.is(200);
    robot.at.asks("MOVE", "/x", &format!("{bearer}Destination: http://api.example/y\r\n"), b"").await.is(200);
    let before = robot.world.upstream.count();
    // In each reading of the path, at the place that a request writes to, and under the method that it is taken for.
    for target in [
        "/bearer-only",
        "/bearer-only/x",
        "/Bearer-Only",
        "//bearer-only",
        "/%62earer-only",
        "/%2562earer-only",
        "/bearer-only;x",
        "/x;/bearer-only",
    ] {
        let answer = robot.asks(target, &bearer).await;
        assert!(answer.status == 403 || target == "/x;/bearer-only", "{target}: {}", answer.status);
    }
    for destination in
        ["http://api.example/bearer-only/y", "/bearer-only", "http://api.example//bearer-only", "http://api.example/%62earer-only"]
    {
        let answer = robot.at.asks("MOVE", "/x", &format!("{bearer}Destination: {destination}\r\n"), b"").await;
        assert!([400, 403].contains(&answer.status), "{destination}: {}", answer.status);
    }
    for (target, lines) in [
        ("/x", "X-HTTP-Method-Override: DELETE\r\n"),
        ("/x", "x_http_method: delete\r\n"),
        ("/x?_method=DELETE", ""),
        ("/x?%5fmethod=delete", ""),
    ] {
        robot.at.asks("POST", target, &format!("{bearer}{lines}"), b"").await.is(403);
    }
    robot.at.asks("DELETE", "/x", &bearer, b"").await.is(403);
    let reached = robot.world.upstream.seen().split_off(before);
    assert!(reached.iter().all(|seen| seen.target() == "/x;/bearer-only"), "{reached:?}");
}

#[tokio::test]
async fn a_token_in_any_other_place_opens_nothing() {
    let mut robot = machine().await;
    let token = robot.token().await;
    let before = robot.world.upstream.count();
    let basic = data_encoding::BASE64.encode(format!("x:{token}").as_bytes());
    for (target, lines) in [
        (format!("/x?access_token={token}&token={token}&Authorization=Bearer%20{token}"), String::new()),
        (format!("/x;token={token}"), String::new()),
        ("/x".to_owned(), format!("Cookie: vestibule={token}; token={token}; authorization=Bearer {token}\r\n")),
        ("/x".to_owned(), format!("Authorization: Bearer own\r\nAuthorization: Bearer {token}\r\n")),
        ("/x".to_owned(), format!("Authorization: Bearer own, Bearer {token}\r\n")),
        ("/x".to_owned(), format!("Authorization: Bearer \"{token}\"\r\n")),
        ("/x".to_owned(), format!("Authorization: Digest username=\"x\", response=\"{token}\"\r\n")),
        ("/x".to_owned(), format!("Proxy-Authorization: Basic {basic}\r\n")),
        ("/x".to_owned(), format!("X_Vestibule_Token: {token}\r\n")),
        ("/x".to_owned(), format!("X-Api-Key: {token}\r\nX-Auth-Token: {token}\r\n")),
        ("/x".to_owned(), format!("Authorization: Bearer {}\r\n", token.to_uppercase())),
        ("/x".to_owned(), format!("Authorization: Bearer {}\r\n", &token[..token.len() - 1])),
    ] {
        let answer = robot.asks(&target, &lines).await;
        assert_eq!(answer.status, 401, "{target} {lines}");
    }
    for protocol in [token.clone(), format!("bearer, {token}"), format!("base64url.bearer.authorization.{token}")] {
        let upgrade =
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        robot.asks("/ws", &format!("{upgrade}Sec-WebSocket-Protocol: {protocol}\r\n")).await.is(401);
    }
    assert_eq!(robot.world.upstream.count(), before, "nothing was forwarded");
}
