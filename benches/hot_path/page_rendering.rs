//! Page rendering: the sign-in page, which a storm of strangers asks for most (`vestibule::view::login`).
//!
//! Budget: 4,000 ns without and 5,500 ns with a passkey offered.

use std::hint::black_box;

use criterion::Criterion;
use vestibule::view::login::{LoginView, login};
use vestibule::view::{Words, gallery};

pub fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("page rendering");
    let page = gallery::page(Words::english());
    let plain = LoginView { forgot: true, ..LoginView::default() };
    let passkey = LoginView { passkey: Some((r#"{"publicKey":{}}"#.into(), "sealed".into())), autofill: true, ..plain.clone() };
    for (name, view) in [("sign-in", plain), ("sign-in with a passkey", passkey)] {
        group.bench_function(name, |b| b.iter(|| login(black_box(&page), black_box(&view)).into_string().len()));
    }
}
