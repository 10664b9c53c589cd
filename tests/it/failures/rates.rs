//! Failures by where they come from: an address or a name that is guessed at waits, whichever way in, and nobody else does.

use std::time::Duration;

use super::{guesses, tries};
use crate::harness::*;

#[tokio::test]
async fn an_address_that_guesses_is_told_to_wait() {
    let world = World::builder().mfa("first_enrolment = \"password\"").with("[limits]\nlogin_per_ip = \"5/m\"").build().await;
    let mut alice = world.person("alice", &[]).await;
    let mut stranger = alice.elsewhere(9);
    let mut told = None;
    for n in 0..8 {
        let answer = tries(&mut stranger, &format!("nobody{n}"), "whatever-it-may-be").await;
        if answer.status == 429 {
            told = Some(answer);
            break;
        }
        answer.is(422);
    }
    let wait: u64 = told.expect("429 in the end").header("retry-after").expect("Retry-After").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    stranger.visits("/.vestibule/login").await;
    stranger.types_password().await.is(429);
    // Others are not held up, nor is what is forwarded.
    alice.signs_in().await;
    stranger.opens("/public/x").await.is(200);
    world.advance(seconds(wait));
    stranger.visits("/").await;
    stranger.types_password().await.leads_to("/");
}

#[tokio::test]
async fn a_name_that_is_guessed_at_from_everywhere_is_told_to_wait_known_or_not() {
    let world = World::builder().mfa("first_enrolment = \"password\"").with("[limits]\nlogin_per_account = \"4/m\"").build().await;
    world.person("alice", &[]).await;
    let mut counts = Vec::new();
    for name in ["alice", "nosuch"] {
        let mut n = 0u8;
        loop {
            let answer = tries(&mut world.at_a_browser("x").elsewhere(20 + n), name, "not-the-right-password").await;
            n += 1;
            if answer.status == 429 {
                break;
            }
            answer.is(422);
        }
        counts.push(n);
    }
    assert_eq!(counts[0], counts[1], "known and unknown names are limited alike");
}

/// Slow enough a rate that no test outlives it.
const SIX_AN_HOUR: &str = "[limits]\nlogin_per_ip = \"6/h\"";

#[tokio::test]
async fn an_address_that_guesses_waits_over_a_kill_too() {
    let config = format!("{}\n{SIX_AN_HOUR}\n", crate::site::PLAIN);
    let site = crate::site::Site::with(&config).await;
    site.adds("alice").await.ok();
    let served = site.serve().await;
    for n in 0..7 {
        tries(&mut crate::site::at(&served, "x").elsewhere(9), &format!("nobody{n}"), "whatever-it-may-be").await.is(422);
    }
    tries(&mut crate::site::at(&served, "x").elsewhere(9), "alice", PASSWORD).await.is(429);
    served.kill().await;
    let served = site.serve().await;
    tries(&mut crate::site::at(&served, "x").elsewhere(9), "alice", PASSWORD).await.is(429);
    crate::site::at(&served, "alice").signs_in().await;
    served.kill().await;
}

#[tokio::test]
async fn wrong_tries_count_at_the_address_whichever_way_in() {
    let world = World::builder().mfa("first_enrolment = \"password\"").with(SIX_AN_HOUR).build().await;
    let alice = world.person_with_app("alice", &[]).await;
    world.recovery_codes("alice").await;
    let mut stranger = alice.elsewhere(9);
    tries(&mut stranger, "nosuch", "whatever-it-may-be").await.is(422);
    guesses(&mut stranger, "alice", 1).await;
    stranger.visits("/").await;
    stranger.types_password().await.leads_to("/.vestibule/mfa");
    stranger.follows().await;
    stranger.types_code("000000").await.is(422);
    stranger.types_code("000001").await.is(422);
    stranger.visits("/.vestibule/mfa/recovery").await;
    stranger.types_code("aaaa-bbbb-cccc-dddd").await.is(422);
    stranger.types_code("aaaa-bbbb-cccc-ddde").await.is(422);
    stranger.types_code("aaaa-bbbb-cccc-dddf").await.is(422);
    stranger.types_code("aaaa-bbbb-cccc-dddg").await.is(429);
    tries(&mut alice.elsewhere(9), "nosuch", "whatever-it-may-be").await.is(429);
    tries(&mut alice.elsewhere(8), "nosuch", "whatever-it-may-be").await.is(422);
}

/// Sends what a guess at that way in sends, until the address is asked to wait; how many were judged before that.
async fn judged_before_the_wait(stranger: &mut Person, page: &str, form: &str, typed: &[(&str, &str)]) -> usize {
    for judged in 0..20 {
        stranger.visits(page).await;
        let answer = stranger.sends(form, typed).await;
        if answer.status == 429 {
            assert!(answer.header("retry-after").is_some());
            return judged;
        }
        answer.is(422);
    }
    panic!("{form} is judged without end");
}

