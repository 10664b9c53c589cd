//! Other proxies' configurations, for the hosts of the routes and with the applications from `upstreams`. Guarantees that what is
//! printed asks before every request, closes `auth/` to clients, and hands on every identity header that an answer carries.

mod values;

use minijinja::Environment;

use crate::config::Config;
use values::Values;
pub use values::{REMOVED, SnippetError};

/// Which proxy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Proxy {
    Nginx,
    Traefik,
    Caddy,
    Envoy,
    Haproxy,
    HaproxyLua,
    GatewayApi,
}

impl Proxy {
    pub const ALL: [Self; 7] = [Self::Nginx, Self::Traefik, Self::Caddy, Self::Envoy, Self::Haproxy, Self::HaproxyLua, Self::GatewayApi];

    /// As on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Traefik => "traefik",
            Self::Caddy => "caddy",
            Self::Envoy => "envoy",
            Self::Haproxy => "haproxy",
            Self::HaproxyLua => "haproxy-lua",
            Self::GatewayApi => "gateway-api",
        }
    }

    const fn template(self) -> &'static str {
        match self {
            Self::Nginx => include_str!("../../templates/forward-auth/nginx.conf"),
            Self::Traefik => include_str!("../../templates/forward-auth/traefik.yml"),
            Self::Caddy => include_str!("../../templates/forward-auth/Caddyfile"),
            Self::Envoy => include_str!("../../templates/forward-auth/envoy.yaml"),
            Self::Haproxy => include_str!("../../templates/forward-auth/haproxy.cfg"),
            Self::HaproxyLua => include_str!("../../templates/forward-auth/haproxy.lua"),
            Self::GatewayApi => include_str!("../../templates/forward-auth/gateway-api.yaml"),
        }
    }
}

/// Prints `proxy`'s configuration.
///
/// # Errors
/// No listener to ask, or a name that some proxy would read as something else.
pub fn print(proxy: Proxy, config: &Config) -> Result<String, SnippetError> {
    let values = Values::of(config)?;
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_keep_trailing_newline(true);
    Ok(environment.render_named_str("snippet.txt", proxy.template(), values)?)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const IDENTITY: [&str; 4] = ["Remote-User", "Remote-Name", "Remote-Email", "Remote-Groups"];

    fn config(routes: &str) -> Config {
        crate::config::parse(routes, Path::new("vestibule.toml"), []).unwrap().config
    }

    const ROUTES: &str = r#"
        [[routes]]
        name = "wiki"
        hosts = ["wiki.example", "*.wiki.example"]
        upstreams = ["http://127.0.0.1:3000", "http://127.0.0.1:3001"]
        policy = "one_factor"
        [[routes]]
        name = "admin"
        hosts = ["wiki.example"]
        path = "/admin/"
        upstreams = ["https://admin.internal.example"]
        policy = "two_factor"
    "#;

    #[test]
    fn every_snippet_names_every_host_application_and_identity_header() {
        let config = config(ROUTES);
        for proxy in Proxy::ALL {
            let text = print(proxy, &config).unwrap();
            let lower = text.to_ascii_lowercase();
            for header in IDENTITY {
                let word = header.to_ascii_lowercase();
                let needed = !matches!(proxy, Proxy::Haproxy);
                assert!(!needed || lower.contains(&word), "{header} in {}:\n{text}", proxy.name());
            }
            if !matches!(proxy, Proxy::HaproxyLua) {
                assert!(text.contains("wiki.example") && text.contains("/admin"), "{}:\n{text}", proxy.name());
                assert!(text.contains("/.vestibule/auth"), "{}:\n{text}", proxy.name());
            }
            assert!(!text.contains("{{") && !text.contains("{%"), "{}:\n{text}", proxy.name());
        }
    }

    #[test]
    fn the_portals_host_is_vestibules_as_a_whole_unless_a_route_names_it() {
        let portal = "[portal]\nurl = \"https://login.example\"\n";
        for proxy in Proxy::ALL.into_iter().filter(|proxy| *proxy != Proxy::HaproxyLua) {
            let text = print(proxy, &config(&format!("{portal}{ROUTES}"))).unwrap();
            assert!(text.contains("login.example"), "{}:\n{text}", proxy.name());
            assert!(!print(proxy, &config(ROUTES)).unwrap().contains("portal"), "{}", proxy.name());
            let named = print(proxy, &config(&format!("{}{ROUTES}", portal.replace("login", "wiki")))).unwrap();
            assert!(!named.contains("portal"), "{}:\n{named}", proxy.name());
        }
    }

    #[test]
    fn the_longest_path_comes_first_and_the_catch_all_last() {
        let every = "[[routes]]\nname = \"all\"\nupstreams = [\"http://127.0.0.1:1\"]\npolicy = \"deny\"\n";
        let values = Values::of(&config(&format!("{every}{ROUTES}"))).unwrap();
        let hosts: Vec<_> = values.sites.iter().map(|site| (site.host.as_str(), site.apps.len())).collect();
        assert_eq!(hosts, [("wiki.example", 2), ("*.wiki.example", 1), ("", 1)]);
        assert_eq!(values.sites[0].apps[0].path, "/admin");
    }

    #[test]
    fn what_a_proxy_would_misread_is_not_written() {
        let mut config = config(ROUTES);
        config.routes[0].path = "/a;b{c}".to_owned();
        assert!(matches!(print(Proxy::Nginx, &config), Err(SnippetError::Unwritable(_))));
    }
}
