//! What a route wants of sessions that are bound to a device, and what `[session.device_bound]` needs to work.

use std::time::Duration;

use crate::config::document::problem::Fault;
use crate::config::document::section::Section;
use crate::config::readers::value;
use crate::config::readers::value::{DAY, MINUTE};
use crate::config::typed::Config;
use crate::policy::{DeviceRule, HostPattern, Route};

/// `device_bound` and `device_age` of a route; `None` if sessions are bound to no device.
pub(in crate::config) fn rule(s: &Section, is_on: bool) -> Option<DeviceRule> {
    let names = [
        (DeviceRule::Observe.name(), DeviceRule::Observe),
        (DeviceRule::Prefer.name(), DeviceRule::Prefer),
        ("require", DeviceRule::Require { age: None }),
    ];
    let written = s.maybe("device_bound", value::choice(&names));
    let age = s.maybe("device_age", value::span(MINUTE * 3..=DAY));
    if s.has("device_age") && !matches!(written, Some(DeviceRule::Require { .. })) {
        s.error("device_age", Fault::new("only a bound session shows its device", "set device_bound = \"require\", or remove device_age"));
    }
    if !is_on && (s.has("device_bound") || s.has("device_age")) {
        let key = if s.has("device_bound") { "device_bound" } else { "device_age" };
        s.error(key, Fault::new("no session is bound to a device", format!("add [session.device_bound], or remove {key}")));
    }
    let rule = match written {
        Some(DeviceRule::Require { .. }) => DeviceRule::Require { age },
        other => other.unwrap_or(DeviceRule::Prefer),
    };
    if matches!(rule, DeviceRule::Require { .. }) && s.has("tokens") {
        s.error("tokens", Fault::new("no API token is bound to a device", "remove tokens, or set device_bound = \"prefer\""));
    }
    is_on.then_some(rule)
}

/// How many hosts one person can use at the same time: browsers sign six times in nine minutes for a domain, and refresh two minutes
/// before the end.
fn hosts_at_once(lifetime: Duration) -> usize {
    usize::try_from(lifetime.saturating_sub(MINUTE * 2).as_secs() * 6 / (9 * 60)).unwrap_or(usize::MAX)
}

/// What is legal and does not work, or not for long.
pub(in crate::config) fn advise(root: &Section, config: &Config) {
    let Some(bound) = config.session.device_bound else { return };
    let session = root.section("session");
    let section = session.section("device_bound");
    if config.server.tls.is_empty() && config.server.trusted_proxies.is_empty() && config.forward_auth.is_none() {
        let remedy = "add [[server.tls]], or name the TLS proxy in front in server.trusted_proxies";
        section.warn("lifetime", "browsers bind sessions over HTTPS alone, and no listener here has it", remedy);
    }
    let mut hosts: Vec<&str> = config.routes.iter().flat_map(|route| &route.hosts).map(name).collect();
    hosts.sort_unstable();
    hosts.dedup();
    match &config.session.domain {
        Some(domain) if !config.routes.iter().any(|route| serves(route, domain)) => {
            let what = format!(
                "browsers ask https://{domain}/.well-known/device-bound-sessions whether other hosts may bind sessions, and no route serves {domain}"
            );
            section.warn("lifetime", what, format!("add a route for {domain}, or serve there: {}", registering(config, domain, "")));
        }
        None if hosts.len() > hosts_at_once(bound.lifetime) => {
            let most = hosts_at_once(bound.lifetime);
            let what = format!(
                "each of {} hosts has a session and key of its own; browsers renew those of {most} that are in use at once",
                hosts.len()
            );
            section.warn("lifetime", what, "give a longer lifetime, or set session.domain");
        }
        Some(_) | None => {}
    }
}

fn name(pattern: &HostPattern) -> &str {
    match pattern {
        HostPattern::Exact(name) | HostPattern::Below(name) => name,
    }
}

fn serves(route: &Route, host: &str) -> bool {
    route.hosts.is_empty()
        || crate::base::Host::parse(host.as_bytes()).is_ok_and(|host| route.hosts.iter().any(|pattern| pattern.matches(&host)))
}

