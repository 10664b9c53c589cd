//! Sessions that are bound to a device: a copied cookie is worth nothing without the key, and nobody who has the key notices.

mod attacks;
mod browser;
mod bypasses;
mod domain;
mod http2;
mod policy;
mod portal;
mod rsa;
mod tunnels;

use crate::harness::*;
use browser::{Device, asks, offered, refresh};

const SERVER: &str = "[server]\ndata_dir = \"data\"\nlisten = [\"127.0.0.1:80\"]\ntrusted_proxies = [\"127.0.0.1\"]\n[forward_auth]\nfrom = [\"127.0.0.1\"]\n";
const ROUTES: &str = r#"
[[routes]]
name = "vault"
hosts = ["app.example"]
path = "/vault"
upstreams = ["UPSTREAM"]
policy = "one_factor"
device_bound = "require"
[[routes]]
name = "bank"
hosts = ["app.example"]
path = "/bank"
upstreams = ["UPSTREAM"]
policy = "one_factor"
device_bound = "require"
device_age = "3m"
[[routes]]
name = "watched"
hosts = ["app.example"]
path = "/watched"
upstreams = ["UPSTREAM"]
policy = "one_factor"
device_bound = "observe"
[[routes]]
name = "lenient"
hosts = ["app.example"]
path = "/lenient"
upstreams = ["UPSTREAM"]
policy = "one_factor"
enforce = false
"#;

const BOUND: &str = "__Host-vestibule-bound";

async fn world() -> World {
    let sections = format!("{SERVER}[session.device_bound]\n{ROUTES}");
    World::builder().mfa("first_enrolment = \"password\"").with(&sections).build().await
}

/// Somebody over HTTPS, signed in; the answer is the one that they signed in with.
async fn signed_in(world: &World, name: &str) -> (Person, Answer) {
    let mut person = world.person(name, &[]).await;
    person.https = true;
    person.opens("/").await.leads_to("/.vestibule/login");
    person.follows().await;
    let answer = person.types_password().await;
    answer.leads_to("/");
    (person, answer)
}

async fn bound(world: &World, name: &str) -> (Person, Device) {
    let (mut person, offer) = signed_in(world, name).await;
    let mut device = Device::new();
    device.registers(&mut person, &offer).await.is(200);
    (person, device)
}

/// What a page that began elsewhere sends.
async fn comes_from(person: &mut Person, site: &str, target: &str, more: &str) -> Answer {
    let lines = format!("Accept: text/html\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Site: {site}\r\n{more}");
    person.asks("GET", target, &lines, b"").await
}

/// Whether this browser gets through to the application and to its account, in every way there is.
async fn gets_in(person: &mut Person, world: &World) -> Vec<&'static str> {
    let mut ways = Vec::new();
    let before = world.upstream.count();
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"] {
        if person.clone().calls(method, "/page").await.status == 200 {
            ways.push("fetch");
        }
    }
    if person.clone().opens("/page").await.status == 200 && world.upstream.count() > before {
        ways.push("navigation");
    }
    if person.clone().opens_socket("/ws", "https://app.example").await.1.status == 101 {
        ways.push("socket");
    }
    if person.clone().opens("/.vestibule/account").await.status == 200 {
        ways.push("account");
    }
    ways.dedup();
    ways
}

const EVERY_WAY: [&str; 4] = ["fetch", "navigation", "socket", "account"];

#[tokio::test]
async fn a_session_is_bound_after_its_sign_in_and_then_held_to_its_device() {
    let world = world().await;
    let (mut alice, offer) = signed_in(&world, "alice").await;
    let mut device = Device::new();
    let answer = device.registers(&mut alice, &offer).await;
    let said = answer.is(200).json();
    assert_eq!(said["refresh_url"], "/.vestibule/device/refresh");
    assert_eq!((&said["scope"]["include_site"], &said["scope"]["origin"]), (&false.into(), &"https://app.example".into()));
    assert_eq!(said["credentials"][0]["name"], BOUND);
    let cookie = answer.header("set-cookie").unwrap();
    for attribute in said["credentials"][0]["attributes"].as_str().unwrap().split("; ") {
        assert!(cookie.contains(attribute), "{cookie}: {attribute}");
    }
    assert!(cookie.contains("Max-Age=600"), "{cookie}");
    let mut copied = alice.clone();
    copied.jar.drop(BOUND);
    // What was on its way when the session was bound goes on.
    assert_eq!(gets_in(&mut copied, &world).await, EVERY_WAY);
    world.advance(seconds(61));
    assert_eq!(gets_in(&mut copied, &world).await, [""; 0]);
    assert_eq!(copied.calls("GET", "/page").await.is(401).json()["reason"], "device");
    copied.opens("/page").await.leads_to("/.vestibule/mfa?rd=/page");
    copied.opens("/.vestibule/enrol").await.is(303);
    assert_eq!(gets_in(&mut alice, &world).await, EVERY_WAY);
    let seen = world.upstream.last();
    assert!(!seen.head.contains("bound"), "{}", seen.head);
    // The browser drops the cookie when its time is over, and asks for another before it sends anything.
    world.advance(minutes(10));
    assert_eq!(gets_in(&mut alice, &world).await, [""; 0]);
    device.refreshes(&mut alice).await.is(200);
    assert_eq!(gets_in(&mut alice, &world).await, EVERY_WAY);
    let log = alice.clone().calls("GET", "/page").await;
    log.is(200);
}

