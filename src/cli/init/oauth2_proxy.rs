//! `init --from-oauth2-proxy`: its configuration file is TOML. Everything asks for a sign-in there, but for `skip_auth_*` and
//! `trusted_ips`; nothing else comes out open here.

use anyhow::Context as _;
use toml::Value;

use super::draft::{Demand, Draft, RouteDraft, RuleDraft, network};
use super::pattern;
use crate::policy::Level;

/// Reads a configuration.
///
/// # Errors
/// What is no TOML.
pub fn draft(text: &str) -> anyhow::Result<Draft> {
    let table: toml::Table = toml::from_str(text).context("this is no configuration of oauth2-proxy (TOML)")?;
    let one = |key: &str| table.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let list = |key: &str| strings(table.get(key));
    let url = one("redirect_url").and_then(|url| url::Url::parse(url).ok());
    let host = url.and_then(|url| Some(crate::base::Host::parse(url.host_str()?.as_bytes()).ok()?.as_str().to_owned()));
    let mut draft = Draft { listen: listen(one("http_address")), head: head(&table), ..Draft::default() };
    let demand = Demand { level: Level::OneFactor, groups: [list("allowed_groups"), list("allowed_group")].concat(), enforce: true };
    let hosts: Vec<String> = host.into_iter().collect();
    for upstream in [list("upstreams"), list("upstream")].concat() {
        let mut route = route(&draft, &upstream, &hosts, &demand);
        if draft.routes.iter().any(|other| other.path == route.path) {
            draft.left_out.push(vec![format!("Left out: the path is taken already by another upstream: {upstream}")]);
            continue;
        }
        if !route.upstreams.is_empty() {
            open(&table, &mut route);
        }
        draft.routes.push(route);
    }
    Ok(draft)
}

fn strings(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::String(text)) => vec![text.clone()],
        _ => Vec::new(),
    }
}

fn listen(address: Option<&str>) -> Vec<String> {
    let address = address.map(|text| text.trim_start_matches("http://")).unwrap_or("127.0.0.1:4180");
    let full = if address.starts_with(':') { format!("0.0.0.0{address}") } else { address.to_owned() };
    let known = full.parse::<std::net::SocketAddr>().is_ok();
    vec![if known { full } else { "127.0.0.1:4180".to_owned() }]
}

/// An upstream's path is the prefix that it is reached by.
fn route(draft: &Draft, upstream: &str, hosts: &[String], demand: &Demand) -> RouteDraft {
    let url = url::Url::parse(upstream).ok();
    let parsed = url.as_ref().filter(|url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some());
    // Files are reached by what stands behind the number sign.
    let path = parsed.map(url::Url::path).or_else(|| url.as_ref()?.fragment()).unwrap_or_default().trim_end_matches('/').to_owned();
    let plain = path.chars().all(|c| c.is_ascii_alphanumeric() || "-._~/".contains(c))
        && !path.contains("//")
        && (path.is_empty() || path.starts_with('/'));
    let name = draft.free_name(&format!("{}{path}", hosts.first().map_or("app", String::as_str)));
    let mut route = RouteDraft::new(name, hosts.to_vec(), if plain { path } else { String::new() });
    let (Some(url), true) = (parsed, plain) else {
        route.original = vec![format!("upstreams = [\"{upstream}\"]")];
        return route;
    };
    route.upstreams = vec![url.origin().ascii_serialization()];
    route.demand = demand.clone();
    route
}

