//! The two series that every request adds to. Each thread counts for itself, in memory that no other thread touches while it works; the
//! registry hears of it when it is read. There are as many as routes, status classes and outcomes make, whatever clients ask for.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::FixedState;
use prometheus::local::{LocalHistogram, LocalIntCounter};
use prometheus::{HistogramVec, IntCounterVec};

use crate::gateway::Outcome;

/// Requests by route, status class and outcome; their durations by route.
pub struct Series {
    /// Tells the series of one gateway from those of another in the same process.
    number: u64,
    requests: IntCounterVec,
    durations: HistogramVec,
    tallies: Mutex<Vec<Arc<Mutex<Tally>>>>,
}

/// What a thread has counted, by route. The names are the configuration's.
type Tally = HashMap<Box<str>, Route, FixedState>;

struct Route {
    durations: LocalHistogram,
    requests: Vec<(&'static str, Outcome, LocalIntCounter)>,
}

thread_local! {
    /// The thread's tally for each gateway.
    static OWN: RefCell<Vec<(u64, Arc<Mutex<Tally>>)>> = RefCell::default();
}

impl Series {
    pub fn new(requests: IntCounterVec, durations: HistogramVec) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(1);
        Self { number: COUNT.fetch_add(1, Ordering::Relaxed), requests, durations, tallies: Mutex::default() }
    }

    /// Counts one request that took so many seconds.
    pub fn count(&self, route: &str, status: &'static str, outcome: Outcome, seconds: f64) {
        OWN.with_borrow_mut(|own| {
            if let Some((_, tally)) = own.iter().find(|(number, _)| *number == self.number) {
                return self.add(&mut locked(tally), route, status, outcome, seconds);
            }
            // Those of gateways that are gone go with them.
            own.retain(|(_, tally)| Arc::strong_count(tally) > 1);
            let tally = Arc::<Mutex<Tally>>::default();
            locked(&self.tallies).push(Arc::clone(&tally));
            self.add(&mut locked(&tally), route, status, outcome, seconds);
            own.push((self.number, tally));
        });
    }

    fn add(&self, tally: &mut Tally, route: &str, status: &'static str, outcome: Outcome, seconds: f64) {
        if !tally.contains_key(route) {
            let fresh = Route { durations: self.durations.with_label_values(&[route]).local(), requests: Vec::new() };
            tally.insert(route.into(), fresh);
        }
        let Some(known) = tally.get_mut(route) else { return };
        known.durations.observe(seconds);
        match known.requests.iter().find(|(class, ended, _)| *ended == outcome && *class == status) {
            Some((_, _, counter)) => counter.inc(),
            None => {
                let counter = self.requests.with_label_values(&[route, status, outcome.name()]).local();
                counter.inc();
                known.requests.push((status, outcome, counter));
            }
        }
    }

    /// Tells the registry what the threads have counted since the last time.
    pub fn settle(&self) {
        for tally in locked(&self.tallies).iter() {
            for route in locked(tally).values() {
                route.durations.flush();
                route.requests.iter().for_each(|(_, _, counter)| counter.flush());
            }
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use prometheus::{HistogramOpts, Opts};

    use super::*;

    fn series() -> Series {
        let requests = IntCounterVec::new(Opts::new("requests", "r"), &["route", "status", "outcome"]).unwrap();
        Series::new(requests, HistogramVec::new(HistogramOpts::new("durations", "d"), &["route"]).unwrap())
    }

    #[test]
    fn gateways_that_share_a_thread_count_for_themselves() {
        let (one, other) = (series(), series());
        for _ in 0..3 {
            one.count("a", "2xx", Outcome::Forwarded, 0.1);
            other.count("a", "2xx", Outcome::Forwarded, 0.1);
            one.count("a", "4xx", Outcome::Forbidden, 0.1);
        }
        for counted in [&one, &other] {
            counted.settle();
            assert_eq!(counted.requests.with_label_values(&["a", "2xx", "forwarded"]).get(), 3);
        }
        assert_eq!(one.durations.with_label_values(&["a"]).get_sample_count(), 6);
        one.settle();
        assert_eq!(one.durations.with_label_values(&["a"]).get_sample_count(), 6, "what was told is not told again");
        assert_eq!(other.requests.with_label_values(&["a", "4xx", "forbidden"]).get(), 0);
    }

    #[test]
    fn what_threads_counted_is_there_when_they_are_gone() {
        let series = series();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..100).for_each(|_| series.count("a", "2xx", Outcome::Forwarded, 0.1)));
            }
        });
        series.settle();
        assert_eq!(series.requests.with_label_values(&["a", "2xx", "forwarded"]).get(), 400);
        assert_eq!(series.durations.with_label_values(&["a"]).get_sample_count(), 400);
    }
}