/// The file that says which hosts of a domain may bind sessions for all of it; `port` is empty or begins with a colon.
pub fn registering(config: &Config, domain: &str, port: &str) -> String {
    let exact = config.routes.iter().flat_map(|route| &route.hosts).filter_map(|pattern| match pattern {
        HostPattern::Exact(name) => Some(name.as_str()),
        HostPattern::Below(_) => None,
    });
    let within = |name: &&str| *name == domain || name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    let mut origins: Vec<String> = exact.filter(within).map(|name| format!("https://{name}{port}")).collect();
    origins.sort_unstable();
    origins.dedup();
    serde_json::json!({ "registering_origins": origins }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Loaded, Problems, Severity, parse};

    const ROUTE: &str = "[[routes]]\nname = \"a\"\nhosts = [\"a.corp.example\"]\nupstreams = [\"http://h\"]\npolicy = \"one_factor\"\n";

    fn read(text: &str) -> Result<Loaded, Problems> {
        parse(text, std::path::Path::new("vestibule.toml"), [])
    }

    fn errors(text: &str) -> Vec<(String, String)> {
        let Err(problems) = read(text) else { return Vec::new() };
        problems.0.into_iter().filter(|p| p.severity == Severity::Error).map(|p| (p.key, p.what)).collect()
    }

    #[test]
    fn it_is_off_until_its_section_is_there_and_then_every_route_prefers_it() {
        let off = read(ROUTE).unwrap().config;
        assert!(off.session.device_bound.is_none() && off.routes[0].application.device.is_none());
        let on = read(&format!("[session.device_bound]\n{ROUTE}")).unwrap().config;
        assert_eq!(on.session.device_bound.unwrap().lifetime, MINUTE * 10);
        assert_eq!(on.routes[0].application.device, Some(DeviceRule::Prefer));
        let text = format!("[session.device_bound]\nlifetime = \"30m\"\n{ROUTE}device_bound = \"require\"\ndevice_age = \"5m\"\n");
        assert_eq!(read(&text).unwrap().config.routes[0].application.device, Some(DeviceRule::Require { age: Some(MINUTE * 5) }));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (before, route, key, said) in [
            ("", "device_bound = \"require\"\n", "routes[0].device_bound", "no session is bound"),
            ("", "device_age = \"5m\"\n", "routes[0].device_age", "no session is bound"),
            ("[session.device_bound]\n", "device_age = \"5m\"\n", "routes[0].device_age", "only a bound session"),
            ("[session.device_bound]\n", "device_bound = \"require\"\ndevice_age = \"1m\"\n", "routes[0].device_age", "out of range"),
            (
                "[session.device_bound]\n",
                "device_bound = \"require\"\ntokens = [\"bearer\"]\n",
                "routes[0].tokens",
                "no API token is bound",
            ),
            ("[session.device_bound]\nlifetime = \"2m\"\n", "", "session.device_bound.lifetime", "out of range"),
            ("[session.device_bound]\n", "device_bound = \"always\"\n", "routes[0].device_bound", "not known"),
        ] {
            let found = errors(&format!("{before}{ROUTE}{route}"));
            assert!(found.iter().any(|(at, what)| at == key && what.contains(said)), "{before}{route}: {found:?}");
        }
    }

    #[test]
    fn what_cannot_work_is_said() {
        let warned = |text: &str| {
            let found: Vec<String> = read(text).unwrap().warnings.into_iter().map(|p| format!("{} {}", p.what, p.remedy)).collect();
            found.join("\n")
        };
        let with = |domain: &str| warned(&format!("[session]\n{domain}[session.device_bound]\n{ROUTE}"));
        assert!(with("").contains("over HTTPS alone"));
        assert!(with("domain = \"corp.example\"\n").contains("serve there: {\"registering_origins\":[\"https://a.corp.example\"]}"));
        assert!(!with("domain = \"a.corp.example\"\n").contains("well-known"));
        let many: String =
            (0..6).map(|n| ROUTE.replace("name = \"a\"", &format!("name = \"r{n}\"")).replace("a.corp", &format!("r{n}.corp"))).collect();
        assert!(warned(&format!("[session.device_bound]\n{many}")).contains("renew those of 5"));
    }
}
