//! Which file uses which, read from `use` items and paths. Names that another file hands on (`pub use`) count for the file that defines
//! them, so that a room's face hides no circle. Enough of Rust's rules for this house; what it cannot read it leaves out.

use std::collections::{BTreeMap, BTreeSet};

/// A module's path below `src/`, without `crate`; empty for `lib.rs`.
pub(super) type Module = Vec<String>;

/// How often a name is followed from one `use` to the next.
const HOPS: usize = 8;

struct Use {
    path: Vec<String>,
    /// What the path is called here; `*` for everything.
    name: String,
    hands_on: bool,
}

struct File {
    path: String,
    code: String,
    uses: Vec<Use>,
}

/// The files of a tree and what they use of each other.
pub(super) struct Imports {
    files: BTreeMap<Module, File>,
}

impl Imports {
    /// Reads files given as path below `src/` and text. Tests do not count.
    pub(super) fn read<'t>(files: impl IntoIterator<Item = (&'t str, &'t str)>) -> Self {
        let files = files.into_iter().map(|(path, text)| {
            let code = code_of(text);
            let (uses, code) = take_uses(&code);
            (module_of(path), File { path: path.to_owned(), code, uses })
        });
        Self { files: files.collect() }
    }

    /// Every file that each file uses.
    pub(super) fn edges(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        self.files.iter().map(|(module, file)| (file.path.as_str(), self.used_by(module, file))).collect()
    }

    fn used_by(&self, module: &Module, file: &File) -> BTreeSet<&str> {
        let own = file.uses.iter().filter(|item| !item.hands_on).map(|item| item.path.clone());
        let here = |path: Vec<String>| match file.uses.iter().find(|item| Some(&item.name) == path.first()) {
            Some(item) => item.path.iter().chain(path.iter().skip(1)).cloned().collect(),
            None => path,
        };
        let used = own.chain(paths_in(&file.code).into_iter().map(here));
        let targets = used.filter_map(|path| self.definer(&self.absolute(module, &path)?, 0));
        targets.filter(|target| *target != file.path).collect()
    }

    /// A path as seen from the root; `None` for another crate's.
    fn absolute(&self, module: &Module, path: &[String]) -> Option<Module> {
        let first = path.first()?;
        let ups = path.iter().take_while(|step| *step == "super").count();
        if first == "crate" {
            return Some(path[1..].to_vec());
        }
        let (above, rest) = match first.as_str() {
            "self" => (module.as_slice(), &path[1..]),
            _ if ups > 0 => (module.get(..module.len().checked_sub(ups)?)?, &path[ups..]),
            child => {
                let is_child = self.files.contains_key(&[module.as_slice(), &[child.to_owned()]].concat());
                (is_child.then_some(module.as_slice())?, path)
            }
        };
        Some([above, rest].concat())
    }

    /// The file that defines what stands at a path.
    fn definer(&self, path: &[String], hops: usize) -> Option<&str> {
        let length = (0..=path.len()).rev().find(|length| self.files.contains_key(&path[..*length]))?;
        let (module, file) = self.files.get_key_value(&path[..length])?;
        let Some(name) = path.get(length).filter(|_| hops < HOPS) else { return Some(&file.path) };
        if defines(&file.code, name) {
            return Some(&file.path);
        }
        let handed = file.uses.iter().filter(|item| item.name == *name).filter_map(|item| {
            let target = [self.absolute(module, &item.path)?, path[length + 1..].to_vec()].concat();
            self.definer(&target, hops + 1)
        });
        let all = file.uses.iter().filter(|item| item.name == "*").filter_map(|item| {
            let source = self.absolute(module, &item.path)?;
            self.files.get(&source).filter(|file| defines(&file.code, name)).map(|file| file.path.as_str())
        });
        handed.chain(all).next().or(Some(&file.path))
    }

    /// One circle for each knot of files: a way from a file back to itself.
    pub(super) fn circles(&self) -> Vec<Vec<String>> {
        let mut left = self.edges();
        let mut circles = Vec::new();
        loop {
            prune(&mut left);
            let Some(start) = left.keys().next().copied() else { return circles };
            let mut way = vec![start];
            while let Some(next) = left.get(way[way.len() - 1]).and_then(|used| used.first()) {
                if let Some(at) = way.iter().position(|file| file == next) {
                    circles.push(way[at..].iter().chain([next]).map(|file| (*file).to_owned()).collect());
                    break;
                }
                way.push(next);
            }
            way.iter().for_each(|file| _ = left.remove(file));
        }
    }
}

/// Takes away every file that uses none of the others, again and again: what stays leads to a circle.
fn prune(left: &mut BTreeMap<&str, BTreeSet<&str>>) {
    loop {
        let there: BTreeSet<&str> = left.keys().copied().collect();
        left.values_mut().for_each(|used| used.retain(|file| there.contains(file)));
        let before = left.len();
        left.retain(|_, used| !used.is_empty());
        if left.len() == before {
            return;
        }
    }
}

