//! The house keeps its order: an import points down or to the same room, each outside crate stays in its rooms, and every file says
//! what it guarantees. `docs/architecture.md` draws what is asserted here.

mod checker_tests;
mod documents_tests;
mod imports;
mod rooms;

use std::path::Path;

use imports::Imports;

/// The rooms from the top floor to the bottom. A room may use the floors below it, and the rooms of its own floor where the
/// exception is named in [`NEIGHBOURS`]. `lib.rs` and `main.rs` are the roof.
const FLOORS: [&[&str]; 9] = [
    &["cli"],
    &["app"],
    &["gateway", "portal"],
    &["service", "view", "telemetry", "acme"],
    &["store", "notify", "source"],
    &["login", "limit", "session", "forward_auth"],
    &["config"],
    &["policy"],
    &["account", "factor", "geo", "identity", "path", "token", "base"],
];

/// Arrows within a floor, from and to.
const NEIGHBOURS: [(&str, &str); 7] = [
    ("account", "factor"),
    ("account", "base"),
    ("factor", "account"),
    ("factor", "base"),
    ("geo", "base"),
    ("identity", "base"),
    ("token", "base"),
];

/// Arrows that point up, each with the reason that it may.
const UPWARD: [(&str, &str, &str); 2] = [
    ("factor", "config", "a factor's parameters are the configuration's own types: plain data"),
    ("telemetry", "gateway", "the access record is defined where it is made"),
];

/// Crates that stay in their rooms: the name as it is written in a path, and the rooms (or files).
const CONFINED: [(&str, &[&str]); 11] = [
    ("instant_acme", &["acme"]),
    ("rcgen", &["acme"]),
    ("ldap3_proto", &["source"]),
    ("ldap3_lber", &["source"]),
    ("pingora", &["gateway"]),
    ("axum", &["portal", "app/host.rs", "app/pages.rs"]),
    ("sled", &["store"]),
    ("clap", &["cli", "main.rs"]),
    ("maud", &["view", "portal", "cli"]),
    ("prometheus", &["telemetry"]),
    ("webauthn_rs_core", &["factor"]),
];

struct Source {
    /// Below `src/`, with slashes.
    path: String,
    text: String,
}

impl Source {
    /// `gateway` for `gateway/hooks.rs`, `app` for `app.rs`.
    fn room(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        self.path.contains("/tests/")
            || self.path.contains("/testing/")
            || self.path.starts_with("architecture_tests")
            || name.ends_with("tests.rs")
            || name.ends_with("_support.rs")
            || self.path.contains("/conformance")
    }

    /// The lines of code outside tests: a file's own test module stands at its end.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(index, line)| (index + 1, line));
        let code = lines.take_while(|(_, line)| *line != "mod tests {");
        code.filter(|(_, line)| !line.trim_start().starts_with("//")).filter(|_| !self.is_test())
    }
}

fn read(folder: &Path, below: &str, found: &mut Vec<Source>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{below}{}", path.file_name().unwrap().to_string_lossy());
        if path.is_dir() {
            read(&path, &format!("{name}/"), found);
        } else if name.ends_with(".rs") {
            found.push(Source { path: name, text: std::fs::read_to_string(&path).unwrap() });
        }
    }
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut found);
    assert!(found.len() > 100);
    found
}

/// What the files outside tests use of each other.
fn imports(all: &[Source]) -> Imports {
    Imports::read(all.iter().filter(|source| !source.is_test()).map(|source| (source.path.as_str(), source.text.as_str())))
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// The rooms that a line names by `crate::room` or, in the binary and in braces, not at all.
fn rooms_in(line: &str) -> impl Iterator<Item = &str> {
    line.split("crate::").skip(1).map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default())
}

fn may(from: &str, to: &str) -> bool {
    let (Some(high), Some(low)) = (floor(from), floor(to)) else { return false };
    from == to
        || high < low
        || high == low && NEIGHBOURS.contains(&(from, to))
        || UPWARD.iter().any(|(user, used, _)| (*user, *used) == (from, to))
}

