//! What `[[directories]]` takes, what it refuses, and what it says.

use crate::config::directory::{Directory, Groups, Kind, People, Protection};
use crate::config::tests::{ROUTE, faults, read_with};

const CORP: &str = r#"[[directories]]
name = "corp"
kind = "active_directory"
urls = ["ldaps://dc1.corp.example", "ldaps://dc2.corp.example:3269"]
bind_dn = "CN=vestibule,DC=corp,DC=example"
bind_password = "secret"
base_dn = "DC=corp,DC=example"
"#;

fn read(text: &str) -> Directory {
    let loaded = read_with(&format!("{ROUTE}{text}"), &[]).unwrap_or_else(|problems| panic!("{problems:?}"));
    loaded.config.directories.into_iter().next().unwrap()
}

/// The keys of the faults, and what is said of the first.
fn wrong(text: &str) -> (Vec<String>, String) {
    let found = faults(&format!("{ROUTE}{text}"));
    let said = found.first().map(ToString::to_string).unwrap_or_default();
    (found.into_iter().map(|fault| fault.key).collect(), said)
}

#[test]
fn a_preset_fills_in_what_is_left_out() {
    let corp = read(CORP);
    assert_eq!((corp.kind, corp.attributes.id.as_str(), corp.groups), (Kind::ActiveDirectory, "objectGUID", Groups::Nested));
    assert_eq!(
        corp.servers.iter().map(|server| (server.port, server.protection)).collect::<Vec<_>>(),
        [(636, Protection::Tls), (3269, Protection::Tls)]
    );
    assert!(matches!(corp.people, People::Search(_)));
    let open = read(&CORP.replace("active_directory", "openldap"));
    assert_eq!((open.attributes.id.as_str(), open.groups), ("entryUUID", Groups::Direct));
}

#[test]
fn passwords_travel_in_the_clear_to_this_machine_only() {
    for local in ["ldap://127.0.0.1:389", "ldap://[::1]", "ldap://localhost", "ldap://127.8.8.8"] {
        assert_eq!(read(&CORP.replace("ldaps://dc1.corp.example", local)).servers[0].protection, Protection::None, "{local}");
    }
    let plain = CORP.replace("ldaps://dc1.corp.example", "ldap://dc1.corp.example");
    assert_eq!(wrong(&plain).0, ["directories[0].urls[0]"]);
    assert_eq!(read(&format!("{plain}start_tls = true\n")).servers[0].protection, Protection::StartTls);
    for url in ["http://dc1", "ldaps://", "ldaps://dc1/dc=x", "ldaps://a@dc1", "dc1"] {
        assert_eq!(wrong(&CORP.replace("ldaps://dc1.corp.example", url)).0, ["directories[0].urls[0]"], "{url}");
    }
}

#[test]
fn what_would_be_found_out_at_the_first_sign_in_is_an_error() {
    let with = |line: &str| wrong(&format!("{CORP}{line}\n")).0;
    let key = |key: &str| vec![format!("directories[0].{key}")];
    assert_eq!(wrong(&CORP.replace("\"secret\"", "\"\"")).0, key("bind_password"));
    assert_eq!(with("bind_password_file = \"corp.secret\""), key("bind_password_file"));
    assert_eq!(wrong(&CORP.replace("\"corp\"", "\"local\"")).0, key("name"));
    assert_eq!(wrong(&CORP.replace("DC=corp,DC=example\"\n", "corp.example\"\n")).0, key("base_dn"));
    for filter in ["(uid=alice)", "uid={login}", "(uid={dn})", "(!(uid={login}))", "(uid={login}*)"] {
        assert_eq!(with(&format!("user_filter = \"{filter}\"")), key("user_filter"), "{filter}");
    }
    assert_eq!(with("user_dn = \"uid={login},ou=people,dc=other\""), key("user_dn"));
    assert_eq!(with("groups = \"filter\""), key("group_filter"));
    assert_eq!(with("group_filter = \"(member={dn})\""), key("group_filter"));
    assert_eq!(with("allow_groups = [\"staff\"]"), key("allow_groups"));
    assert_eq!(with("refresh = \"2h\""), key("refresh"));
    assert_eq!(with("client_cert = \"x.pem\""), key("client_cert"));
    assert_eq!(wrong(&CORP.replace("\"active_directory\"", "\"openldap\"\ngroups = \"nested\"")).0, key("groups"));
    assert_eq!(wrong(&format!("{CORP}{CORP}")).0, ["directories[1].name"]);
}

#[test]
fn a_custom_directory_says_everything_itself() {
    let (keys, _) = wrong(&CORP.replace("active_directory", "custom"));
    for key in ["user_filter", "attributes.id", "attributes.name", "attributes.email", "groups"] {
        assert!(keys.contains(&format!("directories[0].{key}")), "{key}: {keys:?}");
    }
}

#[test]
fn a_group_by_its_cn_is_a_warning() {
    let text = format!("{ROUTE}{CORP}[directories.group_map]\nPayroll = \"payroll\"\n\"CN=Staff,DC=corp,DC=example\" = \"staff\"\n");
    let loaded = read_with(&text, &[]).unwrap();
    let warned: Vec<_> = loaded.warnings.iter().map(|warning| warning.key.as_str()).filter(|key| key.starts_with("directories")).collect();
    assert_eq!(warned, ["directories[0].group_map.Payroll"]);
}
