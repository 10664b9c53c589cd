//! The same with real servers: Samba as an Active Directory domain controller, and OpenLDAP's slapd.

use super::{account, until};
use crate::harness::servers::{Samba, Slapd, samba, slapd};
use crate::harness::*;

/// A gateway before the domain. Every test has people of its own, and lockouts that are the gateway's.
async fn in_the_domain(more: &str) -> (&'static Samba, World) {
    let domain = tokio::task::spawn_blocking(Samba::shared).await.unwrap();
    let (url, ca, secret) = (domain.url(), domain.ca.display().to_string(), domain.secret_file().display().to_string());
    let section = format!(
        "[[directories]]\nname = \"corp\"\nkind = \"active_directory\"\nurls = [\"{url}\"]\nca = \"{ca}\"\nbind_dn = \"{}\"\n\
         bind_password_file = \"{secret}\"\nbase_dn = \"{}\"\n{more}\n[directories.group_map]\n\
         \"CN=Staff,OU=Groups,DC=corp,DC=example\" = \"staff\"\n\"CN=Outer,OU=Groups,DC=corp,DC=example\" = \"outer\"\n\
         \"CN=Domain Users,CN=Users,DC=corp,DC=example\" = \"everybody\"\n",
        samba::SERVICE_DN,
        samba::BASE,
    );
    (domain, World::builder().mfa("first_enrolment = \"password\"").with(&section).build().await)
}

fn at_the_domain(world: &World, login: &str) -> Person {
    let mut person = world.at_a_browser(login);
    person.password = samba::PASSWORD.into();
    person
}

#[tokio::test]
async fn a_domains_person_has_nested_and_primary_groups_and_one_spelling() {
    let (domain, world) = in_the_domain("").await;
    let dn = domain.person("nina");
    domain.join("Inner", &dn);
    for login in ["nina", "NINA", "nina@corp.example", " nina ", "nina\0"] {
        let mut nina = at_the_domain(&world, login);
        nina.signs_in().await;
        let seen = world.upstream.last();
        assert_eq!((seen.values("remote-user"), seen.values("remote-groups")), (vec!["nina"], vec!["everybody,outer"]), "{login:?}");
    }
    let mut stranger = at_the_domain(&world, "nina");
    stranger.password = "wrong".into();
    stranger.visits("/").await;
    stranger.types_password().await.is(422);
}

#[tokio::test]
async fn every_state_of_the_domain_is_told_to_the_right_person() {
    let (domain, world) = in_the_domain("").await;
    let dn = domain.person("sam");
    let tries = async |password: &str| {
        let mut sam = at_the_domain(&world, "sam");
        sam.password = password.into();
        sam.visits("/reports").await;
        sam.types_password().await;
        sam
    };
    domain.set(&dn, "userAccountControl", "514");
    assert!(tries(samba::PASSWORD).await.page.is(403).text().contains("is disabled"));
    tries("wrong").await.page.is(422);
    domain.set(&dn, "userAccountControl", "512");
    domain.set(&dn, "accountExpires", "132223104000000000");
    assert!(tries(samba::PASSWORD).await.page.is(403).text().contains("has expired"));
    domain.set(&dn, "accountExpires", "0");
    domain.set(&dn, "pwdLastSet", "0");
    let mut sam = tries(samba::PASSWORD).await;
    sam.follows().await;
    sam.is_at("login/password");
    let chosen = "Another-Harbour-42";
    sam.sends("login/password", &[("current", samba::PASSWORD), ("password", "abc")]).await.is(422);
    sam.sends("login/password", &[("current", samba::PASSWORD), ("password", chosen)]).await.is(303);
    tries(chosen).await.page.leads_to("/reports");
    assert!(account(&world, "sam").await.unwrap().failures.count == 0);
}

#[tokio::test]
async fn a_domains_person_is_followed_live() {
    let (domain, world) = in_the_domain("refresh = \"2s\"").await;
    let dn = domain.person("lena");
    domain.join("Staff", &dn);
    let mut lena = at_the_domain(&world, "lena");
    lena.signs_in_at("/staff").await;
    domain.leave("Staff", &dn);
    until("the group is gone", async || {
        world.advance(seconds(2));
        lena.calls("GET", "/staff").await.status == 403
    })
    .await;
    domain.rename(&dn, "magdalena");
    until("the name is the new one", async || {
        world.advance(seconds(2));
        lena.calls("GET", "/").await.is(200);
        world.upstream.last().values("remote-user") == ["magdalena"]
    })
    .await;
    domain.delete("CN=magdalena,OU=People,DC=corp,DC=example");
    until("who is deleted is out", async || {
        world.advance(seconds(2));
        !lena.is_signed_in().await
    })
    .await;
}

