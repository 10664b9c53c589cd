//! `init --from-nginx`: what `nginx -T` prints as a configuration of ours.
//!
//! `lexer` -> `tree` (includes resolved) -> `location` and `access` (what each place asks for, `condition` and `backend` beside them) ->
//! `server` (routes and rules, `pattern` for expressions) -> here, where servers that share a host are told apart.
//!
//! Guarantee: whoever nginx refused is refused by the result. A place is open only if everything in it and around it is understood; whatever
//! else there is becomes a `deny` with the original lines beside it.
//!
//! The parser is our own, since the crate that there is (nginx-lint-parser) builds a C library, a syntax tree for editors and 5,000 lines for
//! what a hundred do, and reads some words otherwise than nginx.

mod access;
mod away;
mod backend;
mod condition;
mod harmless;
mod headers;
mod lexer;
mod listen;
mod location;
mod server;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::bail;

use super::draft::{BasePolicy, Demand, Draft, RouteDraft, TlsDraft, network};
use listen::{Listen, Reach};
use location::{Scope, Setting};
use server::Server;
use tree::{Directive, Tree};

/// Reads what `nginx -T` prints.
///
/// # Errors
/// What nginx would not read, an `include` that is missing, a configuration without a server.
pub fn draft(dump: &str, base: BasePolicy) -> anyhow::Result<Draft> {
    let tree = Tree::read(dump)?;
    let http: Vec<Directive> = match tree.directives.iter().find(|d| d.name == "http") {
        Some(http) => http.children().to_vec(),
        None => tree.directives.clone(),
    };
    let blocks: Vec<&Directive> = http.iter().filter(|d| d.name == "server").collect();
    if blocks.is_empty() {
        bail!("there is no `server` in it; give all of what `nginx -T` prints");
    }
    let mut draft = Draft { trusted_proxies: trusted(&http), ..Draft::default() };
    let listens: Vec<Listen> = blocks.iter().flat_map(|block| listen::of(block)).collect();
    let groups = http.iter().filter(|d| d.name == "upstream").map(|d| (d.arg(), d)).collect();
    let mut around = Scope::default().within(&http);
    around.access.blind = is_blind(&http);
    let mut passwords = BTreeSet::new();
    let mut servers = Vec::new();
    for block in &blocks {
        let scope = scope_of(block, &around, &listens);
        let setting = Setting { tree: &tree, groups: &groups, base, server: block.children(), scope: &scope };
        servers.push((server::read(block, &setting), tree.quote(block, 3)));
        passwords.extend(groups_below(block, &scope));
    }
    // A server that is open under a name comes before one that only redirects it, and HTTPS before HTTP.
    servers.sort_by_key(|(server, _)| (server.redirect, !server.listens.iter().any(|one| one.tls)));
    let has_catch_all = servers.iter().any(|(server, _)| server.catch_all && !server.redirect);
    let unsaid: Vec<String> = servers.iter().flat_map(|(server, _)| server.unsaid.clone()).collect();
    let gone: Vec<(String, Vec<String>)> =
        servers.iter().flat_map(|(server, lines)| server.gone.iter().map(|host| (host.clone(), lines.clone()))).collect();
    for (server, lines) in servers {
        take(&mut draft, server, lines, has_catch_all);
    }
    unsaid.iter().for_each(|name| close_unsaid(&mut draft, name));
    gone.into_iter().for_each(|(host, lines)| close_gone(&mut draft, host, lines));
    listeners(&mut draft, &blocks, &http);
    draft.head = head(&passwords, base);
    Ok(draft)
}

/// What holds in a server, narrowed to whom it was reachable for.
fn scope_of(block: &Directive, around: &Scope, listens: &[Listen]) -> Scope {
    let mut scope = around.within(block.children());
    if block.children().iter().any(condition::is_away) {
        scope.go_away();
    }
    scope.access.blind |= is_blind(block.children());
    match listen::reach(&listen::of(block), listens) {
        Reach::Everybody => {}
        Reach::Loopback => scope.access.only_from(vec!["127.0.0.0/8".to_owned(), "::1/128".to_owned()]),
        Reach::Some(_) => scope.obstacles.extend(block.children().iter().filter(|d| d.name == "listen").cloned()),
    }
    scope
}

