//! People from a directory: an embedded one, which can be made slow and hostile, and real ones, in the files below.

mod real;
mod tokens;

use std::time::Duration;

use vestibule::base::Secret;
use vestibule::service::accounts::NewAccount;
use vestibule::service::audit::Actor;
use vestibule::source::directory::embedded::{Embedded, Record, Tree, Trouble};

use crate::harness::*;

const BASE: &str = "ou=people,dc=corp,dc=example";
const SERVICE: &str = "cn=vestibule,dc=corp,dc=example";

fn dn(name: &str) -> String {
    format!("uid={name},{BASE}")
}

fn entry(name: &str, id: &str) -> Record {
    let mail = format!("{name}@post.example");
    let attributes = [("objectClass", "inetOrgPerson"), ("uid", name), ("mail", &mail), ("displayName", name), ("entryUUID", id)];
    Record::new(&dn(name), &attributes).with_password(PASSWORD)
}

fn tree() -> Tree {
    let staff = Record::new("cn=staff,ou=groups,dc=corp,dc=example", &[("objectClass", "groupOfNames"), ("member", &dn("alice"))]);
    Tree {
        records: vec![Record::new(SERVICE, &[]).with_password("service-secret"), entry("alice", "id-alice"), entry("bob", "id-bob"), staff],
    }
}

fn section(name: &str, url: &str, more: &str) -> String {
    format!(
        "[[directories]]\nname = \"{name}\"\nkind = \"openldap\"\nurls = [\"{url}\"]\nbind_dn = \"{SERVICE}\"\nbind_password = \"service-secret\"\n\
         base_dn = \"{BASE}\"\nconnect_timeout = \"500ms\"\ntimeout = \"1s\"\n{more}\n[directories.group_map]\n\
         \"cn=staff,ou=groups,dc=corp,dc=example\" = \"staff\"\n"
    )
}

/// A directory with alice and bob, and a gateway that asks it.
async fn worlds(more: &str) -> (Embedded, World) {
    let directory = Embedded::start(tree()).await.unwrap();
    let world = World::builder().mfa("first_enrolment = \"password\"").with(&section("corp", &directory.url(), more)).build().await;
    (directory, world)
}

fn without_directories(text: &str) -> String {
    let (start, end) = (text.find("[[directories]]").unwrap(), text.find("[[routes]]").unwrap());
    format!("{}{}", &text[..start], &text[end..])
}

/// Until something has become so, for a minute at the most.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..600 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{what}");
}

async fn account(world: &World, name: &str) -> Option<vestibule::account::Account> {
    world.app().services.store.account_by_login(name).await.unwrap()
}

#[tokio::test]
async fn somebody_of_the_directory_signs_in_under_the_directorys_name_and_groups() {
    let (_directory, world) = worlds("").await;
    assert!(account(&world, "alice").await.is_none());
    for login in ["alice", "ALICE", "alice@post.example"] {
        let mut alice = world.at_a_browser(login);
        alice.signs_in_at("/staff/plan").await;
        alice.sees("/staff/plan");
        let seen = world.upstream.last();
        assert_eq!((seen.values("remote-user"), seen.values("remote-groups")), (vec!["alice"], vec!["staff"]));
    }
    let record = account(&world, "alice").await.unwrap();
    assert_eq!((record.source_name(), record.password.as_deref()), ("corp", None));
    assert_eq!(world.app().services.accounts.view(&account(&world, "alice").await.unwrap()).source, "corp");
    assert!(account(&world, "bob").await.is_none(), "nothing is made for those who never came");
}

#[tokio::test]
async fn local_accounts_come_first_and_a_name_is_one_persons() {
    let (directory, world) = worlds("").await;
    let mut alice = world.person("alice", &[]).await;
    directory.tree().at(&dn("alice")).unwrap().password = Some("the directory's".into());
    directory.seen();
    alice.signs_in().await;
    assert!(directory.seen().searches.is_empty(), "a local account is asked of nobody");
    let mut impostor = world.at_a_browser("alice");
    impostor.password = "the directory's".into();
    impostor.visits("/").await;
    impostor.types_password().await.is(422);
}

#[tokio::test]
async fn spellings_share_one_lockout_which_comes_before_the_bind() {
    let (directory, world) = worlds("").await;
    world.at_a_browser("alice").signs_in().await;
    for n in 0..10u8 {
        let mut stranger = world.at_a_browser(["alice", "ALICE", "Alice@post.example"][usize::from(n) % 3]).elsewhere(n + 10);
        stranger.password = "wrong".into();
        stranger.visits("/").await;
        stranger.types_password().await.is(422);
    }
    directory.seen();
    let mut alice = world.at_a_browser("alice").elsewhere(99);
    alice.visits("/").await;
    alice.types_password().await.is(422);
    assert!(directory.seen().binds.is_empty(), "a locked account causes no bind");
    world.advance(minutes(16));
    alice.types_password().await.leads_to("/");
}

