//! How it all ends: wherever somebody signs out, and whoever ends the portal's session, every host's is over at once.

use vestibule::service::admin::AccountChange;

use super::{PORTAL, WIKI, all, listed, world};
use crate::harness::*;

/// Alice on two hosts, with a tunnel on one.
async fn on_two_hosts(world: &World, alice: &mut Person) -> Wire {
    alice.signs_in_from(HOST, "/").await;
    alice.comes_to(WIKI, "/").await;
    alice.sees_at(WIKI, "/");
    let (socket, answer) = alice.opens_socket("/ws", "http://wiki.two.example").await;
    answer.is(101);
    assert_eq!(all(world).len(), 3);
    socket
}

async fn is_out(world: &World, alice: &mut Person, mut socket: Wire) {
    assert_eq!(socket.hear().await, None, "the tunnel is cut");
    for host in [HOST, WIKI] {
        assert!(!alice.passes_at(host).await, "{host}");
    }
    assert!(all(world).is_empty());
    alice.comes_to(WIKI, "/").await;
    alice.is_on(PORTAL, "login");
}

#[tokio::test]
async fn signing_out_from_any_host_ends_all() {
    for host in [PORTAL, HOST, WIKI] {
        let world = world().await;
        let mut alice = world.person("alice", &[]).await;
        let socket = on_two_hosts(&world, &mut alice).await;
        let mut elsewhere = alice.elsewhere(5);
        elsewhere.signs_in_from(HOST, "/").await;
        alice.signs_out_from(host, PORTAL).await;
        assert_eq!(socket_is_cut(socket).await, None);
        assert!(!alice.passes_at(HOST).await && !alice.passes_at(WIKI).await, "{host}");
        assert!(elsewhere.passes_at(HOST).await, "another browser is another sign-in");
        assert_eq!(all(&world).len(), 2);
    }
}

async fn socket_is_cut(mut socket: Wire) -> Option<String> {
    socket.hear().await
}

#[tokio::test]
async fn signing_out_works_where_the_portals_cookie_is_lost() {
    let world = world().await;
    let mut alice = world.person("alice", &[]).await;
    let socket = on_two_hosts(&world, &mut alice).await;
    alice.jar.drop_at("vestibule", PORTAL);
    alice.signs_out_from(WIKI, PORTAL).await;
    is_out(&world, &mut alice, socket).await;
}

/// What a host sends along to be signed out ends that sign-in, and nothing but a form of the portal's says so.
#[tokio::test]
async fn nobody_is_signed_out_by_a_link_or_by_somebody_elses_word() {
    let world = world().await;
    let mut alice = world.person("alice", &[]).await;
    let _socket = on_two_hosts(&world, &mut alice).await;
    alice.comes_to(WIKI, "/.vestibule/logout").await;
    let link = alice.url.clone();
    assert_eq!(all(&world).len(), 3, "the question alone ends nothing");
    let of = url::Url::parse(&format!("http://{PORTAL}{link}")).unwrap();
    let of = of.query_pairs().find(|(name, _)| name == "of").unwrap().1.into_owned();
    // It is no cookie, and a cookie is none of it.
    let mut thief = alice.elsewhere(4);
    thief.jar.put("vestibule", &of, WIKI);
    assert!(!thief.passes_at(WIKI).await);
    let cookie = alice.jar.of("vestibule", WIKI).unwrap().to_owned();
    let mut mallory = world.person("mallory", &[]).await;
    mallory.signs_in_from(HOST, "/").await;
    mallory.comes_to(PORTAL, &format!("/.vestibule/logout?of={cookie}")).await;
    mallory.sends("logout", &[]).await.is(200);
    assert!(alice.passes_at(WIKI).await && alice.passes_at(HOST).await);
}

#[tokio::test]
async fn the_list_shows_the_portals_and_its_end_is_everybodys() {
    let world = world().await;
    let mut alice = world.person("alice", &[]).await;
    let socket = on_two_hosts(&world, &mut alice).await;
    let ids = listed(&world).await;
    let portals = all(&world).into_iter().find(|(_, hosts)| !hosts).unwrap().0;
    assert_eq!(ids, [portals.to_string()]);
    let services = &world.app().services;
    services.admin_sessions.end(portals, vestibule::service::audit::Actor::CommandLine).await.unwrap();
    is_out(&world, &mut alice, socket).await;
}

