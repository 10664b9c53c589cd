//! What the list and its search owe, with a small house and one of 100,000.

use super::super::Selection;
use super::super::rows::mask;
use super::*;
use crate::account::Failures;
use crate::base::Time;

fn account(name: &str, display_name: &str, email: &str) -> Account {
    let mut account: Account = serde_json::from_value(serde_json::json!({
        "id": UserId::random().unwrap(), "name": name, "email": email, "display_name": display_name, "created": 0
    }))
    .unwrap();
    account.groups = vec!["staff".into()];
    account
}

fn names(found: &Found) -> Vec<&str> {
    found.rows.iter().map(|row| row.name()).collect()
}

#[test]
fn the_list_is_sorted_by_name_whatever_its_letters_case() {
    let directory = Directory::default();
    for name in ["bob", "Alice", "carol"] {
        let account = account(name, name, "");
        directory.account_changed(account.id, Some(&account));
    }
    assert_eq!(names(&directory.find("", 1, 40, None)), ["Alice", "bob", "carol"]);
}

#[test]
fn every_word_must_occur_in_name_display_name_or_address() {
    let directory = Directory::default();
    let alice = account("alice", "Álice Ünger", "a.unger@Internal.Example");
    directory.account_changed(alice.id, Some(&alice));
    for hit in ["", "LIC", "ünger", "ÜNGER álice", "internal.example", "ａｌｉｃｅ"] {
        assert_eq!(directory.find(hit, 1, 40, None).total, 1, "{hit}");
    }
    for miss in ["bob", "alice bob", "alicea.unger"] {
        assert_eq!(directory.find(miss, 1, 40, None).total, 0, "{miss}");
    }
    let row = directory.find("", 1, 40, None).rows.remove(0);
    assert_eq!((row.name(), row.display_name(), row.email()), ("alice", "Álice Ünger", "a.unger@Internal.Example"));
}

#[test]
fn writes_and_deletions_show_at_once() {
    let directory = Directory::default();
    let mut alice = account("alice", "Alice", "");
    directory.account_changed(alice.id, Some(&alice));
    alice.display_name = "Somebody else".into();
    alice.failures = Failures { count: 10, locked_until: Some(Time::from_secs(100)) };
    directory.account_changed(alice.id, Some(&alice));
    let found = directory.find("somebody", 1, 40, None);
    assert_eq!(found.total, 1);
    assert!(found.rows[0].is_locked(Time::from_secs(99)) && !found.rows[0].is_locked(Time::from_secs(100)));
    alice.name = "zoe".into();
    directory.account_changed(alice.id, Some(&alice));
    assert_eq!(directory.len(), 1, "a row moves with its name");
    directory.account_changed(alice.id, None);
    assert!(directory.is_empty());
}

#[test]
fn what_is_written_while_the_directory_is_read_is_not_undone() {
    let directory = Directory::default();
    let (old, gone) = (account("alice", "Old", ""), account("bob", "Bob", ""));
    let new = Account { display_name: "New".into(), ..old.clone() };
    directory.write().written.get_or_insert_default();
    directory.account_changed(new.id, Some(&new));
    directory.account_changed(gone.id, None);
    directory.take_in(&[old, gone]);
    directory.write().settle();
    let found = directory.find("", 1, 40, None);
    assert_eq!(found.rows.iter().map(|row| row.display_name()).collect::<Vec<_>>(), ["New"]);
}

#[test]
fn a_page_past_the_end_is_the_last_one() {
    let all: Vec<usize> = (0..95).collect();
    assert_eq!(page_of(&all, 3, 40), ((80..95).collect(), 3));
    assert_eq!(page_of(&all, usize::MAX, 40), ((80..95).collect(), 3));
    assert_eq!(page_of(&all, 0, 40), ((0..40).collect(), 1));
    assert_eq!(page_of::<usize>(&[], 7, 40), (vec![], 1));
}

