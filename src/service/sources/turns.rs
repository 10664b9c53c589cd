//! One look at a password at a time for each entry of a directory: what was counted after one is seen before the next, so that no number of tries at
//! once gets past the lockout, here or at the directory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

use crate::source::PersonId;

/// The turns that are taken or waited for.
#[derive(Default)]
pub struct EntryTurns(Mutex<HashMap<PersonId, Arc<tokio::sync::Mutex<()>>>>);

/// Somebody's turn; it ends when dropped.
pub struct Turn<'a> {
    all: &'a EntryTurns,
    id: PersonId,
    guard: Option<OwnedMutexGuard<()>>,
}

impl EntryTurns {
    /// Waits for this entry's turn.
    pub async fn take(&self, id: PersonId) -> Turn<'_> {
        let mutex = self.lock().entry(id.clone()).or_default().clone();
        // Made before the wait, so that who gives up while waiting leaves nothing behind.
        let mut turn = Turn { all: self, id, guard: None };
        turn.guard = Some(mutex.lock_owned().await);
        turn
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<PersonId, Arc<tokio::sync::Mutex<()>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.guard = None;
        let mut all = self.all.lock();
        // Nobody else holds or waits for it.
        if all.get(&self.id).is_some_and(|mutex| Arc::strong_count(mutex) == 1) {
            all.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceId;

    #[tokio::test]
    async fn one_entry_is_looked_at_once_at_a_time_and_nothing_stays_behind() {
        let turns = EntryTurns::default();
        let id = |id: &str| PersonId { source: SourceId::new("corp"), id: id.into() };
        let first = turns.take(id("a")).await;
        let other = turns.take(id("b")).await;
        let waiting = tokio::time::timeout(std::time::Duration::from_millis(20), turns.take(id("a"))).await;
        assert!(waiting.is_err(), "the first one is not over");
        drop((first, other, waiting));
        drop(turns.take(id("a")).await);
        assert!(turns.lock().is_empty());
    }
}