#[tokio::test]
async fn both_cookies_copied_are_worth_nothing_after_their_time() {
    let world = world().await;
    let (alice, mut device) = bound(&world, "alice").await;
    let mut thief = alice.clone();
    thief.agent = "Mozilla/5.0 (X11; Linux x86_64) Chrome/150.0".to_owned();
    world.advance(minutes(10));
    assert_eq!(gets_in(&mut thief, &world).await, EVERY_WAY, "until then it is the session's own cookie");
    world.advance(seconds(61));
    assert_eq!(gets_in(&mut thief, &world).await, [""; 0]);
    let mut alice = alice;
    device.refreshes(&mut alice).await.is(200);
    assert_eq!(gets_in(&mut alice, &world).await, EVERY_WAY);
    assert_eq!(gets_in(&mut thief, &world).await, [""; 0], "the owner goes on, the thief does not");
}

#[tokio::test]
async fn nobody_is_offered_to_bind_a_session_by_showing_its_cookie() {
    let world = world().await;
    let (mut alice, offer) = signed_in(&world, "alice").await;
    assert!(offered(&offer).is_some());
    for target in ["/", "/page", "/.vestibule/account", "/.vestibule/login", "/.vestibule/mfa", "/.vestibule/login?fresh=1", "/vault"] {
        assert!(offered(&alice.opens(target).await).is_none(), "{target}");
    }
    // Over HTTP, and to what is no browser of the present, nothing is offered.
    let mut bob = world.person("bob", &[]).await;
    bob.visits("/").await;
    assert!(offered(bob.types_password().await.leads_to("/")).is_none());
    let mut carol = world.person("carol", &[]).await;
    carol.https = true;
    carol.visits("/").await;
    let form = carol.form("login");
    let body = form.filled(&[("username", "carol"), ("password", PASSWORD)]);
    let lines = "Origin: https://app.example\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    let answer = carol.asks("POST", &form.action, lines, body.as_bytes()).await;
    assert!(offered(answer.leads_to("/")).is_none());
    assert_eq!(gets_in(&mut carol, &world).await, EVERY_WAY, "who cannot do it loses nothing");
}

#[tokio::test]
async fn a_route_that_requires_a_device_says_why_to_who_has_none() {
    let world = world().await;
    let (mut alice, offer) = signed_in(&world, "alice").await;
    let page = alice.opens("/vault").await;
    page.is(403);
    assert_eq!(page.header("refresh"), Some("1;url=https://app.example/vault"));
    assert_eq!(alice.calls("GET", "/vault").await.is(401).json()["reason"], "device");
    world.advance(seconds(10));
    let page = alice.opens("/vault").await;
    assert!(page.is(403).text().contains("Chrome and Edge on Windows and macOS"), "{}", page.text());
    assert_eq!(alice.calls("GET", "/vault").await.is(403).json()["reason"], "device");
    alice.calls("GET", "/watched").await.is(200);
    alice.calls("GET", "/page").await.is(200);
    let mut device = Device::new();
    device.registers(&mut alice, &offer).await.is(200);
    alice.opens("/vault").await.is(200);
    let mut copied = alice.clone();
    copied.jar.drop(BOUND);
    copied.calls("GET", "/vault").await.is(401);
    copied.calls("GET", "/page").await.is(200);
    world.advance(seconds(61));
    copied.calls("GET", "/watched").await.is(200);
    // A route that lets everybody through tells the application of nobody.
    copied.calls("GET", "/lenient").await.is(200);
    assert_eq!(world.upstream.last().values("remote-user"), [""; 0]);
    alice.calls("GET", "/lenient").await.is(200);
    assert_eq!(world.upstream.last().values("remote-user"), ["alice"]);
}

