//! Requests one after the other over one connection: what the gateway remembers of the last one never speaks for the next.

use vestibule::service::admin::AccountChange;
use vestibule::service::audit::Actor;

use crate::harness::*;

/// One request of a person's over a connection that stays open.
async fn asks(wire: &mut Wire, person: &Person, target: &str) -> Answer {
    wire.send(format!("GET {target} HTTP/1.1\r\n{}Accept: application/json\r\n\r\n", person.lines(target)).as_bytes()).await;
    wire.answer("GET").await.unwrap()
}

async fn opens(world: &World) -> Wire {
    Wire::open(world.address(), [127, 0, 0, 1].into()).await
}

#[tokio::test]
async fn each_request_is_its_own_cookies() {
    let world = World::new().await;
    let (mut alice, mut bob) = (world.person("alice", &[]).await, world.person("bob", &[]).await);
    alice.signs_in().await;
    bob.signs_in().await;
    let nobody = world.at_a_browser("carol");
    let mut wire = opens(&world).await;
    for _ in 0..3 {
        for (person, name) in [(&alice, "alice"), (&alice, "alice"), (&bob, "bob")] {
            asks(&mut wire, person, "/").await.is(200);
            assert_eq!(world.upstream.last().values("remote-user"), [name]);
        }
        asks(&mut wire, &nobody, "/").await.is(401);
        asks(&mut wire, &alice, "/public").await.is(200);
        assert!(world.upstream.last().values("remote-user").is_empty());
    }
    let mut forged = world.at_a_browser("alice");
    let value = alice.jar.get("vestibule").unwrap();
    for other in [&value[..value.len() - 1], &format!("{value}A"), ""] {
        asks(&mut wire, &alice, "/").await.is(200);
        forged.jar.put("vestibule", other, HOST);
        asks(&mut wire, &forged, "/").await.is(401);
    }
}

#[tokio::test]
async fn each_request_id_is_another() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in().await;
    let mut wire = opens(&world).await;
    let mut ids = std::collections::HashSet::new();
    for _ in 0..5 {
        asks(&mut wire, &alice, "/").await.is(200);
        let seen = world.upstream.last();
        assert_eq!(seen.values("x-request-id").len(), 1);
        ids.insert(seen.values("x-request-id")[0].to_owned());
    }
    assert_eq!(ids.len(), 5);
}

#[tokio::test]
async fn what_ends_a_session_ends_it_between_two_requests() {
    let world = World::new().await;
    let mut alice = world.person("alice", &["staff"]).await;
    for what in 0..4 {
        alice.signs_in().await;
        let mut wire = opens(&world).await;
        asks(&mut wire, &alice, "/").await.is(200);
        asks(&mut wire, &alice, "/staff").await.is(200);
        match what {
            0 => drop(world.app().services.admin_sessions.revoke(Some("alice"), Actor::CommandLine).await.unwrap()),
            1 => world.advance(minutes(13 * 60)),
            2 => drop(alice.elsewhere(1).signs_in().await),
            _ => world.disable("alice").await,
        }
        asks(&mut wire, &alice, "/").await.is(if what == 2 { 200 } else { 401 });
        alice.jar.clear();
    }
}

#[tokio::test]
async fn what_changes_about_a_person_counts_on_the_next_request() {
    let world = World::new().await;
    let mut alice = world.person("alice", &["staff"]).await;
    alice.signs_in().await;
    let mut wire = opens(&world).await;
    asks(&mut wire, &alice, "/staff").await.is(200);
    assert_eq!(world.upstream.last().values("remote-groups"), ["staff"]);
    let groups = Some(vec!["staff".to_owned(), "ops".to_owned()]);
    world.change("alice", AccountChange { groups, ..AccountChange::default() }).await;
    asks(&mut wire, &alice, "/staff").await.is(200);
    assert_eq!(world.upstream.last().values("remote-groups"), ["staff,ops"]);
    world.change("alice", AccountChange { groups: Some(vec![]), ..AccountChange::default() }).await;
    asks(&mut wire, &alice, "/staff").await.is(403);
    asks(&mut wire, &alice, "/").await.is(200);
    assert_eq!(world.upstream.last().values("remote-groups"), [""]);
}

#[tokio::test]
async fn rotated_keys_sign_nobody_out_and_a_reload_counts_on_the_next_request() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in().await;
    let mut wire = opens(&world).await;
    asks(&mut wire, &alice, "/").await.is(200);
    world.app().services.keys.rotate(Actor::CommandLine).await.unwrap();
    asks(&mut wire, &alice, "/").await.is(200);
    world.reload(|text| text.replacen("policy = \"one_factor\"", "policy = \"deny\"", 1)).await;
    asks(&mut wire, &alice, "/").await.is(403);
    asks(&mut wire, &alice, "/public").await.is(200);
}