/// Every group that stands for a password file or an authentication server.
fn groups_below(block: &Directive, scope: &Scope) -> Vec<String> {
    let below = block.children().iter().filter(|d| d.name == "location").flat_map(|d| groups_below(d, &scope.within(d.children())));
    scope.access.groups().into_iter().chain(below).collect()
}

/// Puts a server's routes in, as far as its hosts are not taken by one before it.
fn take(draft: &mut Draft, server: Server, lines: Vec<String>, has_catch_all: bool) {
    if !server.unsaid.is_empty() {
        let what = format!("Left out: names that no host of a route can say: {}. They are closed.", server.unsaid.join(", "));
        draft.left_out.push(std::iter::once(what).chain(lines.clone()).collect());
    }
    if server.hosts.is_empty() && !server.catch_all {
        return;
    }
    // Nothing is forwarded without a route.
    if server.catch_all && (server.redirect || server.routes.iter().all(RouteDraft::is_closed)) {
        let what = "Left out: hosts without a route get 404; nginx redirected or refused them.".to_owned();
        return draft.left_out.push(std::iter::once(what).chain(lines).collect());
    }
    for route in server.routes {
        let free = |host: &String| !draft.routes.iter().any(|other| other.path == route.path && other.hosts.contains(host));
        let hosts: Vec<String> = route.hosts.iter().filter(|host| free(host)).cloned().collect();
        let taken_whole = server.catch_all && draft.routes.iter().any(|other| other.path == route.path && other.hosts.is_empty());
        if taken_whole || hosts.is_empty() && !server.catch_all {
            if !server.redirect {
                let what = format!("Left out: another server has this host and the path “{}/” already.", route.path);
                draft.left_out.push(std::iter::once(what).chain(lines.clone()).collect());
            }
            continue;
        }
        // A closed root is only needed where something else would answer.
        if route.is_closed() && route.path.is_empty() && server.redirect && !has_catch_all && !under_a_wildcard(draft, &hosts) {
            continue;
        }
        let first = hosts.first().map_or("every-host", String::as_str);
        let name = draft.free_name(&format!("{first}{}", route.path));
        draft.routes.push(RouteDraft { name, hosts, ..route });
    }
}

/// What no host can say must not fall to a route for more hosts: the domain that it lies in is closed there, or that route is.
fn close_unsaid(draft: &mut Draft, name: &str) {
    let wide = |route: &RouteDraft| route.hosts.is_empty() || route.hosts.iter().any(|host| host.starts_with('*'));
    if !draft.routes.iter().any(|route| wide(route) && !route.is_closed()) {
        return;
    }
    let lines = vec![format!("server_name {name};")];
    let Some(host) = domain_of(name).map(|domain| format!("*.{domain}")) else {
        for route in draft.routes.iter_mut().filter(|route| route.hosts.is_empty()) {
            (route.demand, route.rules, route.original) = (Demand::DENY, Vec::new(), lines.clone());
        }
        return;
    };
    if !draft.routes.iter().any(|route| route.hosts.contains(&host) && route.path.is_empty()) {
        let name = draft.free_name(host.trim_start_matches("*."));
        draft.routes.push(RouteDraft { original: lines, ..RouteDraft::new(name, vec![host], String::new()) });
    }
}

/// A name that was only sent elsewhere must not fall to a route for more hosts.
fn close_gone(draft: &mut Draft, host: String, lines: Vec<String>) {
    let is_own = |route: &RouteDraft| route.path.is_empty() && route.hosts.contains(&host);
    let has_wide = draft.routes.iter().any(|route| route.hosts.is_empty() && !route.is_closed());
    if draft.routes.iter().any(is_own) || !has_wide && !under_a_wildcard(draft, std::slice::from_ref(&host)) {
        return;
    }
    let name = draft.free_name(&host);
    draft.routes.push(RouteDraft { original: lines, ..RouteDraft::new(name, vec![host], String::new()) });
}

/// The domain that everything an expression matches lies below; `None` if it does not end in one.
fn domain_of(expression: &str) -> Option<String> {
    let text = expression.strip_prefix('~')?.strip_suffix('$')?.replace("\\.", "\u{1}");
    let begins = text.rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '\u{1}')).map_or(0, |at| at + 1);
    let literal = text.get(begins..)?;
    let domain = literal.get(literal.find('\u{1}')? + 1..)?.replace('\u{1}', ".").to_ascii_lowercase();
    crate::base::Host::parse(domain.as_bytes()).is_ok().then_some(domain)
}

