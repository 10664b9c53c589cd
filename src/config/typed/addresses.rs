//! Which addresses are the gateway's own: where people come in, and where a mail may lead them.

use std::net::SocketAddr;

use super::Config;
use crate::base::Host;
use crate::policy::HostPattern;

impl Config {
    /// The host where people come in: the first that a route names, else the address that is listened on.
    pub fn home(&self) -> String {
        let exact = self.routes.iter().flat_map(|route| &route.hosts).find_map(|host| match host {
            HostPattern::Exact(host) => Some(host.clone()),
            HostPattern::Below(_) => None,
        });
        let listen = self.server.tls.first().map(|tls| tls.listen).or(self.server.listen.first().copied());
        exact.unwrap_or_else(|| match listen {
            Some(listen) if listen.ip().is_unspecified() => "localhost".to_owned(),
            Some(listen) if listen.is_ipv6() => format!("[{}]", listen.ip()),
            Some(listen) => listen.ip().to_string(),
            None => "localhost".to_owned(),
        })
    }

    /// Whether a mail may lead to this `scheme://host[:port]`, which a client has named: a route names the host (or it is this machine
    /// itself), and the port is one that is listened on, here or by a trusted proxy.
    pub fn may_link_to(&self, origin: &str) -> bool {
        let Some((scheme, authority)) = origin.split_once("://") else { return false };
        let Ok(host) = Host::parse(authority.as_bytes()) else { return false };
        let named = self.routes.iter().flat_map(|route| &route.hosts).any(|pattern| pattern.matches(&host));
        let mut own = self.server.listen.iter().chain(self.server.tls.iter().map(|tls| &tls.listen));
        let itself =
            host.as_str() == "localhost" || own.any(|address| Host::parse(address.to_string().as_bytes()).is_ok_and(|own| own == host));
        if !named && !itself {
            return false;
        }
        let default = if scheme == "https" { 443 } else { 80 };
        let after = authority.rsplit_once(']').map_or(authority, |(_, rest)| rest);
        let port = after.rsplit_once(':').map_or(Some(default), |(_, port)| port.parse::<u16>().ok());
        let own = self.server.listen.iter().chain(self.server.tls.iter().map(|tls| &tls.listen)).map(SocketAddr::port);
        let fronted = !self.server.trusted_proxies.is_empty();
        port.is_some_and(|port| (fronted && port == default) || own.into_iter().any(|listened| listened == port || listened == 0))
    }
}
