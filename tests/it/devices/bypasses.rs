//! Ways round the device that somebody with a copied jar may think of: each ends where the device is asked for.

use vestibule::base::Secret;
use vestibule::service::audit::Actor;

use super::browser::{challenged, refresh};
use super::*;
use crate::harness::html;

const SESSION: &str = "__Host-vestibule";

/// A browser with these two cookies and nothing else.
fn thief_with(like: &Person, session: &str, bound: Option<&str>) -> Person {
    let mut thief = like.clone();
    thief.jar.clear();
    thief.jar.set(&format!("{SESSION}={session}; Path=/; Secure"), HOST, true);
    if let Some(bound) = bound {
        thief.jar.set(&format!("{BOUND}={bound}; Path=/; Secure"), HOST, true);
    }
    thief
}

fn cookies_of(person: &Person) -> (String, String) {
    (person.jar.get(SESSION).unwrap().to_owned(), person.jar.get(BOUND).unwrap().to_owned())
}

/// The same person at a browser of theirs that was never here, bound.
async fn another_browser(world: &World, name: &str) -> (Person, Device) {
    let mut person = world.at_a_browser(name);
    person.https = true;
    person.opens("/").await;
    person.follows().await;
    let offer = person.types_password().await;
    let mut device = Device::new();
    device.registers(&mut person, &offer).await.is(200);
    (person, device)
}

/// Somebody with an authenticator app, signed in by it and bound.
async fn bound_with_app(world: &World, name: &str) -> (Person, Device) {
    let mut person = world.person_with_app(name, &[]).await;
    person.https = true;
    person.opens("/fresh").await;
    person.follows().await;
    person.types_password().await;
    person.follows().await;
    let offer = person.types_the_code().await;
    let mut device = Device::new();
    device.registers(&mut person, &offer).await.is(200);
    (person, device)
}

#[tokio::test]
async fn a_bound_cookie_fits_its_own_session_alone_even_of_the_same_person() {
    let world = world().await;
    let (desk, mut device) = bound(&world, "alice").await;
    let (laptop, other) = another_browser(&world, "alice").await;
    world.advance(seconds(61));
    let ((one, first), (two, second)) = (cookies_of(&desk), cookies_of(&laptop));
    for (session, cookie) in [(&one, &second), (&two, &first)] {
        assert_eq!(gets_in(&mut thief_with(&desk, session, Some(cookie)), &world).await, [""; 0]);
    }
    // The right key under the other binding's name, and the other's challenge.
    let mut desk = desk;
    let given = device.challenge.clone();
    refresh(&mut desk, &other.name, Some(&device.proof(&other.challenge))).await.is(403);
    refresh(&mut desk, &device.name, Some(&device.proof(&other.challenge))).await.is(403);
    refresh(&mut desk, &other.name, Some(&device.proof(&given))).await.is(403);
    device.refreshes(&mut desk).await.is(200);
    assert_eq!(gets_in(&mut thief_with(&desk, &two, desk.jar.get(BOUND)), &world).await, [""; 0]);
    assert_eq!(gets_in(&mut desk, &world).await, EVERY_WAY);
}

#[tokio::test]
async fn after_a_new_session_id_neither_the_old_cookies_nor_any_mixture_opens_anything() {
    let world = world().await;
    let (mut bob, mut device) = bound_with_app(&world, "bob").await;
    world.advance(minutes(9));
    device.refreshes(&mut bob).await.is(200);
    let (old, old_bound) = cookies_of(&bob);
    let given = device.challenge.clone();
    world.advance(minutes(7));
    bob.visits("/fresh").await;
    bob.types_the_next_code().await.leads_to("/fresh");
    let (new, new_bound) = cookies_of(&bob);
    for (session, cookie) in [(&old, Some(&old_bound)), (&old, Some(&new_bound)), (&old, None), (&new, Some(&old_bound)), (&new, None)] {
        let mut thief = thief_with(&bob, session, cookie.map(String::as_str));
        assert_eq!(gets_in(&mut thief, &world).await, [""; 0], "{} {}", *session == old, cookie == Some(&old_bound));
    }
    // The challenge of before the step up is answered by another, and changes nothing.
    let answer = refresh(&mut bob, &device.name, Some(&device.proof(&given))).await;
    assert!(answer.is(403).header("set-cookie").is_none() && challenged(&answer).is_some());
    device.refreshes(&mut bob).await.is(200);
    // Whoever loses the key and binds another leaves nothing of the first.
    let (session, cookie) = cookies_of(&bob);
    let mut lost = bob.clone();
    lost.jar.drop(BOUND);
    lost.visits("/page").await;
    world.advance(seconds(30));
    let offer = lost.types_the_next_code().await;
    let mut second = Device::new();
    second.registers(&mut lost, &offer).await.is(200);
    world.advance(seconds(61));
    let (next, next_cookie) = cookies_of(&lost);
    assert_eq!(gets_in(&mut lost, &world).await, EVERY_WAY);
    for (session, cookie) in [(&session, &cookie), (&session, &next_cookie), (&next, &cookie)] {
        assert_eq!(gets_in(&mut thief_with(&bob, session, Some(cookie)), &world).await, [""; 0]);
    }
    refresh(&mut bob, &device.name, Some(&device.proof(&device.challenge))).await.is(404);
    refresh(&mut bob, &second.name, Some(&device.proof(&second.challenge))).await.is(403);
}

