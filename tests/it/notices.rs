//! What others do to an account is told to its owner, at the address that it had: by mail, also where no gateway runs.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

use vestibule::account::UserMfaPolicy;
use vestibule::factor::Method;
use vestibule::service::admin::{AccountChange, MfaChange};

use crate::harness::binary::Machine;
use crate::harness::*;

/// An administrator on bob's page.
async fn root_at_bob(world: &World) -> Person {
    let mut root = world.person_with_app("root", &["admins"]).await;
    root.signs_in_at("/.vestibule/admin/users/bob").await;
    root.is_at("admin/users/bob");
    root
}

/// Every mail to an address, the oldest first: subject and text.
fn mails(world: &World, to: &str) -> Vec<(String, String)> {
    let sent = world.outbox.newest_first().into_iter().filter(|sent| sent.to == to);
    let mut all: Vec<_> = sent.map(|sent| (sent.subject.unwrap_or_default(), sent.text)).collect();
    all.reverse();
    all
}

#[tokio::test]
async fn who_loses_a_factor_at_an_administrators_hand_is_told() {
    let world = World::new().await;
    let mut bob = world.person("bob", &[]).await;
    bob.signs_in_at("/payroll").await;
    bob.enrols_an_app("Pixel").await;
    let mut root = root_at_bob(&world).await;
    let before = mails(&world, "bob@post.example").len();
    root.sends("admin/users/bob", &[("action", "reset"), ("method", "totp")]).await.is(200);
    root.sends("admin/users/bob", &[("action", "enrol"), ("method", "email")]).await.is(200);
    root.sends("admin/users/bob", &[("action", "recovery_codes")]).await.is(200);
    let told = mails(&world, "bob@post.example").split_off(before);
    let subjects: Vec<_> = told.iter().map(|(subject, _)| subject.as_str()).collect();
    assert_eq!(subjects, ["A second factor was removed", "A second factor was set up", "New recovery codes were made"]);
    assert!(told[0].1.contains("“Pixel” (authenticator app)"), "{}", told[0].1);
    assert!(told.iter().all(|(_, text)| text.contains("An administrator did this.") && text.contains("app.example")), "{told:?}");
    assert!(mails(&world, "root@post.example").is_empty(), "who did it knows");
}

#[tokio::test]
async fn a_moved_address_is_told_to_the_old_one_and_the_new_one() {
    let world = World::new().await;
    world.person("bob", &[]).await;
    let mut root = root_at_bob(&world).await;
    let change = [("action", "profile"), ("email", "robert@elsewhere.example"), ("phone", "+491709999988")];
    root.sends("admin/users/bob", &change).await.is(200);
    let old = mails(&world, "bob@post.example");
    let subjects: Vec<_> = old.iter().map(|(subject, _)| subject.as_str()).collect();
    assert_eq!(subjects, ["Your phone number was changed", "Your e-mail address was changed"]);
    assert!(old[0].1.contains("••• ••88") && old[1].1.contains("r•••@elsewhere.example"), "{old:?}");
    assert!(!old.iter().any(|(_, text)| text.contains("robert@") || text.contains("9999")), "masked");
    let new = mails(&world, "robert@elsewhere.example");
    assert_eq!(new.len(), 1);
    assert!(new[0].1.contains("this became the e-mail address of your account"), "{new:?}");
}

