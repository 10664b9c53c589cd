//! What every use case shares: the clock, and the configuration in force.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::base::{Clock, Time};
use crate::config::Config;

/// The clock and the configuration. Handed to each use case; a reload swaps the configuration for all of them at once.
pub struct Context {
    clock: Clock,
    config: ArcSwap<Config>,
}

impl Context {
    pub fn new(clock: Clock, config: Arc<Config>) -> Self {
        Self { clock, config: ArcSwap::new(config) }
    }

    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// The configuration in force. Read it once for each step, so that a reload in between cannot mix two of them.
    pub fn config(&self) -> Arc<Config> {
        self.config.load_full()
    }

    /// Another configuration from now on.
    pub fn reconfigure(&self, config: Arc<Config>) {
        self.config.store(config);
    }
}
