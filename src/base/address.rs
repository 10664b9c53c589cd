//! Who is at the other end: the peer, or what a trusted proxy says of it, and how addresses are grouped for limits.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

/// A client's address, IPv4-mapped IPv6 folded to IPv4.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ClientAddr(IpAddr);

impl ClientAddr {
    pub fn new(address: IpAddr) -> Self {
        Self(address.to_canonical())
    }

    pub const fn ip(self) -> IpAddr {
        self.0
    }

    /// What limits count by: an IPv4 address, or the /64 that an IPv6 host can roam in.
    pub fn group(self) -> IpAddr {
        match self.0 {
            IpAddr::V4(_) => self.0,
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        }
    }

    pub fn is_in(self, networks: &[IpNet]) -> bool {
        networks.iter().any(|network| network.contains(&self.0))
    }

    /// The client behind `peer`: the peer itself, unless it is trusted; then the right-most address of the forwarded chain
    /// that is not itself trusted. An entry that is no address stops the walk at the last hop that can be vouched for.
    pub fn resolve(peer: IpAddr, forwarded_for: Option<&str>, trusted: &[IpNet]) -> Self {
        let mut client = Self::new(peer);
        let Some(chain) = forwarded_for else { return client };
        for entry in chain.rsplit(',') {
            if !client.is_in(trusted) {
                break;
            }
            match entry.trim().parse::<IpAddr>() {
                Ok(hop) => client = Self::new(hop),
                Err(_) => break,
            }
        }
        client
    }
}

impl std::fmt::Display for ClientAddr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
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
    fn ipv6_is_counted_by_64() {
        let a = ClientAddr::new("2001:db8:1:2:3:4:5:6".parse().unwrap());
        let b = ClientAddr::new("2001:db8:1:2::9".parse().unwrap());
        assert_eq!(a.group(), b.group());
    }
}
