//! A draft as a commented file. Whatever a name or a line of the original holds, it stays inside its string or its comment.

use std::fmt::Write as _;

use super::draft::{Demand, Draft, RouteDraft, RuleDraft, TlsDraft};
use crate::policy::Level;

/// The whole file.
pub fn render(draft: &Draft) -> String {
    let mut out = String::new();
    comment(&mut out, "", &draft.head);
    out.push_str("\n[server]\n");
    let _ = writeln!(out, "listen = {}", list(&draft.listen));
    out.push_str("data_dir = \"data\"                  # accounts, keys, audit log: back this up\n");
    if draft.trusted_proxies.is_empty() {
        out.push_str("trusted_proxies = []               # whose X-Forwarded-For and -Proto is believed\n");
    } else {
        let _ = writeln!(out, "trusted_proxies = {}", list(&draft.trusted_proxies));
    }
    draft.tls.iter().for_each(|listener| tls(&mut out, listener));
    for (name, lines) in &draft.sections {
        let _ = writeln!(out, "\n[{name}]");
        lines.iter().for_each(|line| out.extend([line, "\n"]));
    }
    draft.routes.iter().for_each(|one| route(&mut out, one));
    for left_out in &draft.left_out {
        out.push('\n');
        comment(&mut out, "", left_out);
    }
    out
}

/// A string of TOML.
pub fn string(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn list(texts: &[String]) -> String {
    format!("[{}]", texts.iter().map(|text| string(text)).collect::<Vec<_>>().join(", "))
}

/// TOML allows no control characters in a comment but the tab.
fn comment(out: &mut String, indent: &str, lines: &[String]) {
    for line in lines.iter().flat_map(|text| text.lines()) {
        let harmless: String = line.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect();
        let _ = writeln!(out, "{}", format!("{indent}# {harmless}").trim_end());
    }
}

fn tls(out: &mut String, listener: &TlsDraft) {
    let mark = if listener.present { "" } else { "# " };
    out.push('\n');
    if !listener.present {
        comment(out, "", &["The certificate's files are not on this machine, or cannot be read: enable this where they are.".to_owned()]);
    }
    let pairs = listener.certificates.iter().map(|(cert, key)| format!("{{ cert = {}, key = {} }}", string(cert), string(key)));
    let _ = writeln!(out, "{mark}[[server.tls]]\n{mark}listen = {}", string(&listener.listen));
    let _ = writeln!(out, "{mark}certificates = [{}]", pairs.collect::<Vec<_>>().join(", "));
}

fn route(out: &mut String, route: &RouteDraft) {
    out.push('\n');
    comment(out, "", &route.notes);
    original(out, "", &route.original);
    let _ = writeln!(out, "[[routes]]\nname = {}", string(&route.name));
    if !route.hosts.is_empty() {
        let _ = writeln!(out, "hosts = {}", list(&route.hosts));
    }
    let path = if route.path.is_empty() { "/" } else { &route.path };
    let _ = writeln!(out, "path = {}", string(path));
    if !route.upstreams.is_empty() {
        let _ = writeln!(out, "upstreams = {}", list(&route.upstreams));
    }
    demand(out, "", &route.demand, true);
    keys(out, route);
    route.rules.iter().for_each(|one| rule(out, one, route.demand.enforce));
}

fn keys(out: &mut String, route: &RouteDraft) {
    let travel = &route.travel;
    let span = |key: &str, seconds: Option<u64>| seconds.map(|seconds| (key.to_owned(), string(&format!("{seconds}s"))));
    let proxy: Vec<(String, String)> = route
        .proxy
        .iter()
        .cloned()
        .chain(span("connect_timeout", travel.connect_timeout))
        .chain(span("read_timeout", travel.read_timeout))
        .collect();
    let inline = |pairs: &[(String, String)]| pairs.iter().map(|(key, value)| format!("{key} = {value}")).collect::<Vec<_>>().join(", ");
    if !proxy.is_empty() {
        let _ = writeln!(out, "proxy = {{ {} }}", inline(&proxy));
    }
    for (key, value) in &route.keys {
        let _ = writeln!(out, "{key} = {value}");
    }
    if let Some(most) = travel.max_body {
        let _ = writeln!(out, "max_body = {}", string(&size(most)));
    }
    if !travel.response_headers.is_empty() {
        let _ = writeln!(out, "response_headers = {}", headers(&travel.response_headers));
    }
}

/// Headers as a table of TOML.
pub fn headers(pairs: &[(String, String)]) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{} = {}", string(name), string(value))).collect();
    format!("{{ {} }}", pairs.join(", "))
}

/// In the largest unit that says it exactly.
fn size(bytes: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let fitting = units.into_iter().find(|(_, bits)| bytes > 0 && bytes.is_multiple_of(1 << bits));
    fitting.map_or_else(|| format!("{bytes}B"), |(unit, bits)| format!("{}{unit}", bytes >> bits))
}

fn rule(out: &mut String, rule: &RuleDraft, inherited: bool) {
    out.push('\n');
    comment(out, "  ", &rule.notes);
    original(out, "  ", &rule.original);
    out.push_str("  [[routes.rules]]\n");
    for (key, values) in [("paths", &rule.paths), ("patterns", &rule.patterns), ("methods", &rule.methods), ("networks", &rule.networks)] {
        if !values.is_empty() {
            let _ = writeln!(out, "  {key} = {}", list(values));
        }
    }
    demand(out, "  ", &rule.demand, inherited);
}

fn original(out: &mut String, indent: &str, lines: &[String]) {
    if !lines.is_empty() {
        comment(out, indent, &["Closed, since this could not be carried over:".to_owned()]);
        comment(out, indent, &lines.iter().map(|line| format!("    {line}")).collect::<Vec<_>>());
    }
}

/// `inherited`: whether `enforce` is true if it is left out.
fn demand(out: &mut String, indent: &str, demand: &Demand, inherited: bool) {
    let _ = writeln!(out, "{indent}policy = {}", string(demand.level.name()));
    if !demand.groups.is_empty() && matches!(demand.level, Level::OneFactor | Level::TwoFactor) {
        let _ = writeln!(out, "{indent}groups = {}", list(&demand.groups));
    }
    if demand.enforce != inherited {
        let about = if demand.enforce { "" } else { "                    # observe only: forward, and record who would have been stopped" };
        let _ = writeln!(out, "{indent}enforce = {}{about}", demand.enforce);
    }
}
