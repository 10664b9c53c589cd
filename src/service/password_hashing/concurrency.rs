//! Lets few sign-ins of one address at the password hashes at the same time, so that one address cannot fill the queue for all.

use super::hasher::Busy;

/// How many of one address may hash or wait for it at once.
const PER_ADDRESS: usize = 4;
const GATES: usize = 1024;

/// Addresses share a fixed number of gates.
pub struct ConcurrencyLimit {
    gates: Box<[tokio::sync::Semaphore]>,
    seed: std::hash::RandomState,
}

impl ConcurrencyLimit {
    pub fn new() -> Self {
        Self { gates: (0..GATES).map(|_| tokio::sync::Semaphore::new(PER_ADDRESS)).collect(), seed: std::hash::RandomState::new() }
    }

    /// Waits for this address's turn.
    ///
    /// # Errors
    /// [`Busy`]: none that is known; the gates are never closed.
    pub async fn pass(&self, address: std::net::IpAddr) -> Result<tokio::sync::SemaphorePermit<'_>, Busy> {
        use std::hash::BuildHasher;
        let gate = (self.seed.hash_one(address) % GATES as u64) as usize;
        self.gates.get(gate).ok_or(Busy)?.acquire().await.map_err(|_| Busy)
    }
}

impl Default for ConcurrencyLimit {
    fn default() -> Self {
        Self::new()
    }
}
