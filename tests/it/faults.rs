//! Faults: whatever fails, in whichever step, the outcome is whole or refused, and the gate stays shut.

mod beyond;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use vestibule::base::Time;
use vestibule::service::admin::AccountChange;
use vestibule::service::audit::Actor;

use crate::faulty::Shaky;
use crate::harness::*;
use crate::site::{self, Site};

/// How many commits into an action the store fails; more than any of them makes.
const STEPS: i64 = 10;

fn is_an_answer(answer: &Answer) -> bool {
    matches!(answer.status, 200 | 303 | 422 | 429 | 503)
}

#[tokio::test]
async fn a_sign_in_is_whole_or_refused_wherever_the_store_fails() {
    let shaky = Shaky::new().await;
    let fresh = shaky.person_with_app("alice").await;
    let mut finished = 0;
    for (at, lost) in (0..STEPS).flat_map(|at| [(at, false), (at, true)]) {
        let mut alice = fresh.elsewhere(2);
        shaky.clock.advance(Duration::from_secs(60));
        alice.visits("/").await;
        alice.types_password().await.is(303);
        alice.follows().await;
        let before = shaky.sessions().await;
        shaky.plan.fails_from(at, 1, lost);
        let code = alice.code();
        let answer = alice.types_code(&code).await;
        shaky.plan.recovers();
        assert!(is_an_answer(&answer), "{at}: {}", answer.status);
        let inside = alice.is_signed_in().await;
        assert_eq!(inside, answer.status == 303 && alice.jar.get("vestibule").is_some(), "fault {at}, lost {lost}: told {}", answer.status);
        finished += usize::from(inside);
        if !inside {
            assert_eq!(shaky.sessions().await.0, before.0, "a session that nobody was given (fault {at}, lost {lost})");
            // The code may be used up; it is never worth a second try.
            alice.opens("/payroll").await.is(303);
        }
    }
    assert!(finished > 0 && finished < 20, "{finished}");
    // And with the store mended everything works.
    let mut alice = fresh.elsewhere(9);
    shaky.clock.advance(Duration::from_secs(3600));
    alice.signs_in().await;
}

#[tokio::test]
async fn an_enrolment_is_whole_or_not_there_wherever_the_store_fails() {
    for (at, lost) in (0..STEPS).flat_map(|at| [(at, false), (at, true)]) {
        let shaky = Shaky::new().await;
        let mut alice = shaky.person("alice").await;
        alice.signs_in().await;
        alice.visits("/.vestibule/enrol").await;
        alice.picks("enrol", "totp").await;
        let key = html::text_of(&alice.page.text(), "totp-secret").expect("#totp-secret");
        alice.phone = Some(Authenticator::from_key(&key));
        let code = alice.code();
        shaky.plan.fails_from(at, 1, lost);
        let answer = alice.sends("enrol/totp", &[("code", &code), ("name", "phone")]).await;
        shaky.plan.recovers();
        assert!(is_an_answer(&answer), "{at}: {}", answer.status);
        let account = shaky.app.services.accounts.named("alice").await.unwrap();
        let view = serde_json::to_value(shaky.app.services.accounts.view(&account)).unwrap();
        let enrolled = view["methods"].as_array().unwrap().iter().any(|m| m.to_string().contains("totp"));
        if answer.status == 303 && answer.location().contains("recovery") && !lost {
            assert!(enrolled, "fault {at}: told that it is set up: {view}");
        }
        // Half of it would be a factor that is asked for by nobody, or nobody's factor that is asked for.
        let mut other = alice.elsewhere(3);
        other.visits("/").await;
        let next = other.types_password().await;
        next.is(303);
        assert_eq!(next.location().contains("/mfa"), enrolled, "fault {at}, lost {lost}: {view}");
    }
}

