//! What an earlier release left on the disk goes on working: its store, its cookies, its backup, its configuration.
//!
//! `tests/samples/RELEASE/` holds what that release wrote, with the clock of the stories. Nothing there is ever edited: names in stored
//! data are pinned by these files, not by the names of types.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::*;

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples/0.1.0").join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(sample(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// The cookies of `cookies.txt`: a line for each, name and value.
fn cookie_of(name: &str) -> String {
    let all = text("cookies.txt");
    let line = all.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no cookie of {name}"));
    line.split_once(' ').unwrap().1.to_owned()
}

fn returns(world: &World, name: &str) -> Person {
    let mut person = world.at_a_browser(name);
    person.jar.put("vestibule", &cookie_of(name), HOST);
    person
}

fn phone_of(name: &str) -> Authenticator {
    Authenticator::from_key(&data_encoding::BASE32_NOPAD.encode(format!("{name:-<20}").as_bytes()))
}

fn unpack(archive: &str, into: &Path) {
    let done = Command::new("tar").arg("-xzf").arg(sample(archive)).arg("-C").arg(into).status().unwrap();
    assert!(done.success());
}

/// The world of the samples: everything but the store is today's.
async fn world_after(unpacked: &str) -> World {
    let unpacked = unpacked.to_owned();
    World::builder().after(move |folder| unpack(&unpacked, folder)).build().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_store_keeps_its_sessions_people_and_factors() {
    let world = world_after("data.tar.gz").await;
    let mut alice = returns(&world, "alice");
    assert_eq!(alice.opens("/").await.status, 200, "one factor");
    assert_eq!(alice.opens("/payroll").await.status, 303, "and not two");
    let mut bob = returns(&world, "bob");
    assert_eq!(bob.opens("/payroll").await.status, 200, "two factors");
    // And again from the start, with the earlier password and the earlier authenticator.
    world.advance(minutes(1));
    let mut bob = world.at_a_browser("bob");
    bob.phone = Some(phone_of("bob"));
    bob.visits("/payroll").await;
    bob.types_password().await;
    bob.follows().await;
    bob.types_the_code().await;
    assert_eq!(bob.follows().await.status, 200);
    let audit = world.app().services.audit_verifier.verify().await.unwrap();
    assert!(audit.whole, "{audit:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_backup_is_restored() {
    let world = world_after("keys.tar.gz").await;
    world.restores(&text("backup.jsonl")).await;
    let mut bob = world.at_a_browser("bob");
    bob.phone = Some(phone_of("bob"));
    world.advance(minutes(1));
    bob.visits("/payroll").await;
    bob.types_password().await;
    bob.follows().await;
    bob.types_the_code().await;
    assert_eq!(bob.follows().await.status, 200);
}

#[test]
fn an_earlier_configuration_is_read() {
    for name in ["vestibule.toml", "reference.toml"] {
        let file = sample(name);
        let loaded = vestibule::config::parse(&text(name), &file, []).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(!loaded.config.routes.is_empty(), "{name}");
    }
}

/// Run once, by the release whose samples these are: `cargo test --test it writes_the_samples -- --ignored`, with the folder in
/// `VESTIBULE_SAMPLES`; with `VESTIBULE_SAMPLES_POSTGRES` (a database's URL) the same goes into that database.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes files"]
async fn writes_the_samples() {
    let folder = PathBuf::from(std::env::var("VESTIBULE_SAMPLES").unwrap());
    let postgres = std::env::var("VESTIBULE_SAMPLES_POSTGRES").ok();
    let store = postgres.as_ref().map(|url| format!("[store]\nurl = {url:?}\n")).unwrap_or_default();
    let world = World::builder().with(&store).build().await;
    let mut cookies = String::new();
    let mut alice = world.person("alice", &["staff"]).await;
    alice.visits("/").await;
    alice.types_password().await;
    assert_eq!(alice.follows().await.status, 200);
    cookies.push_str(&format!("alice {}\n", alice.jar.get("vestibule").unwrap()));
    let mut bob = world.person_with_app("bob", &["staff", "admins"]).await;
    bob.visits("/payroll").await;
    bob.types_password().await;
    bob.follows().await;
    bob.types_the_code().await;
    assert_eq!(bob.follows().await.status, 200);
    cookies.push_str(&format!("bob {}\n", bob.jar.get("vestibule").unwrap()));
    world.recovery_codes("bob").await;
    world.newcomer("fay").await;
    world.person("gil", &[]).await;
    world.disable("gil").await;
    let backup = world.app().services.backup.export(vestibule::service::audit::Actor::CommandLine).await.unwrap();
    let name = if postgres.is_some() { "postgres" } else { "embedded" };
    std::fs::write(folder.join(format!("{name}-cookies.txt")), cookies).unwrap();
    std::fs::write(folder.join(format!("{name}-backup.jsonl")), backup).unwrap();
    let from = world.closes().await;
    let done = Command::new("cp").arg("-a").arg(from.path()).arg(folder.join(name)).status().unwrap();
    assert!(done.success());
}
