//! Where a route's requests go: a scheme and an authority, nothing more.

use super::value;
use crate::config::document::outline::Shape;
use crate::config::document::problem::Fault;
use crate::config::document::section::Entry;
use crate::policy::Upstream;

/// `http://HOST[:PORT]` or `https://HOST[:PORT]`.
pub(in crate::config) fn upstream(entry: &Entry) -> Result<Upstream, Fault> {
    entry.takes(|| Shape::Pattern("^https?://[^/]+/?$"));
    let text = value::text(entry)?;
    let remedy = "write http://HOST:PORT or https://HOST:PORT";
    let fault = |what: String| Fault::new(what, remedy);
    // The URL parser drops tabs and newlines and turns backslashes round; a configuration means what it says.
    if text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') {
        return Err(fault(format!("“{}” is no upstream", text.escape_default())));
    }
    let url = url::Url::parse(&text).map_err(|e| fault(format!("“{text}” is no upstream: {e}")))?;
    if !matches!(url.scheme(), "http" | "https") || !text.starts_with(&format!("{}://", url.scheme())) {
        return Err(fault(format!("“{text}” is neither http:// nor https://")));
    }
    if !url.username().is_empty() || url.password().is_some() || text.contains('@') {
        return Err(fault("an upstream has no user information".into()));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        let bare = url.origin().ascii_serialization();
        return Err(Fault::new("an upstream has no path: requests keep theirs", format!("write {bare}")));
    }
    let host = match url.host() {
        Some(url::Host::Domain(name)) => name.to_owned(),
        Some(url::Host::Ipv4(address)) => address.to_string(),
        Some(url::Host::Ipv6(address)) => address.to_string(),
        None => return Err(fault(format!("“{text}” names no host"))),
    };
    match url.port_or_known_default() {
        Some(port) if port > 0 => Ok(Upstream { tls: url.scheme() == "https", host, port }),
        _ => Err(fault(format!("“{text}” names no port to connect to"))),
    }
}