fn slapd_section(server: &Slapd, urls: &[String], more: &str) -> String {
    format!(
        "[[directories]]\nname = \"open\"\nkind = \"openldap\"\nurls = {urls:?}\nstart_tls = true\nca = \"{}\"\nbind_dn = \"{}\"\n\
         bind_password = \"{}\"\nbase_dn = \"ou=people,{}\"\n{more}\n[directories.group_map]\n\"cn=staff,ou=groups,{}\" = \"staff\"\n",
        server.ca.display(),
        slapd::SERVICE_DN,
        slapd::SERVICE_PASSWORD,
        slapd::BASE,
        slapd::BASE,
    )
}

async fn before_slapd(server: &Slapd, more: &str) -> World {
    let section = slapd_section(server, &[server.url()], more);
    World::builder().mfa("first_enrolment = \"password\"").with(&section).build().await
}

fn at_slapd(world: &World, login: &str, password: &str) -> Person {
    let mut person = world.at_a_browser(login);
    person.password = password.into();
    person
}

#[tokio::test]
async fn an_empty_password_is_nobodys_at_a_server_that_would_take_it() {
    let server = tokio::task::spawn_blocking(Slapd::shared).await.unwrap();
    let world = before_slapd(server, "").await;
    server.person("erin");
    at_slapd(&world, "erin", slapd::PASSWORD).signs_in().await;
    for password in ["", " ", "\0"] {
        let mut erin = at_slapd(&world, "erin", password);
        erin.visits("/").await;
        erin.types_password().await.is(422);
    }
    for login in ["*", "er*", "erin)(uid=*", "*)(objectClass=*", "erin\\2a"] {
        let mut erin = at_slapd(&world, login, slapd::PASSWORD);
        erin.visits("/").await;
        erin.types_password().await.is(422);
    }
}

#[tokio::test]
async fn slapds_password_policy_is_followed() {
    let server = tokio::task::spawn_blocking(Slapd::shared).await.unwrap();
    let world = before_slapd(server, "").await;
    let dn = server.person("paul");
    server.group("staff", &dn);
    server.set(&dn, "pwdReset", "TRUE");
    let mut paul = at_slapd(&world, "paul", slapd::PASSWORD);
    paul.visits("/staff").await;
    paul.types_password().await;
    paul.follows().await;
    paul.is_at("login/password");
    let chosen = "a new and long password";
    assert!(paul.sends("login/password", &[("current", slapd::PASSWORD), ("password", "abc")]).await.is(422).alert().is_some());
    paul.sends("login/password", &[("current", slapd::PASSWORD), ("password", chosen)]).await.is(303);
    at_slapd(&world, "paul", chosen).signs_in_at("/staff").await;
    server.set(&dn, "pwdAccountLockedTime", "000001010000Z");
    let mut paul = at_slapd(&world, "paul", chosen);
    paul.visits("/").await;
    paul.types_password().await.is(422);
}

#[tokio::test]
async fn a_certificate_without_the_hosts_name_is_refused_and_the_next_server_answers() {
    let (bad, good) = tokio::task::spawn_blocking(|| (Slapd::start(false), Slapd::start(true))).await.unwrap();
    good.person("carla");
    bad.person("carla");
    let alone = before_slapd(&bad, "").await;
    let mut carla = at_slapd(&alone, "carla", slapd::PASSWORD);
    carla.visits("/").await;
    carla.types_password().await.is(503);
    let both = World::builder().with(&slapd_section(&good, &[bad.url(), good.url()], "")).build().await;
    at_slapd(&both, "carla", slapd::PASSWORD).signs_in().await;
}

#[tokio::test]
async fn one_of_a_hundred_thousand_signs_in_and_fifty_at_once_do() {
    let server = tokio::task::spawn_blocking(|| {
        let mut server = Slapd::start(true);
        server.fill(100_000);
        server
    })
    .await
    .unwrap();
    let world = before_slapd(&server, "").await;
    let mut all = tokio::task::JoinSet::new();
    for n in 0..50u32 {
        let mut one = at_slapd(&world, &format!("many{}", n * 1999), slapd::PASSWORD).elsewhere((n + 10) as u8);
        all.spawn(async move {
            one.visits("/").await;
            one.types_password().await.status
        });
    }
    assert!(all.join_all().await.into_iter().all(|status| status == 303));
}
