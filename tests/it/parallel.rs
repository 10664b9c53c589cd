//! Fifty at once: whatever is good once is good for one of them.

use tokio::task::JoinSet;
use vestibule::factor::Method;

use crate::harness::*;

const CROWD: usize = 50;

/// All of them type this at the same moment; how many got in.
async fn rush(crowd: Vec<Person>, code: &str) -> usize {
    let mut all = JoinSet::new();
    for mut person in crowd {
        let code = code.to_owned();
        all.spawn(async move {
            let answer = person.types_code(&code).await;
            assert!(matches!(answer.status, 303 | 422 | 429), "{}", answer.status);
            // What counts is what the browser holds afterwards.
            person.is_signed_in().await
        });
    }
    all.join_all().await.into_iter().filter(|signed_in| *signed_in).count()
}

/// No more sign-ins of one person are under way at a time.
const FLOWS: usize = 8;

/// So many windows in several browsers of one person, all at the second door.
async fn crowd_at(alice: &Person, page: &str) -> Vec<Person> {
    let mut browsers = Vec::new();
    for n in 0..FLOWS {
        let mut one = alice.elsewhere(2 + n as u8);
        one.visits("/").await;
        one.types_password().await.leads_to("/.vestibule/mfa");
        one.follows().await;
        if !page.is_empty() {
            one.visits(&format!("/.vestibule/{page}")).await;
        }
        browsers.push(one);
    }
    browsers.into_iter().cycle().take(CROWD).collect()
}

#[tokio::test]
async fn one_code_of_the_app_lets_one_in() {
    let world = World::new().await;
    let alice = world.person_with_app("alice", &[]).await;
    let crowd = crowd_at(&alice, "").await;
    assert_eq!(rush(crowd, &alice.code()).await, 1);
}

#[tokio::test]
async fn one_recovery_code_lets_one_in() {
    let world = World::new().await;
    let alice = world.person_with_app("alice", &[]).await;
    let codes = world.recovery_codes("alice").await;
    // Who comes late types a wrong code, and the lock after ten must not be what stops the others.
    let crowd = crowd_at(&alice, "mfa/recovery").await;
    assert_eq!(rush(crowd, &codes[3]).await, 1);
}

#[tokio::test]
async fn one_mailed_code_lets_one_in() {
    let world = World::new().await;
    let mut alice = world.person_with("alice", &[Method::Email]).await;
    alice.visits("/").await;
    alice.types_password().await;
    alice.follows().await;
    alice.is_at("mfa/email");
    let crowd = vec![alice.clone(); CROWD];
    assert_eq!(rush(crowd, &alice.mailed_code()).await, 1);
}

#[tokio::test]
async fn one_set_up_link_sets_one_password() {
    let world = World::new().await;
    let (newcomer, token) = world.newcomer("newcomer").await;
    let mut all = JoinSet::new();
    for n in 0..20 {
        let (mut one, token) = (newcomer.elsewhere(2 + n), token.clone());
        all.spawn(async move {
            one.visits(&format!("/.vestibule/setup?token={token}")).await.is(200);
            one.sends("setup", &[("password", &format!("quiet-mountain-lantern-{n}"))]).await.status == 303
        });
    }
    assert_eq!(all.join_all().await.into_iter().filter(|done| *done).count(), 1);
}

#[tokio::test]
async fn guesses_at_once_are_counted_one_by_one() {
    let world = World::new().await;
    let alice = world.person_with_app("alice", &[]).await;
    let crowd = crowd_at(&alice, "").await;
    let mut all = JoinSet::new();
    for mut person in crowd {
        all.spawn(async move { person.types_code("000000").await.status });
    }
    let told = all.join_all().await;
    let judged = told.iter().filter(|status| **status == 422).count();
    assert_eq!(judged, 10, "{told:?}");
    assert!(told.iter().all(|status| matches!(status, 422 | 429)), "{told:?}");
}