#[tokio::test]
async fn wrong_links_and_wrong_passkeys_count_at_the_address_too() {
    use vestibule::service::audit::Actor;
    use vestibule::store::LinkKind;
    let world = World::builder().mfa("first_enrolment = \"password\"").with(SIX_AN_HOUR).on_localhost().build().await;
    let alice = world.person("alice", &[]).await;
    let (_, setup) = world.newcomer("nina").await;
    let services = &world.app().services;
    let reset = services.links.make(&services.accounts.named("alice").await.unwrap(), LinkKind::Reset, Actor::CommandLine).await.unwrap();
    let link = [("token", "bm9ib2R5cyB0b2tlbiBhdCBhbGwhIQ"), ("password", "long-enough-a-password-7")];
    let (setup, reset) = (format!("{PREFIX}/setup?token={setup}"), format!("{PREFIX}/reset?token={}", reset.expose()));
    let ways = [
        ("a set-up link", setup.as_str(), "setup", &link[..]),
        ("a reset link", reset.as_str(), "reset/new", &link[..]),
        ("a passkey", "/.vestibule/login", "login/passkey", &[("credential", "{}")][..]),
        ("a passkey's forged challenge", "/.vestibule/login", "login/passkey", &[("credential", "{}"), ("challenge", "forged")][..]),
    ];
    for ((name, page, form, typed), from) in ways.into_iter().zip(40..) {
        let mut stranger = alice.elsewhere(from);
        stranger.host = "localhost".to_owned();
        assert_eq!(judged_before_the_wait(&mut stranger, page, form, typed).await, 7, "{name}");
        // For every other way in from there, and for no other address.
        tries(&mut stranger, "nosuch", "whatever-it-may-be").await.is(429);
        let mut neighbour = stranger.elsewhere(from + 40);
        tries(&mut neighbour, "nosuch", "whatever-it-may-be").await.is(422);
    }
    // The true links were not used up.
    let mut nina = world.at_a_browser("nina");
    nina.host = "localhost".to_owned();
    nina.visits(&setup).await.is(200);
    assert!(nina.has_form("setup"));
}

#[tokio::test]
async fn a_neighbour_cannot_use_up_what_a_known_browser_needs() {
    let world = World::builder().mfa("first_enrolment = \"password\"").with(SIX_AN_HOUR).build().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    alice.signs_in().await;
    let mut neighbour = world.at_a_browser("alice");
    for n in 0..7 {
        tries(&mut neighbour, &format!("nobody{n}"), "whatever-it-may-be").await.is(422);
    }
    neighbour.visits("/").await;
    neighbour.types_password().await.is(429);
    alice.jar.drop("vestibule");
    alice.waits_for_the_next_code();
    alice.signs_in().await;
    // Known to alice's account alone: of no use for another's.
    let bob = world.person("bob", &[]).await;
    alice.jar.drop("vestibule");
    tries(&mut alice, &bob.name, "not-the-right-password").await.is(429);
}

#[tokio::test]
async fn an_office_signs_in_on_monday_morning() {
    let world = World::new().await;
    let mut people = Vec::new();
    for n in 0..50 {
        people.push(world.person(&format!("clerk{n}"), &[]).await);
    }
    // Five hundred within ten minutes from one address, in browsers that nobody knows yet; every fifth mistypes first.
    for n in 0..500 {
        let mut clerk = people[n % 50].clone();
        clerk.visits("/").await;
        if n % 5 == 0 {
            let name = clerk.name.clone();
            tries(&mut clerk, &name, "mistyped-in-a-hurry").await.is(422);
        }
        clerk.types_password().await.leads_to("/");
        world.advance(Duration::from_millis(1200));
    }
}

#[tokio::test]
async fn ten_thousand_bogus_names_lock_nobody_out_and_are_forgotten() {
    use vestibule::store::Counted;
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    let (store, now, limits) = (&world.app().services.store, world.clock.now(), world.app().config().limits.clone());
    for n in 0..10_000 {
        let at = Counted { table: "address", name: format!("198.51.{}.{}", n / 250, n % 250), rate: limits.login_per_ip };
        let of = Counted { table: "name", name: format!("name nobody{n}"), rate: limits.login_per_account };
        store.count_failure(&[at, of], now).await.unwrap();
    }
    alice.signs_in().await;
    world.advance(minutes(2));
    // The gateway's own sweep may be under way: of two that take the same rows, one leaves them to the other.
    soon(async {
        while !store.kv().scan(b"failed/", None, 10, false).await.unwrap().is_empty() {
            store.sweep(world.clock.now()).await.unwrap();
        }
    })
    .await;
}
