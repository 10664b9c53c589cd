//! `vestibule demo`.

use std::path::PathBuf;

/// Runs the demonstration until it is told to stop.
pub fn run(_listen: Option<String>, _json: bool, _data_dir: Option<PathBuf>) -> anyhow::Result<()> {
    anyhow::bail!("not built yet")
}
