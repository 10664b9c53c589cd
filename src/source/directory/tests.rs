//! The directory against a server in this process: well-behaved, slow, silent, hostile. What real servers say is asked of real ones, in `tests/it`.

use std::time::Duration;

use super::embedded::{Embedded, Record, Tree, Trouble};
use super::*;
use crate::base::Secret;
use crate::config::directory::{
    Attributes, BindPassword, Dn, FilterTemplate, GroupKey, Groups, Kind, People, Server, ServiceAccount, TlsFiles,
};
use crate::source::{Closed, Found, PasswordChange, PasswordSource, Person, Source, Verdict, WhoIs};

mod paging;

const SERVICE: &str = "cn=vestibule,ou=services,dc=corp,dc=example";

fn tree() -> Tree {
    let person = |uid: &str, id: &str| {
        let dn = format!("uid={uid},ou=people,dc=corp,dc=example");
        let mail = format!("{uid}@corp.example");
        let attributes = [("objectClass", "inetOrgPerson"), ("uid", uid), ("mail", &mail), ("displayName", uid), ("entryUUID", id)];
        Record::new(&dn, &attributes).with_password(&format!("{uid}s-password"))
    };
    let group = |cn: &str, member: &str| {
        let member = format!("uid={member},ou=people,dc=corp,dc=example");
        Record::new(&format!("cn={cn},ou=groups,dc=corp,dc=example"), &[("objectClass", "groupOfNames"), ("cn", cn), ("member", &member)])
    };
    let service = Record::new(SERVICE, &[("cn", "vestibule")]).with_password("service-secret");
    let mut outside = person("outsider", "id-outsider");
    outside.dn = "uid=outsider,ou=elsewhere,dc=corp,dc=example".into();
    Tree {
        records: vec![
            service,
            person("alice", "id-alice"),
            person("bob", "id-bob"),
            outside,
            group("Payroll", "alice"),
            group("Other", "alice"),
        ],
    }
}

fn server(url: &str) -> Server {
    let (host, port) = url.strip_prefix("ldap://").and_then(|rest| rest.rsplit_once(':')).unwrap();
    Server { url: url.into(), host: host.into(), port: port.parse().unwrap(), protection: Protection::None }
}

fn config(urls: &[String]) -> config::Directory {
    config::Directory {
        name: "corp".into(),
        kind: Kind::OpenLdap,
        servers: urls.iter().map(|url| server(url)).collect(),
        tls: TlsFiles::default(),
        account: ServiceAccount { dn: SERVICE.into(), password: BindPassword::Inline(Secret::new("service-secret")) },
        base_dn: Dn::parse("ou=people,dc=corp,dc=example").unwrap(),
        people: People::Search(FilterTemplate::parse("(&(objectClass=inetOrgPerson)(|(uid={login})(mail={login})))").unwrap()),
        attributes: Attributes {
            id: "entryUUID".into(),
            name: "uid".into(),
            display_name: "displayName".into(),
            email: "mail".into(),
            phone: "mobile".into(),
        },
        groups: Groups::Direct,
        group_map: vec![(GroupKey::parse("CN=payroll, ou=Groups,dc=corp,dc=example").unwrap(), "payroll".into())],
        allow_groups: None,
        trust_phone: false,
        refresh: Duration::from_secs(300),
        max_stale: Duration::from_secs(3600),
        change_password: true,
        pool: 4,
        connect_timeout: Duration::from_millis(500),
        timeout: Duration::from_millis(500),
    }
}

async fn started() -> (Embedded, Directory) {
    let server = Embedded::start(tree()).await.unwrap();
    let directory = Directory::new(config(&[server.url()]), Clock::system()).unwrap();
    (server, directory)
}

async fn found(directory: &Directory, login: &str) -> Found {
    match directory.find(login).await.unwrap() {
        WhoIs::One(found) => found,
        other => panic!("{login}: {other:?}"),
    }
}

async fn verified(directory: &Directory, login: &str, password: &str) -> Verdict {
    directory.verify(&found(directory, login).await, &Secret::new(password)).await.unwrap()
}

fn person(verdict: Verdict) -> Person {
    let Verdict::Right(person) = verdict else { panic!("{verdict:?}") };
    *person
}

