//! The sources of the configuration in force. They are made again with every configuration; one that cannot be made leaves the old ones as they are.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::base::Clock;
use crate::config::Config;
use crate::source::SourceId;
use crate::source::directory::Directory;

/// Everything besides local accounts.
#[derive(Default)]
pub struct Sources {
    /// In the order in which they are asked.
    pub directories: Vec<Arc<Directory>>,
}

impl Sources {
    /// Connects to nobody.
    ///
    /// # Errors
    /// Which directory's files are wrong.
    pub fn build(config: &Config, clock: &Clock) -> anyhow::Result<Self> {
        let build = |directory: &crate::config::directory::Directory| {
            let name = directory.name.clone();
            Directory::new(directory.clone(), clock.clone()).map(Arc::new).map_err(|e| anyhow::anyhow!("the directory {name}: {e}"))
        };
        Ok(Self { directories: config.directories.iter().map(build).collect::<Result<_, _>>()? })
    }

    /// The directory with this name.
    pub fn directory(&self, id: &SourceId) -> Option<&Arc<Directory>> {
        self.directories.iter().find(|directory| directory.config().name == id.as_str())
    }
}

/// The sources in force; a reload swaps them.
pub struct SourcesInForce(ArcSwap<Sources>);

impl SourcesInForce {
    pub fn new(sources: Sources) -> Self {
        Self(ArcSwap::from_pointee(sources))
    }

    pub fn get(&self) -> Arc<Sources> {
        self.0.load_full()
    }

    /// Others from now on.
    pub fn replace(&self, sources: Sources) {
        self.0.store(Arc::new(sources));
    }
}