#[tokio::test]
async fn a_revocation_that_was_acknowledged_holds() {
    let shaky = Shaky::new().await;
    shaky.person("alice").await;
    for (at, lost) in (0..STEPS).flat_map(|at| [(at, false), (at, true)]) {
        let mut alice = shaky.at_a_browser("alice");
        alice.signs_in().await;
        shaky.plan.fails_from(at, 1, lost);
        let disable = AccountChange { disabled: Some(true), ..AccountChange::default() };
        let told = shaky.app.services.accounts.change("alice", &disable, Actor::CommandLine).await;
        shaky.plan.recovers();
        let inside = alice.is_signed_in().await;
        assert!(told.is_err() || !inside, "fault {at}, lost {lost}: disabled and still inside");
        let enable = AccountChange { disabled: Some(false), ..AccountChange::default() };
        shaky.app.services.accounts.change("alice", &enable, Actor::CommandLine).await.unwrap();
        let mut alice = shaky.at_a_browser("alice");
        alice.signs_in().await;
        alice.visits("/.vestibule/logout").await;
        shaky.plan.fails_from(at, 1, lost);
        let answer = alice.sends("logout", &[]).await;
        shaky.plan.recovers();
        assert!(is_an_answer(&answer), "{}", answer.status);
        assert!(answer.status != 303 || !alice.is_signed_in().await, "fault {at}, lost {lost}: signed out and still inside");
    }
}

