//! Connections over TLS to listeners that ask clients for certificates. Guarantees that a certificate counts only on the host that the
//! connection was made to (RFC 9110 section 7.4: 421), only under the authority that is in force for that host now, and only while it
//! and the revocation list are valid: all of that is asked again for every request, on a connection of any age. The handshake takes
//! any certificate whose key the client holds; what does not count is known with its reason.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use pingora::protocols::SocketDigest;
use rustls::pki_types::CertificateDer;
use tokio::sync::watch;

use crate::base::{Host, Time};
use crate::gateway::client_certificate::{ClientCertificate, ClientTrust, Fault, Vouches};
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
    /// Ends the connection after what is under way.
    close: watch::Sender<bool>,
}

/// What a client has shown, for a request to the host that its connection was made to.
#[derive(Clone, Copy, Debug)]
pub enum Showing<'p> {
    Nothing,
    Counts(&'p Arc<ClientCertificate>),
    Fails(Fault),
}

/// Before every time: what has this limit is to be verified.
const NEVER: Time = Time::from_millis(i64::MIN);

/// How long a certificate that fails is not verified again, if nothing else changes: each time costs signatures.
const FAILS_FOR: Duration = Duration::from_secs(60);

/// Against what the certificate was last verified.
#[derive(Debug)]
struct Checked {
    set: Arc<Fresh>,
    trust: Option<Arc<ClientTrust>>,
    answer: Result<(), Fault>,
    /// Until when the answer stands.
    until: Time,
}

impl Checked {
    /// Nothing is verified yet.
    fn new(set: Arc<Fresh>, server_name: Option<&Host>) -> Self {
        let trust = set.clients_of(server_name.map(Host::as_str)).map(Arc::clone);
        Self { set, trust, answer: Err(Fault::Unknown), until: NEVER }
    }
}

impl TlsPeer {
    /// After a handshake in which the client named this host and showed these certificates; `close` ends the connection.
    pub fn new(
        listener: Arc<Certificates>,
        server_name: Option<Host>,
        chain: Vec<CertificateDer<'static>>,
        close: watch::Sender<bool>,
    ) -> Self {
        let certificate = chain.first().and_then(|own| ClientCertificate::read(own)).map(Arc::new);
        let checked = Mutex::new(Checked::new(listener.in_force(), server_name.as_ref()));
        Self { listener, server_name, chain, certificate, checked, close }
    }

    /// Lets what is under way end, and then the connection: a certificate can only be shown over another.
    pub fn closes(&self) {
        self.close.send_replace(true);
    }

    /// What counts for a request to this host.
    ///
    /// # Errors
    /// If the connection was made to another host.
    pub fn shown_to(&self, host: &Host, now: Time) -> Result<Showing<'_>, Misdirected> {
        let mut checked = locked(&self.checked);
        if !self.listener.is_in_force(&checked.set) {
            *checked = Checked::new(self.listener.in_force(), self.server_name.as_ref());
        }
        // No address is ever named in a handshake.
        let is_named = self.server_name.as_ref().map_or_else(|| host.is_address(), |name| name == host);
        if !is_named {
            let matters = checked.trust.is_some() || checked.set.clients_of(Some(host.as_str())).is_some();
            return if matters { Err(Misdirected) } else { Ok(Showing::Nothing) };
        }
        if self.chain.is_empty() || checked.trust.is_none() {
            return Ok(Showing::Nothing);
        }
        let Some(certificate) = &self.certificate else { return Ok(Showing::Fails(Fault::Unknown)) };
        Ok(match self.check(certificate, &mut checked, now) {
            Ok(()) => Showing::Counts(certificate),
            Err(fault) => Showing::Fails(fault),
        })
    }

    fn check(&self, certificate: &ClientCertificate, checked: &mut Checked, now: Time) -> Result<(), Fault> {
        if now < checked.until && (checked.answer.is_err() || certificate.is_current(now)) {
            return checked.answer;
        }
        let trust = checked.trust.as_ref().ok_or(Fault::Unknown)?;
        checked.answer = trust.check(&self.chain, now);
        checked.until = match checked.answer {
            Err(_) => now.plus(FAILS_FOR),
            Ok(()) => {
                // Those between may end earlier; one that is over already was not needed.
                let between = self.chain.iter().skip(1).filter_map(|der| ClientCertificate::read(der)).map(|one| one.ends());
                between.filter(|ends| now < *ends).chain(trust.list_ends()).fold(certificate.ends(), Time::min)
            }
        };
        checked.answer
    }
}

impl Vouches for TlsPeer {
    fn vouches(&self, host: &Host, now: Time) -> bool {
        matches!(self.shown_to(host, now), Ok(Showing::Counts(_)))
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
