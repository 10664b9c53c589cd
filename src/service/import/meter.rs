//! How far an import has come: counted by the import, read by those who wait for it. Neither ever waits for the other.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// What is being done with the accounts, in this order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    #[default]
    Check,
    /// One step, their records in the audit log included: all of them or none.
    Write,
    /// Set-up links.
    Link,
}

/// So many of so many.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Progress {
    pub stage: Stage,
    pub done: usize,
    pub total: usize,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stage, done, total } = self;
        match stage {
            Stage::Check => write!(f, "{done} of {total} checked"),
            Stage::Write => write!(f, "{total} are being written"),
            Stage::Link => write!(f, "{done} of {total} set-up links made"),
        }
    }
}

/// The count.
#[derive(Debug, Default)]
pub struct Meter(Mutex<Progress>);

impl Meter {
    fn now(&self) -> MutexGuard<'_, Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn begin(&self, stage: Stage, total: usize) {
        *self.now() = Progress { stage, done: 0, total };
    }

    pub fn step(&self, done: usize) {
        let mut now = self.now();
        now.done = now.done.saturating_add(done);
    }

    pub fn progress(&self) -> Progress {
        *self.now()
    }
}
