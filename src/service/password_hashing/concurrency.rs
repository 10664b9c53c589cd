//! Lets only a few sign-ins of one address hash at the same time, so that one address cannot fill the queue for all. The number of those
//! that wait is bounded too, for each address and in all: the rest are told to come back, and their requests take no memory.

use std::hash::BuildHasher;
use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::hasher::Busy;
use crate::limit::Places;

/// How many of one address may hash or wait for a hash at once.
const PER_ADDRESS: usize = 4;
/// How many more of one address may wait for that.
pub const WAITING_PER_ADDRESS: usize = 48;
/// How many may wait in all.
pub const WAITING: usize = 256;
const GATES: usize = 1024;

/// Addresses share a fixed number of gates.
pub struct ConcurrencyLimit {
    gates: Box<[Semaphore]>,
    waiting: Arc<Places>,
    seed: std::hash::RandomState,
}

impl ConcurrencyLimit {
    pub fn new() -> Self {
        Self {
            gates: (0..GATES).map(|_| Semaphore::new(PER_ADDRESS)).collect(),
            waiting: Places::new(WAITING_PER_ADDRESS, WAITING),
            seed: std::hash::RandomState::new(),
        }
    }

    /// Waits for this address's turn.
    ///
    /// # Errors
    /// [`Busy`] if too many wait already.
    pub async fn pass(&self, address: std::net::IpAddr) -> Result<SemaphorePermit<'_>, Busy> {
        let at = (self.seed.hash_one(address) % GATES as u64) as usize;
        let gate = self.gates.get(at).ok_or(Busy)?;
        if let Ok(permit) = gate.try_acquire() {
            return Ok(permit);
        }
        let _waiting = self.waiting.take(address).ok_or(Busy)?;
        gate.acquire().await.map_err(|_| Busy)
    }
}

impl Default for ConcurrencyLimit {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    #[tokio::test]
    async fn so_many_wait_and_no_more_and_who_leaves_makes_room() {
        let limit = ConcurrencyLimit::new();
        let address = [192, 0, 2, 1].into();
        let mut inside = Vec::new();
        for _ in 0..PER_ADDRESS {
            inside.push(limit.pass(address).await.unwrap());
        }
        let mut waiting: Vec<_> = (0..WAITING_PER_ADDRESS).map(|_| Box::pin(limit.pass(address))).collect();
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiting.iter_mut().all(|one| one.as_mut().poll(&mut context).is_pending()));
        assert_eq!(limit.pass(address).await.err(), Some(Busy));
        waiting.pop();
        let mut last = pin!(limit.pass(address));
        assert!(last.as_mut().poll(&mut context).is_pending(), "there is room for one");
        drop(waiting);
        inside.pop();
        assert!(last.await.is_ok());
    }

    #[tokio::test]
    async fn all_addresses_together_wait_in_bounded_number() {
        let limit = ConcurrencyLimit::new();
        let mut context = Context::from_waker(Waker::noop());
        let (mut inside, mut waiting, mut refused) = (Vec::new(), Vec::new(), 0);
        for n in 0..20u8 {
            for _ in 0..PER_ADDRESS + WAITING_PER_ADDRESS {
                let mut one = Box::pin(limit.pass([192, 0, 2, n].into()));
                match one.as_mut().poll(&mut context) {
                    std::task::Poll::Ready(Ok(permit)) => inside.push(permit),
                    std::task::Poll::Ready(Err(Busy)) => refused += 1,
                    std::task::Poll::Pending => waiting.push(one),
                }
            }
        }
        assert_eq!(waiting.len(), WAITING);
        assert!(refused > 0);
    }
}
