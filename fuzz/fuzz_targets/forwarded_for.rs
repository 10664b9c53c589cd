//! Nobody but a trusted proxy changes the address of a client, whatever the chain says.
#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use vestibule::base::ClientAddr;

fuzz_target!(|chain: &str| {
    let trusted: Vec<ipnet::IpNet> = ["10.0.0.0/8", "fd00::/8"].iter().filter_map(|net| net.parse().ok()).collect();
    let (stranger, proxy): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [10, 0, 0, 1].into());
    assert_eq!(ClientAddr::resolve(stranger, Some(chain), &trusted), ClientAddr::new(stranger));
    assert_eq!(ClientAddr::resolve(proxy, Some(chain), &[]), ClientAddr::new(proxy));
    let _ = ClientAddr::resolve(proxy, Some(chain), &trusted);
});