#[tokio::test]
async fn failures_before_the_first_sign_in_count_too() {
    let (directory, world) = worlds("").await;
    for n in 0..10u8 {
        let mut stranger = world.at_a_browser(["bob", "BOB", "bob@post.example"][usize::from(n) % 3]).elsewhere(n + 10);
        stranger.password = "wrong".into();
        stranger.visits("/").await;
        stranger.types_password().await.is(422);
    }
    assert!(account(&world, "bob").await.is_none());
    directory.seen();
    let mut bob = world.at_a_browser("bob").elsewhere(99);
    bob.visits("/").await;
    bob.types_password().await.is(422);
    assert!(directory.seen().binds.is_empty());
}

#[tokio::test]
async fn fifty_tries_at_once_are_no_more_than_the_lockout_allows() {
    let (directory, world) = worlds("").await;
    let mut tries = tokio::task::JoinSet::new();
    for n in 0..50u8 {
        let mut stranger = world.at_a_browser("alice").elsewhere(n + 10);
        stranger.password = "wrong".into();
        tries.spawn(async move {
            stranger.visits("/").await;
            stranger.types_password().await.status
        });
    }
    tries.join_all().await;
    let binds = directory.seen().binds.into_iter().filter(|who| *who == dn("alice")).count();
    assert_eq!(binds, 10);
}

#[tokio::test]
async fn an_empty_password_signs_nobody_in_and_is_never_sent() {
    let (directory, world) = worlds("").await;
    for password in ["", "\0", " "] {
        let mut alice = world.at_a_browser("alice");
        alice.password = password.into();
        alice.visits("/").await;
        alice.types_password().await.is(422);
    }
    assert_eq!(directory.seen().empty_passwords, 0);
}

#[tokio::test]
async fn a_renamed_person_keeps_what_they_have_and_a_new_one_under_the_old_name_gets_nothing() {
    let (directory, world) = worlds("").await;
    let mut alice = world.at_a_browser("alice");
    alice.signs_in_at("/payroll").await;
    alice.enrols_an_app("my app").await;
    {
        let mut tree = directory.tree();
        let record = tree.at(&dn("alice")).unwrap();
        (record.dn, record.attributes) = (dn("alicia"), entry("alicia", "id-alice").attributes);
        tree.records.push(entry("alice", "id-another"));
    }
    // The new one is refused as long as the old one's record has the name.
    let mut new = world.at_a_browser("alice").elsewhere(7);
    new.visits("/").await;
    new.types_password().await.is(422);
    alice.waits_for_the_next_code();
    let mut alicia = world.at_a_browser("alicia");
    alicia.phone = alice.phone.clone();
    alicia.visits("/payroll").await;
    alicia.types_password().await;
    alicia.follows().await;
    alicia.types_the_code().await.leads_to("/payroll");
    // The name is free now, and nothing comes with it.
    new.types_password().await.leads_to("/");
    let (old, new) = (account(&world, "alicia").await.unwrap(), account(&world, "alice").await.unwrap());
    assert!(old.id != new.id && old.totp.is_some() && new.totp.is_none());
}

#[tokio::test]
async fn a_re_created_entry_gets_the_record_by_an_administrators_word_and_without_factors() {
    let (directory, world) = worlds("").await;
    let mut alice = world.at_a_browser("alice");
    alice.signs_in_at("/payroll").await;
    alice.enrols_an_app("my app").await;
    *directory.tree().at(&dn("alice")).unwrap() = entry("alice", "id-another");
    let mut again = world.at_a_browser("alice").elsewhere(7);
    again.visits("/").await;
    again.types_password().await.is(422);
    world.app().services.rebind.rebind("alice", Actor::CommandLine).await.unwrap();
    again.types_password().await.leads_to("/");
    assert!(account(&world, "alice").await.unwrap().totp.is_none());
}

#[tokio::test]
async fn two_entries_for_one_address_sign_nobody_in_by_it() {
    let (directory, world) = worlds("").await;
    directory.tree().at(&dn("bob")).unwrap().set("mail", "alice@post.example");
    let mut either = world.at_a_browser("alice@post.example");
    either.visits("/").await;
    either.types_password().await.is(422);
    world.at_a_browser("alice").signs_in().await;
    world.at_a_browser("bob").signs_in().await;
    assert_eq!(account(&world, "bob").await.unwrap().email, "", "the address is the first one's");
}

