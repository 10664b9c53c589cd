//! What every subcommand is told, and how it asks and prints.

use super::access::Access;
use super::control::Command;
use super::source::ConfigSource;
use super::terminal::output;

/// What every command is told.
pub(super) struct Context {
    pub(super) source: ConfigSource,
    pub(super) json: bool,
}

impl Context {
    pub(super) fn open(&self) -> anyhow::Result<Access> {
        Access::open(&self.source)
    }

    /// The data folder, as every process finds it.
    pub(super) fn data_dir(&self) -> anyhow::Result<std::path::PathBuf> {
        let folder = self.source.load().map_err(|problems| super::access::one_line(&problems))?.config.server.data_dir;
        Ok(folder.canonicalize().unwrap_or(folder))
    }

    /// Does one command.
    pub(super) fn ask(&self, command: Command) -> anyhow::Result<serde_json::Value> {
        self.open()?.run(command)
    }

    /// Prints a listing.
    pub(super) fn list(&self, columns: &[(&str, &str)], value: &serde_json::Value) -> anyhow::Result<()> {
        match value.as_array() {
            _ if self.json => output::json(value),
            Some(rows) => output::line(&output::table(columns, rows)),
            None => output::json(value),
        }
    }

    /// Prints one thing: its JSON, or these words.
    pub(super) fn say(&self, value: &serde_json::Value, words: &str) -> anyhow::Result<()> {
        if self.json { output::json(value) } else { output::line(words) }
    }
}