#[tokio::test]
async fn ending_a_hosts_session_by_its_id_ends_the_sign_in() {
    let world = world().await;
    let mut alice = world.person("alice", &[]).await;
    let socket = on_two_hosts(&world, &mut alice).await;
    let hosts = all(&world).into_iter().find(|(_, hosts)| *hosts).unwrap().0;
    world.app().services.admin_sessions.end(hosts, vestibule::service::audit::Actor::CommandLine).await.unwrap();
    is_out(&world, &mut alice, socket).await;
}

#[tokio::test]
async fn all_of_a_persons_sessions_are_revoked_and_counted_as_sign_ins() {
    let world = world().await;
    let mut alice = world.person("alice", &[]).await;
    let socket = on_two_hosts(&world, &mut alice).await;
    let revoked = world.app().services.admin_sessions.revoke(Some("alice"), vestibule::service::audit::Actor::CommandLine).await.unwrap();
    assert_eq!(revoked, 1);
    is_out(&world, &mut alice, socket).await;
    assert!(world.app().services.store.all_sessions().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_change_of_the_account_ends_all() {
    let world = world().await;
    let mut alice = world.person("alice", &[]).await;
    let socket = on_two_hosts(&world, &mut alice).await;
    world.disable("alice").await;
    is_out(&world, &mut alice, socket).await;
    world.change("alice", AccountChange { disabled: Some(false), ..AccountChange::default() }).await;
    // A new password: the browser that changes it goes on at the portal, and its hosts come back by themselves.
    let socket = on_two_hosts(&world, &mut alice).await;
    let mut other = alice.elsewhere(6);
    other.signs_in_from(WIKI, "/").await;
    alice.comes_to(PORTAL, "/.vestibule/account/password").await;
    let next = "quartz-meadow-lantern-77";
    alice.sends("account/password", &[("current", PASSWORD), ("password", next)]).await.is(303);
    assert_eq!(socket_is_cut(socket).await, None);
    assert!(!alice.passes_at(HOST).await && !alice.passes_at(WIKI).await && !other.passes_at(WIKI).await);
    alice.comes_to(WIKI, "/x").await;
    alice.sees_at(WIKI, "/x");
    other.comes_to(WIKI, "/x").await;
    other.is_on(PORTAL, "login");
}

#[tokio::test]
async fn somebody_else_who_signs_in_at_the_portal_ends_what_was_there() {
    let world = world().await;
    let mut alice = world.person("alice", &[]).await;
    let _socket = on_two_hosts(&world, &mut alice).await;
    world.person("bob", &[]).await;
    // The same browser.
    alice.comes_to(PORTAL, "/.vestibule/logout").await;
    alice.sends("logout", &[]).await;
    alice.name = "bob".into();
    alice.signs_in_from(WIKI, "/").await;
    alice.sees_at(WIKI, "/");
    assert_eq!(world.upstream.last().values("remote-user"), ["bob"]);
    assert!(!alice.clone().passes_at(HOST).await);
    alice.comes_to(HOST, "/").await;
    assert_eq!(world.upstream.last().values("remote-user"), ["bob"]);
}

/// A host's session in the store without the portal's is worth nothing after a restart; with it, it goes on.
#[tokio::test]
async fn a_restart_keeps_families_and_drops_orphans() {
    let mut world = world().await;
    let mut alice = world.person("alice", &[]).await;
    let _socket = on_two_hosts(&world, &mut alice).await;
    world.restart().await;
    let mut alice = at(&world, alice);
    assert!(alice.passes_at(HOST).await && alice.passes_at(WIKI).await);
    assert_eq!(all(&world).len(), 3);
    // As a process leaves it that died between two writes.
    let portals = all(&world).into_iter().find(|(_, hosts)| !hosts).unwrap().0;
    world.app().services.store.delete_sessions(&[portals]).await.unwrap();
    world.restart().await;
    let mut alice = at(&world, alice);
    assert!(!alice.passes_at(HOST).await && !alice.passes_at(WIKI).await);
    assert!(all(&world).is_empty());
}

/// The same browser before the gateway's new address.
fn at(world: &World, person: Person) -> Person {
    let mut there = world.at_a_browser(&person.name);
    (there.jar, there.phone) = (person.jar, person.phone);
    there
}
