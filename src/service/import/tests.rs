//! The three formats, right and wrong.

use proptest::prelude::*;

use super::*;

const BCRYPT: &str = "$2y$05$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvabcdefghi";

fn faults(format: Format, text: &str) -> Vec<(usize, String)> {
    read(format, text, None).unwrap_err().into_iter().map(|fault| (fault.line, fault.what)).collect()
}

#[test]
fn a_table_names_its_columns_in_any_order() {
    let text = "email,name,groups,display_name\nalice@example.org,alice,staff;admins,\"Alice\"\"A\"\"\"\nbob@example.org,bob,,\n";
    let entries = read(Format::Csv, text, None).unwrap();
    assert_eq!(entries.len(), 2);
    assert_eq!((entries[0].line, entries[1].line), (2, 3));
    let alice = &entries[0].account;
    assert_eq!((alice.name.as_str(), alice.email.as_str()), ("alice", "alice@example.org"));
    assert_eq!((alice.groups.join("+").as_str(), alice.display_name.as_deref()), ("staff+admins", Some("Alice\"A\"")));
    assert_eq!((entries[1].account.display_name.clone(), entries[1].account.groups.len()), (None, 0));
}

#[test]
fn a_table_tells_every_fault_with_its_line() {
    assert_eq!(faults(Format::Csv, "name,mail\na,b\n").iter().map(|f| f.0).collect::<Vec<_>>(), [1, 1]);
    let found = faults(Format::Csv, "name,email\nalice,a@example.org\nbob\ncarol,c@example.org,x\n");
    assert_eq!(found.iter().map(|f| f.0).collect::<Vec<_>>(), [3, 4], "{found:?}");
    assert_eq!(faults(Format::Csv, "name,email\n")[0].1, "the file holds no account");
}

#[test]
fn authelias_users_keep_hash_groups_and_standing() {
    let phc = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let text = format!(
        "---\nusers:\n  alice:\n    displayname: 'Alice'\n    password: '{phc}'\n    email: alice@example.org\n    groups:\n      - staff\n      - dev\n  bob:\n    disabled: true\n    password: '{BCRYPT}'\n    email: bob@example.org\n"
    );
    let entries = read(Format::Authelia, &text, None).unwrap();
    assert_eq!(entries[0].account.password_hash.as_deref(), Some(phc));
    assert_eq!((entries[0].account.groups.join("+").as_str(), entries[0].disabled, entries[0].line), ("staff+dev", false, 3));
    assert_eq!((entries[1].account.name.as_str(), entries[1].disabled, entries[1].line), ("bob", true, 10));
}

#[test]
fn authelias_faults_have_the_line_of_the_user() {
    let text = "users:\n  alice:\n    email: alice@example.org\n    password: '$6$rounds=5000$x$y'\n  bob:\n    password: x\n  carol: 3\n  dora:\n    email: d@example.org\n    disabled: maybe\n";
    assert_eq!(faults(Format::Authelia, text).iter().map(|f| f.0).collect::<Vec<_>>(), [2, 5, 7, 8]);
    assert_eq!(faults(Format::Authelia, "users: [1]")[0].0, 1);
    assert!(faults(Format::Authelia, "users:\n\t- x: [")[0].1.starts_with("not YAML"));
}

#[test]
fn htpasswd_needs_a_domain_or_an_address() {
    let text = format!("# people\nalice:{BCRYPT}\nbob@example.org:{BCRYPT}\n");
    assert_eq!(faults(Format::Htpasswd, &text).iter().map(|f| f.0).collect::<Vec<_>>(), [2]);
    let entries = read(Format::Htpasswd, &text, Some("example.net")).unwrap();
    let both: Vec<_> = entries.iter().map(|e| (e.account.name.as_str(), e.account.email.as_str())).collect();
    assert_eq!(both, [("alice", "alice@example.net"), ("bob", "bob@example.org")]);
    let found = faults(Format::Htpasswd, "alice:$apr1$x$y\nbob\n");
    assert_eq!(found.iter().map(|f| f.0).collect::<Vec<_>>(), [1, 2]);
}

proptest! {
    #[test]
    fn no_text_makes_a_reader_panic(text in "(.|\n){0,200}") {
        for format in [Format::Csv, Format::Authelia, Format::Htpasswd] {
            let _ = read(format, &text, Some("example.org"));
        }
    }
}
