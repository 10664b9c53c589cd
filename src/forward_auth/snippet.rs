//! Other proxies' configurations, for the hosts of the routes and with the applications from `upstreams`. Guarantees that what is
//! printed asks before every request, closes `auth/` to clients, and hands on every identity header that an answer carries.

use std::fmt::Write;

use minijinja::Environment;
use serde::Serialize;

use crate::config::Config;
use crate::policy::{HostPattern, Route, Upstream};

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

/// Why nothing is printed.
#[derive(Debug, thiserror::Error)]
pub enum SnippetError {
    #[error("there is no plain listener in server.listen that another proxy could ask")]
    NoListener,
    #[error("“{0}” cannot be written in every proxy's configuration; write its part by hand")]
    Unwritable(String),
    #[error("the snippet could not be made: {0}")]
    Template(#[from] minijinja::Error),
}

/// Prints `proxy`'s configuration. `identity` is every identity header that an answer may carry, `refused` every one that a client may not send.
///
/// # Errors
/// No listener to ask, or a name that some proxy would read as something else.
pub fn print(proxy: Proxy, config: &Config, identity: &[&str], refused: &[&str]) -> Result<String, SnippetError> {
    let values = Values::of(config, identity, refused)?;
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_keep_trailing_newline(true);
    Ok(environment.render_named_str("snippet.txt", proxy.template(), values)?)
}

/// What the question must show beside the client's identity headers, for proxies that pass on only what is listed.
const ASKED: [&str; 14] = [
    "cookie",
    "authorization",
    "accept",
    "accept-language",
    "origin",
    "upgrade",
    "user-agent",
    "x-requested-with",
    "x-forwarded-for",
    "x-forwarded-proto",
    "sec-websocket-key",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
];

#[derive(Serialize)]
struct Values {
    gateway: String,
    gateway_host: String,
    gateway_port: u16,
    prefix: String,
    cookie: String,
    /// As a pattern of Lua's.
    cookie_lua: String,
    identity: Vec<Header>,
    refused: Vec<Header>,
    asked: [&'static str; 14],
    apps: Vec<App>,
    sites: Vec<Site>,
}

#[derive(Serialize)]
struct Header {
    name: String,
    lower: String,
    /// Of nginx: `$upstream_http_remote_user`.
    nginx: String,
    variable: String,
    /// Every spelling that a server may take for it, as a regular expression.
    spellings: String,
}

#[derive(Serialize, Clone)]
struct App {
    id: String,
    name: String,
    path: String,
    scheme: &'static str,
    servers: Vec<String>,
    endpoints: Vec<Endpoint>,
    /// Of nginx: for `$uri`.
    pattern: String,
    /// Of Traefik, after the host's.
    rule: String,
    priority: usize,
}

#[derive(Serialize, Clone)]
struct Endpoint {
    host: String,
    port: u16,
}

#[derive(Serialize)]
struct Site {
    id: String,
    kubernetes: String,
    /// Empty: every host.
    host: String,
    /// Of Traefik, with ` && ` behind it.
    rule: String,
    /// Of Envoy.
    domains: Vec<String>,
    /// Of HAProxy.
    acl: String,
    /// The longest path first.
    apps: Vec<App>,
}

impl Values {
    fn of(config: &Config, identity: &[&str], refused: &[&str]) -> Result<Self, SnippetError> {
        let listen = config.server.listen.first().ok_or(SnippetError::NoListener)?;
        let host = if listen.ip().is_unspecified() { "127.0.0.1".to_owned() } else { listen.ip().to_string() };
        let gateway = if host.contains(':') { format!("[{host}]:{}", listen.port()) } else { format!("{host}:{}", listen.port()) };
        let apps = config.routes.iter().enumerate().map(|(at, route)| App::of(at, route)).collect::<Result<Vec<_>, _>>()?;
        let sites = sites(&config.routes, &apps)?;
        Ok(Self {
            gateway,
            gateway_host: host,
            gateway_port: listen.port(),
            prefix: plain(&config.portal.prefix)?,
            cookie: plain(&config.session.cookie)?,
            cookie_lua: config.session.cookie.replace('-', "%-").replace('.', "%."),
            identity: identity.iter().map(|name| Header::of(name)).collect(),
            refused: refused.iter().map(|name| Header::of(name)).collect(),
            asked: ASKED,
            apps,
            sites,
        })
    }
}

impl Header {
    fn of(name: &str) -> Self {
        let lower = name.to_ascii_lowercase();
        let word = lower.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        let spellings = lower.replace(|c: char| !c.is_ascii_alphanumeric(), "[^a-z0-9]");
        Self { name: name.to_owned(), variable: format!("vestibule_{word}"), nginx: word, spellings, lower }
    }
}

impl App {
    fn of(at: usize, route: &Route) -> Result<Self, SnippetError> {
        let path = plain(&route.path)?;
        let servers = route.upstreams.iter().map(server).collect::<Result<_, _>>()?;
        let (pattern, rule) = if path.is_empty() {
            ("~^/".to_owned(), "PathPrefix(`/`)".to_owned())
        } else {
            (format!("~^{}(/|$)", path.replace('.', "\\.")), format!("(Path(`{path}`) || PathPrefix(`{path}/`))"))
        };
        Ok(Self {
            id: format!("app{at}"),
            name: route.name.to_string(),
            scheme: if route.upstreams.first().is_some_and(|upstream| upstream.tls) { "https" } else { "http" },
            servers,
            endpoints: route.upstreams.iter().map(|u| Endpoint { host: u.host.clone(), port: u.port }).collect(),
            pattern,
            rule,
            priority: 1000 + path.len(),
            path: if path.is_empty() { "/".to_owned() } else { path },
        })
    }
}

fn server(upstream: &Upstream) -> Result<String, SnippetError> {
    if upstream.host.contains(':') {
        return Ok(format!("[{}]:{}", upstream.host, upstream.port));
    }
    Ok(format!("{}:{}", plain(&upstream.host)?, upstream.port))
}

/// One for each host that a route names, and one for every other host if a route names none.
fn sites(routes: &[Route], apps: &[App]) -> Result<Vec<Site>, SnippetError> {
    let mut hosts: Vec<Option<&HostPattern>> = Vec::new();
    for route in routes {
        let named = route.hosts.iter().map(Some).chain(route.hosts.is_empty().then_some(None));
        hosts.extend(named.filter(|host| !hosts.contains(host)).collect::<Vec<_>>());
    }
    // The catch-all last: some proxies take the first that matches. Wildcards before it, the longer one first.
    hosts.sort_by_key(|host| match host {
        Some(HostPattern::Exact(_)) => (0, 0),
        Some(HostPattern::Below(name)) => (1, usize::MAX - name.len()),
        None => (2, 0),
    });
    hosts.into_iter().enumerate().map(|(at, host)| Site::of(at, host, routes, apps)).collect()
}

impl Site {
    fn of(at: usize, pattern: Option<&HostPattern>, routes: &[Route], apps: &[App]) -> Result<Self, SnippetError> {
        let here =
            |route: &Route| pattern.is_none_or(|pattern| route.hosts.contains(pattern)) && (pattern.is_some() || route.hosts.is_empty());
        let mut own: Vec<App> = routes.iter().zip(apps).filter(|(route, _)| here(route)).map(|(_, app)| app.clone()).collect();
        own.sort_by_key(|app| std::cmp::Reverse(if app.path == "/" { 0 } else { app.path.len() }));
        let (host, rule, domains, acl) = match pattern {
            Some(HostPattern::Exact(name)) => {
                let name = plain(name)?;
                let acl = format!("{{ req.hdr(host),field(1,:) -i {name} }}");
                (name.clone(), format!("Host(`{name}`) && "), vec![name.clone()], acl)
            }
            Some(HostPattern::Below(name)) => {
                let name = plain(name)?;
                let rule = format!("HostRegexp(`^.+\\\\.{}$`) && ", name.replace('.', "\\\\."));
                let acl = format!("{{ req.hdr(host),field(1,:) -i -m end .{name} }}");
                (format!("*.{name}"), rule, vec![format!("*.{name}")], acl)
            }
            None => (String::new(), String::new(), vec!["*".to_owned()], "TRUE".to_owned()),
        };
        let mut kubernetes = String::new();
        for letter in if host.is_empty() { "every-host" } else { host.as_str() }.chars() {
            let _ = write!(kubernetes, "{}", if letter.is_ascii_alphanumeric() { letter } else { '-' });
        }
        Ok(Self { id: format!("site{at}"), kubernetes: kubernetes.trim_matches('-').to_owned(), host, rule, domains, acl, apps: own })
    }
}

/// A name that no proxy's configuration reads as anything but itself.
fn plain(name: &str) -> Result<String, SnippetError> {
    let is_plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~/".contains(&b));
    if is_plain { Ok(name.to_owned()) } else { Err(SnippetError::Unwritable(name.to_owned())) }
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
            let text = print(proxy, &config, &IDENTITY, &["Iv-User"]).unwrap();
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
    fn the_longest_path_comes_first_and_the_catch_all_last() {
        let every = "[[routes]]\nname = \"all\"\nupstreams = [\"http://127.0.0.1:1\"]\npolicy = \"deny\"\n";
        let values = Values::of(&config(&format!("{every}{ROUTES}")), &IDENTITY, &[]).unwrap();
        let hosts: Vec<_> = values.sites.iter().map(|site| (site.host.as_str(), site.apps.len())).collect();
        assert_eq!(hosts, [("wiki.example", 2), ("*.wiki.example", 1), ("", 1)]);
        assert_eq!(values.sites[0].apps[0].path, "/admin");
    }

    #[test]
    fn what_a_proxy_would_misread_is_not_written() {
        let mut config = config(ROUTES);
        config.routes[0].path = "/a;b{c}".to_owned();
        assert!(matches!(print(Proxy::Nginx, &config, &IDENTITY, &[]), Err(SnippetError::Unwritable(_))));
    }
}
