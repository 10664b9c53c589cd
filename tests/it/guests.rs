//! Guests: people without an account, who are let in by a code that is sent to their address, or once by an invitation.

use crate::harness::binary::Machine;
use crate::harness::*;

const SHOP: &str = r#"
[session]
guest_lifetime = "20m"
[[routes]]
name = "shop"
hosts = ["shop.example"]
upstreams = ["UPSTREAM"]
policy = "one_factor"
guests = ["*@partner.example", "*@post.example", "carol@other.example"]
assertion = { audience = "shop" }
  [[routes.rules]]
  paths = ["/vault"]
  policy = "two_factor"
  [[routes.rules]]
  paths = ["/staff"]
  groups = ["staff"]
[[routes]]
name = "office"
hosts = ["shop.example"]
path = "/office"
upstreams = ["UPSTREAM"]
policy = "one_factor"
"#;

const BOB: &str = "bob@partner.example";

async fn world() -> World {
    World::builder().mfa("first_enrolment = \"password\"").with(SHOP).build().await
}

fn visitor(world: &World) -> Person {
    let mut visitor = world.at_a_browser("visitor");
    visitor.host = "shop.example".into();
    visitor
}

/// At the page for the code, or for one that was not sent.
async fn at_the_code(world: &World, address: &str) -> Person {
    let mut visitor = visitor(world);
    visitor.visits("/page?x=1").await;
    visitor.is_at("login");
    visitor.sends("login", &[("username", address), ("guest", "1")]).await.leads_to("/.vestibule/mfa/email");
    visitor.follows().await;
    visitor.is_at("mfa/email");
    visitor
}

fn code_for(world: &World, address: &str) -> String {
    let sent = world.outbox.last_to(address).expect("a mail");
    sent.text.split(|c: char| !c.is_ascii_digit()).find(|word| word.len() == 6).expect("a code").to_owned()
}

async fn bob(world: &World) -> Person {
    let mut bob = at_the_code(world, BOB).await;
    bob.types_code(&code_for(world, BOB)).await.leads_to("/page?x=1");
    bob.follows().await;
    bob
}

/// The claims of the assertion that came with a request.
fn claims(seen: &upstream::Seen) -> serde_json::Value {
    let token = seen.values("x-vestibule-assertion").concat();
    let claims = token.split('.').nth(1).expect("three parts");
    serde_json::from_slice(&data_encoding::BASE64URL_NOPAD.decode(claims.as_bytes()).unwrap()).unwrap()
}

#[tokio::test]
async fn a_guest_comes_in_by_a_code_and_is_named_to_the_application() {
    let world = world().await;
    let mut bob = at_the_code(&world, "Bob@Partner.Example").await;
    let page = bob.page.text();
    assert!(page.contains("b•••@partner.example") && !page.contains("trust_device"), "{page}");
    bob.types_code(&code_for(&world, BOB)).await.leads_to("/page?x=1");
    bob.follows().await;
    bob.sees("/page?x=1");
    let seen = world.upstream.last();
    for name in ["remote-user", "remote-name", "remote-email"] {
        assert_eq!(seen.values(name), [BOB], "{name}");
    }
    assert!(seen.values("remote-groups").concat().is_empty());
    let claims = claims(&seen);
    assert_eq!((claims["preferred_username"].as_str(), claims["amr"].as_array().unwrap()), (Some(BOB), &vec!["otp".into()]));
}

#[tokio::test]
async fn a_guest_gets_nowhere_else() {
    let world = world().await;
    let mut bob = bob(&world).await;
    let before = world.upstream.count();
    for target in ["/vault", "/staff", "/office"] {
        bob.calls("GET", target).await.is(403);
    }
    for page in ["account", "account/tokens", "account/password"] {
        bob.opens(&format!("/.vestibule/{page}")).await.is(403);
    }
    assert_ne!(bob.opens("/.vestibule/admin").await.status, 200);
    assert_eq!(world.upstream.count(), before);
    bob.visits("/.vestibule/logout").await;
    bob.sends("logout", &[]).await;
    bob.calls("GET", "/page").await.is(401);
}

