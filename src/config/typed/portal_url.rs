//! `portal.url`: the one host where people sign in.

use super::Config;
use crate::base::Host;

/// A scheme, a host and perhaps a port; nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortalUrl {
    /// Without port.
    pub host: Host,
    /// `host[:port]`; without the scheme's own port.
    pub authority: String,
    pub secure: bool,
}

impl PortalUrl {
    /// `scheme://host[:port]`.
    pub fn origin(&self) -> String {
        format!("{}://{}", if self.secure { "https" } else { "http" }, self.authority)
    }

    /// The same scheme and port at another host.
    pub fn beside(&self, host: &str) -> String {
        let port = self.authority.strip_prefix(self.host.as_str()).unwrap_or_default();
        format!("{}://{host}{port}", if self.secure { "https" } else { "http" })
    }
}

impl Config {
    /// Whether this host has the pages: the portal's host, and without one every host.
    pub fn has_pages(&self, host: &Host) -> bool {
        self.portal.url.as_ref().is_none_or(|url| url.host == *host)
    }

    /// Whether this is the one host where people sign in.
    pub fn is_portal(&self, host: &Host) -> bool {
        self.portal.url.as_ref().is_some_and(|url| url.host == *host)
    }
}
