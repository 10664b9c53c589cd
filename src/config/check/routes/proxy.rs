//! How a route's requests travel to its upstreams: names, certificates and times, sticky choice and health checks.

use std::sync::Arc;

use crate::base::{Clock, Host};
use crate::config::document::outline::Shape;
use crate::config::document::problem::Fault;
use crate::config::document::section::{Entry, Section};
use crate::config::readers::path::{covers, prefix};
use crate::config::readers::value::{DAY, SECOND};
use crate::config::readers::{pem, value};
use crate::policy::{ClientCertificate, HealthCheck, HostHeader, ProxyOptions, Upstream};

/// `proxy`, `sticky` and `health` of a route.
pub(super) fn proxy(route: &Section, route_path: &str, upstreams: &[Upstream]) -> ProxyOptions {
    let default = ProxyOptions::default();
    let s = route.section("proxy");
    let proxy = ProxyOptions {
        host: s.or("host", default.host, host_header),
        ca: s.maybe("ca", pem::authorities as fn(&Entry) -> Result<Arc<Vec<u8>>, Fault>),
        certificate_name: s.maybe("certificate_name", certificate_name),
        client_certificate: client_certificate(&s),
        http2: s.or("http2", default.http2, value::flag),
        strip_prefix: strip_prefix(&s, route_path),
        connect_timeout: s.or("connect_timeout", default.connect_timeout, value::span(SECOND / 10..=DAY)),
        read_timeout: s.or("read_timeout", default.read_timeout, value::span(SECOND / 10..=DAY)),
        idle_timeout: s.maybe("idle_timeout", value::span(SECOND / 10..=DAY)),
        rewrite_location: s.maybe("rewrite_location", value::flag),
        sticky: route.or("sticky", default.sticky, value::flag),
        health: health(route),
    };
    for (what, remedy) in proxy.ca.iter().flat_map(|pem| pem::doubts(pem, Clock::system().now())) {
        s.warn("ca", what, remedy);
    }
    warn_of_useless(route, &s, upstreams);
    s.finish();
    proxy
}

/// Keys that change nothing, which somebody may rely on.
fn warn_of_useless(route: &Section, s: &Section, upstreams: &[Upstream]) {
    if upstreams.is_empty() || s.collector.outline.is_some() {
        return;
    }
    let is_plain = !upstreams.iter().any(|upstream| upstream.tls);
    for key in ["ca", "certificate_name", "client_certificate"].into_iter().filter(|key| is_plain && s.has(key)) {
        s.warn(key, "no upstream is https://, so that no certificate is looked at or shown", "write https:// for the upstream");
    }
    if route.has("sticky") && upstreams.len() == 1 {
        route.warn("sticky", "there is one upstream, to which everybody goes anyway", "remove sticky, or add upstreams");
    }
}

/// A prefix of the route's own path: nothing else is always there to be cut off.
fn strip_prefix(s: &Section, route_path: &str) -> Option<String> {
    let stripped = s.maybe("strip_prefix", prefix)?;
    if stripped.is_empty() || !covers(&stripped, route_path) {
        let remedy = format!("write the route's path, “{route_path}”, or its beginning up to a slash");
        s.error("strip_prefix", Fault::new(format!("“{stripped}/” is not a prefix of the route's path"), remedy));
        return None;
    }
    Some(stripped)
}

fn host_header(entry: &Entry) -> Result<HostHeader, Fault> {
    let text = value::text(entry)?;
    match text.as_str() {
        "preserve" => Ok(HostHeader::Preserve),
        "upstream" => Ok(HostHeader::Upstream),
        name if Host::parse(name.as_bytes()).is_ok() => Ok(HostHeader::Name(text)),
        name => Err(Fault::new(format!("“{}” is no host", name.escape_default()), "write preserve, upstream, or a host name")),
    }
}

/// A host name or an address, as a certificate names one.
fn certificate_name(entry: &Entry) -> Result<String, Fault> {
    let text = value::text(entry)?;
    match Host::parse(text.as_bytes()) {
        Ok(host) if !text.contains([':', '*']) && rustls::pki_types::ServerName::try_from(host.as_str()).is_ok() => {
            Ok(host.as_str().to_owned())
        }
        _ => Err(Fault::new(
            format!("“{}” is no name of a server", text.escape_default()),
            "write the name in the upstream's certificate, such as app.internal",
        )),
    }
}

fn client_certificate(s: &Section) -> Option<Arc<ClientCertificate>> {
    if !s.has("client_certificate") {
        return None;
    }
    let own = s.section("client_certificate");
    let files = pem::certificate(&own);
    own.finish();
    let (chain, key) = pem::read_pair(&files?)?;
    Some(Arc::new(ClientCertificate { chain, key }))
}

fn health(route: &Section) -> Option<HealthCheck> {
    if !route.has("health") {
        return None;
    }
    let own = route.section("health");
    let path = own.required("path", "name what is asked for: path = \"/healthz\"", target);
    let interval = own.or("interval", 10 * SECOND, value::span(SECOND..=DAY));
    own.finish();
    Some(HealthCheck { path: path?, interval })
}

/// A request target in origin-form (RFC 9112 section 3.2.1), without a fragment.
fn target(entry: &Entry) -> Result<String, Fault> {
    entry.takes(|| Shape::Pattern("^/[!-\"$-~]*$"));
    let text = value::text(entry)?;
    let is_target = text.starts_with('/') && text.len() <= 1024 && text.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
    if is_target && text.parse::<http::Uri>().is_ok() {
        return Ok(text);
    }
    Err(Fault::new(format!("“{}” is no path", text.escape_default()), "write a path from the root, such as /healthz"))
}

#[cfg(test)]
mod tests {
    use crate::config::tests::faults;

    fn of(keys: &str) -> Vec<(String, String)> {
        let route =
            "[[routes]]\nname = \"a\"\nhosts = [\"a.example\"]\nupstreams = [\"https://a\", \"https://b\"]\npolicy = \"one_factor\"\n";
        faults(&format!("{route}{keys}\n")).into_iter().map(|p| (p.key, p.what)).collect()
    }

    #[test]
    fn what_cannot_work_is_told_with_its_key() {
        for right in [
            "health = { path = \"/healthz?full=1\", interval = \"5s\" }\nsticky = true",
            "proxy = { http2 = true, certificate_name = \"app.internal\" }",
        ] {
            assert_eq!(of(right), [], "{right}");
        }
        for (wrong, key) in [
            ("health = { interval = \"5s\" }", "routes[0].health.path"),
            ("health = { path = \"healthz\" }", "routes[0].health.path"),
            ("health = { path = \"/a b\" }", "routes[0].health.path"),
            ("health = { path = \"/a#b\" }", "routes[0].health.path"),
            ("health = { path = \"/\", interval = \"10ms\" }", "routes[0].health.interval"),
            ("proxy = { certificate_name = \"*.internal\" }", "routes[0].proxy.certificate_name"),
            ("proxy = { certificate_name = \"app:443\" }", "routes[0].proxy.certificate_name"),
            ("proxy = { client_certificate = { cert = \"a.pem\" } }", "routes[0].proxy.client_certificate.key"),
        ] {
            let found = of(wrong);
            assert!(found.len() == 1 && found[0].0 == key, "{wrong}: {found:?}");
        }
    }
}