#[tokio::test]
async fn a_page_without_guests_offers_no_code_and_sends_none() {
    let world = world().await;
    let mut visitor = visitor(&world);
    visitor.visits("/office").await;
    assert!(!visitor.page.text().contains("name=\"guest\""));
    visitor.sends("login", &[("username", BOB), ("guest", "1")]).await.is(422);
    assert!(world.outbox.newest_first().is_empty());
    visitor.visits("/page").await;
    assert!(visitor.page.text().contains("name=\"guest\""));
    for typed in ["bob", "", "bob@partner.example, eve@evil.example", "bob%evil.example@partner.example", "<bob@partner.example>"] {
        visitor.visits("/page").await;
        visitor.sends("login", &[("username", typed), ("guest", "1")]).await.is(422);
    }
    assert!(world.outbox.newest_first().is_empty());
}

#[tokio::test]
async fn nobody_learns_who_has_an_account_or_whom_a_route_takes() {
    let world = world().await;
    world.person("alice", &[]).await;
    let welcome = at_the_code(&world, BOB).await.page.text().replace("b•••@partner.example", "");
    let sent = world.outbox.newest_first().len();
    for (address, masked) in [("alice@post.example", "a•••@post.example"), ("eve@evil.example", "e•••@evil.example")] {
        let mut other = at_the_code(&world, address).await;
        assert_eq!(plain(&other.page.text().replace(masked, "")), plain(&welcome), "{address}");
        other.types_code("123456").await.is(422);
    }
    assert_eq!(world.outbox.newest_first().len(), sent, "nobody was sent a code");
}

/// A page without what is random in every one.
fn plain(page: &str) -> String {
    page.split("name=\"csrf\"").map(|part| part.split_once('>').map_or(part, |(_, rest)| rest)).collect()
}

#[tokio::test]
async fn a_code_is_good_in_its_own_browser_and_for_a_few_tries() {
    let world = world().await;
    let mut bob = at_the_code(&world, BOB).await;
    let first = code_for(&world, BOB);
    let mut eve = at_the_code(&world, BOB).await;
    let second = code_for(&world, BOB);
    if first != second {
        eve.types_code(&first).await.is(422);
    }
    for _ in 0..5 {
        bob.types_code("000000").await.is(422);
    }
    bob.types_code(&first).await.is(422);
    bob.calls("GET", "/page").await.is(401);
}

#[tokio::test]
async fn wrong_codes_for_one_address_are_counted_over_all_sign_ins() {
    let world = world().await;
    for _ in 0..2 {
        let mut eve = at_the_code(&world, BOB).await;
        for _ in 0..5 {
            eve.types_code("000000").await.is(422);
        }
    }
    let mut bob = at_the_code(&world, BOB).await;
    bob.types_code("000000").await.is(422);
    bob.types_code(&code_for(&world, BOB)).await.is(429);
    world.advance(minutes(15));
    let mut bob = at_the_code(&world, BOB).await;
    bob.types_code(&code_for(&world, BOB)).await.is(303);
}

#[tokio::test]
async fn a_guests_session_is_short_and_ends_when_the_route_or_an_administrator_says_so() {
    let world = world().await;
    let mut guest = bob(&world).await;
    world.advance(minutes(19));
    guest.calls("GET", "/page").await.is(200);
    world.advance(minutes(1));
    guest.calls("GET", "/page").await.is(401);

    let mut guest = bob(&world).await;
    world.reload(|text| text.replace("\"*@partner.example\", ", "")).await;
    guest.calls("GET", "/page").await.is(403);
    world.reload(|text| text).await;
    guest.calls("GET", "/page").await.is(200);
    let mut other = at_the_code(&world, BOB).await;
    world.disable(BOB).await;
    guest.calls("GET", "/page").await.is(401);
    other.types_code(&code_for(&world, BOB)).await;
    other.calls("GET", "/page").await.is(401);
    let sent = world.outbox.newest_first().len();
    at_the_code(&world, BOB).await;
    assert_eq!(world.outbox.newest_first().len(), sent, "who is shut out gets no code");
}