/// How a session ends.
#[derive(Clone, Copy, Debug)]
enum End {
    SignOut,
    Revocation,
    Disabled,
    NewPassword,
    Idle,
}

async fn ends(world: &World, person: &mut Person, how: End) {
    let services = &world.app().services;
    match how {
        End::SignOut => {
            person.visits("/.vestibule/logout").await;
            person.sends("logout", &[]).await.is(200);
        }
        End::Revocation => drop(services.admin_sessions.revoke(Some(&person.name), Actor::CommandLine).await.unwrap()),
        End::Disabled => world.disable(&person.name).await,
        End::NewPassword => {
            let password = Secret::new("quiet-mountain-lantern-7");
            services.accounts.set_password(&person.name, &password, Actor::CommandLine).await.unwrap();
        }
        End::Idle => {
            world.advance(minutes(61));
            world.sweeps();
        }
    }
}

#[tokio::test]
async fn nothing_is_left_of_a_binding_whose_session_is_over() {
    let world = world().await;
    for (at, how) in [End::SignOut, End::Revocation, End::Disabled, End::NewPassword, End::Idle].into_iter().enumerate() {
        let (mut person, offer) = signed_in(&world, &format!("person{at}")).await;
        let mut device = Device::new();
        device.registers(&mut person, &offer).await.is(200);
        let (session, cookie) = cookies_of(&person);
        let (mut socket, answer) = person.opens_socket("/ws", "https://app.example").await;
        answer.is(101);
        ends(&world, &mut person, how).await;
        let mut thief = thief_with(&person, &session, Some(&cookie));
        assert_eq!(gets_in(&mut thief, &world).await, [""; 0], "{how:?}");
        assert_eq!(socket.hear().await, None, "{how:?}");
        // With the key too, and with the offer once more.
        let proof = device.proof(&device.challenge);
        refresh(&mut thief, &device.name, Some(&proof)).await.is(404);
        refresh(&mut thief, &device.name, None).await.is(404);
        Device::new().registers(&mut thief, &offer).await.is(404);
        assert_eq!(gets_in(&mut thief, &world).await, [""; 0], "{how:?}");
    }
    world.app().flush().await.unwrap();
    let left = world.app().services.store.kv().scan(b"device/", None, 10, false).await.unwrap();
    assert!(left.is_empty(), "{} bindings", left.len());
}

#[tokio::test]
async fn an_offer_counts_for_the_session_of_its_own_answer() {
    let world = world().await;
    let (mut alice, first) = signed_in(&world, "alice").await;
    alice.visits("/.vestibule/login?fresh=1").await;
    let second = alice.types_password().await;
    second.leads_to("/");
    Device::new().registers(&mut alice, &first).await.is(404);
    let mut device = Device::new();
    device.registers(&mut alice, &second).await.is(200);
    world.advance(seconds(61));
    assert_eq!(gets_in(&mut alice, &world).await, EVERY_WAY);
}

