//! `[[directories]]`: who a login is, which attributes say what, and which groups exist here.

use super::presence::is_real;
use crate::config::directory::{Attributes, Dn, DnTemplate, FilterTemplate, GroupKey, Groups, Kind, People, Piece, Preset};
use crate::config::document::outline::Shape;
use crate::config::document::problem::Fault;
use crate::config::document::section::{Entry, Section};
use crate::config::readers::value;

#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    Direct,
    Nested,
    Filter,
}

pub(super) fn people(s: &Section, preset: Option<Preset>, base: Option<&Dn>) -> Option<People> {
    let template = s.maybe("user_dn", |entry| {
        let text = value::text(entry)?;
        let fault = |what: String| Fault::new(what, "write user_dn = \"uid={login},ou=people,dc=corp,dc=example\"");
        let template = DnTemplate::parse(&text).map_err(fault)?;
        let is_within = |base: &Dn| Dn::parse(&template.example()).is_ok_and(|dn| dn.is_within(base));
        if base.is_some_and(|base| !is_within(base)) {
            return Err(fault("what it names lies outside base_dn".into()));
        }
        Ok(template)
    });
    let written = s.maybe("user_filter", |entry| filter(entry, &[Piece::Login]));
    if s.has("user_dn") && is_real(s) {
        if s.has("user_filter") {
            s.error("user_filter", Fault::new("user_dn is given, so nobody is searched for", "keep one of user_dn and user_filter"));
        }
        return template.map(People::Template);
    }
    if s.has("user_filter") {
        return written.map(People::Search);
    }
    let Some(preset) = preset else {
        s.error("user_filter", Fault::new("missing", "a custom directory has no preset: user_filter = \"(uid={login})\""));
        return None;
    };
    FilterTemplate::parse(preset.user_filter).ok().map(People::Search)
}

/// A filter in which only these placeholders stand, and the first of them does.
fn filter(entry: &Entry, allowed: &[Piece]) -> Result<FilterTemplate, Fault> {
    let text = value::text(entry)?;
    let template = FilterTemplate::parse(&text).map_err(|e| Fault::new(e.to_string(), "write it as in RFC 4515: (uid={login})"))?;
    let shown = |piece: &Piece| match piece {
        Piece::Login => "{login}",
        Piece::Dn => "{dn}",
        Piece::Name => "{name}",
        Piece::Text(_) => "",
    };
    if let Some(stray) = [Piece::Login, Piece::Dn, Piece::Name].iter().find(|piece| template.uses(piece) && !allowed.contains(piece)) {
        return Err(Fault::new(format!("{} has no meaning here", shown(stray)), "leave it out"));
    }
    if !allowed.iter().any(|piece| template.uses(piece)) {
        let wanted: Vec<_> = allowed.iter().map(shown).collect();
        return Err(Fault::new(
            format!("there is no {} in it, so it would find the same for everybody", wanted.join(" or ")),
            "compare an attribute with it",
        ));
    }
    Ok(template)
}

pub(super) fn attributes(a: Section, preset: Option<Preset>, s: &Section) -> Option<Attributes> {
    let read = |key: &str, of: fn(Preset) -> &'static str| {
        let given = a.maybe(key, attribute).or_else(|| preset.map(of).map(str::to_owned));
        if given.is_none() && !a.has(key) && s.has("kind") {
            a.error(key, Fault::new("missing", format!("a custom directory has no preset: name the attribute for {key}")));
        }
        given
    };
    let id = read("id", |preset| preset.id);
    let name = read("name", |preset| preset.name);
    let display_name = read("display_name", |preset| preset.display_name);
    let email = read("email", |preset| preset.email);
    let phone = read("phone", |preset| preset.phone);
    a.finish();
    Some(Attributes { id: id?, name: name?, display_name: display_name?, email: email?, phone: phone? })
}

fn attribute(entry: &Entry) -> Result<String, Fault> {
    entry.takes(|| Shape::Pattern("^[A-Za-z0-9.-]{1,64}$"));
    let text = value::text(entry)?;
    let fits = !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    if fits {
        Ok(text)
    } else {
        Err(Fault::new(format!("“{}” is no attribute", text.escape_default()), "use letters, digits and “-”"))
    }
}

pub(super) fn groups(s: &Section, kind: Option<Kind>) -> Option<Groups> {
    let ways = [("direct", How::Direct), ("nested", How::Nested), ("filter", How::Filter)];
    let how = s.maybe("groups", value::choice(&ways));
    let template = s.maybe("group_filter", |entry| filter(entry, &[Piece::Dn, Piece::Name]));
    let default = kind?.preset().map(|preset| if preset.nested { How::Nested } else { How::Direct });
    let how = match (s.has("groups"), how, default) {
        (true, how, _) => how?,
        (false, _, Some(default)) => default,
        (false, _, None) => {
            s.error("groups", Fault::new("missing", "a custom directory has no preset: write groups = \"direct\" or \"filter\""));
            return None;
        }
    };
    if how != How::Filter && s.has("group_filter") && is_real(s) {
        s.error("group_filter", Fault::new("it is used with groups = \"filter\" only", "set groups = \"filter\", or remove group_filter"));
    }
    match how {
        How::Direct => Some(Groups::Direct),
        How::Nested if kind == Some(Kind::ActiveDirectory) => Some(Groups::Nested),
        How::Nested => {
            let what = "only Active Directory says which groups are nested in which";
            s.error("groups", Fault::new(what, "write groups = \"direct\", or groups = \"filter\" with a group_filter"));
            None
        }
        How::Filter if !s.has("group_filter") => {
            s.error("group_filter", Fault::new("missing", "write group_filter = \"(member={dn})\""));
            None
        }
        How::Filter => template.map(Groups::Filter),
    }
}

pub(super) fn group_map(m: Section) -> Vec<(GroupKey, String)> {
    let mut map = Vec::new();
    for written in m.names() {
        let Some(name) = m.maybe(written, value::group) else { continue };
        match GroupKey::parse(written) {
            Ok(key) => {
                if matches!(key, GroupKey::Cn(_)) {
                    m.warn(written, "any group with this CN counts, wherever it is in the directory", "write the group's whole DN");
                }
                map.push((key, name));
            }
            Err(what) if is_real(&m) => {
                m.error(written, Fault::new(what, "write the group's DN: \"CN=Payroll,OU=Groups,DC=corp,DC=example\""))
            }
            Err(_) => {}
        }
    }
    m.finish();
    map
}

pub(super) fn allow_groups(s: &Section, map: &[(GroupKey, String)]) -> Option<Vec<String>> {
    let allowed = s.some("allow_groups", value::group)?;
    for stray in allowed.iter().filter(|group| !map.iter().any(|(_, name)| name == *group)) {
        let what = format!("“{stray}” is not in group_map, so nobody is in it");
        s.error("allow_groups", Fault::new(what, "add the directory's group to [directories.group_map], or correct the name"));
    }
    Some(allowed)
}