#[tokio::test]
async fn an_old_proof_is_made_new_before_the_request_goes_on() {
    let world = world().await;
    let (mut alice, mut device) = bound(&world, "alice").await;
    alice.calls("GET", "/bank").await.is(200);
    world.advance(minutes(3) + seconds(1));
    alice.calls("GET", "/vault").await.is(200);
    let answer = alice.clone().asks("POST", "/bank?to=bob", "Accept: */*\r\n", b"a=1").await;
    assert_eq!(answer.is(307).location(), "https://app.example/bank?to=bob");
    assert!(answer.header("set-cookie").unwrap().starts_with("__Host-vestibule-bound=; "));
    assert_eq!(alice.clone().opens("//bank/x").await.is(303).location(), "https://app.example//bank/x", "nowhere else");
    assert_eq!(alice.clone().opens("/bank").await.is(303).location(), "https://app.example/bank");
    alice.opens_socket("/bank", "https://app.example").await.1.is(401);
    device.refreshes(&mut alice).await.is(200);
    alice.calls("GET", "/bank").await.is(200);
}

#[tokio::test]
async fn a_navigation_that_another_site_began_shows_the_device_on_the_way() {
    let world = world().await;
    let (mut alice, mut device) = bound(&world, "alice").await;
    world.advance(minutes(11) + seconds(1));
    alice.jar.drop(BOUND);
    for site in ["cross-site", "same-site"] {
        let page = comes_from(&mut alice, site, "/page?a=%2F1", "").await;
        assert_eq!(page.is(200).header("refresh"), Some("0;url=https://app.example/page?a=%2F1"));
        assert!(!page.text().contains("application at"));
        let page = comes_from(&mut alice, site, "/.vestibule/account", "").await;
        assert_eq!(page.is(200).header("refresh"), Some("0;url=https://app.example/.vestibule/account"));
    }
    assert_eq!(world.upstream.count(), 0);
    let skipped = format!("Secure-Session-Skipped: unreachable;session_identifier=\"{}\"\r\n", device.name);
    let busy = comes_from(&mut alice, "same-origin", "/page", &skipped).await;
    assert_eq!(busy.is(503).header("retry-after"), Some("5"));
    comes_from(&mut alice, "same-origin", "/page", "").await.leads_to("/.vestibule/mfa?rd=/page");
    device.refreshes(&mut alice).await.is(200);
    comes_from(&mut alice, "same-origin", "/page", &skipped).await.is(200);
    assert_eq!(world.upstream.last().values("secure-session-skipped"), [""; 0]);
}

#[tokio::test]
async fn whoever_lost_the_device_authenticates_again_and_goes_round_in_no_circle() {
    let world = world().await;
    let (mut alice, _) = bound(&world, "alice").await;
    world.advance(seconds(61));
    alice.jar.drop(BOUND);
    // Without a second factor the password is all that there is to show.
    alice.visits("/page").await;
    alice.is_at("login");
    let offer = alice.types_password().await;
    offer.leads_to("/page");
    let mut device = Device::new();
    device.registers(&mut alice, &offer).await.is(200);
    world.advance(seconds(61));
    assert_eq!(gets_in(&mut alice, &world).await, EVERY_WAY);

    let mut bob = world.person_with_app("bob", &[]).await;
    bob.https = true;
    bob.opens("/").await;
    bob.follows().await;
    bob.types_password().await;
    bob.follows().await;
    let offer = bob.types_the_code().await;
    let mut device = Device::new();
    device.registers(&mut bob, &offer).await.is(200);
    world.advance(seconds(61));
    let mut lost = bob.clone();
    lost.jar.drop(BOUND);
    lost.visits("/page").await;
    lost.is_at("mfa/totp");
    let offer = lost.types_the_next_code().await;
    offer.leads_to("/page");
    assert!(offered(&offer).is_some(), "the key is gone: another is registered");
    assert_eq!(refresh(&mut bob, &device.name, None).await.status, 404, "it takes the place of the one before");
    Device::new().registers(&mut lost, &offer).await.is(200);
}

#[tokio::test]
async fn a_step_up_keeps_the_binding_and_makes_no_cookie_last_longer() {
    let world = world().await;
    let mut bob = world.person_with_app("bob", &[]).await;
    bob.https = true;
    bob.opens("/fresh").await;
    bob.follows().await;
    bob.types_password().await;
    bob.follows().await;
    let offer = bob.types_the_code().await;
    let mut device = Device::new();
    device.registers(&mut bob, &offer).await.is(200);
    world.advance(minutes(9));
    device.refreshes(&mut bob).await.is(200);
    world.advance(minutes(8));
    let before = bob.jar.get(BOUND).unwrap().to_owned();
    bob.visits("/fresh").await;
    let answer = bob.types_the_next_code().await;
    answer.leads_to("/fresh");
    assert!(offered(&answer).is_none(), "the key stays");
    assert!(
        bob.jar.get(BOUND).unwrap() != before
            && answer.all("set-cookie").any(|line| line.starts_with(BOUND) && line.contains("Max-Age=90")),
        "what is left of ten minutes"
    );
    let mut stale = bob.clone();
    stale.jar.put(BOUND, &before, HOST);
    bob.opens("/fresh").await.is(200);
    // A copy lasts no longer than before, and the key goes on under the same name.
    let mut thief = bob.clone();
    world.advance(minutes(3) + seconds(1));
    assert_eq!(gets_in(&mut thief, &world).await, [""; 0]);
    device.refreshes(&mut bob).await.is(200);
    assert_eq!(gets_in(&mut bob, &world).await, EVERY_WAY);
}

