//! Where a route's requests go: a scheme and an authority, or a socket of this machine, nothing more.

use std::path::Path;

use super::value;
use crate::config::document::outline::Shape;
use crate::config::document::problem::Fault;
use crate::config::document::section::Entry;
use crate::policy::Upstream;

/// The path of a Unix socket has no more bytes (`sun_path` of Linux, without its NUL).
const SOCKET_PATH: usize = 107;

/// `http://HOST[:PORT]`, `https://HOST[:PORT]` or `unix:PATH`.
pub(in crate::config) fn upstream(entry: &Entry) -> Result<Upstream, Fault> {
    entry.takes(|| Shape::Pattern("^(https?://[^/]+/?|unix:.+)$"));
    let text = value::text(entry)?;
    if let Some(path) = text.strip_prefix("unix:") {
        return socket(&entry.collector.base().join(path), path);
    }
    let remedy = "write http://HOST:PORT, https://HOST:PORT or unix:/run/app.sock";
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
        Some(port) if port > 0 => Ok(Upstream::new(url.scheme() == "https", host, port)),
        _ => Err(fault(format!("“{text}” names no port to connect to"))),
    }
}

/// A socket need not be there yet: its application may start later.
fn socket(path: &Path, written: &str) -> Result<Upstream, Fault> {
    let fault = |what: &str| Err(Fault::new(format!("“unix:{}” {what}", written.escape_default()), "write unix:/run/app.sock"));
    if written.is_empty() || written.ends_with('/') || written.starts_with("//") || written.contains(char::is_control) {
        return fault("names no socket");
    }
    if path.as_os_str().len() > SOCKET_PATH {
        return fault("is longer than the 107 bytes that a socket's path may have");
    }
    if path.is_dir() {
        return fault("is a folder");
    }
    Ok(Upstream::socket(path))
}

#[cfg(test)]
mod tests {
    use crate::config::tests::faults;

    #[test]
    fn a_socket_is_a_path_that_a_socket_may_have() {
        let of = |upstream: &str| {
            let route = "[[routes]]\nname = \"a\"\nhosts = [\"a.example\"]\npolicy = \"one_factor\"\n";
            faults(&format!("{route}upstreams = [\"{upstream}\"]\n")).len()
        };
        assert_eq!((of("unix:/run/app.sock"), of("unix:app.sock")), (0, 0));
        let long = format!("unix:/{}", "a".repeat(107));
        for wrong in ["unix:", "unix:/", "unix:///run/app.sock", "unix:/run/", "unix:/tmp", "unix:/a\\nb", &long, "UNIX:/a"] {
            assert_eq!(of(wrong), 1, "{wrong}");
        }
    }
}
