//! Who is at the other end: the peer, or what a trusted proxy says of it, and how addresses are grouped for limits.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

/// A client's address, IPv4-mapped IPv6 folded to IPv4.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ClientAddr {
    ip: IpAddr,
    /// Whether it is known to be the client's own, and not only the last hop's on the way to an unknown client.
    vouched: bool,
}

impl ClientAddr {
    pub fn new(address: IpAddr) -> Self {
        Self { ip: address.to_canonical(), vouched: true }
    }

    /// For limits and logs.
    pub const fn ip(self) -> IpAddr {
        self.ip
    }

    /// The address, if somebody vouches for it.
    pub fn vouched(self) -> Option<IpAddr> {
        self.vouched.then_some(self.ip)
    }

    /// What limits count by: an IPv4 address, or the /64 that an IPv6 host can roam in.
    pub fn group(self) -> IpAddr {
        match self.ip {
            IpAddr::V4(_) => self.ip,
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        }
    }

    /// Whether the client is in one of the networks. One that nobody vouches for is in none: what opens to a network stays closed.
    pub fn is_in(self, networks: &[IpNet]) -> bool {
        self.vouched && contains(networks, self.ip)
    }

    /// The client behind `peer`: the peer itself, unless it is trusted; then the right-most address of the forwarded chain
    /// that is not itself trusted, or the first of a chain that is trusted throughout. Where a trusted proxy sends no chain, or an
    /// entry is no address, nobody vouches for the client, and the last hop that is known stands for it in limits and logs.
    pub fn resolve(peer: IpAddr, forwarded_for: Option<&str>, trusted: &[IpNet]) -> Self {
        let mut client = Self::new(peer);
        if !contains(trusted, client.ip) {
            return client;
        }
        let unknown = |last: Self| Self { vouched: false, ..last };
        let Some(chain) = forwarded_for else { return unknown(client) };
        for entry in chain.rsplit(',') {
            match entry_address(entry.trim()) {
                Some(hop) => client = Self::new(hop),
                None => return unknown(client),
            }
            if !contains(trusted, client.ip) {
                break;
            }
        }
        client
    }
}

fn contains(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

/// An entry of `X-Forwarded-For`: an address, with a port where the proxy writes one (`192.0.2.1:4711`, `[2001:db8::1]:4711`).
fn entry_address(entry: &str) -> Option<IpAddr> {
    let bracketed = || entry.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    entry.parse().ok().or_else(|| entry.parse::<SocketAddr>().ok().map(|both| both.ip())).or_else(bracketed)
}

impl std::fmt::Display for ClientAddr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.ip.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(peer: &str, chain: Option<&str>, trusted: &[&str]) -> String {
        let trusted: Vec<IpNet> = trusted.iter().map(|t| t.parse().unwrap()).collect();
        ClientAddr::resolve(peer.parse().unwrap(), chain, &trusted).to_string()
    }

    #[test]
    fn nobody_is_believed_by_default() {
        assert_eq!(resolve("192.0.2.1", Some("10.0.0.1"), &[]), "192.0.2.1");
    }

    #[test]
    fn the_first_untrusted_hop_from_the_right_is_the_client() {
        let trusted = ["192.0.2.0/24"];
        assert_eq!(resolve("192.0.2.1", Some("10.9.9.9, 203.0.113.7, 192.0.2.2"), &trusted), "203.0.113.7");
        assert_eq!(resolve("192.0.2.1", Some("garbage, 192.0.2.2"), &trusted), "192.0.2.2");
        assert_eq!(resolve("::ffff:192.0.2.1", Some("203.0.113.7"), &trusted), "203.0.113.7");
    }

    #[test]
    fn entries_may_have_ports() {
        let trusted = ["192.0.2.0/24"];
        assert_eq!(resolve("192.0.2.1", Some("10.9.9.9, 203.0.113.7:4711"), &trusted), "203.0.113.7");
        assert_eq!(resolve("192.0.2.1", Some("[2001:db8::1]:4711"), &trusted), "2001:db8::1");
        assert_eq!(resolve("192.0.2.1", Some("[2001:db8::1], 192.0.2.2:80"), &trusted), "2001:db8::1");
    }

    #[test]
    fn a_client_whom_nobody_vouches_for_is_in_no_network() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
        let everywhere: Vec<IpNet> = vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()];
        let client = |chain: Option<&str>| ClientAddr::resolve("10.0.0.1".parse().unwrap(), chain, &trusted);
        for chain in [None, Some(""), Some("unknown"), Some("203.0.113.7, _hidden"), Some("203.0.113.7,, 10.0.0.2"), Some("203.0.113.7:")] {
            assert!(!client(chain).is_in(&everywhere), "{chain:?}");
        }
        for chain in ["203.0.113.7", "10.0.0.5", "garbage, 203.0.113.7", "10.0.0.5:80, 10.0.0.2"] {
            assert!(client(Some(chain)).is_in(&everywhere), "{chain}");
        }
        assert_eq!(client(Some("garbage, 10.0.0.2")).to_string(), "10.0.0.2", "limits count the last hop that is known");
        assert!(ClientAddr::resolve("192.0.2.1".parse().unwrap(), None, &trusted).is_in(&everywhere), "who is connected is known");
    }

    #[test]
    fn ipv6_is_counted_by_64() {
        let a = ClientAddr::new("2001:db8:1:2:3:4:5:6".parse().unwrap());
        let b = ClientAddr::new("2001:db8:1:2::9".parse().unwrap());
        assert_eq!(a.group(), b.group());
    }
}
