//! The directory of `vestibule demo --directory`: a small LDAP server inside this process, with people who are in no account of the gateway's.

use super::people::Person;
use crate::source::directory::embedded::{Embedded, Record, Tree};

const BASE: &str = "ou=people,dc=demo,dc=example";
const SERVICE: &str = "cn=vestibule,dc=demo,dc=example";
const SERVICE_PASSWORD: &str = "the demo's service account";

/// Who is in it: name, display name, password, what there is to see.
const PEOPLE: [(&str, &str, &str, &str); 3] = [
    ("erin", "Erin Example", "juniper-lantern-29", "is in the directory alone: the first sign-in makes the record here"),
    ("frank", "Frank Example", "marble-thicket-64", "is in the directory, and must change the password first"),
    ("grace", "Grace Example", "copper-meadow-77", "is in the directory, and expired there: the right password says so"),
];

/// Starts the directory. It lives as long as what is returned.
///
/// # Errors
/// The operating system's.
pub async fn start() -> std::io::Result<Embedded> {
    let mut records = vec![Record::new(SERVICE, &[]).with_password(SERVICE_PASSWORD)];
    let mut staff = vec![("objectClass", "groupOfNames"), ("cn", "staff")];
    let members = PEOPLE.map(|(name, ..)| format!("uid={name},{BASE}"));
    staff.extend(members.iter().map(|member| ("member", member.as_str())));
    records.push(Record::new("cn=staff,ou=groups,dc=demo,dc=example", &staff));
    records.extend(PEOPLE.iter().map(|(name, display, password, _)| entry(name, display).with_password(password)));
    Embedded::start(Tree { records }).await
}

fn entry(name: &str, display: &str) -> Record {
    let (mail, id) = (format!("{name}@demo.example"), format!("demo-{name}"));
    let attributes =
        [("objectClass", "inetOrgPerson"), ("uid", name), ("displayName", display), ("mail", mail.as_str()), ("entryUUID", id.as_str())];
    let mut entry = Record::new(&format!("uid={name},{BASE}"), &attributes);
    match name {
        "frank" => entry.set("pwdReset", "TRUE"),
        "grace" => entry.set("pwdExpired", "TRUE"),
        _ => {}
    }
    entry
}

/// Its section of the configuration.
pub fn section(directory: &Embedded) -> String {
    format!(
        "\n[[directories]]\nname = \"demo\"\nkind = \"openldap\"\nurls = [\"{}\"]\nbind_dn = \"{SERVICE}\"\nbind_password = \"{SERVICE_PASSWORD}\"\n\
         base_dn = \"{BASE}\"\nrefresh = \"10s\"\n[directories.group_map]\n\"cn=staff,ou=groups,dc=demo,dc=example\" = \"staff\"\n",
        directory.url()
    )
}

/// Its people, for the words at the start.
pub fn people() -> impl Iterator<Item = Person> {
    PEOPLE.into_iter().map(|(name, _, password, about)| Person { name, password, about, totp: None })
}