#[test]
fn every_room_has_its_floor() {
    let missing: Vec<_> = sources().iter().map(|source| source.room().to_owned()).filter(|room| floor(room).is_none()).collect();
    let roof = |room: &String| matches!(room.as_str(), "lib" | "main" | "architecture_tests");
    assert_eq!(missing.into_iter().filter(|room| !roof(room)).collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn no_import_points_up() {
    let mut upward = Vec::new();
    for source in sources() {
        let Some(_) = floor(source.room()) else { continue };
        for (number, line) in source.code() {
            for room in rooms_in(line).filter(|room| !may(source.room(), room)) {
                upward.push(format!("src/{}:{number}: {} uses {room}", source.path, source.room()));
            }
        }
    }
    assert!(upward.is_empty(), "\n{}", upward.join("\n"));
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let circles: Vec<_> = imports(&sources()).circles().iter().map(|way| way.join(" -> ")).collect();
    assert!(circles.is_empty(), "\n{}", circles.join("\n"));
}

#[test]
fn sub_rooms_use_only_those_below_them() {
    let upward = rooms::upward(&imports(&sources()), rooms::SUB_ROOMS);
    assert!(upward.is_empty(), "the order stands in src/architecture_tests/rooms.rs\n{}", upward.join("\n"));
}

#[test]
fn no_room_has_more_than_a_dozen_files_side_by_side() {
    let all = sources();
    assert_eq!(rooms::crowded(all.iter().map(|source| source.path.as_str())), Vec::<String>::new());
}

#[test]
fn every_exception_is_still_needed() {
    let all = sources();
    let arrows: Vec<(String, String)> = all
        .iter()
        .flat_map(|source| source.code().flat_map(|(_, line)| rooms_in(line)).map(|room| (source.room().to_owned(), room.to_owned())))
        .collect();
    let listed = NEIGHBOURS.iter().copied().chain(UPWARD.iter().map(|(from, to, _)| (*from, *to)));
    for (from, to) in listed {
        assert!(arrows.contains(&(from.to_owned(), to.to_owned())), "{from} no longer uses {to}: take the exception away");
    }
}

#[test]
fn outside_crates_stay_in_their_rooms() {
    let mut strays = Vec::new();
    for source in sources() {
        for (name, homes) in CONFINED {
            let at_home = homes.iter().any(|home| source.path == *home || source.path.starts_with(&format!("{home}/")));
            let names = |line: &str| {
                line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':').any(|word| word.starts_with(&format!("{name}::")))
            };
            let lines = source.code().filter(|(_, line)| !at_home && names(line));
            strays.extend(lines.map(|(number, line)| format!("src/{}:{number}: {name}: {}", source.path, line.trim())));
        }
    }
    assert!(strays.is_empty(), "\n{}", strays.join("\n"));
}

#[test]
fn the_wall_clock_is_read_in_one_file() {
    for source in sources() {
        for (number, line) in source.code() {
            let reads = ["SystemTime::now", "Timestamp::now", "Zoned::now"].iter().any(|call| line.contains(call));
            assert!(!reads || source.path == "base/clock.rs", "src/{}:{number}: {line}", source.path);
        }
    }
}

#[test]
fn every_file_opens_with_what_it_guarantees() {
    for source in sources() {
        assert!(source.text.starts_with("//! "), "src/{} does not begin with `//! `", source.path);
    }
}

/// A promise whose test was renamed is a promise without a test.
#[test]
fn the_security_page_names_tests_that_exist() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/security.md")).unwrap();
    let (_, table) = page.split_once("## Promises").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let mut stories = Vec::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"), "", &mut stories);
    let all: String = sources().into_iter().chain(stories).map(|source| source.text).collect();
    // The odd parts between backticks; a test's name has at least three words.
    let names = table.split('`').skip(1).step_by(2).filter(|name| name.matches('_').count() >= 2 && !name.contains([' ', '.', '/', '=']));
    let names: Vec<_> = names.collect();
    assert!(names.len() > 40, "{}", names.len());
    for name in names {
        assert!(all.contains(&format!("fn {name}(")), "docs/security.md names {name}, which is no test");
    }
}
