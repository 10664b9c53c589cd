//! Nobody but a trusted proxy changes the address of a client, and what an untrusted hop wrote decides nothing: the answer is the first
//! untrusted address from the right, as a naive reader finds it, and nothing to the left of that changes it.
#![no_main]

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use libfuzzer_sys::fuzz_target;
use vestibule::base::ClientAddr;

fn nets(of: &[&str]) -> Vec<IpNet> {
    of.iter().map(|net| net.parse().expect("a network")).collect()
}

fn is_in(nets: &[IpNet], address: IpAddr) -> bool {
    nets.iter().any(|net| net.contains(&address.to_canonical()))
}

/// An entry, naively: what stands before a port and within brackets.
fn address(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim();
    if let Some((inside, port)) = entry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let is_port = port.is_empty() || port.starts_with(':') && format!("1.1.1.1{port}").parse::<SocketAddr>().is_ok();
        // The number of a zone may stand before a port.
        let (inside, zone) = inside.split_once('%').filter(|_| !port.is_empty()).unwrap_or((inside, "0"));
        let is_zone = !zone.starts_with('+') && zone.parse::<u32>().is_ok();
        return inside.parse::<std::net::Ipv6Addr>().ok().filter(|_| is_port && is_zone).map(IpAddr::V6);
    }
    match entry.split_once(':') {
        Some((v4, _)) if v4.contains('.') && entry.matches(':').count() == 1 => entry.parse::<SocketAddr>().ok().map(|both| both.ip()),
        _ => entry.parse().ok(),
    }
}

fuzz_target!(|chain: &str| {
    let (trusted, everywhere) = (nets(&["10.0.0.0/8", "fd00::/8"]), nets(&["0.0.0.0/0", "::/0"]));
    let stranger = IpAddr::from([192, 0, 2, 1]);
    assert_eq!(ClientAddr::resolve(stranger, Some(chain), &trusted), ClientAddr::new(stranger));
    for proxy in [IpAddr::from([10, 0, 0, 1]), "::ffff:10.0.0.1".parse().expect("an address")] {
        assert_eq!(ClientAddr::resolve(proxy, Some(chain), &[]), ClientAddr::new(proxy));
        let found = ClientAddr::resolve(proxy, Some(chain), &trusted);
        let (mut last, mut vouched) = (proxy.to_canonical(), true);
        for entry in chain.split(',').rev() {
            match address(entry) {
                Some(hop) => last = hop.to_canonical(),
                None => vouched = false,
            }
            if !vouched || !is_in(&trusted, last) {
                break;
            }
        }
        assert_eq!((found.ip(), found.is_in(&everywhere)), (last, vouched));
        assert!(!matches!(found.ip(), IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some()));
        if !vouched || !is_in(&trusted, last) {
            for before in ["10.9.9.9", "198.51.100.7", "garbage", "", "10.0.0.2, 198.51.100.7"] {
                assert_eq!(ClientAddr::resolve(proxy, Some(&format!("{before},{chain}")), &trusted), found, "{before}");
            }
        }
    }
});
