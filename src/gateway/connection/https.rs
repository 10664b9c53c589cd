//! Which hosts have a certificate here, and where their HTTPS is: plain HTTP for them is redirected there, so that no password is typed
//! into a page that came in the clear.

use std::sync::Arc;

use crate::base::Host;
use crate::gateway::connection::certificates::Certificates;

/// What may be asked over plain HTTP of any host: how an authority checks that a host is ours (RFC 8555 section 8.3).
const CHALLENGES: &[u8] = b"/.well-known/acme-challenge/";

/// The TLS listeners of a gateway, with their ports.
pub struct HttpsHosts(Vec<(u16, Arc<Certificates>)>);

impl HttpsHosts {
    pub fn new(listeners: impl Iterator<Item = (u16, Arc<Certificates>)>) -> Self {
        Self(listeners.collect())
    }

    /// Where a plain request belongs; `None` if no certificate names its host. `authority` is the Host with its port, as sent.
    pub fn location(&self, host: &Host, authority: &str, target: &[u8]) -> Option<Vec<u8>> {
        if self.0.is_empty() || target.starts_with(CHALLENGES) {
            return None;
        }
        let (port, _) = self.0.iter().find(|(_, certificates)| certificates.name(host.as_str()))?;
        let bare = authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')).map_or(authority, |(host, _)| host);
        // A Host without a port came over port 80, which something in front may have led here: then it leads 443 here as well.
        let has_port = bare.len() < authority.len() && *port != 443;
        let port = if has_port { format!(":{port}") } else { String::new() };
        Some([b"https://", bare.as_bytes(), port.as_bytes(), target].concat())
    }
}
