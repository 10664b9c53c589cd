//! Host names as routes compare them: lower case, without port and without the trailing dot (RFC 9110 section 4.2.3).

use std::fmt;
use std::sync::Arc;

/// A host name or address in its one comparable form.
#[derive(Clone, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Host(Arc<str>);

/// Why a Host value was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the Host is missing or malformed")]
pub struct BadHost;

impl Host {
    /// Reads `host`, `host:port`, `[v6]` or `[v6]:port`.
    ///
    /// # Errors
    /// Anything else: user information, lists, white space, control or non-ASCII bytes, an empty name, a bad port.
    pub fn parse(raw: &[u8]) -> Result<Self, BadHost> {
        let text = std::str::from_utf8(raw).map_err(|_| BadHost)?;
        let (name, port) = split_port(text)?;
        if port.is_some_and(|p| p.is_empty() || p.len() > 5 || p.parse::<u16>().is_err() || !p.bytes().all(|b| b.is_ascii_digit())) {
            return Err(BadHost);
        }
        if let Some(inner) = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')) {
            let address: std::net::Ipv6Addr = inner.parse().map_err(|_| BadHost)?;
            return Ok(Self(format!("[{address}]").into()));
        }
        let name = name.strip_suffix('.').unwrap_or(name);
        if name.is_empty() || name.len() > 253 || !name.split('.').all(is_label) {
            return Err(BadHost);
        }
        Ok(Self(name.to_ascii_lowercase().into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this host is `domain` or lies below it.
    pub fn is_within(&self, domain: &str) -> bool {
        *self.0 == *domain || self.0.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
    }

    /// Whether this is an IP address, which cannot be a WebAuthn RP id nor carry a cookie domain.
    pub fn is_address(&self) -> bool {
        self.0.starts_with('[') || self.0.parse::<std::net::Ipv4Addr>().is_ok()
    }
}

fn split_port(text: &str) -> Result<(&str, Option<&str>), BadHost> {
    if text.starts_with('[') {
        let end = text.find(']').ok_or(BadHost)?;
        let (name, rest) = text.split_at(end + 1);
        return match rest.strip_prefix(':') {
            Some(port) => Ok((name, Some(port))),
            None if rest.is_empty() => Ok((name, None)),
            None => Err(BadHost),
        };
    }
    Ok(match text.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (text, None),
    })
}

fn is_label(label: &str) -> bool {
    !label.is_empty() && label.len() <= 63 && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The port of an authority with its colon; empty if there is none.
pub fn port(authority: &str) -> &str {
    let at = authority.rfind(':').filter(|at| !authority.get(*at..).is_some_and(|rest| rest.contains(']')));
    at.and_then(|at| authority.get(at..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form_for_case_port_and_trailing_dot() {
        for raw in ["Wiki.Example", "wiki.example.", "WIKI.example:8080", "wiki.example.:443"] {
            assert_eq!(Host::parse(raw.as_bytes()).unwrap().as_str(), "wiki.example", "{raw}");
        }
        assert_eq!(Host::parse(b"[::1]:80").unwrap().as_str(), "[::1]");
        assert_eq!(Host::parse(b"127.0.0.1:80").unwrap().as_str(), "127.0.0.1");
    }

    #[test]
    fn malformed_hosts_are_refused() {
        for raw in [
            "", ".", "a..b", "a b", "a,b", "user@a", "a:", "a:x", "a:99999", "a:1:2", "[::1", "[::1]x", "[zz]", "a/b", "a\u{e9}", ".a",
            "a\t", "a..", "a:+80",
        ] {
            assert!(Host::parse(raw.as_bytes()).is_err(), "{raw:?}");
        }
    }

    #[test]
    fn below_a_domain_needs_a_dot_in_between() {
        let host = Host::parse(b"evilinternal.example").unwrap();
        assert!(!host.is_within("internal.example"));
        assert!(Host::parse(b"a.internal.example").unwrap().is_within("internal.example"));
    }
}