#[tokio::test]
async fn a_session_of_a_guest_outlives_a_restart_and_an_account_takes_the_address_over() {
    let mut world = world().await;
    let before = bob(&world).await;
    world.restart().await;
    let mut guest = visitor(&world);
    guest.jar = before.jar.clone();
    guest.calls("GET", "/page").await.is(200);
    let new = vestibule::service::accounts::NewAccount { name: "bob".into(), email: BOB.into(), ..Default::default() };
    let actor = vestibule::service::audit::Actor::CommandLine;
    world.app().services.accounts.add(&new, None, actor).await.unwrap();
    guest.calls("GET", "/page").await.is(401);
    let sent = world.outbox.newest_first().len();
    at_the_code(&world, BOB).await;
    assert_eq!(world.outbox.newest_first().len(), sent);
}

async fn invited(world: &World, address: &str, route: &str, hours: u64) -> Result<String, String> {
    let actor = vestibule::service::audit::Actor::CommandLine;
    let made = world.app().services.guests.invite(address, route, minutes(hours * 60), actor).await;
    made.map(|token| format!("/.vestibule/invite?token={}", token.expose())).map_err(|e| e.to_string())
}

#[tokio::test]
async fn an_invitation_lets_in_once_and_by_a_post() {
    let world = world().await;
    let link = invited(&world, "Carol@Other.example", "shop", 24).await.unwrap();
    let mut scanner = visitor(&world);
    scanner.opens(&link).await.is(200);
    let mut carol = visitor(&world);
    carol.opens(&link).await.is(200);
    assert!(carol.page.text().contains("carol@other.example"));
    carol.sends("invite", &[]).await.leads_to("/");
    carol.follows().await;
    carol.sees("/");
    assert_eq!(world.upstream.last().values("remote-user"), ["carol@other.example"]);
    scanner.sends("invite", &[]).await.is(422);
    scanner.calls("GET", "/").await.is(401);
    visitor(&world).opens(&link).await.is(422);

    let late = invited(&world, "carol@other.example", "shop", 1).await.unwrap();
    let mut again = visitor(&world);
    again.opens(&late).await.is(200);
    world.advance(minutes(60));
    again.sends("invite", &[]).await.is(422);
    let withdrawn = invited(&world, "carol@other.example", "shop", 1).await.unwrap();
    world.reload(|text| text.replace(", \"carol@other.example\"", "")).await;
    visitor(&world).opens(&withdrawn).await.is(422);
}

#[tokio::test]
async fn nobody_is_invited_who_could_not_come_by_a_code() {
    let world = world().await;
    world.person("alice", &[]).await;
    for (address, route, said) in [
        ("eve@evil.example", "shop", "does not take"),
        (BOB, "office", "does not take"),
        (BOB, "nowhere", "no route"),
        ("alice@post.example", "shop", "has an account"),
        ("not an address", "shop", "not an address"),
    ] {
        let refused = invited(&world, address, route, 1).await.unwrap_err();
        assert!(refused.contains(said), "{address}: {refused}");
    }
}

#[tokio::test]
async fn the_command_prints_a_link_to_the_routes_host() {
    let machine = Machine::new(
        "[server]\nlisten = [\"127.0.0.1:0\"]\n[password]\nmemory_kib = 64\niterations = 1\n[[routes]]\nname = \"shop\"\nhosts = [\"shop.example\"]\n\
         upstreams = [\"http://127.0.0.1:1\"]\npolicy = \"one_factor\"\nguests = [\"*@partner.example\"]\n",
    );
    let link = machine.does(&["invite", BOB, "--route", "shop"]);
    assert!(link.starts_with("http://shop.example") && link.contains("/.vestibule/invite?token="), "{link}");
    let refused = machine.refuses(&["invite", "eve@evil.example", "--route", "shop"]);
    assert!(refused.contains("guests"), "{refused}");
    let bad = std::fs::read_to_string(machine.path("vestibule.toml")).unwrap().replace("one_factor", "two_factor");
    machine.configure(&bad);
    assert!(machine.refuses(&["check"]).contains("no guest can get in"));
}
