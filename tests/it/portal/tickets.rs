//! Tickets: good once, for a minute, in the browser that asked, on the host that they were made for. What else is done with one is for
//! nothing, and takes nothing from the browser that holds the right one.

use tokio::task::JoinSet;

use super::{PORTAL, WIKI, all, world};
use crate::harness::*;

/// Alice, signed in at the portal.
async fn signed_in(world: &World) -> Person {
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in_from(HOST, "/").await;
    alice.sees_at(HOST, "/");
    alice
}

/// A page that says so and has a way on.
#[track_caller]
fn is_refused(answer: &Answer) {
    answer.is(403);
    assert!(answer.alert().is_some() && answer.text().contains("href=\"/.vestibule/login"), "{}", answer.text());
    assert!(answer.all("set-cookie").all(|line| !line.starts_with("vestibule=")), "nobody is signed in");
    assert_eq!((answer.header("referrer-policy"), answer.header("cache-control")), (Some("no-referrer"), Some("no-store")));
}

#[tokio::test]
async fn a_ticket_is_good_once() {
    let world = world().await;
    let mut alice = signed_in(&world).await;
    let url = alice.is_given_a_ticket_for(WIKI, "/a?b=c").await;
    assert!(url.starts_with("http://wiki.two.example/.vestibule/enter?t="), "{url}");
    let there = alice.goes_to(&url).await;
    assert_eq!(
        (there.is(303).location(), there.header("referrer-policy"), there.header("cache-control")),
        ("/a?b=c", Some("no-referrer"), Some("no-store"))
    );
    alice.travels().await;
    alice.sees_at(WIKI, "/a?b=c");
    let sessions = all(&world);
    is_refused(&alice.goes_to(&url).await);
    assert_eq!(all(&world), sessions);
    // The way on leads on.
    alice.comes_to(WIKI, "/.vestibule/login?rd=%2Fa%3Fb%3Dc").await;
    alice.sees_at(WIKI, "/a?b=c");
}

#[tokio::test]
async fn of_many_at_once_one_enters() {
    let world = world().await;
    let mut alice = signed_in(&world).await;
    let url = alice.is_given_a_ticket_for(WIKI, "/").await;
    let mut tries = JoinSet::new();
    for _ in 0..12 {
        let (mut tab, url) = (alice.clone(), url.clone());
        tries.spawn(async move { tab.goes_to(&url).await.status });
    }
    let mut statuses = tries.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![303], vec![403; 11]].concat());
    assert_eq!(all(&world).len(), 3, "the portal's, the first host's, and one");
}

#[tokio::test]
async fn a_late_ticket_is_worth_nothing() {
    let world = world().await;
    let mut alice = signed_in(&world).await;
    let url = alice.is_given_a_ticket_for(WIKI, "/").await;
    world.advance(seconds(59));
    alice.clone().goes_to(&url).await.is(303);
    let url = alice.is_given_a_ticket_for(WIKI, "/").await;
    world.advance(seconds(60));
    is_refused(&alice.goes_to(&url).await);
    // And is swept.
    world.app().services.store.sweep(world.clock.now()).await.unwrap();
    assert!(world.app().services.store.kv().scan(b"ticket/", None, 9, false).await.unwrap().is_empty());
}

/// Somebody who reads the address over a shoulder or in a log, and somebody who is sent it (login CSRF).
#[tokio::test]
async fn a_stolen_ticket_opens_nothing_in_another_browser_and_stays_good_in_its_own() {
    let world = world().await;
    let mut alice = signed_in(&world).await;
    let url = alice.is_given_a_ticket_for(WIKI, "/mine").await;
    let mut thief = world.at_a_browser("thief").elsewhere(9);
    is_refused(&thief.goes_to(&url).await);
    // With a cookie of that host's own, from a hand-over that the thief began.
    thief.goes_to("http://wiki.two.example/.vestibule/login").await.is(303);
    assert!(thief.jar.of("vestibule_enter", WIKI).is_some());
    is_refused(&thief.goes_to(&url).await);
    // The digest in the address is not the cookie.
    let digest = thief.page.clone();
    drop(digest);
    let binding = bound_to(&mut alice.clone()).await;
    thief.jar.put("vestibule_enter", &binding, WIKI);
    is_refused(&thief.goes_to(&url).await);
    alice.goes_to(&url).await.leads_to("/mine");
    alice.travels().await;
    alice.sees_at(WIKI, "/mine");
}

