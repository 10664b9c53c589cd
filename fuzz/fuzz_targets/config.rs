//! No text panics; what is refused names at least one problem, and each has a remedy.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(problems) = vestibule::config::parse(text, std::path::Path::new("fuzz.toml"), []) {
        assert!(!problems.0.is_empty());
        assert!(problems.0.iter().all(|problem| !problem.what.is_empty() && !problem.remedy.is_empty()));
    }
});
