//! `proxy_pass`, `upstream` and what goes with them: where a place sends its requests, and how.

use std::collections::HashMap;

use super::headers::Headers;
use super::tree::Directive;
use crate::cli::init::draft::Travel;
use crate::cli::init::pattern::is_path;
use crate::cli::init::render::{headers, string};

/// Where requests go, in our own words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Forward {
    pub upstreams: Vec<String>,
    /// Keys of `proxy` and of the route, the values written as TOML: two places may share a route only if these are the same.
    pub proxy: Vec<(String, String)>,
    pub keys: Vec<(String, String)>,
    pub travel: Travel,
    pub notes: Vec<String>,
}

/// The `upstream` blocks by name.
pub(super) type Groups<'t> = HashMap<&'t str, &'t Directive>;

/// What a request's path has to do with its location.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Location<'t> {
    Prefix(&'t str),
    Exact(&'t str),
    /// An expression or a name: `proxy_pass` has no path there.
    Other,
}

/// nginx's own limit where none is set.
const DEFAULT_BODY: u64 = 1 << 20;

/// What a place says of how it proxies; each is taken from around where it is not said.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Proxying {
    headers: Headers,
    connect_timeout: Option<u64>,
    read_timeout: Option<u64>,
    /// `client_max_body_size` in bytes; 0: any length.
    body: Option<u64>,
    ca: Option<String>,
    /// The page of an application that is away.
    pub away: Option<String>,
}

impl Proxying {
    pub fn within(&self, block: &[Directive]) -> Self {
        let mut inner = Self { headers: self.headers.within(block), ..self.clone() };
        for d in block {
            match d.name.as_str() {
                "proxy_connect_timeout" => inner.connect_timeout = duration(d.arg()),
                "proxy_read_timeout" => inner.read_timeout = duration(d.arg()),
                // What cannot be read stays as strict as nginx is by itself.
                "client_max_body_size" => inner.body = Some(size(d.arg()).unwrap_or(DEFAULT_BODY)),
                "proxy_ssl_trusted_certificate" => inner.ca = Some(d.arg().to_owned()),
                _ => {}
            }
        }
        inner
    }

    /// Where `proxy_pass target` in such a location sends its requests.
    ///
    /// # Errors
    /// Why that cannot be said in our configuration.
    pub fn forward(&self, target: &str, location: Location<'_>, groups: &Groups<'_>) -> Result<Forward, &'static str> {
        if target.contains('$') {
            return Err("the upstream depends on variables");
        }
        let (scheme, rest) = target.split_once("://").ok_or("not a URL")?;
        let scheme = scheme.to_ascii_lowercase();
        if !matches!(scheme.as_str(), "http" | "https") || rest.starts_with("unix:") {
            return Err("the upstream is neither http nor https over TCP");
        }
        let (authority, uri) = rest.find('/').map_or((rest, None), |at| (rest.get(..at).unwrap_or_default(), rest.get(at..)));
        let stripped = cut_off(uri, location)?;
        let mut notes = Vec::new();
        let upstreams = match groups.get(authority) {
            Some(group) => servers(group, &scheme, &mut notes)?,
            None => vec![url(&scheme, authority, if scheme == "https" { 443 } else { 80 })?],
        };
        let mut proxy = self.proxy(authority, groups.contains_key(authority), &mut notes);
        proxy.extend(stripped.map(|prefix| ("strip_prefix".to_owned(), string(&prefix))));
        let changes = self.headers.changes();
        notes.extend(changes.notes);
        let mut keys = Vec::new();
        keys.extend(changes.user.map(|name| ("identity".to_owned(), format!("{{ user = {} }}", string(&name)))));
        keys.extend(Some(changes.request).filter(|all| !all.is_empty()).map(|all| ("request_headers".to_owned(), headers(&all))));
        keys.extend(self.away.as_ref().map(|page| ("maintenance".to_owned(), string(page))));
        let travel = Travel {
            connect_timeout: self.connect_timeout,
            read_timeout: self.read_timeout,
            max_body: Some(self.body.unwrap_or(DEFAULT_BODY)).filter(|most| *most > 0),
            response_headers: changes.response,
        };
        Ok(Forward { upstreams, proxy, keys, travel, notes })
    }

    fn proxy(&self, authority: &str, grouped: bool, notes: &mut Vec<String>) -> Vec<(String, String)> {
        let mut proxy = Vec::new();
        if let Some(host) = self.host(authority, grouped, notes) {
            proxy.push(("host".to_owned(), string(&host)));
        }
        if let Some(ca) = &self.ca {
            match std::fs::read(ca) {
                Ok(_) => proxy.push(("ca".to_owned(), string(ca))),
                Err(_) => notes.push(format!("proxy_ssl_trusted_certificate {ca}: not on this machine; set proxy.ca")),
            }
        }
        proxy
    }

    /// The Host that the upstream gets; `None`: the client's. Without `proxy_set_header Host` nginx sends what `proxy_pass` names.
    fn host(&self, authority: &str, grouped: bool, notes: &mut Vec<String>) -> Option<String> {
        let literal = match self.headers.host() {
            Some("$host" | "$http_host" | "$host:$server_port" | "$host:$proxy_port" | "$server_name") => return None,
            None | Some("$proxy_host") if !grouped => return Some("upstream".to_owned()),
            None | Some("$proxy_host") => authority,
            Some(text) => text,
        };
        if crate::base::Host::parse(literal.as_bytes()).is_ok() {
            return Some(literal.to_owned());
        }
        notes.push(format!("nginx sent Host: {literal}; the client's is sent now"));
        None
    }
}

