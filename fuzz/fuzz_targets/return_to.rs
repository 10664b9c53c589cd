//! Whatever is asked for, the way back leads to this host or to one that is guarded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vestibule::base::Host;
use vestibule::login::{Judge, ReturnTo};

fuzz_target!(|rd: &str| {
    let names = |host: &Host| host.is_within("guarded.example");
    let judge = Judge { authority: "wiki.guarded.example", secure: true, names: &names, domain: Some("guarded.example") };
    let answer = ReturnTo::read(Some(rd), &judge);
    let text = answer.as_str();
    assert!(text.bytes().all(|b| (0x21..=0x7e).contains(&b) && b != b'\\'));
    if text.starts_with('/') {
        assert!(!text.starts_with("//"));
        return;
    }
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).expect("a scheme of the web");
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    assert!(Host::parse(authority.as_bytes()).is_ok_and(|host| host.is_within("guarded.example")), "{text}");
});