#[tokio::test]
async fn the_bound_cookie_counts_once_under_its_exact_name_and_no_spelling_reaches_the_application() {
    let world = world().await;
    let (alice, _) = bound(&world, "alice").await;
    world.advance(seconds(61));
    let (session, bound) = cookies_of(&alice);
    let own = format!("{SESSION}={session}");
    let mut bare = alice.clone();
    bare.jar.clear();
    let lines = |cookies: &[String]| {
        let lines: String = cookies.iter().map(|line| format!("Cookie: {line}\r\n")).collect();
        format!("Accept: */*\r\n{lines}")
    };
    for cookies in [
        vec![format!("{BOUND}={bound}; {own}")],
        vec![own.clone(), format!("{BOUND}={bound}")],
        vec![format!("a=1;{BOUND}={bound};b"), own.clone()],
        vec![format!("{own} ;  {BOUND} = {bound} ")],
    ] {
        bare.asks("GET", "/vault", &lines(&cookies), b"").await.is(200);
        assert!(!world.upstream.last().head.contains("bound"), "{}", world.upstream.last().head);
    }
    let wrong = [
        vec![format!("{own}; {BOUND}=\"{bound}\"")],
        vec![format!("{own}; __host-vestibule-bound={bound}")],
        vec![format!("{own}; __Secure-vestibule-bound={bound}")],
        vec![format!("{own}; vestibule-bound={bound}")],
        vec![format!("{own}; {BOUND}={bound} x")],
        vec![format!("{own}; {BOUND}={bound}, {BOUND}={bound}")],
        vec![format!("{own}; {BOUND}; ={bound}")],
        vec![format!("{own}; {BOUND}={bound}; {BOUND}={bound}")],
        vec![format!("{own}; {BOUND}={bound}"), format!("{BOUND}={bound}")],
        vec![format!("{BOUND}={bound}"), own.clone(), format!("{BOUND}")],
        vec![format!("{own}; {BOUND}={}", bound.to_uppercase())],
        vec![format!("{own}; {BOUND}={bound}={bound}")],
        vec![format!("{own}; {own}; {BOUND}={bound}")],
    ];
    for cookies in &wrong {
        let answer = bare.asks("GET", "/vault", &lines(cookies), b"").await;
        assert!(matches!(answer.status, 400 | 401), "{cookies:?}: {}", answer.status);
        // Where nobody has to sign in, none of them arrives either.
        if bare.asks("GET", "/public", &lines(cookies), b"").await.status == 200 {
            let head = world.upstream.last().head;
            // Browsers send no name that is empty; such a one is nobody's.
            let is_nameless = cookies[0].contains("; =");
            assert!(is_nameless || !head.contains(&bound[bound.len() - 20..]), "{cookies:?}: {head}");
        }
    }
}

#[tokio::test]
async fn no_reading_of_a_path_and_no_second_target_leads_past_the_device() {
    let world = world().await;
    let (alice, _) = bound(&world, "alice").await;
    world.advance(seconds(61));
    let mut thief = alice.clone();
    thief.jar.drop(BOUND);
    thief.calls("GET", "/watched/x").await.is(200);
    let before = world.upstream.count();
    for target in [
        "/WATCHED/x",
        "/watched;a/x",
        "//watched/x",
        "/watched//x;/../vault",
        "/watched/..;/vault",
        "/%77atched/%2e%2e/vault",
        "/watched\\..\\vault",
        "/vault?/watched",
        "/watched%2f..%2fvault",
        "/watched/%252e%252e/vault",
        "/wat%63hed;/vault",
    ] {
        let answer = thief.calls("GET", target).await;
        assert!(matches!(answer.status, 400 | 401), "{target}: {}", answer.status);
    }
    // What a request writes to is asked for its device as well.
    for method in ["MOVE", "COPY"] {
        for to in ["https://app.example/page", "/page", "https://app.example/vault/x"] {
            let answer = thief.asks(method, "/watched/x", &format!("Accept: */*\r\nDestination: {to}\r\n"), b"").await;
            assert!(matches!(answer.status, 400 | 401 | 403), "{method} {to}: {}", answer.status);
        }
    }
    assert_eq!(world.upstream.count(), before);
    // Another proxy's question is the same question.
    for uri in ["/page", "/vault", "/WATCHED"] {
        let question = format!(
            "X-Forwarded-Method: GET\r\nX-Forwarded-Host: app.example\r\nX-Forwarded-Uri: {uri}\r\nX-Forwarded-For: 127.0.0.1\r\nAccept: */*\r\n"
        );
        assert_ne!(thief.asks("GET", "/.vestibule/auth/forward", &question, b"").await.status, 200, "{uri}");
    }
    // Nor do a script's, a form's or an old browser's ways of asking.
    for lines in [
        "Accept: text/event-stream\r\n",
        "X-Requested-With: XMLHttpRequest\r\n",
        "Upgrade-Insecure-Requests: 1\r\nAccept: text/html\r\n",
        "Purpose: prefetch\r\nSec-Purpose: prefetch\r\nSec-Fetch-Mode: navigate\r\n",
        "Authorization: Basic YWxpY2U6eA==\r\n",
        "Secure-Session-Skipped: server_error;session_identifier=\"vestibule-x\"\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: none\r\n",
    ] {
        assert_ne!(thief.asks("GET", "/page", lines, b"").await.status, 200, "{lines}");
    }
    assert_eq!(world.upstream.count(), before);
}

