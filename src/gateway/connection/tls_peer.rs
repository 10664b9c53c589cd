//! Connections over TLS to listeners that ask clients for certificates. Guarantees that a certificate counts only on the host that the
//! connection was made to (RFC 9110 section 7.4: 421), only under the authority that is in force for that host now, and only while it
//! and the revocation list are valid: all of that is asked again for every request, on a connection of any age.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use pingora::protocols::SocketDigest;
use rustls::pki_types::CertificateDer;

use crate::base::{Host, Time};
use crate::gateway::client_certificate::{ClientCertificate, ClientTrust, Vouches};
use crate::gateway::connection::certificates::{Certificates, Fresh};
use crate::gateway::connection::private::client_id;

/// The connection was made to another host, and a certificate matters for one of the two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Misdirected;

/// A connection over TLS to a listener that asks clients for certificates.
#[derive(Debug)]
pub struct TlsPeer {
    listener: Arc<Certificates>,
    /// The host that the client named in its handshake (RFC 6066 section 3).
    server_name: Option<Host>,
    /// The client's own certificate first. It has proved in the handshake that it holds the key.
    chain: Vec<CertificateDer<'static>>,
    certificate: Option<Arc<ClientCertificate>>,
    checked: Mutex<Checked>,
}

/// Before every time: what has this limit is to be verified.
const NEVER: Time = Time::from_millis(i64::MIN);

/// Against what the certificate was last verified.
#[derive(Debug)]
struct Checked {
    set: Arc<Fresh>,
    trust: Option<Arc<ClientTrust>>,
    /// Until when the answer stands.
    until: Time,
}

impl TlsPeer {
    /// After a handshake in which the client named this host and showed these certificates.
    pub fn new(listener: Arc<Certificates>, server_name: Option<Host>, chain: Vec<CertificateDer<'static>>) -> Self {
        let certificate = chain.first().and_then(|own| ClientCertificate::read(own)).map(Arc::new);
        let set = listener.in_force();
        let checked =
            Mutex::new(Checked { trust: set.clients_of(server_name.as_ref().map(Host::as_str)).map(Arc::clone), set, until: NEVER });
        Self { listener, server_name, chain, certificate, checked }
    }

    /// The certificate that counts for a request to this host.
    ///
    /// # Errors
    /// If the connection was made to another host.
    pub fn shown_to(&self, host: &Host, now: Time) -> Result<Option<&Arc<ClientCertificate>>, Misdirected> {
        let mut checked = locked(&self.checked);
        if !self.listener.is_in_force(&checked.set) {
            let set = self.listener.in_force();
            let trust = set.clients_of(self.server_name.as_ref().map(Host::as_str)).map(Arc::clone);
            *checked = Checked { set, trust, until: NEVER };
        }
        // No address is ever named in a handshake.
        let is_named = self.server_name.as_ref().map_or_else(|| host.is_address(), |name| name == host);
        if !is_named {
            let matters = checked.trust.is_some() || checked.set.clients_of(Some(host.as_str())).is_some();
            return if matters { Err(Misdirected) } else { Ok(None) };
        }
        Ok(self.certificate.as_ref().filter(|certificate| self.is_valid(certificate, &mut checked, now)))
    }

    fn is_valid(&self, certificate: &ClientCertificate, checked: &mut Checked, now: Time) -> bool {
        if now < checked.until && certificate.is_current(now) {
            return true;
        }
        let Some(trust) = checked.trust.as_ref().filter(|trust| trust.is_valid(&self.chain, now)) else { return false };
        // Those between may end earlier; one that is over already was not needed.
        let between = self.chain.iter().skip(1).filter_map(|der| ClientCertificate::read(der)).map(|one| one.ends());
        let ends = between.filter(|ends| now < *ends).chain(trust.list_ends()).fold(certificate.ends(), Time::min);
        checked.until = ends;
        true
    }
}

impl Vouches for TlsPeer {
    fn vouches(&self, host: &Host, now: Time) -> bool {
        self.shown_to(host, now).is_ok_and(|shown| shown.is_some())
    }
}

/// The digest is kept weakly: while an entry is there, no other digest can be at its address.
type Known = (Weak<SocketDigest>, Arc<TlsPeer>);

/// The connections of a shard that were made to listeners that ask for certificates, by the address of their socket digest, as in
/// [`super::private`].
#[derive(Debug, Default)]
pub struct TlsPeers {
    count: AtomicUsize,
    peers: Mutex<HashMap<usize, Known>>,
}

impl TlsPeers {
    /// What is known of a connection; `None` for those of other listeners.
    pub fn find(&self, client: impl FnOnce() -> Option<usize>) -> Option<Arc<TlsPeer>> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        locked(&self.peers).get(&client()?).map(|(_, peer)| Arc::clone(peer))
    }

    /// The handshake of a connection is over.
    pub fn enter(&self, client: &Arc<SocketDigest>, peer: TlsPeer) {
        let mut peers = locked(&self.peers);
        peers.insert(client_id(client), (Arc::downgrade(client), Arc::new(peer)));
        self.count.store(peers.len(), Ordering::Relaxed);
    }

    /// The connection is closed.
    pub fn leave(&self, client: usize) {
        let mut peers = locked(&self.peers);
        peers.remove(&client);
        self.count.store(peers.len(), Ordering::Relaxed);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