#[tokio::test]
async fn signing_out_ends_the_binding_and_a_restart_does_not() {
    let mut world = world().await;
    let (mut alice, mut device) = bound(&world, "alice").await;
    let (bob, mut other) = bound(&world, "bob").await;
    world.restart().await;
    let moved = |person: &Person, world: &World| {
        let mut again = world.at_a_browser(&person.name);
        (again.https, again.jar) = (true, person.jar.clone());
        again
    };
    (alice, _) = (moved(&alice, &world), ());
    let mut bob = moved(&bob, &world);
    let mut copied = bob.clone();
    copied.jar.drop(BOUND);
    world.advance(seconds(61));
    assert_eq!(gets_in(&mut copied, &world).await, [""; 0]);
    assert_eq!(gets_in(&mut alice, &world).await, EVERY_WAY);
    device.refreshes(&mut alice).await.is(200);
    other.refreshes(&mut bob).await.is(200);
    alice.visits("/.vestibule/logout").await;
    alice.sends("logout", &[]).await;
    assert_eq!(alice.jar.get(BOUND), None);
    assert_eq!(refresh(&mut alice, &device.name, None).await.status, 404);
    world.disable("bob").await;
    assert_eq!(refresh(&mut bob, &other.name, None).await.status, 404);
}

#[tokio::test]
async fn a_reload_turns_it_off_and_on_for_sessions_that_are_there() {
    let world = world().await;
    let (alice, mut device) = bound(&world, "alice").await;
    world.advance(seconds(61));
    let mut copied = alice.clone();
    copied.jar.drop(BOUND);
    let off = |text: String| text.replace("[session.device_bound]\n", "").replace("device_bound = ", "# ").replace("device_age = ", "# ");
    world.reload(off).await;
    assert_eq!(gets_in(&mut copied, &world).await, EVERY_WAY);
    assert_eq!(refresh(&mut copied, &device.name, None).await.status, 404);
    world.reload(|text| text).await;
    assert_eq!(gets_in(&mut copied, &world).await, [""; 0]);
    let mut alice = alice;
    world.app().services.keys.rotate(vestibule::service::audit::Actor::CommandLine).await.unwrap();
    assert_eq!(gets_in(&mut alice, &world).await, EVERY_WAY, "the old key is still kept");
    device.refreshes(&mut alice).await.is(200);
    assert_eq!(gets_in(&mut alice, &world).await, EVERY_WAY);
}

#[tokio::test]
async fn another_proxys_question_leads_to_where_the_device_is_shown() {
    let world = world().await;
    let (mut alice, mut device) = bound(&world, "alice").await;
    world.advance(minutes(11) + seconds(1));
    alice.jar.drop(BOUND);
    let question = "X-Forwarded-Method: GET\r\nX-Forwarded-Host: app.example\r\nX-Forwarded-Uri: /page?a=1\r\nX-Forwarded-For: 127.0.0.1\r\nAccept: text/html\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: cross-site\r\n";
    let answer = alice.asks("GET", "/.vestibule/auth/forward", question, b"").await;
    answer.leads_to("https://app.example/.vestibule/prove?rd=/page%3Fa%3D1");
    let prove = "/.vestibule/prove?rd=/page%3Fa%3D1";
    let page = comes_from(&mut alice, "cross-site", prove, "").await;
    assert_eq!(page.is(200).header("refresh"), Some("0;url=https://app.example/.vestibule/prove?rd=/page%3Fa%3D1"));
    comes_from(&mut alice, "same-origin", prove, "").await.leads_to("/.vestibule/mfa?rd=%2Fpage%3Fa%3D1");
    device.refreshes(&mut alice).await.is(200);
    comes_from(&mut alice, "same-origin", prove, "").await.leads_to("/page?a=1");
    alice.asks("GET", "/.vestibule/auth/forward", question, b"").await.is(200);
    // Where the application wants a more recent proof, the cookie goes first.
    world.advance(minutes(4));
    let page = comes_from(&mut alice, "cross-site", "/.vestibule/prove?rd=/bank", "").await;
    assert!(page.is(200).header("set-cookie").unwrap().starts_with("__Host-vestibule-bound=; "));
    let _ = asks(&mut alice, "/.vestibule/device/refresh", "").await.is(404);
}
