//! What the server's connections share: its entries, the trouble that it is to make, and what it has seen.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::tree::Tree;

/// How the server misbehaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trouble {
    #[default]
    None,
    /// Every answer takes this long.
    Slow(Duration),
    /// Takes connections and requests, and answers nothing.
    Silent,
    /// Closes the connection at the first request that is no bind.
    Closes,
    /// Answers every request with these bytes.
    Sends(Vec<u8>),
    /// Sends the same entry without end.
    Floods,
    /// Answers a request that nobody made.
    WrongId,
    /// Says that it is busy.
    Busy,
}

/// What was asked, for tests.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub connections: usize,
    /// The names of those who bound, in order.
    pub binds: Vec<String>,
    pub empty_passwords: usize,
    pub searches: Vec<String>,
}

#[derive(Default)]
pub(super) struct State {
    pub tree: Mutex<Tree>,
    pub trouble: Mutex<Trouble>,
    pub seen: Mutex<Seen>,
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
