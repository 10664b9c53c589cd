//! Where a server listens. A gateway has listeners for all hosts together: what nginx offered on some addresses only must not become
//! reachable on others.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::tree::Directive;

/// A `listen`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Listen {
    /// `None`: a socket's path, or a name.
    pub address: Option<SocketAddr>,
    pub tls: bool,
}

/// Who can reach a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Reach {
    Everybody,
    /// This machine alone.
    Loopback,
    /// Who can reach these addresses, and no other of the gateway's.
    Some(BTreeSet<IpAddr>),
}

/// The listeners of a server; without a word, port 80.
pub(super) fn of(server: &Directive) -> Vec<Listen> {
    let block = server.children();
    let all_tls = block.iter().any(|d| d.name == "ssl" && d.arg() == "on");
    let given: Vec<Listen> = block.iter().filter(|d| d.name == "listen").map(|d| listen(d, all_tls)).collect();
    let default = Listen { address: Some((Ipv4Addr::UNSPECIFIED, 80).into()), tls: all_tls };
    if given.is_empty() { vec![default] } else { given }
}

fn listen(d: &Directive, all_tls: bool) -> Listen {
    let text = d.arg();
    let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let address = if let Ok(port) = text.parse::<u16>() {
        Some(SocketAddr::new(any, port))
    } else if let Some(port) = text.strip_prefix("*:") {
        port.parse().ok().map(|port| SocketAddr::new(any, port))
    } else if let Some(port) = text.strip_prefix("localhost:") {
        port.parse().ok().map(|port| SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port))
    } else {
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        text.parse().ok().or_else(|| bare.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 80)))
    };
    Listen { address, tls: all_tls || d.args.iter().any(|arg| arg == "ssl" || arg == "quic") }
}

/// Who can reach a server with these listeners, among all servers that there are.
pub(super) fn reach(listens: &[Listen], all: &[Listen]) -> Reach {
    let addresses =
        |listens: &[Listen]| -> BTreeSet<Option<IpAddr>> { listens.iter().map(|one| one.address.map(|address| address.ip())).collect() };
    let own = addresses(listens);
    if own.iter().all(|ip| ip.is_some_and(|ip| ip.is_loopback())) {
        return Reach::Loopback;
    }
    let open = |ip: &Option<IpAddr>| ip.is_some_and(|ip| ip.is_unspecified());
    let others = addresses(all);
    let elsewhere = others.iter().any(|ip| !own.contains(ip) && !ip.is_some_and(|ip| ip.is_loopback()));
    if own.iter().any(open) || !elsewhere && own.iter().all(Option::is_some) {
        Reach::Everybody
    } else {
        Reach::Some(own.into_iter().flatten().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::*;

    fn listens(text: &str) -> Vec<Listen> {
        of(&Tree::read(&format!("server {{ {text} }}")).unwrap().directives[0])
    }

    #[test]
    fn addresses_are_read_as_nginx_reads_them() {
        let shown = |text: &str| listens(text).iter().map(|l| format!("{:?} {}", l.address.unwrap(), l.tls)).collect::<Vec<_>>();
        assert_eq!(shown(""), ["0.0.0.0:80 false"]);
        assert_eq!(shown("listen 443 ssl; listen [::]:443 ssl;"), ["0.0.0.0:443 true", "[::]:443 true"]);
        assert_eq!(
            shown("listen *:81; listen 10.0.0.1; listen localhost:82; listen [::1];"),
            ["0.0.0.0:81 false", "10.0.0.1:80 false", "127.0.0.1:82 false", "[::1]:80 false"]
        );
        assert_eq!(listens("listen unix:/x;")[0].address, None);
    }

    #[test]
    fn what_only_some_could_reach_is_told() {
        let all = listens("listen 80; listen 127.0.0.1:81; listen 10.0.0.1:80;");
        assert_eq!(reach(&listens("listen 127.0.0.1:81;"), &all), Reach::Loopback);
        assert_eq!(reach(&listens("listen 80;"), &all), Reach::Everybody);
        assert!(matches!(reach(&listens("listen 10.0.0.1:80;"), &all), Reach::Some(_)));
        let one = listens("listen 10.0.0.1:80;");
        assert_eq!(reach(&one, &one), Reach::Everybody, "the gateway listens nowhere else");
        assert!(matches!(reach(&listens("listen unix:/x;"), &all), Reach::Some(_)));
    }
}