/// What is cut off the path on the way: a path in `proxy_pass` takes the place of the location's own.
fn cut_off(uri: Option<&str>, location: Location<'_>) -> Result<Option<String>, &'static str> {
    match (uri, location) {
        (None, _) => Ok(None),
        (Some(uri), Location::Prefix(own) | Location::Exact(own)) if uri == own => Ok(None),
        (Some("/"), Location::Prefix(own)) if own.len() > 1 && own.ends_with('/') && is_path(own) => {
            Ok(Some(own.trim_end_matches('/').to_owned()))
        }
        _ => Err("the path is changed on the way to the upstream"),
    }
}

fn servers(group: &Directive, scheme: &str, notes: &mut Vec<String>) -> Result<Vec<String>, &'static str> {
    let mut upstreams = Vec::new();
    for server in group.children().iter().filter(|d| d.name == "server") {
        let has = |parameter: &str| server.args.iter().any(|arg| arg == parameter);
        if server.arg().starts_with("unix:") {
            return Err("the upstream is neither http nor https over TCP");
        }
        if has("down") || has("backup") {
            notes.push(format!("left out of the upstream {}: server {}", group.arg(), server.args.join(" ")));
            continue;
        }
        if server.args.iter().any(|arg| arg.starts_with("weight=") && arg != "weight=1") {
            notes.push(format!("requests are balanced evenly; nginx weighed: server {}", server.args.join(" ")));
        }
        let one = url(scheme, server.arg(), 80)?;
        if !upstreams.contains(&one) {
            upstreams.push(one);
        }
    }
    let sticky = group.children().iter().find(|d| matches!(d.name.as_str(), "ip_hash" | "hash" | "sticky"));
    notes.extend(sticky.map(|d| format!("nginx kept a client on one upstream by `{}`", d.name)));
    if upstreams.is_empty() { Err("the upstream group has no server") } else { Ok(upstreams) }
}

fn url(scheme: &str, authority: &str, default_port: u16) -> Result<String, &'static str> {
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
    let text = if has_port { format!("{scheme}://{authority}") } else { format!("{scheme}://{authority}:{default_port}") };
    let parsed = url::Url::parse(&text).map_err(|_| "the upstream is no address")?;
    let plain = parsed.username().is_empty() && parsed.password().is_none() && parsed.path() == "/" && parsed.query().is_none();
    let clean = authority.chars().all(|c| c.is_ascii_alphanumeric() || "-._:[]".contains(c));
    if plain && clean && parsed.port_or_known_default().is_some_and(|port| port > 0) { Ok(text) } else { Err("the upstream is no address") }
}

/// A size of nginx in bytes.
fn size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let bits = match text.get(digits.len()..)?.to_ascii_lowercase().as_str() {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << bits)
}

/// A time of nginx in whole seconds; `None`: out of what we take.
fn duration(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    let seconds = match text.get(digits.len()..)? {
        "" | "s" => number,
        "m" => number.checked_mul(60)?,
        "h" => number.checked_mul(3600)?,
        "d" => number.checked_mul(86_400)?,
        "ms" => number / 1000,
        _ => return None,
    };
    (1..=86_400).contains(&seconds).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::*;

    fn forward(config: &str, target: &str, location: &str) -> Result<Forward, &'static str> {
        let tree = Tree::read(config).unwrap();
        let groups: Groups<'_> = tree.directives.iter().filter(|d| d.name == "upstream").map(|d| (d.arg(), d)).collect();
        Proxying::default().within(&tree.directives).forward(target, Location::Prefix(location), &groups)
    }

    #[test]
    fn upstreams_are_what_nginx_meant() {
        assert_eq!(forward("", "http://app", "/").unwrap().upstreams, ["http://app:80"]);
        assert_eq!(forward("", "https://10.0.0.1:8443/", "/").unwrap().upstreams, ["https://10.0.0.1:8443"]);
        let group = "upstream app { server a:1 weight=3; server b; server a:1; server c down; }";
        let found = forward(group, "http://app", "/").unwrap();
        assert_eq!(found.upstreams, ["http://a:1", "http://b:80"]);
        assert_eq!(found.notes.len(), 2, "{:?}", found.notes);
        assert_eq!(found.proxy, [("host".to_owned(), "\"app\"".to_owned())]);
        let found = forward("proxy_set_header Host $host; proxy_read_timeout 1h; client_max_body_size 2g;", "http://a:1", "/").unwrap();
        assert_eq!((found.travel.read_timeout, found.travel.max_body), (Some(3600), Some(2 << 30)));
        assert_eq!(forward("", "http://a:1", "/").unwrap().travel.max_body, Some(1 << 20), "nginx's own limit");
        assert_eq!(forward("client_max_body_size 0;", "http://a:1", "/").unwrap().travel.max_body, None);
    }

    #[test]
    fn what_changes_the_path_or_varies_is_not_carried_over() {
        for (target, location) in [
            ("http://a/b/", "/"),
            ("http://a/", "/app"),
            ("http://a/b/", "/app/"),
            ("http://a/", "/a b/"),
            ("http://$up", "/"),
            ("http://unix:/x", "/"),
            ("http://a b", "/"),
            ("http://u@a", "/"),
        ] {
            assert!(forward("", target, location).is_err(), "{target}");
        }
        assert!(forward("", "http://a/app/", "/app/").is_ok());
        let cut = forward("", "http://a/", "/app/").unwrap();
        assert!(cut.proxy.contains(&("strip_prefix".to_owned(), "\"/app\"".to_owned())), "{cut:?}");
    }
}
