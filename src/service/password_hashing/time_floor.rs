//! One floor under the time that a wrong password takes to be refused. Hashes of different kinds cost different amounts of work: an imported
//! bcrypt hash more than Argon2id, and a password that bcrypt cannot read next to none. Without a floor the time of an answer tells which
//! accounts were imported, and so which names exist (OWASP ASVS 6.3.8). A directory's verdict takes its own time, and so does that nobody has the
//! name: all of them wait for the longest.

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
    /// How long a verdict of a directory takes.
    elsewhere: AtomicU64,
}

/// When a check of a password began.
#[derive(Clone, Copy, Debug)]
pub struct Begun(std::time::Instant);

impl Begun {
    pub fn now() -> Self {
        Self(std::time::Instant::now())
    }

    fn took(self) -> Duration {
        self.0.elapsed()
    }
}

impl TimeFloor {
    /// No answer waits for longer than this, whatever a hash asks for.
    const MOST: Duration = Duration::from_secs(5);
    /// How much longer than its work a comparison can take on a busy machine, as far as it is made up for.
    const MOST_STRETCH: u32 = 8;

    /// No answer waits longer for a slow directory.
    const MOST_ELSEWHERE: Duration = Duration::from_secs(2);

    /// A directory has said that a password is wrong, or that nobody has the name. One that becomes faster is followed little by little.
    pub fn learn_elsewhere(&self, begun: Begun) {
        let took = nanos(begun.took().min(Self::MOST_ELSEWHERE));
        let slower = |known: u64| Some(if took >= known { took } else { known - (known - took) / 64 });
        let _ = self.elsewhere.fetch_update(Ordering::Relaxed, Ordering::Relaxed, slower);
    }

    /// How long a wrong answer still waits, so that it takes as long as a directory's and as the costliest comparison.
    pub fn rest_since(&self, begun: Begun) -> Duration {
        let longest = self.elsewhere.load(Ordering::Relaxed).max(self.nanos.load(Ordering::Relaxed));
        Duration::from_nanos(longest).min(Self::MOST).saturating_sub(begun.took())
    }

    /// A comparison cost this much.
    pub fn learn(&self, effort: Effort) {
        self.nanos.fetch_max(nanos(effort.work), Ordering::Relaxed);
    }

    /// How long an answer waits after a comparison, so that it takes as long as after the costliest one: what that would have cost more,
    /// stretched as the machine stretched this one.
    pub fn rest(&self, effort: Effort) -> Duration {
        let missing = Duration::from_nanos(self.nanos.load(Ordering::Relaxed)).saturating_sub(effort.work);
        let stretch = effort.wall.as_secs_f64() / effort.work.as_secs_f64().max(0.001);
        missing.mul_f64(stretch.clamp(1.0, f64::from(Self::MOST_STRETCH))).min(Self::MOST)
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_answer_waits_as_long_as_a_directory_takes() {
        let ago = |millis: u64| Begun(std::time::Instant::now().checked_sub(Duration::from_millis(millis)).unwrap());
        let floor = TimeFloor::default();
        assert_eq!(floor.rest_since(ago(0)), Duration::ZERO);
        floor.learn_elsewhere(ago(800));
        let near = |rest: Duration, millis: u64| rest <= Duration::from_millis(millis) && rest > Duration::from_millis(millis - 100);
        assert!(near(floor.rest_since(ago(300)), 500), "somebody who is unknown, or local");
        floor.learn(Effort { work: Duration::from_millis(1500), wall: Duration::from_millis(1500) });
        assert!(near(floor.rest_since(ago(800)), 700), "and as the costliest comparison");
        // Once the directory is fast, so are the answers, in time; one that hangs does not make everybody wait for long.
        let floor = TimeFloor::default();
        floor.learn_elsewhere(ago(60_000));
        assert!(floor.rest_since(ago(0)) <= TimeFloor::MOST_ELSEWHERE);
        (0..1000).for_each(|_| floor.learn_elsewhere(ago(1)));
        assert!(floor.rest_since(ago(0)) < Duration::from_millis(100));
    }

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
