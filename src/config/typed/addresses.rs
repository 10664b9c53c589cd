//! Which addresses are the gateway's own: where people come in, and where a mail may lead them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Config;
use crate::base::Host;
use crate::policy::HostPattern;

/// What `localhost` stands for.
fn is_localhost(address: IpAddr) -> bool {
    address == IpAddr::V4(Ipv4Addr::LOCALHOST) || address == IpAddr::V6(Ipv6Addr::LOCALHOST)
}

impl Config {
    /// The host where people come in: that of `portal.url`, else the first that a route names, else the address that is listened on.
    pub fn home(&self) -> String {
        if let Some(url) = &self.portal.url {
            return url.host.as_str().to_owned();
        }
        let exact = self.routes.iter().flat_map(|route| &route.hosts).find_map(|host| match host {
            HostPattern::Exact(host) => Some(host.clone()),
            HostPattern::Below(_) => None,
        });
        let listen = self.server.tls.first().map(|tls| tls.listen).or(self.server.listen.first().copied());
        exact.unwrap_or_else(|| match listen {
            // A passkey works there and not on an address.
            Some(listen) if listen.ip().is_unspecified() || is_localhost(listen.ip()) => "localhost".to_owned(),
            Some(listen) if listen.is_ipv6() => format!("[{}]", listen.ip()),
            Some(listen) => listen.ip().to_string(),
            None => "localhost".to_owned(),
        })
    }

    /// Whether a mail may lead to this `scheme://host[:port]`, which a client has named: a route names the host, and the port is one that
    /// is listened on, here or by a trusted proxy. This machine itself (`localhost`, an address that is listened on) counts only while no
    /// route names a host, and plain HTTP only if no listener has TLS: a link in a mail may be followed from anywhere. With `portal.url`
    /// it is that address and no other.
    pub fn may_link_to(&self, origin: &str) -> bool {
        if let Some(url) = &self.portal.url {
            return url.origin() == origin;
        }
        let Some((scheme, authority)) = origin.split_once("://") else { return false };
        let Ok(host) = Host::parse(authority.as_bytes()) else { return false };
        if scheme != "https" && !self.server.tls.is_empty() {
            return false;
        }
        let mut patterns = self.routes.iter().flat_map(|route| &route.hosts).peekable();
        let none_is_named = patterns.peek().is_none();
        let named = patterns.any(|pattern| pattern.matches(&host));
        let mut own = self.server.listen.iter().chain(self.server.tls.iter().map(|tls| &tls.listen));
        let itself =
            host.as_str() == "localhost" || own.any(|address| Host::parse(address.to_string().as_bytes()).is_ok_and(|own| own == host));
        if !(named || itself && none_is_named) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TlsListener;

    fn config(hosts: &str, tls: bool) -> Config {
        let text = format!(
            "[server]\nlisten = [\"127.0.0.1:8080\"]\n[[routes]]\nname = \"a\"\n{hosts}upstreams = [\"http://127.0.0.1:1\"]\npolicy = \"bypass\"\n"
        );
        let mut config = crate::config::parse(&text, std::path::Path::new("test.toml"), []).map_err(|p| p.to_string()).unwrap().config;
        if tls {
            config.server.tls =
                vec![TlsListener { listen: "0.0.0.0:8443".parse().unwrap(), certificates: Vec::new(), acme: false, clients: None }];
        }
        config
    }

    #[test]
    fn a_mail_leads_to_a_named_host_and_never_to_this_machine_beside_one() {
        let named = config("hosts = [\"wiki.example\"]\n", false);
        assert!(named.may_link_to("http://wiki.example:8080"));
        for origin in
            ["http://localhost:8080", "http://127.0.0.1:8080", "http://evil.example:8080", "http://wiki.example:9", "http://wiki.example"]
        {
            assert!(!named.may_link_to(origin), "{origin}");
        }
        let everywhere = config("", false);
        assert!(everywhere.may_link_to("http://localhost:8080") && !everywhere.may_link_to("http://evil.example:8080"));
    }

    #[test]
    fn beside_tls_a_mail_leads_to_https_only() {
        let config = config("hosts = [\"wiki.example\"]\n", true);
        assert!(config.may_link_to("https://wiki.example:8443") && !config.may_link_to("http://wiki.example:8080"));
    }
}
