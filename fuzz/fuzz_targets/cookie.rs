//! What is left of a Cookie line holds none of the gateway's cookies, and taking them out twice changes nothing more.
#![no_main]

use http::HeaderValue;
use libfuzzer_sys::fuzz_target;
use vestibule::gateway::OwnCookies;

fuzz_target!(|line: &[u8]| {
    let Ok(line) = HeaderValue::from_bytes(line) else { return };
    for (own, secure) in [(OwnCookies::new("vestibule", None), false), (OwnCookies::new("vestibule", Some("x.example")), true)] {
        let _ = own.presented([&line].into_iter(), secure);
        let _ = own.set_by(&line);
        if let Some(kept) = own.without_own(&line) {
            let kept = HeaderValue::from_bytes(&kept).expect("parts of a header value are one");
            assert!(own.without_own(&kept).is_none());
        }
    }
});