#[tokio::test]
async fn a_directory_that_cannot_be_asked_is_a_503_and_counts_against_nobody() {
    let (directory, world) = worlds("").await;
    world.person("root", &["admins"]).await;
    for trouble in [Trouble::Silent, Trouble::Sends(b"garbage".to_vec()), Trouble::Closes, Trouble::Busy] {
        directory.make_trouble(trouble.clone());
        let mut alice = world.at_a_browser("alice");
        alice.visits("/").await;
        let answer = alice.types_password().await;
        assert!(answer.is(503).text().contains("directory cannot be reached"), "{trouble:?}");
        world.at_a_browser("root").signs_in().await;
    }
    directory.make_trouble(Trouble::None);
    until("the directory is asked again", async || {
        let mut alice = world.at_a_browser("alice");
        alice.visits("/").await;
        alice.types_password().await.status == 303
    })
    .await;
    assert_eq!(account(&world, "alice").await.unwrap().failures.count, 0);
}

#[tokio::test]
async fn what_a_directory_takes_away_is_gone_within_refresh() {
    let (directory, world) = worlds("refresh = \"2s\"").await;
    let mut alice = world.at_a_browser("alice");
    alice.signs_in_at("/staff").await;
    let (mut socket, opened) = alice.opens_socket("/staff/ws", "http://app.example").await;
    opened.is(101);
    directory.tree().records.retain(|record| !record.dn.starts_with("cn=staff"));
    world.advance(seconds(2));
    until("the group is gone", async || alice.may_be_cut_off("GET", "/staff").await.is_some_and(|answer| answer.status == 403)).await;
    assert_eq!(socket.hear().await, None, "the tunnel is cut");
    assert!(alice.is_signed_in().await, "the session goes on");

    let mut bob = world.at_a_browser("bob");
    bob.signs_in().await;
    directory.tree().at(&dn("bob")).unwrap().set("pwdAccountLockedTime", "000001010000Z");
    world.advance(seconds(2));
    until("bob is out", async || !bob.is_signed_in().await).await;
    directory.tree().at(&dn("bob")).unwrap().remove("pwdAccountLockedTime");
    assert!(!bob.is_signed_in().await, "what ended stays ended");
    bob.signs_in().await;
    directory.tree().records.retain(|record| record.dn != dn("bob"));
    world.advance(seconds(2));
    until("bob is gone", async || !bob.is_signed_in().await).await;
    assert!(account(&world, "bob").await.unwrap().is_closed(), "the record stays");
}

#[tokio::test]
async fn sessions_outlive_an_outage_for_max_stale_and_wait_from_then_on() {
    let (directory, world) = worlds("refresh = \"2s\"\nmax_stale = \"1m\"").await;
    let mut alice = world.at_a_browser("alice");
    alice.signs_in().await;
    until("the first look-up", async || !world.app().services.live.due(world.clock.now()).iter().any(|due| due.person.id == "id-alice"))
        .await;
    directory.make_trouble(Trouble::Closes);
    world.advance(seconds(50));
    assert_eq!(alice.calls("GET", "/").await.status, 200);
    world.advance(seconds(20));
    assert_eq!(alice.calls("GET", "/").await.status, 503);
    directory.make_trouble(Trouble::None);
    until("alice goes on", async || alice.calls("GET", "/").await.status == 200).await;
}

#[tokio::test]
async fn a_password_changed_in_the_directory_ends_sessions() {
    let (directory, world) = worlds("refresh = \"2s\"").await;
    let mut alice = world.at_a_browser("alice");
    alice.signs_in().await;
    directory.tree().at(&dn("alice")).unwrap().set("pwdChangedTime", "20261130000000Z");
    world.advance(seconds(2));
    until("alice is out", async || !alice.is_signed_in().await).await;
}

#[tokio::test]
async fn a_password_that_must_be_changed_leads_to_its_page_and_never_past_it() {
    let (directory, world) = worlds("").await;
    directory.tree().at(&dn("alice")).unwrap().set("pwdReset", "TRUE");
    let mut alice = world.at_a_browser("alice");
    alice.visits("/reports").await;
    alice.types_password().await;
    alice.follows().await;
    alice.is_at("login/password");
    assert!(!alice.clone().is_signed_in().await);
    let answer = alice.sends("login/password", &[("current", "wrong"), ("password", "a new long password")]).await;
    assert!(answer.is(422).alert().is_some());
    let answer = alice.sends("login/password", &[("current", PASSWORD), ("password", "short")]).await;
    assert!(answer.is(422).alert().unwrap().contains("too short"));
    alice.sends("login/password", &[("current", PASSWORD), ("password", "a new long password")]).await.is(303);
    alice.follows().await;
    alice.is_at("login");
    alice.password = "a new long password".into();
    alice.types_password().await.leads_to("/reports");
}

