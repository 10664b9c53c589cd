//! The portal's session and those of its hosts while they last: stepping up, growing old, going unused.

use super::{PORTAL, WIKI, all, world};
use crate::harness::*;

#[tokio::test]
async fn stepping_up_happens_once_and_counts_on_every_host() {
    let world = world().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    alice.signs_in_from(HOST, "/").await;
    alice.comes_to(WIKI, "/").await;
    world.advance(minutes(15) + seconds(1));
    let before = alice.clone();
    assert_eq!(alice.calls("GET", "/fresh").await.is(401).json()["reason"], "second_factor");
    alice.comes_to(WIKI, "/fresh/pay?sum=1%202").await;
    alice.is_on(PORTAL, "mfa/totp");
    assert!(alice.page.text().contains("wiki.two.example"), "it says for what");
    alice.types_code("000000").await.is(422);
    alice.types_the_code().await.is(303);
    alice.travels().await;
    alice.sees_at(WIKI, "/fresh/pay?sum=1%202");
    // New ids on both; the old ones are dead, and were never worth more.
    for host in [PORTAL, WIKI] {
        assert_ne!(alice.jar.of("vestibule", host), before.jar.of("vestibule", host), "{host}");
    }
    assert!(!before.clone().passes_at(WIKI).await);
    // The other host goes on as it was, and has no need to ask.
    assert_eq!(alice.jar.of("vestibule", HOST), before.jar.of("vestibule", HOST));
    assert!(alice.passes_at(HOST).await);
    alice.comes_to(HOST, "/fresh/x").await;
    alice.sees_at(HOST, "/fresh/x");
    assert_eq!(all(&world).len(), 3);
}

#[tokio::test]
async fn stepping_up_cuts_no_tunnel_and_the_end_of_the_session_all() {
    let world = world().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    alice.signs_in_from(HOST, "/").await;
    let (mut there, answer) = alice.opens_socket("/ws", "http://app.example").await;
    answer.is(101);
    alice.comes_to(WIKI, "/").await;
    let (mut here, answer) = alice.opens_socket("/ws", "http://wiki.two.example").await;
    answer.is(101);
    world.advance(minutes(16));
    alice.comes_to(WIKI, "/fresh").await;
    alice.types_the_code().await.is(303);
    alice.travels().await;
    alice.sees_at(WIKI, "/fresh");
    for socket in [&mut here, &mut there] {
        socket.say("still here").await;
        assert_eq!(socket.hear().await.as_deref(), Some("still here"));
    }
    alice.signs_out_from(HOST, PORTAL).await;
    for mut socket in [here, there] {
        assert_eq!(socket.hear().await, None);
    }
}

#[tokio::test]
async fn one_host_in_use_keeps_the_sign_in_and_makes_it_no_longer() {
    let world = world().await;
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in_from(HOST, "/").await;
    alice.comes_to(WIKI, "/").await;
    // Only the wiki is used, for eleven hours.
    for _ in 0..13 {
        world.advance(minutes(50));
        assert!(alice.passes_at(WIKI).await);
        world.app().services.live.sweep(world.clock.now());
        world.app().services.live.end_orphans();
    }
    // The other host's went unused and is over; the portal's is not, and gives it back without a question.
    assert!(!alice.passes_at(HOST).await);
    alice.comes_to(HOST, "/x").await;
    alice.sees_at(HOST, "/x");
    // Twelve hours after the password it is over everywhere.
    world.advance(minutes(70));
    assert!(!alice.passes_at(WIKI).await && !alice.passes_at(HOST).await);
    alice.comes_to(WIKI, "/").await;
    alice.is_on(PORTAL, "login");
}

#[tokio::test]
async fn unused_everywhere_it_is_over_everywhere() {
    let world = world().await;
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in_from(HOST, "/").await;
    alice.comes_to(WIKI, "/").await;
    world.advance(minutes(61));
    world.app().services.live.sweep(world.clock.now());
    assert!(all(&world).is_empty());
    alice.comes_to(WIKI, "/").await;
    alice.is_on(PORTAL, "login");
}

#[tokio::test]
async fn a_step_up_that_was_asked_for_is_shown_once_and_leads_nowhere_else() {
    let world = world().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    alice.signs_in_from(WIKI, "/vault/1").await;
    alice.sees_at(WIKI, "/vault/1");
    // A one-factor sign-in is worth nothing on a two-factor route, on whichever host: nothing is half handed over.
    let bob = world.person("bob", &[]).await;
    let mut bob = bob.elsewhere(3);
    bob.signs_in_from(WIKI, "/").await;
    bob.sees_at(WIKI, "/");
    bob.comes_to(WIKI, "/vault/1").await;
    bob.is_on(PORTAL, "enrol");
    assert_eq!(bob.calls("GET", "/x").await.status, 404, "no application on the portal");
    bob.host = WIKI.to_owned();
    bob.calls("GET", "/vault/1").await.is(401);
}

/// A browser that asks for tickets over and over has no more sessions than a bound.
#[tokio::test]
async fn hosts_sessions_are_bounded() {
    let world = world().await;
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in_from(HOST, "/").await;
    for _ in 0..105 {
        alice.jar.drop_at("vestibule", WIKI);
        let url = alice.is_given_a_ticket_for(WIKI, "/").await;
        alice.goes_to(&url).await.is(303);
        world.advance(seconds(1));
    }
    assert_eq!(all(&world).len(), 101);
    assert!(alice.passes_at(WIKI).await);
}

/// What goes in place of a host's session ends it.
#[tokio::test]
async fn a_new_session_on_a_host_replaces_the_one_before() {
    let world = world().await;
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in_from(WIKI, "/").await;
    let before = alice.clone();
    let rd = "http://wiki.two.example/";
    let to = alice.goes_to(&format!("http://{WIKI}{PREFIX}/mfa")).await.location().to_owned();
    let to = to.replacen("/mfa?", "/login?", 1);
    alice.goes_to(&to).await;
    alice.travels().await;
    assert!(alice.host == WIKI, "{rd}");
    assert_eq!(all(&world).len(), 2);
    assert!(alice.passes_at(WIKI).await && !before.clone().passes_at(WIKI).await);
}
