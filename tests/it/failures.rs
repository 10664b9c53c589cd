//! Failures: one answer to all of them, one counter for a person, and an end to every lockout.

mod rates;

use crate::harness::*;

/// An answer without what differs for every page: tokens, challenges, the name that was typed.
fn told(answer: &Answer, name: &str) -> (u16, Vec<(String, String)>, String) {
    let mut body = answer.text().replace(name, "NAME");
    for mark in ["name=\"csrf\" value=\"", "name=\"challenge\" value=\"", "data-options=\""] {
        let mut at = 0;
        while let Some(start) = body[at..].find(mark).map(|n| at + n + mark.len()) {
            let end = start + body[start..].find('"').unwrap();
            body.replace_range(start..end, "");
            at = start;
        }
    }
    let volatile = |name: &str| matches!(name, "date" | "content-length" | "x-request-id");
    let mut headers: Vec<_> = answer.headers.iter().filter(|(n, _)| !volatile(n)).cloned().collect();
    headers.sort();
    (answer.status, headers, body)
}

async fn tries(person: &mut Person, name: &str, password: &str) -> Answer {
    if !person.has_form("login") {
        person.visits("/.vestibule/login").await;
    }
    person.sends("login", &[("username", name), ("password", password)]).await
}

/// So many wrong passwords from somewhere.
async fn guesses(stranger: &mut Person, name: &str, count: usize) {
    for _ in 0..count {
        tries(stranger, name, "not-the-right-password").await.is(422);
    }
}

#[tokio::test]
async fn unknown_wrong_locked_and_disabled_are_answered_alike() {
    let world = World::new().await;
    for name in ["wrong", "locked", "barred", "asked"] {
        world.person(name, &[]).await;
    }
    world.person_with_app("twofold", &[]).await;
    world.disable("barred").await;
    guesses(&mut world.at_a_browser("x").elsewhere(9), "locked", 10).await;
    let mut nobody = world.at_a_browser("nobody");
    tries(&mut nobody, "nosuch", "whatever-it-may-be").await;
    let expected = told(&tries(&mut nobody, "nosuch", "whatever-it-may-be").await, "nosuch");
    assert_eq!(expected.0, 422);
    for (name, password) in [
        ("wrong", "not-the-right-password"),
        ("twofold", "not-the-right-password"),
        ("locked", "not-the-right-password"),
        ("locked", PASSWORD),
        ("barred", "not-the-right-password"),
        ("barred", PASSWORD),
        ("barred@post.example", PASSWORD),
    ] {
        let answer = tries(&mut nobody, name, password).await;
        let seen = told(&answer, name);
        assert_eq!(seen.0, expected.0, "{name}");
        assert_eq!(seen.1, expected.1, "{name}");
        assert_eq!(seen.2, expected.2, "{name}");
    }
}

#[tokio::test]
async fn ten_failures_lock_and_a_quarter_of_an_hour_unlocks() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    let mut stranger = alice.elsewhere(9);
    // By name and by address, in any case: one counter.
    for name in ["alice", "alice@post.example", "ALICE", "Alice@Post.Example", "alice"] {
        guesses(&mut stranger, name, 2).await;
    }
    alice.visits("/").await;
    alice.types_password().await.is(422);
    world.advance(minutes(15) - seconds(1));
    alice.types_password().await.is(422);
    world.advance(seconds(1));
    alice.types_password().await.leads_to("/");
}

#[tokio::test]
async fn nine_failures_do_not_lock() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    guesses(&mut alice.elsewhere(9), "alice", 9).await;
    alice.signs_in().await;
    // A finished sign-in forgets them.
    let mut stranger = alice.elsewhere(9);
    stranger.name = "alice".to_owned();
    guesses(&mut stranger, "alice", 9).await;
    stranger.types_password().await.leads_to("/");
}

#[tokio::test]
async fn a_stranger_cannot_lock_the_owner_out_of_a_known_browser() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in().await;
    alice.visits("/.vestibule/logout").await;
    alice.sends("logout", &[]).await;
    guesses(&mut alice.elsewhere(9), "alice", 10).await;
    let mut elsewhere = alice.elsewhere(8);
    elsewhere.visits("/").await;
    elsewhere.types_password().await.is(422);
    alice.signs_in().await;
    // Which does not help the stranger.
    elsewhere.visits("/").await;
    elsewhere.types_password().await.is(422);
}