#[tokio::test]
async fn a_password_that_must_be_changed_comes_after_the_second_factor() {
    let (directory, world) = worlds("").await;
    let mut alice = world.at_a_browser("alice");
    alice.signs_in_at("/payroll").await;
    alice.enrols_an_app("my app").await;
    alice.waits_for_the_next_code();
    directory.tree().at(&dn("alice")).unwrap().set("pwdReset", "TRUE");
    alice.visits("/payroll").await;
    alice.types_password().await;
    alice.follows().await;
    alice.opens("/.vestibule/login/password").await.is(303);
    alice.visits("/.vestibule/mfa/totp").await;
    alice.types_the_code().await;
    alice.follows().await;
    alice.is_at("login/password");
    assert!(!alice.is_signed_in().await);
}

#[tokio::test]
async fn the_reason_is_told_after_a_right_password_only() {
    let (directory, world) = worlds("allow_groups = [\"staff\"]").await;
    let mut bob = world.at_a_browser("bob");
    bob.visits("/").await;
    assert!(bob.types_password().await.is(403).text().contains("none of the groups"));
    bob.password = "wrong".into();
    bob.visits("/").await;
    bob.types_password().await.is(422);
    assert!(account(&world, "bob").await.is_none());
    directory.tree().at(&dn("alice")).unwrap().set("pwdExpired", "TRUE");
    let mut alice = world.at_a_browser("alice");
    alice.visits("/").await;
    assert!(alice.types_password().await.is(403).text().contains("has expired"));
}

#[tokio::test]
async fn what_the_directory_keeps_is_not_changed_here() {
    let (_directory, world) = worlds("").await;
    let mut alice = world.at_a_browser("alice");
    alice.signs_in().await;
    let services = &world.app().services;
    assert!(services.accounts.set_password("alice", &Secret::new("another-long-password"), Actor::CommandLine).await.is_err());
    for change in [r#"{"email":"a@b.example"}"#, r#"{"groups":["admins"]}"#, r#"{"display_name":"A"}"#] {
        assert!(services.accounts.change("alice", &serde_json::from_str(change).unwrap(), Actor::CommandLine).await.is_err(), "{change}");
    }
    assert!(services.accounts.setup_link("alice", Actor::CommandLine).await.is_err());
    world.disable("alice").await;
    assert!(!alice.is_signed_in().await);
}

#[tokio::test]
async fn an_earlier_directory_that_is_away_leaves_its_place_to_nobody() {
    let (first, second) = (Embedded::start(tree()).await.unwrap(), Embedded::start(tree()).await.unwrap());
    second.tree().records.push(entry("carol", "id-carol"));
    second.tree().records.push(entry("dora", "id-dora"));
    let sections = section("first", &first.url(), "") + &section("second", &second.url(), "");
    let world = World::builder().with(&sections).build().await;
    world.at_a_browser("carol").signs_in().await;
    assert_eq!(account(&world, "carol").await.unwrap().source_name(), "second");
    world.at_a_browser("alice").signs_in().await;
    assert_eq!(account(&world, "alice").await.unwrap().source_name(), "first");
    first.make_trouble(Trouble::Closes);
    world.at_a_browser("carol").elsewhere(8).signs_in().await;
    let mut dora = world.at_a_browser("dora");
    dora.visits("/").await;
    dora.types_password().await.is(503);
}

#[tokio::test]
async fn a_directory_that_a_reload_removes_lets_nobody_in_and_records_stay() {
    let (_directory, world) = worlds("").await;
    let mut alice = world.at_a_browser("alice");
    alice.signs_in().await;
    world.reload(|text| without_directories(&text)).await;
    until("alice is out", async || alice.calls("GET", "/").await.status == 401).await;
    alice.visits("/").await;
    alice.types_password().await.is(422);
    assert!(account(&world, "alice").await.is_some());
}

#[tokio::test]
async fn a_restart_signs_nobody_out() {
    let (_directory, mut world) = worlds("").await;
    let mut alice = world.at_a_browser("alice");
    alice.signs_in().await;
    world.restart().await;
    let mut back = world.at_a_browser("alice");
    back.jar = alice.jar.clone();
    assert!(back.is_signed_in().await);
}

#[tokio::test]
async fn a_local_account_cannot_take_a_persons_name() {
    let (_directory, world) = worlds("").await;
    world.at_a_browser("alice").signs_in().await;
    let new = NewAccount { name: "Alice".into(), email: "other@post.example".into(), ..NewAccount::default() };
    assert!(world.app().services.accounts.add(&new, Some(Secret::new(PASSWORD)), Actor::CommandLine).await.is_err());
}
