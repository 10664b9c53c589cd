//! `proxy_pass`, `upstream` and what goes with them: where a place sends its requests, and how.

use std::collections::HashMap;

use super::tree::Directive;
use crate::cli::init::render::string;

/// Where requests go, in our own words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Forward {
    pub upstreams: Vec<String>,
    /// Keys of the route, the values written as TOML.
    pub keys: Vec<(String, String)>,
    pub notes: Vec<String>,
}

/// The `upstream` blocks by name.
pub(super) type Groups<'t> = HashMap<&'t str, &'t Directive>;

/// What a place says of how it proxies; each is taken from around where it is not said.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Proxying {
    headers: Vec<(String, String)>,
    connect_timeout: Option<String>,
    read_timeout: Option<String>,
    body: Option<String>,
    ca: Option<String>,
}

impl Proxying {
    pub fn within(&self, block: &[Directive]) -> Self {
        let mut inner = self.clone();
        if block.iter().any(|d| d.name == "proxy_set_header") {
            inner.headers.clear();
        }
        for d in block {
            match d.name.as_str() {
                "proxy_set_header" => inner.headers.push((d.arg().to_owned(), d.args.get(1).cloned().unwrap_or_default())),
                "proxy_connect_timeout" => inner.connect_timeout = duration(d.arg()),
                "proxy_read_timeout" => inner.read_timeout = duration(d.arg()),
                "client_max_body_size" => inner.body = Some(d.arg().to_owned()),
                "proxy_ssl_trusted_certificate" => inner.ca = Some(d.arg().to_owned()),
                _ => {}
            }
        }
        inner
    }

    /// Where `proxy_pass target` in a location of this prefix sends its requests.
    ///
    /// # Errors
    /// Why that cannot be said in our configuration.
    pub fn forward(&self, target: &str, location: Option<&str>, groups: &Groups<'_>) -> Result<Forward, &'static str> {
        if target.contains('$') {
            return Err("the upstream depends on variables");
        }
        let (scheme, rest) = target.split_once("://").ok_or("not a URL")?;
        let scheme = scheme.to_ascii_lowercase();
        if !matches!(scheme.as_str(), "http" | "https") || rest.starts_with("unix:") {
            return Err("the upstream is neither http nor https over TCP");
        }
        let (authority, uri) = rest.find('/').map_or((rest, None), |at| (rest.get(..at).unwrap_or_default(), rest.get(at..)));
        keeps_the_path(uri, location)?;
        let mut notes = Vec::new();
        let upstreams = match groups.get(authority) {
            Some(group) => servers(group, &scheme, &mut notes)?,
            None => vec![url(&scheme, authority, if scheme == "https" { 443 } else { 80 })?],
        };
        let keys = self.keys(authority, groups.contains_key(authority), &mut notes);
        Ok(Forward { upstreams, keys, notes })
    }

    fn keys(&self, authority: &str, grouped: bool, notes: &mut Vec<String>) -> Vec<(String, String)> {
        let mut proxy = Vec::new();
        if let Some(host) = self.host(authority, grouped, notes) {
            proxy.push(format!("host = {}", string(&host)));
        }
        for (key, value) in [("connect_timeout", &self.connect_timeout), ("read_timeout", &self.read_timeout)] {
            proxy.extend(value.as_ref().map(|value| format!("{key} = {}", string(value))));
        }
        if let Some(ca) = &self.ca {
            match std::fs::read(ca) {
                Ok(_) => proxy.push(format!("ca = {}", string(ca))),
                Err(_) => notes.push(format!("proxy_ssl_trusted_certificate {ca}: not on this machine; set proxy.ca")),
            }
        }
        for (name, value) in &self.headers {
            let known = ["host", "connection", "upgrade", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"];
            if !known.contains(&name.to_ascii_lowercase().as_str()) && !value.is_empty() {
                notes.push(format!("nginx sent the header {name}: {value}"));
            }
        }
        let keys = if proxy.is_empty() { None } else { Some(("proxy".to_owned(), format!("{{ {} }}", proxy.join(", ")))) };
        notes.extend(self.body.iter().map(|size| format!("nginx took bodies up to {size}")));
        keys.into_iter().collect()
    }

    /// The Host that the upstream gets; `None`: the client's. Without `proxy_set_header Host` nginx sends what `proxy_pass` names.
    fn host(&self, authority: &str, grouped: bool, notes: &mut Vec<String>) -> Option<String> {
        let set = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host")).map(|(_, value)| value.as_str());
        let literal = match set {
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

/// A path in `proxy_pass` takes the place of the location's own.
fn keeps_the_path(uri: Option<&str>, location: Option<&str>) -> Result<(), &'static str> {
    match (uri, location) {
        (None, _) => Ok(()),
        (Some(uri), Some(prefix)) if uri == prefix => Ok(()),
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

/// A time of nginx in ours, in whole seconds; `None`: out of what we take.
fn duration(text: &str) -> Option<String> {
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
    (1..=86_400).contains(&seconds).then(|| format!("{seconds}s"))
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::*;

    fn forward(config: &str, target: &str, location: &str) -> Result<Forward, &'static str> {
        let tree = Tree::read(config).unwrap();
        let groups: Groups<'_> = tree.directives.iter().filter(|d| d.name == "upstream").map(|d| (d.arg(), d)).collect();
        Proxying::default().within(&tree.directives).forward(target, Some(location), &groups)
    }

    #[test]
    fn upstreams_are_what_nginx_meant() {
        assert_eq!(forward("", "http://app", "/").unwrap().upstreams, ["http://app:80"]);
        assert_eq!(forward("", "https://10.0.0.1:8443/", "/").unwrap().upstreams, ["https://10.0.0.1:8443"]);
        let group = "upstream app { server a:1 weight=3; server b; server a:1; server c down; }";
        let found = forward(group, "http://app", "/").unwrap();
        assert_eq!(found.upstreams, ["http://a:1", "http://b:80"]);
        assert_eq!(found.notes.len(), 2, "{:?}", found.notes);
        assert_eq!(found.keys, [("proxy".to_owned(), "{ host = \"app\" }".to_owned())]);
        assert_eq!(
            forward("proxy_set_header Host $host; proxy_read_timeout 1h;", "http://a:1", "/").unwrap().keys[0].1,
            "{ read_timeout = \"3600s\" }"
        );
    }

    #[test]
    fn what_changes_the_path_or_varies_is_not_carried_over() {
        for (target, location) in [
            ("http://a/b/", "/"),
            ("http://a/", "/app/"),
            ("http://$up", "/"),
            ("http://unix:/x", "/"),
            ("http://a b", "/"),
            ("http://u@a", "/"),
        ] {
            assert!(forward("", target, location).is_err(), "{target}");
        }
        assert!(forward("", "http://a/app/", "/app/").is_ok());
    }
}
