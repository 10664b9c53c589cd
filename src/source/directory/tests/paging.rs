//! Answers that are larger than a server gives at once.

use super::*;

#[tokio::test]
async fn a_person_in_thousands_of_groups_is_in_the_last_one_too() {
    let mut tree = tree();
    let member = "uid=alice,ou=people,dc=corp,dc=example";
    tree.records.extend((0..2500).map(|n| {
        let cn = format!("g{n:04}");
        Record::new(&format!("cn={cn},ou=groups,dc=corp,dc=example"), &[("objectClass", "groupOfNames"), ("cn", &cn), ("member", member)])
    }));
    let server = Embedded::start(tree).await.unwrap();
    let last = GroupKey::parse("cn=g2499,ou=groups,dc=corp,dc=example").unwrap();
    let config = config::Directory { group_map: vec![(last, "last".into())], timeout: Duration::from_secs(30), ..config(&[server.url()]) };
    let directory = Directory::new(config, Clock::system()).unwrap();
    assert_eq!(person(verified(&directory, "alice", "alices-password").await).groups, ["last"]);
}