#[tokio::test]
async fn a_known_browser_has_a_budget_too() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in().await;
    alice.jar.drop("vestibule");
    guesses(&mut alice, "alice", 10).await;
    alice.types_password().await.is(422);
}

#[tokio::test]
async fn a_right_password_does_not_forget_wrong_codes() {
    let world = World::new().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    for round in 0..10 {
        alice.visits("/").await;
        alice.types_password().await.leads_to("/.vestibule/mfa");
        alice.follows().await;
        alice.types_code("000000").await.is(422);
        alice.jar.clear();
        world.advance(seconds(1));
        let _ = round;
    }
    alice.visits("/").await;
    alice.types_password().await.is(422);
}

#[tokio::test]
async fn wrong_codes_in_many_windows_count_in_one_place() {
    let world = World::new().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    let codes = world.recovery_codes("alice").await;
    let mut windows = Vec::new();
    for n in 0..6 {
        let mut window = alice.elsewhere(10 + n);
        window.visits("/").await;
        window.types_password().await;
        window.follows().await;
        windows.push(window);
    }
    for window in windows.iter_mut().take(5) {
        window.types_code("000000").await.is(422);
        window.visits("/.vestibule/mfa/recovery").await;
        window.types_code("aaaa-bbbb-cccc-dddd").await.is(422);
    }
    let last = windows.last_mut().unwrap();
    let code = last.code();
    let answer = last.types_code(&code).await;
    assert!(answer.is(429).header("retry-after").unwrap().parse::<u64>().unwrap() > 0);
    last.visits("/.vestibule/mfa/recovery").await;
    last.types_code(&codes[0]).await.is(429);
    assert!(!last.is_signed_in().await);
    // And the first door is shut as well.
    alice.visits("/").await;
    alice.types_password().await.is(422);
    world.advance(minutes(15));
    alice.signs_in().await;
}

#[tokio::test]
async fn failures_outlive_a_restart() {
    let mut world = World::new().await;
    let alice = world.person("alice", &[]).await;
    guesses(&mut alice.elsewhere(9), "alice", 10).await;
    world.restart().await;
    let mut alice = world.at_a_browser("alice");
    alice.visits("/").await;
    alice.types_password().await.is(422);
}

#[tokio::test]
async fn unknown_wrong_locked_and_disabled_take_as_long() {
    let world = World::builder()
        .mfa("first_enrolment = \"password\"")
        .with("[limits]\nlockout = \"1d\"\nlogin_per_ip = \"1000/m\"")
        .default_hashing()
        .build()
        .await;
    for name in ["wrong", "locked", "barred"] {
        world.person(name, &[]).await;
    }
    world.disable("barred").await;
    guesses(&mut world.at_a_browser("x").elsewhere(9), "locked", 10).await;
    let kinds = ["nosuch", "wrong", "locked", "barred"];
    let mut times = kinds.map(|_| Vec::new());
    let mut stranger = world.at_a_browser("x").elsewhere(8);
    for round in 0..9 {
        // None of them is always the first.
        for at in (0..kinds.len()).map(|n| (n + round) % kinds.len()) {
            let (name, times) = (kinds[at], &mut times[at]);
            stranger.visits("/.vestibule/login").await;
            let started = std::time::Instant::now();
            tries(&mut stranger, name, "not-the-right-password").await.is(422);
            times.push(started.elapsed());
        }
        world.advance(minutes(1));
    }
    times.iter_mut().for_each(|times| times.sort_unstable());
    println!("{:?}", kinds.iter().zip(times.iter().map(|t| (t[0], t[4], t[8]))).collect::<Vec<_>>());
    for (name, one) in kinds.iter().zip(&times) {
        for (other_name, other) in kinds.iter().zip(&times) {
            assert!(one[0] <= other[8], "{name} {one:?}, {other_name} {other:?}");
        }
    }
}
