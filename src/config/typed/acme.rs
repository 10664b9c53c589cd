//! `[acme]`: which authority issues certificates, and for which hosts. Only exact names are ordered: a wildcard would need a challenge
//! by DNS, and an address is nobody's to certify here.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Config;
use crate::base::{Host, Secret};
use crate::policy::HostPattern;

/// An authority that speaks ACME (RFC 8555).
#[derive(Clone, Debug)]
pub struct Acme {
    /// An address for the authority's notices, without `mailto:`.
    pub contact: Option<String>,
    /// `https://`, or `http://` on this machine.
    pub directory: String,
    /// The authorities for its TLS in place of the public ones, in PEM.
    pub ca: Option<Arc<Vec<u8>>>,
    pub eab: Option<Eab>,
}

/// External account binding (RFC 8555 section 7.3.4).
#[derive(Clone, Debug)]
pub struct Eab {
    pub kid: String,
    /// In base64url, as the authority printed it.
    pub hmac: Secret,
}

impl Config {
    /// The hosts that a certificate can be ordered for: the exact names of all routes, and the host of `portal.url`. Empty without `[acme]` and a listener that uses it.
    pub fn acme_hosts(&self) -> BTreeSet<Host> {
        if self.acme.is_none() || !self.server.tls.iter().any(|tls| tls.acme) {
            return BTreeSet::new();
        }
        let exact = self.routes.iter().flat_map(|route| &route.hosts).filter_map(|pattern| match pattern {
            HostPattern::Exact(host) => Host::parse(host.as_bytes()).ok(),
            HostPattern::Below(_) => None,
        });
        exact.chain(self.portal.url.iter().map(|url| url.host.clone())).filter(is_name).collect()
    }
}

/// Whether an authority can certify it: a name with more than one label, and no underscore (RFC 5280 section 4.2.1.6 with RFC 1034 section 3.5).
fn is_name(host: &Host) -> bool {
    !host.is_address() && host.as_str().contains('.') && !host.as_str().contains('_')
}
