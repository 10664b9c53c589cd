//! Sessions: their limits, and what ends them.

mod cookie;

use vestibule::base::Secret;
use vestibule::service::admin::{AccountChange, MfaChange};
use vestibule::service::audit::Actor;

use crate::harness::*;

#[tokio::test]
async fn an_idle_session_ends() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in().await;
    for _ in 0..5 {
        world.advance(minutes(59));
        assert!(alice.is_signed_in().await);
    }
    world.advance(minutes(60));
    assert!(!alice.is_signed_in().await);
    alice.signs_in().await;
}

#[tokio::test]
async fn no_session_outlives_its_lifetime() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in().await;
    for _ in 0..23 {
        world.advance(minutes(30));
        assert!(alice.is_signed_in().await);
    }
    world.advance(minutes(30) - seconds(1));
    assert!(alice.is_signed_in().await);
    world.advance(seconds(1));
    assert!(!alice.is_signed_in().await);
}

#[tokio::test]
async fn each_sign_in_has_an_id_of_its_own_and_the_old_one_is_dead() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in().await;
    let mut old = alice.clone();
    alice.visits("/.vestibule/login?fresh=1").await;
    alice.types_password().await.is(303);
    assert_ne!(alice.jar.get("vestibule"), old.jar.get("vestibule"));
    assert!(alice.is_signed_in().await);
    assert!(!old.is_signed_in().await);
}

#[tokio::test]
async fn a_planted_session_is_not_taken_over() {
    let world = World::new().await;
    let mut mallory = world.person("mallory", &[]).await;
    mallory.signs_in().await;
    let planted = mallory.jar.get("vestibule").unwrap().to_owned();
    let mut alice = world.person("alice", &[]).await;
    alice.jar.put("vestibule", &planted, HOST);
    alice.visits("/.vestibule/login?fresh=1").await;
    alice.types_password().await.is(303);
    assert_ne!(alice.jar.get("vestibule"), Some(planted.as_str()));
    alice.visits("/").await;
    assert_eq!(world.upstream.last().values("remote-user"), ["alice"]);
}

#[tokio::test]
async fn signing_out_kills_the_session_on_the_server() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in().await;
    let mut thief = alice.clone();
    let (mut socket, _) = alice.opens_socket("/ws", "http://app.example").await;
    alice.visits("/.vestibule/logout").await.is(200);
    assert!(thief.is_signed_in().await, "a GET signs nobody out");
    alice.sends("logout", &[]).await.is(200);
    assert!(alice.jar.get("vestibule").is_none());
    assert!(!thief.is_signed_in().await);
    assert_eq!(socket.hear().await, None, "the tunnel is cut");
}

/// What happens to somebody's account ends their sessions at once, open tunnels included.
async fn ends_everything(world: &World, mut alice: Person, what: impl AsyncFnOnce(&World)) {
    alice.signs_in().await;
    let (mut socket, answer) = alice.opens_socket("/ws", "http://app.example").await;
    answer.is(101);
    socket.say("hello").await;
    assert_eq!(socket.hear().await.as_deref(), Some("hello"));
    what(world).await;
    assert!(!alice.is_signed_in().await);
    assert_eq!(socket.hear().await, None, "the tunnel is cut");
}

#[tokio::test]
async fn who_is_disabled_is_out() {
    let world = World::new().await;
    let alice = world.person("alice", &[]).await;
    ends_everything(&world, alice, async |world| world.disable("alice").await).await;
}

#[tokio::test]
async fn who_is_deleted_is_out() {
    let world = World::new().await;
    let alice = world.person("alice", &[]).await;
    ends_everything(&world, alice, async |world| world.app().services.accounts.remove("alice", Actor::CommandLine).await.unwrap()).await;
}