#[tokio::test]
async fn a_link_a_password_and_a_laxer_policy_are_told_and_nothing_else_is() {
    let world = World::new().await;
    world.person("bob", &[]).await;
    let policy = async |policy| world.mfa("bob", MfaChange { policy: Some(policy), ..MfaChange::default() }).await;
    policy(UserMfaPolicy::Required).await;
    world.change("bob", AccountChange { groups: Some(vec!["staff".into()]), ..AccountChange::default() }).await;
    world.mfa("bob", MfaChange { reset: vec![Method::Totp], ..MfaChange::default() }).await;
    assert_eq!(world.mail_to("bob"), Vec::<String>::new(), "stricter, a group, and what was not there");
    policy(UserMfaPolicy::Inherit).await;
    policy(UserMfaPolicy::Off).await;
    let mut root = root_at_bob(&world).await;
    root.sends("admin/users/bob", &[("action", "setup_link")]).await.is(200);
    let told = mails(&world, "bob@post.example");
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].1.contains("no longer has to have") && told[1].1.contains("is never asked"), "{told:?}");
    assert!(told[2].0.contains("set-up link") && !told[2].1.contains("token="), "{told:?}");
}

#[tokio::test]
async fn one_is_told_in_the_language_of_ones_own_browser() {
    let world = World::new().await;
    let mut bob = world.person("bob", &[]).await;
    bob.language = "de".to_owned();
    bob.signs_in().await;
    world.mfa("bob", MfaChange { enrol: vec![Method::Email], ..MfaChange::default() }).await;
    assert_eq!(world.mail_to("bob"), ["Ein zweiter Faktor wurde eingerichtet"]);
}

#[tokio::test]
async fn new_recovery_codes_are_told_to_who_made_them() {
    let world = World::new().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    alice.signs_in_at("/.vestibule/account").await;
    alice.sends("account/recovery", &[]).await.is(200);
    let told = mails(&world, "alice@post.example");
    assert!(told.len() == 1 && told[0].0 == "New recovery codes were made", "{told:?}");
    assert!(!told[0].1.contains("administrator did"), "{told:?}");
}

/// A mail server that takes every letter: its port, and the letters.
fn mail_server() -> (u16, mpsc::Receiver<String>) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, (takes, letters)) = (socket.local_addr().unwrap().port(), mpsc::channel());
    std::thread::spawn(move || {
        for stream in socket.incoming().map_while(Result::ok) {
            let (mut out, mut lines) = (stream.try_clone().unwrap(), BufReader::new(stream).lines().map_while(Result::ok));
            let _ = out.write_all(b"220 mail.example\r\n");
            while let Some(line) = lines.next() {
                let answer = match line.split(' ').next().unwrap_or_default() {
                    "DATA" => {
                        let _ = out.write_all(b"354 go on\r\n");
                        let letter: Vec<String> = lines.by_ref().take_while(|line| line != ".").collect();
                        let _ = takes.send(letter.join("\n"));
                        "250 taken"
                    }
                    "QUIT" => "221 bye",
                    _ => "250 mail.example",
                };
                let _ = out.write_all(format!("{answer}\r\n").as_bytes());
            }
        }
    });
    (port, letters)
}

#[test]
fn the_command_line_tells_too_while_no_gateway_runs() {
    let (port, letters) = mail_server();
    let machine = Machine::new(&format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\n[password]\nmemory_kib = 64\niterations = 1\n\
         [mail]\nurl = \"smtp://127.0.0.1:{port}\"\nfrom = \"Door <door@post.example>\"\n\
         [[routes]]\nname = \"wiki\"\nhosts = [\"wiki.example\"]\nupstreams = [\"http://127.0.0.1:1\"]\npolicy = \"one_factor\"\n"
    ));
    machine.does_with(&["user", "add", "bob", "--email", "bob@post.example", "--password-stdin"], PASSWORD);
    machine.does_with(&["user", "passwd", "bob", "--password-stdin"], "quiet-mountain-lantern-7");
    let letter = letters.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(letter.contains("To: bob@post.example") && letter.contains("Subject: Your password was changed"), "{letter}");
    assert!(letter.contains("wiki.example") && letter.contains("An administrator did this."), "{letter}");
    machine.does(&["user", "mfa", "bob", "--enrol", "email"]);
    assert!(letters.recv_timeout(Duration::from_secs(10)).unwrap().contains("Subject: A second factor was set up"));
    assert!(letters.try_recv().is_err(), "nothing else was told");
}