/// What needs no sign-in there, as far as it can be said exactly; the rest goes on asking for one.
fn open(table: &toml::Table, route: &mut RouteDraft) {
    let list = |key: &str| strings(table.get(key));
    let networks: Vec<String> = [list("trusted_ips"), list("trusted_ip")].concat().iter().filter_map(|text| network(text)).collect();
    let behind_a_proxy = table.get("reverse_proxy").and_then(Value::as_bool).unwrap_or(false);
    if !networks.is_empty() && behind_a_proxy {
        route.notes.push(format!("Still asks for a sign-in: trusted_ips = {networks:?} (set server.trusted_proxies first)"));
    } else if !networks.is_empty() {
        route.rules.push(RuleDraft { networks, ..RuleDraft::new(Demand::BYPASS) });
    }
    for text in [list("skip_auth_routes"), list("skip_auth_route"), list("skip_auth_regex")].concat() {
        let (method, negated, expression) = skipped_route(&text);
        let patterns = pattern::of_expression(expression);
        if !patterns.exact || negated || patterns.texts.is_empty() || patterns.texts == ["*"] {
            route.notes.push(format!("Still asks for a sign-in, since this could not be carried over: {text}"));
            continue;
        }
        let methods = method.map(str::to_ascii_uppercase).into_iter().collect();
        route.rules.push(RuleDraft { patterns: patterns.texts, methods, ..RuleDraft::new(Demand::BYPASS) });
    }
}

/// `METHOD=expression`, `METHOD!=expression`, or an expression alone.
fn skipped_route(text: &str) -> (Option<&str>, bool, &str) {
    match text.split_once('=') {
        Some((method, rest)) if !method.is_empty() && method.bytes().all(|b| b.is_ascii_alphabetic()) => (Some(method), false, rest),
        Some((method, rest)) if method.ends_with('!') => (method.strip_suffix('!'), true, rest),
        Some(("", rest)) => (None, false, rest),
        _ => (None, false, text),
    }
}

fn head(table: &toml::Table) -> Vec<String> {
    let mut head = vec!["Made by `vestibule init --from-oauth2-proxy`. Read it through, then: vestibule check".to_owned()];
    let known = ["provider", "oidc_issuer_url", "client_id", "email_domains", "scope", "cookie_domains", "whitelist_domains"];
    let found: Vec<String> = known.iter().filter_map(|key| table.get(*key).map(|value| format!("    {key} = {value}"))).collect();
    if !found.is_empty() {
        head.push(String::new());
        head.push("Where its users came from. Accounts are the gateway's own, a directory's or a provider's: docs/reference.md".to_owned());
        head.extend(found);
    }
    head
}

#[cfg(test)]
mod tests {
    use super::super::render::render;
    use super::*;

    #[test]
    fn what_asked_for_a_sign_in_goes_on_asking() {
        let config = r#"
            http_address = ":4180"
            redirect_url = "https://App.example/oauth2/callback"
            upstreams = ["http://127.0.0.1:8080/", "http://127.0.0.1:8081/api/", "file:///var/www/#/static/", "http://127.0.0.1:9999/"]
            skip_auth_routes = ["GET=^/health$", "^/public/", "^/v[0-9]/", "POST!=^/x"]
            trusted_ips = ["10.0.0.1/8"]
            allowed_groups = ["staff"]
            client_id = "x"
            client_secret = "very secret"
        "#;
        let draft = draft(config).unwrap();
        let text = render(&draft);
        assert!(crate::config::parse(&text, std::path::Path::new("x.toml"), []).is_ok(), "{text}");
        assert!(!text.contains("very secret"), "{text}");
        let [root, api, files] = draft.routes.as_slice() else { panic!("{text}") };
        assert_eq!(
            (&root.hosts[0][..], &root.upstreams[0][..], &root.demand.groups[0][..]),
            ("app.example", "http://127.0.0.1:8080", "staff")
        );
        assert_eq!((&api.path[..], files.is_closed(), draft.left_out.len()), ("/api", true, 1));
        let rules: Vec<String> =
            root.rules.iter().map(|rule| [rule.networks.concat(), rule.methods.concat(), rule.patterns.concat()].concat()).collect();
        assert_eq!(rules, ["10.0.0.0/8", "GET/health", "/public/*"]);
        assert_eq!(root.notes.len(), 2, "{:?}", root.notes);
    }
}