#[tokio::test]
async fn a_new_password_ends_every_session() {
    let world = World::new().await;
    let alice = world.person("alice", &[]).await;
    ends_everything(&world, alice, async |world| {
        let password = Secret::new("quiet-mountain-lantern-7");
        world.app().services.accounts.set_password("alice", &password, Actor::CommandLine).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_factor_given_or_taken_ends_every_session() {
    let world = World::new().await;
    let alice = world.person_with_app("alice", &[]).await;
    ends_everything(&world, alice, async |world| {
        world.mfa("alice", MfaChange { reset: vec![vestibule::factor::Method::Totp], ..MfaChange::default() }).await;
    })
    .await;
}

#[tokio::test]
async fn revoking_ends_every_session() {
    let world = World::new().await;
    let alice = world.person("alice", &[]).await;
    ends_everything(&world, alice, async |world| {
        assert_eq!(world.app().services.admin_sessions.revoke(Some("alice"), Actor::CommandLine).await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_group_taken_away_counts_on_the_next_request() {
    let world = World::new().await;
    let mut alice = world.person("alice", &["staff"]).await;
    alice.signs_in().await;
    alice.calls("GET", "/staff").await.is(200);
    world.change("alice", AccountChange { groups: Some(vec![]), ..AccountChange::default() }).await;
    alice.calls("GET", "/staff").await.is(403);
    assert!(alice.is_signed_in().await);
}

#[tokio::test]
async fn a_group_taken_away_cuts_the_tunnel_that_it_opened() {
    let world = World::new().await;
    let mut alice = world.person("alice", &["staff"]).await;
    alice.signs_in().await;
    let (mut socket, answer) = alice.opens_socket("/staff/ws", "http://app.example").await;
    answer.is(101);
    world.change("alice", AccountChange { groups: Some(vec![]), ..AccountChange::default() }).await;
    assert_eq!(socket.hear().await, None, "the tunnel is cut");
}

#[tokio::test]
async fn a_route_that_is_closed_cuts_its_tunnels_and_no_others() {
    let world = World::new().await;
    let mut alice = world.person("alice", &["staff"]).await;
    alice.signs_in().await;
    let (mut closed, _) = alice.opens_socket("/staff/ws", "http://app.example").await;
    let (mut open, _) = alice.opens_socket("/ws", "http://app.example").await;
    world.reload(|text| text.replace("groups = [\"staff\"]", "groups = [\"board\"]")).await;
    assert_eq!(closed.hear().await, None, "the tunnel is cut");
    open.say("still here").await;
    assert_eq!(open.hear().await.as_deref(), Some("still here"));
    alice.calls("GET", "/staff").await.is(403);
}

#[tokio::test]
async fn a_reload_moves_the_portal() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    world.reload(|text| format!("{text}\n[portal]\nprefix = \"/.gate\"\n")).await;
    alice.opens("/payroll").await.leads_to("/.gate/login?rd=");
    alice.opens("/.gate/login?rd=/payroll").await.is(200);
}

#[tokio::test]
async fn a_restart_signs_nobody_out_and_nobody_in() {
    let mut world = World::new().await;
    let mut alice = world.person_with_app("alice", &["staff"]).await;
    let mut bob = world.person("bob", &[]).await;
    alice.signs_in_at("/payroll").await;
    alice.sees("/payroll");
    bob.signs_in().await;
    bob.visits("/.vestibule/logout").await;
    let gone = bob.jar.clone();
    bob.sends("logout", &[]).await;
    let (alice_jar, used) = (alice.jar.clone(), alice.code());
    world.restart().await;
    let mut again = world.at_a_browser("alice");
    again.jar = alice_jar;
    again.phone = alice.phone.clone();
    again.visits("/payroll").await;
    again.sees("/payroll");
    assert_eq!(world.upstream.last().values("remote-groups"), ["staff"]);
    let mut bob = world.at_a_browser("bob");
    bob.jar = gone;
    assert!(!bob.is_signed_in().await, "what was signed out stays so");
    // A code that was used is used.
    let mut thief = again.elsewhere(7);
    thief.visits("/").await;
    thief.types_password().await;
    thief.follows().await;
    thief.types_code(&used).await.is(422);
}

#[tokio::test]
async fn nobody_has_more_than_a_hundred_sessions_and_the_least_used_goes_first() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    let mut first = alice.elsewhere(5);
    first.signs_in().await;
    world.advance(seconds(2));
    let mut second = alice.elsewhere(6);
    second.signs_in().await;
    world.advance(seconds(2));
    for n in 0..98u8 {
        alice.elsewhere(10 + n).signs_in().await;
    }
    world.advance(seconds(2));
    assert!(first.is_signed_in().await, "a hundred are no one too many, and this one is in use again");
    world.advance(seconds(2));
    alice.signs_in().await;
    assert!(!second.is_signed_in().await, "it was not used for longest");
    assert!(first.is_signed_in().await && alice.is_signed_in().await);
    let user = world.app().services.accounts.named("alice").await.unwrap().id;
    assert_eq!(world.app().services.live.of(user).len(), 100);
    assert_eq!(world.app().services.store.all_sessions().await.unwrap().len(), 100);
}
