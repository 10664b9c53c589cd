//! What is read as a host is in its one form: reading it again gives the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vestibule::base::Host;

fuzz_target!(|raw: &[u8]| {
    let Ok(host) = Host::parse(raw) else { return };
    let text = host.as_str();
    assert!(!text.is_empty() && !text.bytes().any(|b| b.is_ascii_uppercase() || b.is_ascii_whitespace() || b"/@,\\".contains(&b)));
    assert_eq!(Host::parse(text.as_bytes()).as_ref(), Ok(&host));
});