fn under_a_wildcard(draft: &Draft, hosts: &[String]) -> bool {
    let patterns = || draft.routes.iter().flat_map(|route| &route.hosts).filter_map(|host| host.strip_prefix('*'));
    hosts.iter().any(|host| patterns().any(|domain| host.ends_with(domain)))
}

/// Proxies whose `X-Forwarded-For` nginx believed.
fn trusted(http: &[Directive]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let servers = http.iter().filter(|d| d.name == "server").flat_map(|d| d.children());
    for d in http.iter().chain(servers).filter(|d| d.name == "set_real_ip_from") {
        found.extend(network(d.arg()).filter(|_| !is_blind(http)));
    }
    found.sort();
    found.dedup();
    found
}

/// Whether nginx took addresses from a header that is not ours, or from the PROXY protocol.
fn is_blind(block: &[Directive]) -> bool {
    let header = block.iter().find(|d| d.name == "real_ip_header").map_or("X-Real-IP", Directive::arg);
    let believed = block.iter().any(|d| d.name == "set_real_ip_from");
    let proxied = block.iter().any(|d| d.name == "listen" && d.args.iter().any(|arg| arg == "proxy_protocol"));
    believed && !header.eq_ignore_ascii_case("X-Forwarded-For") || proxied
}

fn listeners(draft: &mut Draft, blocks: &[&Directive], http: &[Directive]) {
    let mut tls: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    let mut plain = BTreeSet::new();
    for block in blocks {
        for listen in listen::of(block) {
            let Some(address) = listen.address else { continue };
            match listen.tls {
                true => tls.entry(address.to_string()).or_default().extend(certificates(block, http)),
                false => drop(plain.insert(address.to_string())),
            }
        }
    }
    let dual = |address: &str| address.strip_prefix("0.0.0.0:").map(|port| format!("[::]:{port}"));
    // A listener on [::] takes IPv4 too.
    draft.listen = plain.iter().filter(|a| !tls.contains_key(*a) && !dual(a).is_some_and(|v6| plain.contains(&v6))).cloned().collect();
    let kept: Vec<String> = tls.keys().filter(|a| !dual(a).is_some_and(|v6| tls.contains_key(&v6))).cloned().collect();
    for listen in kept {
        let mut certificates = tls.remove(&listen).unwrap_or_default();
        certificates.sort();
        certificates.dedup();
        let readable = |file: &String| std::fs::File::open(file).is_ok();
        let present = !certificates.is_empty() && certificates.iter().all(|(cert, key)| readable(cert) && readable(key));
        draft.tls.push(TlsDraft { listen, certificates, present });
    }
    if draft.listen.is_empty() && !draft.tls.iter().any(|listener| listener.present) {
        draft.listen = vec!["127.0.0.1:8080".to_owned()];
    }
}

/// Pairs of a server's certificates and keys, or those around it.
fn certificates(server: &Directive, http: &[Directive]) -> Vec<(String, String)> {
    let of =
        |block: &[Directive], name: &str| -> Vec<String> { block.iter().filter(|d| d.name == name).map(|d| d.arg().to_owned()).collect() };
    let own = of(server.children(), "ssl_certificate");
    let block = if own.is_empty() { http } else { server.children() };
    let pairs = of(block, "ssl_certificate").into_iter().zip(of(block, "ssl_certificate_key"));
    pairs.filter(|(cert, key)| !cert.contains('$') && !cert.starts_with("data:") && !key.contains(['$', ':'])).collect()
}

fn head(passwords: &BTreeSet<String>, base: BasePolicy) -> Vec<String> {
    let mut head = vec!["Made by `vestibule init --from-nginx`. Read it through, then: vestibule check".to_owned(), String::new()];
    if base == BasePolicy::Observe {
        head.push("What was open in nginx is forwarded as before, and the log records who would have been asked to sign in.".to_owned());
        head.push("Remove `enforce = false` from a route when its users are ready.".to_owned());
    }
    head.push("What could not be carried over is closed (`deny`), with the original lines beside it.".to_owned());
    if !passwords.is_empty() {
        head.push(String::new());
        head.push("Where nginx asked for a password, members of these groups may pass. Nobody is in them yet:".to_owned());
        head.extend(passwords.iter().map(|group| format!("    {group}")));
        head.push("    vestibule user import .htpasswd --format htpasswd; vestibule user set NAME --group GROUP".to_owned());
    }
    head
}
