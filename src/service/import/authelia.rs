//! Reads Authelia's file of users: `users: { NAME: { displayname, password, email, groups, disabled } }`.

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};

use super::entry::{Entry, Fault};
use crate::service::accounts::NewAccount;

pub(super) fn read(text: &str) -> (Vec<Entry>, Vec<Fault>) {
    let documents = match MarkedYaml::load_from_str(text) {
        Ok(documents) => documents,
        Err(e) => return (Vec::new(), vec![Fault::new(e.marker().line(), format!("not YAML: {}", e.info()))]),
    };
    let users = documents.first().and_then(|document| field(document, "users"));
    let Some(YamlData::Mapping(users)) = users.map(|users| &users.data) else {
        return (Vec::new(), vec![Fault::new(1, "there is no `users:` with accounts below it; is this a users_database.yml?")]);
    };
    let (mut entries, mut faults) = (Vec::new(), Vec::new());
    for (name, user) in users {
        let line = name.span.start.line();
        match account(name, user) {
            Ok(entry) => entries.push(Entry { line, ..entry }),
            Err(what) => faults.push(Fault::new(line, what)),
        }
    }
    (entries, faults)
}

fn account(name: &MarkedYaml<'_>, user: &MarkedYaml<'_>) -> Result<Entry, String> {
    let name = text(name).ok_or("a user's name must be text")?;
    if !matches!(user.data, YamlData::Mapping(_)) {
        return Err(format!("“{name}” has no fields; displayname, password, email are wanted"));
    }
    let get = |key| field(user, key).and_then(text);
    let disabled = match field(user, "disabled").map(|value| &value.data) {
        None | Some(YamlData::Value(Scalar::Null)) => false,
        Some(YamlData::Value(Scalar::Boolean(disabled))) => *disabled,
        Some(_) => return Err("`disabled` must be true or false".to_owned()),
    };
    let account = NewAccount {
        email: get("email").ok_or_else(|| format!("“{name}” has no `email`; every account needs one"))?,
        phone: get("phone_number"),
        display_name: get("displayname").map(|shown| shown.replace(',', "")),
        groups: groups(user)?,
        service: false,
        certificate_subject: None,
        password_hash: get("password").filter(|hash| !hash.is_empty()),
        name,
    };
    Ok(Entry { line: 0, account, disabled })
}

fn groups(user: &MarkedYaml<'_>) -> Result<Vec<String>, String> {
    match field(user, "groups").map(|value| &value.data) {
        None | Some(YamlData::Value(Scalar::Null)) => Ok(Vec::new()),
        Some(YamlData::Sequence(groups)) => {
            groups.iter().map(|group| text(group).ok_or_else(|| "a group must be text".to_owned())).collect()
        }
        Some(_) => Err("`groups` must be a list".to_owned()),
    }
}

fn field<'n, 'y>(node: &'n MarkedYaml<'y>, key: &str) -> Option<&'n MarkedYaml<'y>> {
    let YamlData::Mapping(fields) = &node.data else { return None };
    fields.iter().find(|(name, _)| text(name).as_deref() == Some(key)).map(|(_, value)| value)
}

/// A scalar as text: a number that stands for a name or a telephone is one too.
fn text(node: &MarkedYaml<'_>) -> Option<String> {
    match &node.data {
        YamlData::Value(Scalar::String(text)) => Some(text.to_string()),
        YamlData::Value(Scalar::Integer(number)) => Some(number.to_string()),
        _ => None,
    }
}
