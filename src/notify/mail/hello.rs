//! The name in EHLO (RFC 5321 section 4.1.4): `mail.hello`, else this host's fully qualified name, else the address that the
//! connection comes from. Guarantees that a bare host name, which many servers refuse with 504, is never sent.

use std::net::IpAddr;

use lettre::transport::smtp::extension::ClientId;

/// What is known of the name before there is a connection.
#[derive(Clone, Debug)]
pub(super) struct Hello(Option<String>);

impl Hello {
    pub(super) fn new(configured: Option<&str>) -> Self {
        Self(configured.map(str::to_owned).or_else(host_name))
    }

    /// For a connection from this address.
    pub(super) fn from(&self, address: IpAddr) -> ClientId {
        match (&self.0, address.to_canonical()) {
            (Some(name), _) => ClientId::Domain(name.clone()),
            (None, IpAddr::V4(address)) => ClientId::Ipv4(address),
            (None, IpAddr::V6(address)) => ClientId::Ipv6(address),
        }
    }
}

/// This host's fully qualified name, as `hostname -f` finds it without asking the network.
fn host_name() -> Option<String> {
    let uname = rustix::system::uname();
    let node = uname.nodename().to_str().ok()?;
    qualified(node, &std::fs::read_to_string("/etc/hosts").unwrap_or_default())
}

fn qualified(node: &str, hosts: &str) -> Option<String> {
    if is_qualified(node) {
        return Some(node.to_owned());
    }
    let names = |line: &str| line.split('#').next().unwrap_or_default().split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>();
    let own = hosts.lines().map(names).find(|names| names.iter().any(|name| name == node))?;
    own.into_iter().find(|name| is_qualified(name))
}

fn is_qualified(name: &str) -> bool {
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let is_made_up = name.ends_with(".localdomain") || name.ends_with(".localhost");
    name.contains('.') && !is_made_up && name.split('.').all(is_label) && name.parse::<IpAddr>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_host_name_is_never_said() {
        let hosts = "127.0.0.1 localhost\n127.0.1.1 gate gate.internal.example # ours\n10.0.0.1 other.example other\n";
        assert_eq!(qualified("gate.internal.example", ""), Some("gate.internal.example".into()));
        assert_eq!(qualified("gate", hosts), Some("gate.internal.example".into()));
        for node in ["gate2", "localhost", "gate.localdomain", "a..b", "192.0.2.1", "under_score.example", ""] {
            assert_eq!(qualified(node, hosts), None, "{node}");
        }
    }

    #[test]
    fn without_a_name_the_address_is_said() {
        let said = |hello: Option<&str>, address: &str| Hello(hello.map(str::to_owned)).from(address.parse().unwrap()).to_string();
        assert_eq!(said(None, "192.0.2.7"), "[192.0.2.7]");
        assert_eq!(said(None, "::ffff:192.0.2.7"), "[192.0.2.7]");
        assert_eq!(said(None, "2001:db8::7"), "[IPv6:2001:db8::7]");
        assert_eq!(said(Some("gate.internal.example"), "192.0.2.7"), "gate.internal.example");
    }
}
