//! The canonical path: refusing what no honest client sends, and every reading of the rest (`vestibule::path`).
//!
//! Budget: a plain path 100 ns; one with capitals, escapes and a parameter 4,000 ns; a refused one 350 ns.

use std::hint::black_box;

use criterion::Criterion;
use vestibule::path::Path;

const TARGETS: [(&str, &[u8]); 3] = [
    ("plain", b"/wiki/articles/2026/how-to-close-a-door?version=3"),
    ("capitals, escapes and parameters", b"/Wiki/Articles;v=2/How%20to%20close%20a%20Door"),
    ("refused", b"/wiki/articles/%2e%2e/admin/users"),
];

pub fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("canonical path");
    for (name, target) in TARGETS {
        group.bench_function(name, |b| {
            b.iter(|| match Path::parse(black_box(target)) {
                Ok(path) => path.readings().map(|reading| reading.text.len()).sum(),
                Err(refusal) => refusal as usize,
            });
        });
    }
}