/// The digest that this browser's hand-over to the wiki carries.
async fn bound_to(person: &mut Person) -> String {
    let to = person.goes_to("http://wiki.two.example/.vestibule/mfa").await.is(303).location().to_owned();
    let rd = url::Url::parse(&to).unwrap().query_pairs().find(|(name, _)| name == "rd").unwrap().1.into_owned();
    let digest = rd.split("for=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    assert_eq!(digest.len(), 43);
    digest
}

#[tokio::test]
async fn nobody_is_signed_in_as_somebody_else_by_a_link() {
    let world = world().await;
    let mut mallory = world.person("mallory", &[]).await;
    mallory.signs_in_from(HOST, "/").await;
    let url = mallory.is_given_a_ticket_for(WIKI, "/").await;
    // A victim who is nobody yet, one who is in the middle of a sign-in, and one who is signed in there.
    let alice = world.person("alice", &[]).await;
    let mut victim = alice.elsewhere(3);
    is_refused(&victim.goes_to(&url).await);
    victim.comes_to(WIKI, "/x").await;
    victim.is_on(PORTAL, "login");
    let page = (victim.page.clone(), victim.url.clone(), victim.host.clone());
    is_refused(&victim.goes_to(&url).await);
    (victim.page, victim.url, victim.host) = page;
    victim.types_password().await.is(303);
    victim.travels().await;
    victim.sees_at(WIKI, "/x");
    is_refused(&victim.goes_to(&url).await);
    victim.comes_to(WIKI, "/y").await;
    victim.sees_at(WIKI, "/y");
    assert_eq!(world.upstream.last().values("remote-user"), ["alice"]);
    // Her own session at the portal makes no ticket that the sender of a link could use: it is bound to the one who asked.
    let mallorys = bound_to(&mut mallory).await;
    let link = format!("http://{PORTAL}{PREFIX}/handover?for={mallorys}&rd=http://wiki.two.example/");
    let hers = victim.goes_to(&link).await.is(303).location().to_owned();
    is_refused(&victim.goes_to(&hers).await);
}

#[tokio::test]
async fn a_ticket_is_for_one_host() {
    let world = world().await;
    let mut alice = signed_in(&world).await;
    alice.comes_to("eu.shop.two.example", "/").await;
    let url = alice.is_given_a_ticket_for(WIKI, "/").await;
    // The same browser, and even the same cookie.
    let cookie = alice.jar.of("vestibule_enter", WIKI).unwrap().to_owned();
    for host in ["eu.shop.two.example", HOST] {
        alice.jar.put("vestibule_enter", &cookie, host);
        is_refused(&alice.goes_to(&url.replacen(WIKI, host, 1)).await);
    }
    alice.goes_to(&url.replacen(WIKI, PORTAL, 1)).await.is(404);
    // Another port is another origin.
    alice.host = format!("{WIKI}:8443");
    let there = url.split_once(WIKI).unwrap().1.to_owned();
    let own = alice.jar.of("vestibule_enter", WIKI).unwrap().to_owned();
    let answer = alice
        .asks("GET", &there, &format!("Accept: text/html\r\nSec-Fetch-Mode: navigate\r\nCookie: vestibule_enter={own}\r\n"), b"")
        .await;
    assert_eq!(answer.status, 403);
    alice.goes_to(&url).await.is(303);
}

#[tokio::test]
async fn no_other_request_spends_a_ticket() {
    let world = world().await;
    let mut alice = signed_in(&world).await;
    let url = alice.is_given_a_ticket_for(WIKI, "/").await;
    let target = url.split_once(WIKI).unwrap().1.to_owned();
    alice.host = WIKI.to_owned();
    let navigates = "Accept: text/html\r\nSec-Fetch-Mode: navigate\r\n";
    for (method, lines, status) in [
        ("HEAD", navigates, 404),
        ("GET", "Sec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image\r\n", 403),
        ("GET", "Sec-Fetch-Mode: cors\r\n", 403),
        ("POST", navigates, 403),
        ("PUT", navigates, 403),
    ] {
        alice.asks(method, &target, lines, b"").await.is(status);
    }
    alice.goes_to(&url).await.is(303);
}

#[tokio::test]
async fn a_ticket_that_was_not_made_here_is_none() {
    let world = world().await;
    let mut alice = signed_in(&world).await;
    alice.goes_to("http://wiki.two.example/.vestibule/login").await;
    let session = alice.jar.of("vestibule", PORTAL).unwrap().to_owned();
    let long = "A".repeat(43);
    for ticket in ["", "x", &long, &session, "%00", "../../session"] {
        is_refused(&alice.goes_to(&format!("http://{WIKI}{PREFIX}/enter?t={ticket}")).await);
    }
    is_refused(&alice.goes_to(&format!("http://{WIKI}{PREFIX}/enter")).await);
    // What is in the store is no ticket: it is kept hashed.
    let url = alice.is_given_a_ticket_for(WIKI, "/").await;
    let ticket = url.split("t=").nth(1).unwrap().split('&').next().unwrap();
    let kept = world.app().services.store.kv().scan(b"ticket/", None, 99, false).await.unwrap();
    assert_eq!(kept.len(), 1);
    let name = String::from_utf8(kept[0].0.clone()).unwrap();
    assert!(!name.contains(ticket) && !String::from_utf8_lossy(&kept[0].1).contains(ticket));
    is_refused(&alice.goes_to(&url.replacen(ticket, name.trim_start_matches("ticket/"), 1)).await);
}

/// The way back, at each of its three steps.
#[tokio::test]
async fn no_step_leads_to_a_host_that_no_route_names() {
    let world = world().await;
    let mut alice = signed_in(&world).await;
    let binding = bound_to(&mut alice).await;
    for to in [
        "http://evil.example/",
        "http://evil.example",
        "//evil.example/",
        "/\\evil.example",
        "http://wiki.two.example@evil.example/",
        "http://wiki.two.example.evil.example/",
        "http://wiki.two.example:8080/",
        "http://wiki.two.example\\@evil.example/",
        "http:evil.example",
        "javascript:alert(1)",
        "http://login.one.example/",
        "/",
        "http://wiki.two.example/../x",
        "http://wiki.two.example/%2e%2e/x",
        "http://wiki.two.example/.vestibule/../x",
        "http://shop.two.example/",
        "http://nowhere.example/",
        "",
    ] {
        let encoded = percent_encoding::utf8_percent_encode(to, percent_encoding::NON_ALPHANUMERIC).to_string();
        alice.goes_to(&format!("http://{PORTAL}{PREFIX}/handover?for={binding}&rd={encoded}")).await.is(404);
        for page in ["login", "mfa"] {
            let nested = format!("{PREFIX}/handover?for={binding}&rd={encoded}");
            let nested = percent_encoding::utf8_percent_encode(&nested, percent_encoding::NON_ALPHANUMERIC).to_string();
            let answer = alice.goes_to(&format!("http://{PORTAL}{PREFIX}/{page}?rd={nested}")).await;
            assert_eq!(answer.is(303).location(), "/", "{page} {to}");
        }
        // On the way back, what the address says is judged by the host itself.
        let mut url = alice.is_given_a_ticket_for(WIKI, "/right").await;
        url = format!("{}{encoded}", url.trim_end_matches("%2Fright"));
        let answer = alice.goes_to(&url).await;
        let location = answer.is(303).location().to_owned();
        assert!(location.starts_with('/') && !location.starts_with("//") && !location.contains("evil"), "{to}: {location}");
        alice.signs_out_of_the_wiki_alone();
    }
    for query in ["", "?", "?for=x&rd=http://wiki.two.example/", "?rd=http://wiki.two.example/"] {
        alice.goes_to(&format!("http://{PORTAL}{PREFIX}/handover{query}")).await.is(404);
    }
}

impl Person {
    /// The browser forgets that host's cookie.
    fn signs_out_of_the_wiki_alone(&mut self) {
        self.jar.drop_at("vestibule", WIKI);
    }
}

#[tokio::test]
async fn a_session_that_ended_meanwhile_makes_no_other() {
    let world = world().await;
    let mut alice = signed_in(&world).await;
    let url = alice.is_given_a_ticket_for(WIKI, "/").await;
    let mut other = alice.clone();
    other.signs_out_from(HOST, PORTAL).await;
    let answer = alice.goes_to(&url).await;
    answer.leads_to("/.vestibule/login");
    assert!(all(&world).is_empty());
    alice.travels().await;
    alice.is_on(PORTAL, "login");
}

#[tokio::test]
async fn a_hosts_session_opens_no_page_of_the_portal() {
    let world = world().await;
    let mut alice = signed_in(&world).await;
    let host = alice.jar.of("vestibule", HOST).unwrap().to_owned();
    let mut thief = alice.elsewhere(8);
    thief.jar.put("vestibule", &host, PORTAL);
    for page in ["account", "admin", "account/tokens"] {
        thief.goes_to(&format!("http://{PORTAL}{PREFIX}/{page}")).await.leads_to("/.vestibule/login");
    }
    thief.comes_to(WIKI, "/").await;
    thief.is_on(PORTAL, "login");
    // Nor does the portal's session id change: signing in there gives a new one.
    let before = alice.jar.of("vestibule", PORTAL).unwrap().to_owned();
    alice.comes_to(PORTAL, "/.vestibule/login?fresh=1").await;
    alice.types_password().await;
    assert_ne!(alice.jar.of("vestibule", PORTAL).unwrap(), before);
}