#[tokio::test]
async fn a_login_and_a_password_make_a_person_with_mapped_groups() {
    let (server, directory) = started().await;
    for login in ["alice", "ALICE", "alice@corp.example"] {
        let alice = person(verified(&directory, login, "alices-password").await);
        assert_eq!((alice.id.as_str(), alice.name.as_str(), alice.email.as_deref()), ("id-alice", "alice", Some("alice@corp.example")));
        assert_eq!((alice.groups, alice.closed, alice.phone), (vec!["payroll".to_owned()], None, None));
    }
    assert_eq!(verified(&directory, "alice", "wrong").await, Verdict::Wrong);
    assert_eq!(person(verified(&directory, "bob", "bobs-password").await).groups, Vec::<String>::new());
    assert_eq!(directory.find("nobody").await.unwrap(), WhoIs::Nobody);
    assert_eq!(directory.find("outsider").await.unwrap(), WhoIs::Nobody, "outside the base");
    let binds = server.seen().binds;
    assert!(binds.iter().filter(|dn| *dn == SERVICE).count() <= 2, "{binds:?}");
}

#[tokio::test]
async fn an_empty_password_reaches_no_server() {
    let (server, directory) = started().await;
    let alice = found(&directory, "alice").await;
    server.seen();
    for password in ["", "\0", "alices-password\0"] {
        assert_eq!(directory.verify(&alice, &Secret::new(password)).await.unwrap(), Verdict::Wrong);
        assert_eq!(
            directory.change_password(&alice.id, &Secret::new(password), &Secret::new("long enough")).await.unwrap(),
            PasswordChange::WrongCurrent
        );
    }
    let seen = server.seen();
    assert_eq!((seen.empty_passwords, seen.binds.len(), seen.searches.len()), (0, 0, 0));
}

#[tokio::test]
async fn what_is_typed_is_never_syntax() {
    let (server, directory) = started().await;
    for login in ["*", "a*", "alice)(uid=*", "*)(objectClass=*", "\\2a", "alice\0)(x=", "(|(uid=*))", &"ü".repeat(256)] {
        assert_eq!(directory.find(login).await.unwrap(), WhoIs::Nobody, "{login}");
    }
    assert_eq!(directory.find(&"a".repeat(513)).await.unwrap(), WhoIs::Nobody);
    server.tree().records.iter_mut().for_each(|record| record.set("mail", "shared@corp.example"));
    assert_eq!(directory.find("shared@corp.example").await.unwrap(), WhoIs::Ambiguous);
}

#[tokio::test]
async fn a_person_is_followed_by_id_and_a_new_one_under_an_old_name_is_another() {
    let (server, directory) = started().await;
    let alice = found(&directory, "alice").await;
    {
        let mut tree = server.tree();
        let record = tree.at(&alice.locator).unwrap();
        record.set("uid", "alicia");
        record.dn = "uid=alicia,ou=people,dc=corp,dc=example".into();
        let mut new = Record::new(
            "uid=alice,ou=people,dc=corp,dc=example",
            &[("objectClass", "inetOrgPerson"), ("uid", "alice"), ("entryUUID", "id-new")],
        );
        new.password = Some("alices-password".into());
        tree.records.push(new);
    }
    assert_eq!(directory.look_up("id-alice").await.unwrap().unwrap().name, "alicia");
    assert_eq!(directory.verify(&alice, &Secret::new("alices-password")).await.unwrap(), Verdict::Wrong, "another entry stands there");
    assert_eq!(found(&directory, "alice").await.id, "id-new");
    server.tree().records.retain(|record| !record.dn.starts_with("uid=alicia"));
    assert_eq!(directory.look_up("id-alice").await.unwrap(), None);
}

#[tokio::test]
async fn states_are_told_after_a_right_password_only() {
    let (server, directory) = started().await;
    let alice = "uid=alice,ou=people,dc=corp,dc=example";
    let set = |attribute: &str| server.tree().at(alice).unwrap().set(attribute, "TRUE");
    set("pwdExpired");
    assert_eq!(person(verified(&directory, "alice", "alices-password").await).closed, Some(Closed::PasswordExpired));
    assert_eq!(verified(&directory, "alice", "wrong").await, Verdict::Wrong);
    server.tree().at(alice).unwrap().remove("pwdExpired");
    set("pwdReset");
    assert!(person(verified(&directory, "alice", "alices-password").await).must_change_password);
    let found = found(&directory, "alice").await;
    let change =
        async |current: &str, new: &str| directory.change_password(&found.id, &Secret::new(current), &Secret::new(new)).await.unwrap();
    assert_eq!(change("wrong", "long enough").await, PasswordChange::WrongCurrent);
    assert_eq!(change("alices-password", "short").await, PasswordChange::Refused(Some("it is too short".into())));
    assert_eq!(change("alices-password", "long enough").await, PasswordChange::Done);
    let after = person(verified(&directory, "alice", "long enough").await);
    assert!(!after.must_change_password && after.password_mark.is_some());
    set("pwdAccountLockedTime");
    assert_eq!(verified(&directory, "alice", "long enough").await, Verdict::Wrong, "a lock looks like a wrong password");
}

