//! Writes what was made: only what passes the check, and over nothing.

use std::io::Write;
use std::path::Path;

use anyhow::{Context as _, bail};

use crate::config::{self, Severity};

/// What is written must be a configuration: a fault here is ours, and nothing is written.
pub fn check(text: &str, file: &Path) -> anyhow::Result<()> {
    let Err(problems) = config::parse(text, file, []) else { return Ok(()) };
    let errors = problems.0.iter().filter(|problem| problem.severity == Severity::Error);
    let found: Vec<String> = errors.map(ToString::to_string).collect();
    bail!("the result would not pass `vestibule check`, so nothing is written:\n{}", found.join("\n"))
}

/// A file that does not exist yet, for its owner alone: the original lines may hold secrets.
pub fn write_new(file: &Path, text: &str) -> anyhow::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let open = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let mut open = open.with_context(|| format!("{} cannot be written; name another file with --output", file.display()))?;
    open.write_all(text.as_bytes()).with_context(|| format!("{} cannot be written", file.display()))?;
    eprintln!("vestibule: wrote {}", file.display());
    Ok(())
}
