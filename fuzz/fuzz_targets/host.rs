//! What is read as a host is in its one form, the one in which a browser would have it (the WHATWG's reading), and lies below a domain
//! only where its labels end with the domain's.
#![no_main]

use libfuzzer_sys::fuzz_target;
use url::Url;
use vestibule::base::Host;

fuzz_target!(|raw: &[u8]| {
    let Ok(host) = Host::parse(raw) else { return };
    let text = host.as_str();
    assert!(!text.is_empty() && !text.bytes().any(|b| b.is_ascii_uppercase() || b.is_ascii_whitespace() || b"/@,\\%?#".contains(&b)));
    assert!(!text.ends_with('.') && text.len() <= 253);
    assert_eq!(Host::parse(text.as_bytes()).as_ref(), Ok(&host));
    for more in [format!("{text}:443"), text.to_ascii_uppercase()] {
        assert_eq!(Host::parse(more.as_bytes()).as_ref(), Ok(&host), "{more}");
    }
    let labels: Vec<&str> = text.split('.').collect();
    for domain in ["guarded.example", "example", "e"] {
        assert_eq!(host.is_within(domain), labels.ends_with(&domain.split('.').collect::<Vec<_>>()), "{text} in {domain}");
    }
    // Punycode that is none, and numbers that are no address, are nothing to a browser.
    let sent = std::str::from_utf8(raw).expect("a host is text");
    let Ok(url) = Url::parse(&format!("http://{sent}/")) else { return };
    assert!(url.username().is_empty() && url.password().is_none() && url.path() == "/" && url.query().is_none() && url.fragment().is_none());
    match url.host().expect("a host") {
        url::Host::Domain(name) => assert_eq!(name.strip_suffix('.').unwrap_or(name), text),
        url::Host::Ipv6(address) => assert_eq!(text, format!("[{address}]")),
        // `127.1` and `0x7f.0.0.1` are no addresses to us, but names that no route has.
        url::Host::Ipv4(address) => assert_eq!(host.is_address(), text == address.to_string()),
    }
});
