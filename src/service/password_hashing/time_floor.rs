//! One floor under the time that a wrong password takes to be refused. Hashes of different kinds cost different amounts of work: an imported
//! bcrypt hash more than Argon2id, and a password that bcrypt cannot read next to none. Without a floor the time of an answer tells which
//! accounts were imported, and so which names exist (OWASP ASVS 6.3.8).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What one comparison of a password with a hash cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Effort {
    /// Of the processor: the same on a busy machine.
    pub work: Duration,
    /// On the clock, from the first moment of work to the last.
    pub wall: Duration,
}

impl Effort {
    /// Runs `job` and measures it.
    pub fn of<T>(job: impl FnOnce() -> T) -> (T, Self) {
        let (begun, clock) = (thread_time(), std::time::Instant::now());
        let done = job();
        (done, Self { work: thread_time().saturating_sub(begun), wall: clock.elapsed() })
    }
}

fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// The most work that a comparison has cost so far.
#[derive(Default)]
pub struct TimeFloor {
    nanos: AtomicU64,
}

impl TimeFloor {
    /// No answer waits for longer than this, whatever a hash asks for.
    const MOST: Duration = Duration::from_secs(5);
    /// How much longer than its work a comparison can take on a busy machine, as far as it is made up for.
    const MOST_STRETCH: u32 = 8;

    /// A comparison cost this much.
    pub fn learn(&self, effort: Effort) {
        self.nanos.fetch_max(u64::try_from(effort.work.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How long an answer waits after a comparison, so that it takes as long as after the costliest one: what that would have cost more,
    /// stretched as the machine stretched this one.
    pub fn rest(&self, effort: Effort) -> Duration {
        let missing = Duration::from_nanos(self.nanos.load(Ordering::Relaxed)).saturating_sub(effort.work);
        let stretch = effort.wall.as_secs_f64() / effort.work.as_secs_f64().max(0.001);
        missing.mul_f64(stretch.clamp(1.0, f64::from(Self::MOST_STRETCH))).min(Self::MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_comparison_is_filled_up_to_the_costliest_one() {
        let floor = TimeFloor::default();
        let effort = |work: u64, wall: u64| Effort { work: Duration::from_millis(work), wall: Duration::from_millis(wall) };
        floor.learn(effort(37, 37));
        assert_eq!(floor.rest(effort(7, 7)), Duration::from_millis(30));
        floor.learn(effort(76, 80));
        floor.learn(effort(37, 37));
        for (work, wall) in [(76, 76), (37, 37), (1, 1), (0, 0)] {
            assert_eq!(floor.rest(effort(work, wall)) + Duration::from_millis(work), Duration::from_millis(76), "{work}");
        }
        // A machine that takes twice as long for this one would have taken twice as long for the other.
        assert_eq!(floor.rest(effort(37, 74)), Duration::from_millis(78));
    }
}
