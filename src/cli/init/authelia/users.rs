//! Where Authelia's users come from, as comments at the top of the file: accounts are imported by another command, and a directory needs a
//! password that is in no configuration.

use saphyr::Yaml;

use super::yaml::{field, text};
use crate::cli::init::render::string;

/// The lines for the top of the file.
pub(super) fn head(root: &Yaml<'_>) -> Vec<String> {
    let mut head = vec!["Made by `vestibule init --from-authelia`. Read it through, then: vestibule check".to_owned()];
    let backend = field(root, "authentication_backend");
    if let Some(file) = backend.and_then(|backend| field(backend, "file")).and_then(|file| field(file, "path")).and_then(text) {
        head.push(format!("Accounts: vestibule user import {file} --format authelia"));
    }
    if let Some(ldap) = backend.and_then(|backend| field(backend, "ldap")) {
        head.extend(directory(ldap));
    }
    head.push("Groups named user-…, oauth2-… or …-and-… stand for single users and combinations: put people into them.".to_owned());
    head
}

/// A directory of ours that asks the same server.
fn directory(ldap: &Yaml<'_>) -> Vec<String> {
    let of = |key: &str| field(ldap, key).and_then(text).filter(|text| !text.is_empty());
    let active = of("implementation").is_some_and(|name| name == "activedirectory");
    let kind = if active { "active_directory" } else { "openldap" };
    let (users, base) = (of("additional_users_dn"), of("base_dn").unwrap_or_default());
    let base = users.map_or_else(|| base.clone(), |users| format!("{users},{base}"));
    let mut lines = vec![
        "Accounts come from LDAP. Put the password into a file, and this below (docs/guides/from-authelia-ldap.md):".to_owned(),
        "    [[directories]]".to_owned(),
        "    name = \"corp\"".to_owned(),
        format!("    kind = {}", string(kind)),
    ];
    lines.extend(of("address").or_else(|| of("url")).map(|url| format!("    urls = [{}]", string(&url))));
    lines.extend(of("user").map(|user| format!("    bind_dn = {}", string(&user))));
    lines.push("    bind_password_file = \"corp.secret\"".to_owned());
    lines.push(format!("    base_dn = {}", string(&base)));
    if let Some(filter) = of("users_filter") {
        lines.push(format!("    Authelia asked with users_filter: {filter}"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use saphyr::LoadableYamlNode;

    use super::*;

    #[test]
    fn a_directory_is_written_out() {
        let text = "authentication_backend: { ldap: { implementation: activedirectory, address: 'ldaps://dc', base_dn: 'DC=corp', additional_users_dn: 'OU=staff', user: 'CN=svc' } }";
        let head = head(&Yaml::load_from_str(text).unwrap()[0]);
        for line in ["kind = \"active_directory\"", "urls = [\"ldaps://dc\"]", "base_dn = \"OU=staff,DC=corp\"", "bind_dn = \"CN=svc\""] {
            assert!(head.iter().any(|given| given.trim() == line), "{line}: {head:?}");
        }
    }
}
