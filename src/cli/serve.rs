//! `vestibule serve`.

use super::ConfigSource;
use crate::config::Loaded;

/// Runs the gateway until it is told to stop.
pub fn run(_loaded: Loaded, _source: ConfigSource) -> anyhow::Result<()> {
    anyhow::bail!("not built yet")
}
