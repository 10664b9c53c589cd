//! The last messages, in memory, in the place of real delivery: what the demo shows and the tests read.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::base::Time;

/// How many are kept.
const KEPT: usize = 100;

/// A message as it would have arrived.
#[derive(Clone, Debug, Serialize)]
pub struct Sent {
    pub at: Time,
    pub to: String,
    /// Absent for an SMS.
    pub subject: Option<String>,
    pub text: String,
}

/// The last hundred messages.
#[derive(Debug, Default)]
pub struct Outbox(Mutex<VecDeque<Sent>>);

impl Outbox {
    pub fn keep(&self, sent: Sent) {
        let mut kept = self.lock();
        kept.push_back(sent);
        while kept.len() > KEPT {
            kept.pop_front();
        }
    }

    /// All that are kept, the newest first.
    pub fn newest_first(&self) -> Vec<Sent> {
        self.lock().iter().rev().cloned().collect()
    }

    /// The newest to an address or number.
    pub fn last_to(&self, to: &str) -> Option<Sent> {
        self.lock().iter().rev().find(|sent| sent.to == to).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Sent>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
