//! Files of texts that an operator puts over the built-in ones: every text with its key and line, every fault with its place and a
//! remedy.

use std::path::{Path, PathBuf};

use super::document::problem::{Fault, Problem, Severity};
use super::document::problems::nearest;
use super::document::tree;
use super::document::tree::{Content, Entries, Origin};

/// One text of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TextEntry {
    /// Dotted: `messages.sign_in_code.subject`.
    pub key: String,
    pub text: String,
    /// Counted from 1.
    pub line: usize,
}

/// A file of texts in one language.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TextFile {
    pub path: PathBuf,
    /// The language that it is named for, as a BCP 47 tag.
    pub tag: String,
    pub entries: Vec<TextEntry>,
}

/// The `*.toml` of a folder, in the order of their names; a folder that is not there has none.
///
/// # Errors
/// Everything that cannot be read or has no sense, at once.
pub fn text_files(folder: &Path) -> Result<Vec<TextFile>, Vec<Problem>> {
    let unread = |e: std::io::Error| vec![problem(folder, None, "", &format!("cannot be read: {e}"), "let the gateway's user read it")];
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(unread(e)),
    };
    let mut paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(unread)?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    let (mut files, mut problems) = (Vec::new(), Vec::new());
    for path in paths {
        match text_file(path) {
            Ok(file) => files.push(file),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(files) } else { Err(problems) }
}

fn text_file(path: PathBuf) -> Result<TextFile, Vec<Problem>> {
    let tag = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    let is_tag = tag.len() >= 2 && tag.len() <= 35 && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !is_tag {
        return Err(vec![problem(&path, None, "", "the name is no language tag", "name the file for its language: de.toml, pt-BR.toml")]);
    }
    let text = read_text(&path).map_err(|problem| vec![problem])?;
    let tree = tree::read(&text).map_err(|(line, Fault { what, remedy })| vec![problem(&path, line, "", &what, &remedy)])?;
    let (mut entries, mut problems) = (Vec::new(), Vec::new());
    flatten(&path, "", tree, &mut entries, &mut problems);
    if problems.is_empty() { Ok(TextFile { path, tag, entries }) } else { Err(problems) }
}

fn flatten(path: &Path, above: &str, tree: Entries, entries: &mut Vec<TextEntry>, problems: &mut Vec<Problem>) {
    for (name, node) in tree {
        let key = if above.is_empty() { name } else { format!("{above}.{name}") };
        let line = if let Origin::Line(line) = node.origin { line } else { 1 };
        match node.content {
            Content::Text(text) => entries.push(TextEntry { key, text, line }),
            Content::Table(tree) => flatten(path, &key, tree, entries, problems),
            other => {
                let what = format!("a text is wanted, not {}", other.kind());
                problems.push(problem(path, Some(line), &key, &what, "put it in quotes"));
            }
        }
    }
}

/// A whole file of an operator's.
///
/// # Errors
/// Where it cannot be read, or is not UTF-8.
pub fn read_text(path: &Path) -> Result<String, Problem> {
    let bytes = std::fs::read(path)
        .map_err(|e| problem(path, None, "", &format!("cannot be read: {e}"), "let the gateway's user read it, or take it away"))?;
    String::from_utf8(bytes).map_err(|_| problem(path, None, "", "not UTF-8", "save the file as UTF-8"))
}

/// An error in a file of texts.
pub fn problem(file: &Path, line: Option<usize>, key: &str, what: &str, remedy: &str) -> Problem {
    Problem {
        file: file.display().to_string(),
        line,
        variable: None,
        key: key.to_owned(),
        severity: Severity::Error,
        what: what.to_owned(),
        remedy: remedy.to_owned(),
    }
}

/// A key that no text has.
pub fn unknown_text<'n>(file: &Path, entry: &TextEntry, known: impl IntoIterator<Item = &'n str>) -> Problem {
    let near = nearest(&entry.key, known).map_or_else(|| "remove it".to_owned(), |near| format!("did you mean “{near}”?"));
    problem(file, Some(entry.line), &entry.key, "there is no such text", &near)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_knows_its_line_and_every_fault_its_place() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(text_files(&folder.path().join("none")), Ok(Vec::new()));
        std::fs::write(folder.path().join("de.toml"), "[a]\nb = \"x\"\n\n[a.c]\nd = \"\"\"\ny\n\"\"\"\n").unwrap();
        std::fs::write(folder.path().join("README"), "not a text").unwrap();
        let files = text_files(folder.path()).unwrap();
        let entries: Vec<_> = files[0].entries.iter().map(|e| (e.key.as_str(), e.text.as_str(), e.line)).collect();
        assert_eq!((files[0].tag.as_str(), entries), ("de", vec![("a.b", "x", 2), ("a.c.d", "y\n", 5)]));
        for (name, text, line, what) in [
            ("en.toml", "a = 1\nb = [2]\n", Some(1), "a text is wanted"),
            ("fr.toml", "\n\nnot toml", Some(3), "not valid TOML"),
            ("my words.toml", "", None, "no language tag"),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
            let problems = text_files(folder.path()).unwrap_err();
            let found = problems.iter().find(|problem| problem.file.ends_with(name)).unwrap();
            assert!(found.line == line && found.what.contains(what), "{found}");
            std::fs::remove_file(folder.path().join(name)).unwrap();
        }
    }
}
