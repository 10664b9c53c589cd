//! No target panics; no reading has a dot segment, a control character or a missing slash at its start; the bytes stay what they were.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vestibule::path::Path;

fuzz_target!(|target: &[u8]| {
    let Ok(path) = Path::parse(target) else { return };
    assert!(target.starts_with(path.path_bytes()));
    for reading in path.readings() {
        assert!(reading.text.starts_with('/'));
        assert!(!reading.text.chars().any(char::is_control));
        assert!(!reading.text.split('/').any(|segment| segment == "." || segment == ".."), "{reading:?}");
    }
});
