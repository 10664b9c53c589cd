//! An upstream's own address in its answers (`Location`, cookies' `Domain`), which becomes the address that the client uses. An application
//! that is asked under its internal name (`proxy.host = "upstream"`) makes its links from it, and nobody outside could follow them.

use http::{HeaderValue, header};
use pingora::Result;
use pingora::http::ResponseHeader;

use crate::gateway::authorize::context::Context;
use crate::gateway::authorize::policy;
use crate::gateway::request::parse::RequestInfo;
use crate::policy::Upstream;

/// Rewrites what names one of the route's upstreams, if the route says so.
///
/// # Errors
/// None that is known; pingora's header type may refuse a value.
pub fn rewrite(response: &mut ResponseHeader, context: &Context) -> Result<()> {
    let pool = policy::pool(&context.snapshot, context.admission.as_ref()).filter(|pool| pool.rewrites_location());
    let (Some(pool), Some(info)) = (pool, context.info.as_ref()) else { return Ok(()) };
    for name in [header::LOCATION, header::CONTENT_LOCATION, header::REFRESH] {
        let old = response.headers.get(&name).and_then(|value| value.to_str().ok());
        let new = old.and_then(|old| pool.upstreams().find_map(|upstream| outside(old, upstream, info)));
        if let Some(value) = new.and_then(|new| HeaderValue::try_from(new).ok()) {
            response.insert_header(name, value)?;
        }
    }
    let cookies: Vec<HeaderValue> = response.headers.get_all(header::SET_COOKIE).iter().cloned().collect();
    let foreign = |line: &HeaderValue| pool.upstreams().find_map(|upstream| without_domain(line, upstream, info));
    if cookies.iter().any(|line| foreign(line).is_some()) {
        response.remove_header(&header::SET_COOKIE);
        for line in cookies {
            let line = foreign(&line).unwrap_or(line);
            response.append_header(header::SET_COOKIE, line)?;
        }
    }
    Ok(())
}

/// A URL (or a `Refresh` with one) that names the upstream, as the client knows it.
fn outside(value: &str, upstream: &Upstream, info: &RequestInfo) -> Option<String> {
    let lower = value.to_ascii_lowercase();
    let start = ["http://", "https://"].iter().filter_map(|scheme| lower.find(scheme)).min()?;
    // A URL from its beginning; in a Refresh, after `url=`. Elsewhere it is only a parameter.
    if start > 0 && !lower.get(..start)?.trim_end_matches(['"', '\'']).ends_with("url=") {
        return None;
    }
    let tls = lower.get(start..)?.starts_with("https");
    let after = start + if tls { "https://".len() } else { "http://".len() };
    let rest = value.get(after..)?;
    let (authority, rest) = rest.split_at(rest.find(['/', '?', '#', '\\', '"', '\'', ' ']).unwrap_or(rest.len()));
    names(authority, tls, upstream).then(|| {
        let scheme = if info.secure { "https" } else { "http" };
        format!("{}{scheme}://{}{rest}", value.get(..start).unwrap_or_default(), info.authority)
    })
}

/// Whether an authority is the upstream's. The scheme may be another: an application that is told that the client speaks HTTPS writes
/// `https://` before its own address.
fn names(authority: &str, tls: bool, upstream: &Upstream) -> bool {
    let named = authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']'));
    let host = named.map_or(authority, |(host, _)| host).trim_start_matches('[').trim_end_matches(']');
    let fits = match named {
        Some((_, port)) => port.parse() == Ok(upstream.port),
        None => upstream.port == if tls { 443 } else { 80 } || matches!(upstream.port, 80 | 443),
    };
    fits && host.eq_ignore_ascii_case(&upstream.host)
}

/// A `Set-Cookie` whose Domain is the upstream's, without it: the cookie is then of the host that the client uses (RFC 6265 section 5.3).
fn without_domain(line: &HeaderValue, upstream: &Upstream, info: &RequestInfo) -> Option<HeaderValue> {
    let text = line.to_str().ok()?;
    let is_foreign = |attribute: &&str| {
        let Some((name, value)) = attribute.split_once('=') else { return false };
        let domain = value.trim().trim_start_matches('.');
        name.trim().eq_ignore_ascii_case("domain") && covers(domain, &upstream.host) && !covers(domain, info.host.as_str())
    };
    let mut parts = text.split(';');
    let pair = parts.next()?;
    let attributes: Vec<&str> = parts.collect();
    if !attributes.iter().any(is_foreign) {
        return None;
    }
    let kept = attributes.iter().filter(|attribute| !is_foreign(attribute)).copied();
    HeaderValue::try_from(std::iter::once(pair).chain(kept).collect::<Vec<_>>().join(";")).ok()
}

fn covers(domain: &str, host: &str) -> bool {
    let (domain, host) = (domain.to_ascii_lowercase(), host.to_ascii_lowercase());
    host.strip_suffix(&*domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{ClientAddr, Host};

    fn info() -> RequestInfo {
        let peer = [127, 0, 0, 1].into();
        RequestInfo {
            host: Host::parse(b"wiki.example").unwrap(),
            authority: "wiki.example:8443".into(),
            method: http::Method::GET,
            client: ClientAddr::new(peer),
            peer,
            trusted: false,
            secure: true,
            form: false,
            certificate: None,
            certificate_fault: None,
        }
    }

    fn upstream(host: &str, port: u16) -> Upstream {
        Upstream::new(false, host.into(), port)
    }

    #[test]
    fn an_upstreams_own_address_becomes_the_clients() {
        let app = upstream("app.internal", 8080);
        for (inside, out) in [
            ("http://app.internal:8080/a?b#c", "https://wiki.example:8443/a?b#c"),
            ("HTTPS://APP.internal:8080", "https://wiki.example:8443"),
            ("5; url=http://app.internal:8080/x", "5; url=https://wiki.example:8443/x"),
        ] {
            assert_eq!(outside(inside, &app, &info()).as_deref(), Some(out), "{inside}");
        }
        for other in
            ["/a", "http://app.internal/a", "http://app.internal:8080.evil/", "http://other:8080/", "/a?to=http://app.internal:8080/"]
        {
            assert_eq!(outside(other, &app, &info()), None, "{other}");
        }
        assert!(outside("https://app.internal/a", &upstream("app.internal", 80), &info()).is_some());
        assert!(outside("http://[::1]:8080/a", &upstream("::1", 8080), &info()).is_some());
    }

    #[test]
    fn a_cookie_of_the_upstreams_domain_is_the_hosts() {
        let app = upstream("app.internal", 8080);
        let kept = |line: &'static str| without_domain(&HeaderValue::from_static(line), &app, &info());
        assert_eq!(kept("a=b; Domain=.internal; Path=/; Secure").unwrap(), "a=b; Path=/; Secure");
        assert_eq!(kept("a=Domain=app.internal; domain = APP.internal").unwrap(), "a=Domain=app.internal");
        assert!(kept("a=b; Domain=wiki.example").is_none() && kept("a=b; Path=/").is_none());
    }
}