#[tokio::test]
async fn our_own_forms_do_nothing_for_a_session_whose_device_is_missing() {
    let world = world().await;
    let (mut alice, _) = bound(&world, "alice").await;
    let mut forms = Vec::new();
    for page in ["account", "account/tokens", "account/password", "account/applications", "enrol"] {
        let shown = alice.opens(&format!("/.vestibule/{page}")).await;
        if shown.status == 200 {
            forms.extend(html::forms(&shown.text()));
        }
    }
    let to = |form: &html::Form| form.action.trim_start_matches("/.vestibule/").split('?').next().unwrap().to_owned();
    forms.retain(|form| form.method == "post" && !matches!(to(form).as_str(), "logout" | "language"));
    assert!(forms.len() >= 3, "{:?}", forms.iter().map(to).collect::<Vec<_>>());
    world.advance(seconds(61));
    let store = &world.app().services.store;
    let before = store.account_by_login("alice").await.unwrap().unwrap();
    let typed = [
        ("name", "mine"),
        ("days", "30"),
        ("current", PASSWORD),
        ("password", PASSWORD),
        ("new", "another-violet-harbour-9"),
        ("again", "another-violet-harbour-9"),
        ("method", "totp"),
    ];
    for form in &forms {
        let mut thief = alice.clone();
        thief.jar.drop(BOUND);
        let answer = thief.submits(form, &typed).await;
        assert!(matches!(answer.status, 303 | 401 | 403 | 503), "{}: {}", form.action, answer.status);
        if answer.status == 303 {
            assert!(answer.location().starts_with("/.vestibule/mfa"), "{}: {}", form.action, answer.location());
        }
    }
    let after = store.account_by_login("alice").await.unwrap().unwrap();
    assert_eq!((after.revision, after.epoch), (before.revision, before.epoch), "nothing was changed");
    assert!(store.kv().scan(b"token/", None, 10, false).await.unwrap().is_empty(), "no token was made");
    assert_eq!(gets_in(&mut alice, &world).await, EVERY_WAY);
}

#[tokio::test]
async fn a_copied_browser_that_is_trusted_does_not_stand_in_for_the_device() {
    let sections = format!("{SERVER}[session.device_bound]\n{ROUTES}");
    let world = World::builder().mfa("first_enrolment = \"password\"\ntrusted_device = \"30d\"").with(&sections).build().await;
    let mut bob = world.person_with_app("bob", &[]).await;
    bob.https = true;
    bob.opens("/").await;
    bob.follows().await;
    bob.types_password().await;
    bob.follows().await;
    let code = bob.code();
    let offer = bob.sends("mfa/totp", &[("code", &code), ("trust_device", "1")]).await;
    let mut device = Device::new();
    device.registers(&mut bob, &offer).await.is(200);
    world.advance(seconds(61));
    // The whole jar but the bound cookie, trusted browser and all.
    let mut thief = bob.clone();
    thief.jar.drop(BOUND);
    assert_eq!(gets_in(&mut thief, &world).await, [""; 0]);
    thief.visits("/page").await;
    assert!(thief.url.starts_with("/.vestibule/mfa") || thief.url.starts_with("/.vestibule/login"), "{}", thief.url);
    for way in ["/.vestibule/login?rd=/page", "/.vestibule/mfa?rd=/page", "/.vestibule/enrol?rd=/page", "/.vestibule/login?fresh=1"] {
        thief.visits(way).await;
        assert!(!thief.page.text().contains("application at"), "{way}");
    }
    assert_eq!(gets_in(&mut thief, &world).await, [""; 0]);
    assert_eq!(gets_in(&mut bob, &world).await, EVERY_WAY);
}