#[tokio::test]
async fn who_is_in_no_allowed_group_is_closed_out() {
    let (server, _) = started().await;
    let gated = config::Directory { allow_groups: Some(vec!["payroll".into()]), ..config(&[server.url()]) };
    let directory = Directory::new(gated, Clock::system()).unwrap();
    assert_eq!(person(verified(&directory, "alice", "alices-password").await).closed, None);
    assert_eq!(person(verified(&directory, "bob", "bobs-password").await).closed, Some(Closed::NotAllowed));
    assert_eq!(directory.look_up("id-bob").await.unwrap().unwrap().closed, Some(Closed::NotAllowed));
}

#[tokio::test]
async fn a_hostile_server_is_an_error_and_nothing_more() {
    let (server, directory) = started().await;
    let huge = vec![0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 2, 1, 1];
    let deep = [0x30u8, 0x80].repeat(500);
    let nested: Vec<u8> = (0..200u8).rev().flat_map(|depth| [0x30, if depth < 63 { depth * 2 } else { 126 }]).collect();
    for trouble in [
        Trouble::Sends(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        Trouble::Sends(huge),
        Trouble::Sends(deep),
        Trouble::Sends(nested),
        Trouble::Sends(vec![0x30, 5, 2, 1, 1, 0x65, 0]),
        Trouble::Sends(vec![0x30, 0]),
        Trouble::Silent,
        Trouble::Closes,
        Trouble::Floods,
        Trouble::WrongId,
        Trouble::Busy,
    ] {
        server.make_trouble(trouble.clone());
        assert!(directory.find("alice").await.is_err(), "{trouble:?}");
        server.make_trouble(Trouble::None);
        assert!(directory.find("alice").await.is_ok(), "after {trouble:?} it goes on");
    }
}

#[tokio::test]
async fn the_next_server_answers_for_one_that_fails_in_the_middle() {
    let (first, second) = (Embedded::start(tree()).await.unwrap(), Embedded::start(tree()).await.unwrap());
    let directory = Directory::new(config(&[first.url(), second.url()]), Clock::system()).unwrap();
    let alice = found(&directory, "alice").await;
    assert_eq!(second.seen().connections, 0, "the first one is preferred");
    for trouble in [Trouble::Closes, Trouble::Silent] {
        first.make_trouble(trouble.clone());
        let verdict = directory.verify(&alice, &Secret::new("alices-password")).await.unwrap();
        assert!(matches!(verdict, Verdict::Right(_)), "{trouble:?}");
    }
    drop(first);
    second.seen();
    assert!(matches!(directory.find("alice").await.unwrap(), WhoIs::One(_)));
    let states = directory.health().servers;
    assert_eq!(states.iter().map(|(_, up)| *up).collect::<Vec<_>>(), [Some(false), Some(true)]);
    drop(second);
    assert!(matches!(directory.find("alice").await.unwrap_err().cause, Cause::Connect(_)));
}

#[tokio::test]
async fn a_service_account_that_is_refused_is_its_own_fault_and_is_not_tried_again_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("corp.secret");
    std::fs::write(&file, "old-secret\n").unwrap();
    let server = Embedded::start(tree()).await.unwrap();
    let account = ServiceAccount { dn: SERVICE.into(), password: BindPassword::File(file.clone()) };
    let directory = Directory::new(config::Directory { account, ..config(&[server.url()]) }, Clock::system()).unwrap();
    for _ in 0..3 {
        assert!(matches!(directory.find("alice").await.unwrap_err().cause, Cause::Credentials(_)));
    }
    assert_eq!(server.seen().binds.len(), 1, "the directory would lock the account");
    assert!(directory.health().refused.is_some());
    std::fs::write(&file, "service-secret\n").unwrap();
    assert!(directory.find("alice").await.is_ok(), "a changed file is read");
    assert!(directory.health().refused.is_none());
}

#[tokio::test]
async fn fifty_at_once_share_a_bounded_pool() {
    let (server, directory) = started().await;
    let directory = Arc::new(directory);
    let mut all = tokio::task::JoinSet::new();
    for n in 0..50 {
        let directory = directory.clone();
        all.spawn(async move {
            let (login, password) = if n % 2 == 0 { ("alice", "alices-password") } else { ("bob", "wrong") };
            verified(&directory, login, password).await
        });
    }
    let verdicts = all.join_all().await;
    assert_eq!(verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Right(_))).count(), 25);
    assert_eq!(verdicts.iter().filter(|verdict| **verdict == Verdict::Wrong).count(), 25);
    assert!(server.seen().binds.iter().filter(|dn| *dn == SERVICE).count() <= 4);
}