#[tokio::test]
async fn a_store_that_is_gone_opens_nothing_and_closes_nothing_else() {
    let shaky = Shaky::new().await;
    let mut alice = shaky.person("alice").await;
    alice.signs_in().await;
    let mut stranger = shaky.at_a_browser("alice");
    stranger.visits("/").await;
    shaky.plan.gone.store(1, Ordering::SeqCst);
    stranger.types_password().await.is(503);
    stranger.calls("GET", "/x").await.is(401);
    stranger.calls("GET", "/public/x").await.is(200);
    stranger.jar.put("vestibule", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", HOST);
    stranger.calls("GET", "/x").await.is(401);
    alice.calls("GET", "/x").await.is(200);
    alice.calls("GET", "/payroll").await.is(401);
    shaky.plan.recovers();
    let mut again = shaky.at_a_browser("alice");
    again.signs_in().await;
}

/// A full disk can be read and not written.
#[tokio::test]
async fn a_full_store_refuses_sign_ins_lets_traffic_go_on_and_recovers() {
    let shaky = Shaky::new().await;
    let mut alice = shaky.person_with_app("alice").await;
    alice.signs_in().await;
    let mut bob = shaky.person("bob").await;
    let mut halfway = alice.elsewhere(2);
    shaky.clock.advance(Duration::from_secs(60));
    halfway.visits("/").await;
    halfway.types_password().await.is(303);
    halfway.follows().await;
    bob.visits("/").await;
    let admin = vestibule::telemetry::server::start("127.0.0.1:0".parse().unwrap(), shaky.app.telemetry.clone(), shaky.app.clone());
    let admin = admin.await.unwrap();
    let ready = || async move {
        let asked = tokio::task::spawn_blocking(move || crate::harness::binary::get(admin, "admin", "/health/ready", "").unwrap());
        asked.await.unwrap()
    };
    let before = shaky.sessions().await;
    assert!(ready().await.starts_with("HTTP/1.1 200"));
    shaky.plan.fails_from(0, i64::MAX, false);

    // Right, wrong or nobody's: one answer, which says nothing of the password. What cannot be counted is not judged.
    let form = bob.form("login");
    for (name, password) in [("bob", PASSWORD), ("bob", "not-the-right-password"), ("nobody", PASSWORD)] {
        let answer = bob.submits(&form, &[("username", name), ("password", password)]).await;
        answer.is(503);
        assert!(answer.header("retry-after").is_some(), "{}", answer.text());
        assert!(!answer.text().contains("no space left"), "nothing internal: {}", answer.text());
    }
    let code = halfway.code();
    let asked = halfway.form("mfa/totp");
    halfway.submits(&asked, &[("code", &code)]).await.is(503);
    assert!(!halfway.is_signed_in().await && !bob.is_signed_in().await);
    // Who is in works on, and what is open is open.
    for _ in 0..20 {
        alice.calls("GET", "/x").await.is(200);
        alice.calls("POST", "/x").await.is(200);
        bob.calls("GET", "/public/x").await.is(200);
        bob.calls("GET", "/x").await.is(401);
    }
    let said = ready().await;
    assert!(said.starts_with("HTTP/1.1 503") && said.contains("no space left"), "{said}");
    // An administrator is told that it was not done.
    let change = AccountChange { disabled: Some(true), ..AccountChange::default() };
    assert!(shaky.app.services.accounts.change("bob", &change, Actor::CommandLine).await.is_err());
    assert_eq!(shaky.sessions().await, before, "nothing is half there");

    shaky.plan.recovers();
    let said = ready().await;
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    let mut bob = shaky.at_a_browser("bob");
    bob.signs_in().await;
    shaky.clock.advance(Duration::from_secs(60));
    let code = halfway.code();
    halfway.submits(&asked, &[("code", &code)]).await.is(303);
    assert!(halfway.is_signed_in().await && alice.is_signed_in().await);
    assert_eq!(shaky.sessions().await, (before.0 + 2, before.1 + 2));
}

#[tokio::test]
async fn a_slow_store_holds_up_sign_ins_alone() {
    let shaky = Shaky::new().await;
    let mut alice = shaky.person("alice").await;
    alice.signs_in().await;
    let mut bob = shaky.person("bob").await;
    bob.visits("/").await;
    shaky.plan.delay_millis.store(300, Ordering::SeqCst);
    let signing = tokio::spawn(async move { bob.types_password().await.status });
    let started = Instant::now();
    let mut served = 0;
    while !signing.is_finished() {
        alice.calls("GET", "/x").await.is(200);
        served += 1;
    }
    assert_eq!(signing.await.unwrap(), 303);
    let mean = started.elapsed() / served;
    assert!(mean < Duration::from_millis(150), "{served} answers, {mean:?} each, while the store takes 300 ms a step");
}

#[tokio::test]
async fn a_clock_that_steps_an_hour_opens_nothing() {
    let world = World::new().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    let start = Time::from_secs(world.now().try_into().unwrap());
    alice.signs_in().await;
    let used = alice.code();
    let noon = world.clock.now();
    // An hour back: the code that was used then, and every older one, stay used up; the session is not harmed.
    for back in [3600, 30, 60] {
        world.clock.set(noon.minus(seconds(back)));
        let mut thief = alice.elsewhere(3);
        thief.visits("/").await;
        thief.types_password().await.is(303);
        thief.follows().await;
        let older = thief.code();
        assert!(thief.types_code(&older).await.status != 303, "a code of {back} s ago");
        assert!(thief.types_code(&used).await.status != 303, "the used code, {back} s ago");
    }
    assert!(alice.is_signed_in().await);
    // Nor is a factor that was shown in what is now the future a fresh one for an hour more.
    world.clock.set(noon.minus(seconds(3600)));
    alice.calls("GET", "/fresh").await.is(401);
    world.clock.set(noon);
    alice.calls("GET", "/fresh").await.is(200);
    // An hour on: what has ended has ended, and a step back does not bring it to life.
    world.clock.set(start.plus(seconds(2 * 3600)));
    assert!(!alice.is_signed_in().await);
    world.clock.set(start.plus(seconds(60)));
    assert!(!alice.is_signed_in().await, "an ended session came back with the clock");
}

/// Whatever was done to the file, the program starts with all that it knew, or says what is wrong and how to go on; it never starts
/// without the accounts, and never with a stack trace alone.
#[tokio::test]
async fn a_store_that_was_damaged_is_named_with_the_way_back() {
    let site = Site::new().await;
    site.adds("alice").await.ok();
    let served = site.serve().await;
    site::at(&served, "alice").signs_in().await;
    served.terminate().await;
    let file = site.file("data/store/db");
    let whole = std::fs::read(&file).unwrap();
    let mut named = 0;
    for kind in 0..4usize {
        let mut broken = whole.clone();
        match kind {
            0 => broken.truncate(whole.len() / 2),
            1 => broken.iter_mut().for_each(|byte| *byte ^= 0xff),
            2 => broken.iter_mut().skip(100).step_by(97).for_each(|byte| *byte = byte.wrapping_add(1)),
            _ => std::fs::remove_file(site.file("data/store/conf")).unwrap(),
        }
        std::fs::write(&file, broken).unwrap();
        let told = site.tell(&["user", "list", "--json"], "").await;
        let lost = told.code == 0 && !told.out.contains("alice");
        let served = site.tries_to_serve().await;
        match served {
            Err(said) => {
                assert!(said.contains("snapshot") || said.contains("store"), "{kind}: {said}");
                named += 1;
            }
            Ok(served) => {
                assert!(!lost, "{kind}: it started without its accounts");
                site::at(&served, "x").calls("GET", "/x").await.is(401);
                served.kill().await;
            }
        }
    }
    assert!(named > 0);
}