fn module_of(path: &str) -> Module {
    let path = path.strip_suffix(".rs").unwrap_or(path);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if path == "lib" { Vec::new() } else { path.split('/').map(str::to_owned).collect() }
}

/// Without comments, texts and the tests at the end.
fn code_of(text: &str) -> String {
    let text = text.split("\nmod tests {").next().unwrap_or_default();
    let (mut code, mut rest) = (String::new(), text);
    while let Some(c) = rest.chars().next() {
        let skipped = match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '\'' if rest.starts_with("'\"'") => 3,
            '\'' if rest.starts_with("'\\\"'") => 4,
            'r' if rest.starts_with("r\"") || rest.starts_with("r#\"") => raw_text(rest),
            '"' => quoted(rest),
            _ => 0,
        };
        if skipped == 0 {
            code.push(c);
        }
        rest = &rest[skipped.max(c.len_utf8())..];
    }
    without_scopes(&code)
}

/// A visibility is no import: `pub(in crate::a)` becomes `pub`.
fn without_scopes(code: &str) -> String {
    let mut parts = code.split("pub(in ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |code, part| code + "pub" + part.split_once(')').map_or(part, |(_, rest)| rest))
}

/// How long a quoted text is, both quotes included.
fn quoted(rest: &str) -> usize {
    let mut escaped = false;
    let end = rest.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    end.map_or(rest.len(), |(at, _)| at + 1)
}

/// The same of `r"…"` and `r#"…"#`.
fn raw_text(rest: &str) -> usize {
    let (start, end) = if rest.starts_with("r#") { (3, "\"#") } else { (2, "\"") };
    rest[start..].find(end).map_or(rest.len(), |at| start + at + end.len())
}

/// The `use` items, and the code without them.
fn take_uses(code: &str) -> (Vec<Use>, String) {
    let (mut uses, mut rest) = (Vec::new(), String::new());
    for statement in code.split_inclusive(';') {
        let Some((before, hands_on, tree)) = use_in(statement) else {
            rest.push_str(statement);
            continue;
        };
        rest.push_str(before);
        uses.extend(expand(tree).into_iter().map(|(path, name)| Use { path, name, hands_on }));
    }
    (uses, rest)
}

/// What stands before a `use`, whether it hands its names on, and their tree.
fn use_in(statement: &str) -> Option<(&str, bool, &str)> {
    let starts = std::iter::once(0).chain(statement.match_indices('\n').map(|(at, _)| at + 1));
    starts.into_iter().find_map(|at| {
        let (before, line) = statement.split_at_checked(at)?;
        let line = line.trim_start_matches(' ');
        let (visibility, tree) = match line.strip_prefix("use ") {
            Some(tree) => ("", tree),
            None => {
                line.split_once(" use ").filter(|(visibility, _)| visibility.starts_with("pub") && !visibility.contains(['{', '\n']))?
            }
        };
        Some((before, !visibility.is_empty(), tree.trim_end_matches(';')))
    })
}

/// Every leaf of a tree of names, each with what it is called.
fn expand(tree: &str) -> Vec<(Vec<String>, String)> {
    let steps = |text: &str| text.split("::").map(|step| step.trim().to_owned()).filter(|step| !step.is_empty()).collect::<Vec<_>>();
    let Some((before, inner)) = tree.split_once('{') else {
        let (path, alias) = tree.split_once(" as ").map_or((tree, None), |(path, alias)| (path, Some(alias.trim().to_owned())));
        let mut path = steps(path);
        let name = alias.or_else(|| path.last().cloned()).unwrap_or_default();
        if name == "*" {
            path.pop();
        }
        return vec![(path, name)];
    };
    let (prefix, inner) = (steps(before), inner.rsplit_once('}').map_or(inner, |(inner, _)| inner));
    let leaves = parts(inner).into_iter().flat_map(|part| match part.trim() {
        "" => Vec::new(),
        "self" => vec![(Vec::new(), prefix.last().cloned().unwrap_or_default())],
        part => expand(part),
    });
    leaves.map(|(path, name)| ([prefix.clone(), path].concat(), name)).collect()
}

/// Parts between commas that are in no inner braces.
fn parts(text: &str) -> Vec<String> {
    let (mut parts, mut depth) = (vec![String::new()], 0);
    for c in text.chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        match parts.last_mut() {
            _ if c == ',' && depth == 0 => parts.push(String::new()),
            Some(part) => part.push(c),
            None => {}
        }
    }
    parts
}

/// Paths of at least two names: `a::b::C`.
fn paths_in(code: &str) -> Vec<Vec<String>> {
    let words = code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
    let paths = words
        .map(|word| word.split("::").take_while(|step| !step.is_empty() && !step.contains(':')).map(str::to_owned).collect::<Vec<_>>());
    paths.filter(|path| path.len() > 1).collect()
}

fn defines(code: &str, name: &str) -> bool {
    let kinds = ["struct", "enum", "fn", "const", "static", "type", "trait"];
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    kinds.iter().any(|kind| code.split(&format!("{kind} {name}")).skip(1).any(ends))
}