#[test]
fn a_hundred_thousand_users_are_listed_and_searched() {
    let directory = Directory::default();
    directory.write().written.get_or_insert_default();
    let one = account("x", "Person", "");
    let batch: Vec<Account> = (0..100_000u32)
        .map(|n| Account {
            id: UserId::from_bytes(u128::from(n).to_be_bytes()),
            name: format!("user{n:06}"),
            email: format!("user{n:06}@internal.example"),
            ..one.clone()
        })
        .collect();
    directory.take_in(&batch);
    directory.write().settle();
    let last = directory.find("", 2500, 40, None);
    assert_eq!((last.total, last.page, last.rows.len()), (100_000, 2500, 40));
    assert_eq!(last.rows.last().unwrap().name(), "user099999");
    assert_eq!(names(&directory.find("R073912@", 1, 40, None)), ["user073912"]);
    let many = directory.find("user0001", 3, 40, None);
    assert_eq!((many.total, names(&many)[0]), (100, "user000180"));
    assert_eq!(directory.read().groups.len(), 1, "groups are shared");
}

/// `cargo test --release --lib time_of_a_search -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
#[allow(clippy::disallowed_methods)]
fn time_of_a_search() {
    let directory = Directory::default();
    directory.write().written.get_or_insert_default();
    let one = account("x", "Some Person", "");
    for n in 0..100_000u32 {
        let id = UserId::from_bytes(u128::from(n).to_be_bytes());
        let (name, email) = (format!("user{n:06}"), format!("user{n:06}@internal.example"));
        directory.take_in(&[Account { id, name, email, ..one.clone() }]);
    }
    directory.write().settle();
    let start = std::time::Instant::now();
    assert_eq!(directory.find("nobody-has-this", 1, 40, None).total, 0);
    println!("search: {:?}", start.elapsed());
    let start = std::time::Instant::now();
    assert_eq!(directory.find("", 1250, 40, None).total, 100_000);
    println!("page: {:?}", start.elapsed());
}

#[test]
fn kinds_are_counted_through_every_change() {
    let directory = Directory::default();
    let mut alice = account("alice", "Alice", "");
    let bob = account("bob", "Bob", "");
    let now = Time::from_secs(50);
    let count = |directory: &Directory| {
        let (kinds, locked) = directory.kinds(now);
        (kinds.len(), kinds.iter().map(|(_, count)| count).sum::<u64>(), locked)
    };
    for one in [&alice, &bob] {
        directory.account_changed(one.id, Some(one));
    }
    assert_eq!(count(&directory), (1, 2, 0));
    alice.failures = Failures { count: 10, locked_until: Some(Time::from_secs(100)) };
    alice.disabled = true;
    (0..3).for_each(|_| directory.account_changed(alice.id, Some(&alice)));
    assert_eq!(count(&directory), (2, 2, 1));
    alice.name = "zoe".into();
    alice.failures = Failures::default();
    directory.account_changed(alice.id, Some(&alice));
    assert_eq!(count(&directory), (2, 2, 0));
    directory.account_changed(alice.id, None);
    directory.account_changed(alice.id, None);
    assert_eq!(count(&directory), (1, 1, 0));
    assert_eq!(directory.read().masks.len(), 1);
}

#[test]
fn a_page_of_what_is_unsorted_is_that_of_what_is_sorted() {
    for total in [0u32, 1, 39, 40, 41, 95, 1000] {
        let sorted: Vec<u32> = (0..total).collect();
        for (step, page) in [(37, 0), (37, 1), (999, 2), (1, 3), (998, 4), (37, 25), (37, usize::MAX)] {
            let (wanted, page) = page_of(&sorted, page, 40);
            let mut selection = Selection::new(page * 40);
            // In the order of a walk through the rest classes, and all of them.
            let mut mixed = sorted.clone();
            mixed.sort_by_key(|n| u64::from(*n) * step % 1009);
            mixed.into_iter().for_each(|n| selection.offer(n));
            assert_eq!(selection.into_page((page - 1) * 40), wanted, "{total} {page}");
        }
    }
}

proptest::proptest! {
    #[test]
    fn no_word_that_occurs_is_passed_over(before in ".{0,20}", word in ".{1,12}", after in ".{0,20}") {
        let text = format!("{before}{word}{after}");
        proptest::prop_assert_eq!(mask(&text) & mask(&word), mask(&word));
    }
}
