//! What the other proxies' configurations are filled in with. Guarantees that a name which some proxy would read as something else is
//! refused, and that the first of several sites or paths that match is the one that the gateway takes.

use std::fmt::Write;

use serde::Serialize;

use crate::config::Config;
use crate::forward_auth::answer;
use crate::identity::{Names, TOKEN_HEADER};
use crate::policy::{HostPattern, Route, Upstream};

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

/// What some application would take for another request than the one that was decided on: removed before it gets there.
pub const REMOVED: [&str; 9] = [
    "X-Original-URL",
    "X-Original-URI",
    "X-Rewrite-URL",
    "X-Forwarded-Prefix",
    "X-Forwarded-Scheme",
    "X-Forwarded-Ssl",
    "X-Real-IP",
    "Forwarded",
    "Proxy",
];

/// What the question must show beside the client's identity headers, for proxies that pass on only what is listed.
const ASKED: [&str; 18] = [
    "cookie",
    "authorization",
    "proxy-authorization",
    "x-vestibule-token",
    "content-type",
    "destination",
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
pub(super) struct Values {
    gateway: String,
    gateway_host: String,
    gateway_port: u16,
    prefix: String,
    /// The host of `portal.url`, unless a route writes it out as well.
    portal: Option<String>,
    cookie: String,
    /// As a pattern of Lua's.
    cookie_lua: String,
    identity: Vec<Header>,
    refused: Vec<Header>,
    asked: [&'static str; 18],
    removed: [&'static str; 9],
    apps: Vec<App>,
    pub sites: Vec<Site>,
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
pub(super) struct App {
    id: String,
    name: String,
    pub path: String,
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
pub(super) struct Site {
    id: String,
    kubernetes: String,
    /// Empty: every host.
    pub host: String,
    /// Of Traefik, with ` && ` behind it.
    rule: String,
    /// Of Envoy.
    domains: Vec<String>,
    /// Of HAProxy.
    acl: String,
    /// The longest path first.
    pub apps: Vec<App>,
}

impl Values {
    pub fn of(config: &Config) -> Result<Self, SnippetError> {
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
            portal: portal(config)?,
            cookie: plain(&config.session.cookie)?,
            cookie_lua: config.session.cookie.replace('-', "%-").replace('.', "%."),
            identity: answer::names(&config.routes)
                .iter()
                .map(|name| Ok(Header::of(&plain(name)?)))
                .collect::<Result<_, SnippetError>>()?,
            refused: refused(&config.routes),
            asked: ASKED,
            removed: REMOVED,
            apps,
            sites,
        })
    }
}

fn portal(config: &Config) -> Result<Option<String>, SnippetError> {
    let Some(url) = &config.portal.url else { return Ok(None) };
    let mut patterns = config.routes.iter().flat_map(|route| &route.hosts);
    let is_named = patterns.any(|pattern| matches!(pattern, HostPattern::Exact(name) if name == url.host.as_str()));
    if is_named { Ok(None) } else { plain(url.host.as_str()).map(Some) }
}

/// What a client may not send: the names of every preset, table and assertion, and what is removed anyway.
fn refused(routes: &[Route]) -> Vec<Header> {
    let names = Names::new(routes.iter().flat_map(|route| route.application.names()));
    let all = names.iter().filter(|name| *name != TOKEN_HEADER).chain(["x-original-url", "x-original-uri", "x-rewrite-url", "proxy"]);
    all.map(Header::of).collect()
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
