//! `portal.url`, and what it means for other keys: sessions have no domain, every route names its hosts, and security keys are made for
//! the portal's host.

use crate::base::Host;
use crate::config::document::problem::Fault;
use crate::config::document::section::{Entry, Section};
use crate::config::readers::value;
use crate::config::typed::{Config, PortalUrl};
use crate::policy::{Level, Route};

const REMEDY: &str = "write the scheme and the host: https://login.internal.example";

pub(super) fn read(entry: &Entry) -> Result<PortalUrl, Fault> {
    let text = value::text(entry)?;
    let fault = |what: &str| Fault::new(format!("“{}” {what}", text.escape_default()), REMEDY);
    let (secure, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (None, Some(rest)) => (false, rest),
        (None, None) => return Err(fault("is no http or https address")),
    };
    let written = rest.strip_suffix('/').unwrap_or(rest);
    if written.contains(['/', '?', '#', '@', '\\']) {
        return Err(fault("has more than a scheme, a host and a port"));
    }
    let host = Host::parse(written.as_bytes()).map_err(|_| fault("has no host name (ASCII; punycode for others)"))?;
    if host.is_address() {
        return Err(fault("is an address; people and browsers need a name"));
    }
    let lower = written.to_ascii_lowercase();
    let own = if secure { ":443" } else { ":80" };
    let port = lower.rsplit_once(':').map(|(_, port)| format!(":{port}")).filter(|port| port != own).unwrap_or_default();
    Ok(PortalUrl { authority: format!("{}{port}", host.as_str()), host, secure })
}

/// What follows for the rest of the configuration.
pub(in crate::config) fn settle(root: &Section, config: &mut Config) {
    let Some(url) = config.portal.url.clone() else { return };
    let domain = config.session.domain.take();
    if domain.is_some() {
        let what = "has no effect beside portal.url: each host has a session of its own, which belongs to the portal's";
        root.section("session").warn("domain", what, "leave it out");
    }
    for (at, route) in root.sections("routes").iter().zip(&config.routes) {
        if route.hosts.is_empty() && has_people(route) {
            let what = "beside portal.url a route that people sign in for names its hosts: a ticket is made for no other host";
            at.error("hosts", Fault::new(what, "write hosts = [\"wiki.internal.example\"]"));
        }
    }
    match &config.mfa.rp_id {
        Some(id) if !url.host.is_within(id) => {
            let what = format!("{} is not below {id}: no key works there", url.host.as_str());
            let webauthn = root.section("mfa").section("webauthn");
            webauthn.error("rp_id", Fault::new(what, "leave it out, or name the portal's host or a domain above it"));
        }
        Some(_) => {}
        // Keys that were made for the domain go on.
        None => config.mfa.rp_id = Some(domain.filter(|domain| url.host.is_within(domain)).unwrap_or_else(|| url.host.as_str().to_owned())),
    }
}

/// Whether anybody signs in for it.
fn has_people(route: &Route) -> bool {
    let mut levels = std::iter::once(&route.requirement).chain(route.rules.iter().map(|rule| &rule.requirement)).map(|demand| demand.level);
    levels.any(|level| matches!(level, Level::OneFactor | Level::TwoFactor))
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, parse};

    const ROUTE: &str =
        "[[routes]]\nname = \"a\"\nhosts = [\"wiki.one.example\"]\nupstreams = [\"http://127.0.0.1:1\"]\npolicy = \"one_factor\"\n";

    fn read(text: &str) -> Result<Config, String> {
        parse(text, std::path::Path::new("v.toml"), []).map(|loaded| loaded.config).map_err(|problems| problems.to_string())
    }

    fn with_url(url: &str) -> Result<Config, String> {
        read(&format!("[portal]\nurl = \"{url}\"\n{ROUTE}"))
    }

    #[test]
    fn a_portal_is_a_scheme_a_host_and_perhaps_a_port() {
        for (written, origin) in [
            ("https://login.one.example", "https://login.one.example"),
            ("https://Login.One.Example:443/", "https://login.one.example"),
            ("http://login.one.example:8080", "http://login.one.example:8080"),
        ] {
            assert_eq!(with_url(written).unwrap().portal.url.unwrap().origin(), origin);
        }
        for wrong in [
            "login.one.example",
            "ftp://login.one.example",
            "https://",
            "https://login.one.example/x",
            "https://login.one.example?x",
            "https://a@login.one.example",
            "https://10.0.0.1",
            "https://[::1]",
            "https://login.one.example:x",
            "https:///x",
        ] {
            assert!(with_url(wrong).is_err_and(|said| said.contains("portal.url")), "{wrong}");
        }
    }

    #[test]
    fn keys_are_made_for_the_portal_and_sessions_have_no_domain() {
        let config = with_url("https://login.one.example").unwrap();
        assert_eq!(config.mfa.rp_id.as_deref(), Some("login.one.example"));
        let portal = "[portal]\nurl = \"https://login.one.example\"\n";
        let config = read(&format!("{portal}[session]\ndomain = \"one.example\"\n{ROUTE}")).unwrap();
        assert_eq!((config.session.domain, config.mfa.rp_id.as_deref()), (None, Some("one.example")));
        assert!(read(&format!("{portal}[mfa.webauthn]\nrp_id = \"one.example\"\n{ROUTE}")).is_ok());
        let said = read(&format!("{portal}[mfa.webauthn]\nrp_id = \"two.example\"\n{ROUTE}")).unwrap_err();
        assert!(said.contains("no key works there"), "{said}");
    }

    #[test]
    fn a_route_for_every_host_is_refused_where_people_sign_in() {
        let portal = "[portal]\nurl = \"https://login.one.example\"\n";
        let route =
            |policy: &str| format!("{portal}[[routes]]\nname = \"a\"\nupstreams = [\"http://127.0.0.1:1\"]\npolicy = \"{policy}\"\n");
        assert!(read(&route("one_factor")).unwrap_err().contains("names its hosts"));
        assert!(read(&route("bypass")).is_ok() && read(&route("deny")).is_ok());
    }
}
