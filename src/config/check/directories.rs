//! `[[directories]]`: LDAP and Active Directory. Filters and names are parsed here; what would be found out at the first sign-in otherwise is an
//! error, and what is legal and unwise a warning.

mod people;
mod presence;
mod servers;

use std::collections::HashMap;
use std::time::Duration;

use crate::config::directory::{Directory, Dn, Kind};
use crate::config::document::outline::Shape;
use crate::config::document::problem::Fault;
use crate::config::document::section::{Entry, Section};
use crate::config::readers::value::{self, MAX_SPAN, MINUTE, SECOND};

pub(in crate::config) fn directories(root: &Section) -> Vec<Directory> {
    let mut names = HashMap::new();
    root.sections("directories").into_iter().filter_map(|s| directory(s, &mut names)).collect()
}

fn directory(s: Section, names: &mut HashMap<String, String>) -> Option<Directory> {
    let name = name(&s, names);
    let kinds = Kind::ALL.map(|kind| (kind.name(), kind));
    let kind = s.required("kind", "write kind = \"active_directory\", \"openldap\" or \"custom\"", value::choice(&kinds));
    let preset = kind.and_then(Kind::preset);
    let (servers, tls) = (servers::servers(&s), servers::tls(&s));
    let account = servers::account(&s);
    let base_dn = s.required("base_dn", "write where people are: base_dn = \"DC=corp,DC=example\"", dn);
    let people = people::people(&s, preset, base_dn.as_ref());
    let attributes = people::attributes(s.section("attributes"), preset, &s);
    let groups = people::groups(&s, kind);
    let group_map = people::group_map(s.section("group_map"));
    let allow_groups = people::allow_groups(&s, &group_map);
    let (refresh, max_stale) = times(&s);
    let connect_timeout = s.or("connect_timeout", 2 * SECOND, value::span(Duration::from_millis(100)..=10 * SECOND));
    let timeout = s.or("timeout", 5 * SECOND, value::span(Duration::from_millis(100)..=10 * SECOND));
    let trust_phone = s.or("trust_phone", false, value::flag);
    let change_password = s.or("change_password", true, value::flag);
    let pool = s.or("pool", 4, value::whole(1..=64));
    s.finish();
    Some(Directory {
        name: name?,
        kind: kind?,
        servers: servers?,
        tls,
        account: account?,
        base_dn: base_dn?,
        people: people?,
        attributes: attributes?,
        groups: groups?,
        group_map,
        allow_groups,
        trust_phone,
        refresh,
        max_stale,
        change_password,
        pool,
        connect_timeout,
        timeout,
    })
}

fn name(s: &Section, names: &mut HashMap<String, String>) -> Option<String> {
    let name = s.required("name", "give the directory a short name: it is what `user list` shows as the source", source_name)?;
    if let Some(place) = names.insert(name.clone(), s.place("name")) {
        s.error("name", Fault::new(format!("another directory is called “{name}” ({place})"), "give each a name of its own"));
        return None;
    }
    Some(name)
}

/// What a user's `source` is called.
fn source_name(entry: &Entry) -> Result<String, Fault> {
    entry.takes(|| Shape::Pattern("^[a-z0-9_-]{1,64}$"));
    let text = value::text(entry)?;
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    if text.is_empty() || text.len() > 64 || !text.bytes().all(is_plain) {
        return Err(Fault::new(format!("“{}” cannot be a name here", text.escape_default()), "use 1 to 64 of a-z, 0-9, “-” and “_”"));
    }
    if text == crate::account::SourceId::LOCAL {
        return Err(Fault::new("“local” stands for the accounts of this gateway", "choose another name"));
    }
    if text == crate::account::SourceId::GUEST {
        return Err(Fault::new("“guest” stands for guests", "choose another name"));
    }
    Ok(text)
}

pub(super) fn dn(entry: &Entry) -> Result<Dn, Fault> {
    let text = value::text(entry)?;
    Dn::parse(&text).map_err(|what| Fault::new(what, "write a distinguished name: OU=People,DC=corp,DC=example"))
}

fn times(s: &Section) -> (Duration, Duration) {
    let refresh = s.or("refresh", 5 * MINUTE, value::span(SECOND..=MAX_SPAN));
    let max_stale = s.or("max_stale", 60 * MINUTE, value::span(SECOND..=MAX_SPAN));
    if max_stale < refresh {
        let what = format!("max_stale ({}) is shorter than refresh ({})", value::written(max_stale), value::written(refresh));
        s.error(if s.has("max_stale") { "max_stale" } else { "refresh" }, Fault::new(what, "set max_stale to at least refresh"));
    }
    (refresh, max_stale)
}

#[cfg(test)]
mod tests;
