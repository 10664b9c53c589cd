//! Secrets: a key `x`, or a file that `x_file` names, which nobody but its owner may read.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::problem::Fault;
use super::section::{Entry, Section};
use super::value;
use crate::base::Secret;

/// The secret of a key, from the key or from its file; both is an error.
pub(super) fn secret(section: &Section, key: &str) -> Option<Secret> {
    let file_key = format!("{key}_file");
    let (inline, file) = (section.entry(key), section.entry(&file_key));
    if inline.is_some() && file.is_some() {
        let what = format!("both {key} and {file_key} are given");
        section.error(&file_key, Fault::new(what, "keep one of them"));
        return None;
    }
    let report = |entry: &Entry, fault| entry.error(fault);
    match (inline, file) {
        (Some(entry), _) => value::text(&entry).map(Secret::new).map_err(|fault| report(&entry, fault)).ok(),
        (None, Some(entry)) => value::path(&entry).and_then(|path| read(&path)).map_err(|fault| report(&entry, fault)).ok(),
        (None, None) => None,
    }
}

/// Whether the key or its file is given.
pub(super) fn is_given(section: &Section, key: &str) -> bool {
    section.has(key) || section.has(&format!("{key}_file"))
}

/// The text of a secret's file, without its trailing newline.
fn read(path: &Path) -> Result<Secret, Fault> {
    let shown = path.display();
    let metadata =
        std::fs::metadata(path).map_err(|e| Fault::new(format!("{shown} cannot be read: {e}"), "create the file, or correct the path"))?;
    if !metadata.is_file() || metadata.len() > 65_536 {
        return Err(Fault::new(format!("{shown} is no file of at most 64 KiB"), "name a file that holds the secret alone"));
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(Fault::new(format!("{shown} can be read by others than its owner"), format!("run: chmod 600 {shown}")));
    }
    let text = std::fs::read_to_string(path)
        .map_err(|e| Fault::new(format!("{shown} cannot be read: {e}"), "make it readable to the gateway's user, in UTF-8"))?;
    Ok(Secret::new(text.strip_suffix('\n').map_or(text.as_str(), |t| t.strip_suffix('\r').unwrap_or(t))))
}
