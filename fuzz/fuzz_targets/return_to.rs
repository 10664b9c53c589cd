//! Whatever is asked for, what is answered leads a browser (the WHATWG's reading of a URL) to this host or to one that is guarded, over HTTPS where it came
//! over HTTPS, at this port or the standard one; it is a header's value, a path that the gateway would forward, and stays what it is when it is read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use url::Url;
use vestibule::base::Host;
use vestibule::login::{Judge, ReturnTo};
use vestibule::path::Path;

const PLACES: [(&str, bool, Option<&str>); 6] = [
    ("wiki.guarded.example", true, Some("guarded.example")),
    ("wiki.guarded.example:8443", true, Some("guarded.example")),
    ("WIKI.guarded.example.:8080", false, Some("guarded.example")),
    ("wiki.guarded.example", true, None),
    ("[::1]:8080", false, None),
    ("other.example", true, Some("guarded.example")),
];

fuzz_target!(|rd: &str| {
    for (authority, secure, domain) in PLACES {
        check(rd, authority, secure, domain);
    }
});

fn check(rd: &str, authority: &str, secure: bool, domain: Option<&str>) {
    let names = |host: &Host| ["wiki.guarded.example", "pay.guarded.example", "elsewhere.example"].contains(&host.as_str());
    let judge = Judge { authority, secure, names: &names, domain, handover: None };
    let answer = ReturnTo::read(Some(rd), &judge);
    let text = answer.as_str();
    assert!(text.bytes().all(|b| (0x21..=0x7e).contains(&b) && b != b'#'), "{text:?}");
    assert!(http::HeaderValue::from_str(text).is_ok());
    assert_eq!(ReturnTo::read(Some(text), &judge), answer, "read again it is another");
    assert!(Path::parse(answer.target().as_bytes()).is_ok(), "{text:?}");

    let scheme = if secure { "https" } else { "http" };
    let base = Url::parse(&format!("{scheme}://{authority}/.vestibule/login?rd=x")).expect("a place");
    let there = base.join(text).unwrap_or_else(|e| panic!("{text:?}: {e}"));
    let bare = |url: &Url| url.host_str().unwrap_or_default().trim_end_matches('.').to_owned();
    let (here, host) = (bare(&base), bare(&there));
    let guarded = domain.is_some_and(|domain| here.ends_with(&format!(".{domain}"))) && ["wiki.guarded.example", "pay.guarded.example"].contains(&host.as_str());
    assert!(host == here || guarded, "{rd:?} became {text:?} and leads to {there}");
    assert!(there.username().is_empty() && there.password().is_none() && there.fragment().is_none(), "{there}");
    assert!(there.scheme() == "https" || (there.scheme() == "http" && !secure), "{there}");
    let is_same = there.port_or_known_default() == base.port_or_known_default() && there.scheme() == base.scheme();
    assert!(is_same || (there.scheme() == "https" && there.port().is_none()), "{there}");
    // What the browser asks for is what was judged: it removes nothing from it.
    let segments = |path: &str| path.split('/').count();
    assert_eq!(segments(there.path()), segments(answer.target().split('?').next().unwrap_or_default()), "{there}");
    if let Some(other) = answer.other_host() {
        assert_eq!(other.as_str(), host);
        assert_eq!(Some(there.origin().ascii_serialization()), answer.other_origin().and_then(|o| Url::parse(&o).ok()).map(|o| o.origin().ascii_serialization()));
    }
}
