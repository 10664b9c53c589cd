//! The two series that every request adds to, found without the registry's lock: each thread keeps its own handles of those that it has
//! used. There are as many as routes, status classes and outcomes make, whatever clients ask for.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::fast::FixedState;
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec};

use crate::gateway::Outcome;

/// Requests by route, status class and outcome; their durations by route.
pub struct Series {
    /// Tells the series of one gateway from those of another in the same process.
    number: u64,
    requests: IntCounterVec,
    durations: HistogramVec,
}

/// What a thread has used.
#[derive(Default)]
struct Used {
    number: u64,
    /// The keys are the configuration's.
    routes: HashMap<Box<str>, Route, FixedState>,
}

struct Route {
    durations: Histogram,
    requests: Vec<(&'static str, Outcome, IntCounter)>,
}

thread_local! {
    static USED: RefCell<Used> = RefCell::default();
}

impl Series {
    pub fn new(requests: IntCounterVec, durations: HistogramVec) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(1);
        Self { number: COUNT.fetch_add(1, Ordering::Relaxed), requests, durations }
    }

    /// Counts one request that took so many seconds.
    pub fn count(&self, route: &str, status: &'static str, outcome: Outcome, seconds: f64) {
        USED.with_borrow_mut(|used| {
            if used.number != self.number {
                *used = Used { number: self.number, ..Used::default() };
            }
            if !used.routes.contains_key(route) {
                let fresh = Route { durations: self.durations.with_label_values(&[route]), requests: Vec::new() };
                used.routes.insert(route.into(), fresh);
            }
            let Some(known) = used.routes.get_mut(route) else { return };
            known.durations.observe(seconds);
            match known.requests.iter().find(|(class, ended, _)| *ended == outcome && *class == status) {
                Some((_, _, counter)) => counter.inc(),
                None => {
                    let counter = self.requests.with_label_values(&[route, status, outcome.name()]);
                    counter.inc();
                    known.requests.push((status, outcome, counter));
                }
            }
        });
    }
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
            assert_eq!(counted.requests.with_label_values(&["a", "2xx", "forwarded"]).get(), 3);
        }
        assert_eq!(one.durations.with_label_values(&["a"]).get_sample_count(), 6);
        assert_eq!(other.requests.with_label_values(&["a", "4xx", "forbidden"]).get(), 0);
    }
}
