//! What the gateway itself does for a request, piece by piece, over the same functions that a request calls.
//!
//! Each file below `hot_path/` states its budget, for one core of a common server under `[profile.bench]`: twice what was measured when it was set, as
//! `docs/performance.md` tells. A budget is a guide, not a gate: where a change goes over one, say there why.
//!
//! `cargo bench --bench hot_path`, or a part of it: `cargo bench --bench hot_path -- 'route decision'`. `QUICK=1` in the environment measures for a moment
//! only.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "hot_path/cookie_check.rs"]
mod cookie_check;
#[path = "hot_path/header_cleaning.rs"]
mod header_cleaning;
#[path = "hot_path/page_rendering.rs"]
mod page_rendering;
#[path = "hot_path/paths.rs"]
mod paths;
#[path = "hot_path/route_decision.rs"]
mod route_decision;

use std::time::Duration;

use criterion::Criterion;

fn main() {
    let quick = std::env::var_os("QUICK").is_some();
    let (warm, measure) = if quick { (200, 800) } else { (1000, 3000) };
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(warm))
        .measurement_time(Duration::from_millis(measure))
        .sample_size(if quick { 20 } else { 60 })
        .configure_from_args();
    paths::benches(&mut criterion);
    route_decision::benches(&mut criterion);
    cookie_check::benches(&mut criterion);
    header_cleaning::benches(&mut criterion);
    page_rendering::benches(&mut criterion);
    criterion.final_summary();
}
