//! The rooms inside each room, from the top down. A sub-room may use those after it in the list, never one before it.

use std::collections::BTreeMap;

use super::imports::Imports;

/// How many files may stand side by side; the `mod.rs` that lists them does not count.
const DOZEN: usize = 12;

/// Each room and its sub-rooms, the highest first. A sub-room is a folder, or a file with a folder of its own.
pub(super) const SUB_ROOMS: &[(&str, &[&str])] = &[
    ("cli", &["commands", "demo", "serve", "diff", "init", "control", "terminal"]),
    ("config", &["check", "schema", "brand", "directory", "readers", "document", "typed"]),
    ("factor", &["password", "webauthn"]),
    ("gateway", &["listener", "pipeline", "saved_post", "proxy", "reply", "authorize", "upstream", "connection", "request"]),
    ("notify", &["texts"]),
    ("policy", &["compare", "decide", "table", "query", "grant", "application", "testing"]),
    ("portal", &["admin", "provider", "profile", "saved_post", "sign_in", "web"]),
    (
        "service",
        &[
            "admin",
            "import",
            "tokens",
            "gateways",
            "profile",
            "provider",
            "enrolment",
            "sign_in",
            "sources",
            "new_password",
            "backup",
            "keys",
            "accounts",
            "audit",
            "sessions",
            "password_hashing",
        ],
    ),
    ("session", &["keys"]),
    ("store", &["records", "audit", "backend", "files"]),
    ("view", &["gallery", "admin", "account", "pages", "parts", "wording"]),
];

/// Arrows between sub-rooms of one room that do not point down.
pub(super) fn upward(imports: &Imports, order: &[(&str, &[&str])]) -> Vec<String> {
    let mut found = Vec::new();
    for (from, used) in imports.edges() {
        for to in used {
            if let (Some((room, high)), Some((other, low))) = (sub_room(from), sub_room(to))
                && room == other
                && high != low
            {
                let rooms = order.iter().find(|(name, _)| *name == room).map_or(&[][..], |(_, rooms)| rooms);
                let place = |name: &str| rooms.iter().position(|room| *room == name);
                if !matches!((place(high), place(low)), (Some(high), Some(low)) if high < low) {
                    found.push(format!("{from} uses {to}"));
                }
            }
        }
    }
    found
}

/// `config` and `check` for `config/check/routes.rs`; `None` for what stands in a room itself.
fn sub_room(path: &str) -> Option<(&str, &str)> {
    let mut steps = path.split('/');
    let (room, sub) = (steps.next()?, steps.next()?);
    steps.next().map(|_| (room, sub))
}

/// Folders with more than a dozen files side by side.
pub(super) fn crowded<'p>(paths: impl IntoIterator<Item = &'p str>) -> Vec<String> {
    let mut counts = BTreeMap::<&str, usize>::new();
    for path in paths.into_iter().filter(|path| !path.ends_with("/mod.rs")) {
        *counts.entry(path.rsplit_once('/').map_or("", |(folder, _)| folder)).or_default() += 1;
    }
    counts.into_iter().filter(|(_, count)| *count > DOZEN).map(|(folder, count)| format!("src/{folder} has {count} files")).collect()
}
