//! Certificates by server name, which can be exchanged while the gateway runs. A set that cannot be read changes nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::acme::InForce;
use crate::base::Time;
use crate::config::{Certificate, ClientCa};
use crate::gateway::client_certificate::{BadCertificate, ClientTrust};

/// Certificates that were read and match their keys, not yet in force.
#[derive(Debug)]
pub struct Fresh {
    files: Vec<Arc<CertifiedKey>>,
    issued: Option<Arc<InForce>>,
    clients: Clients,
}

/// Whose client certificates are taken: on the hosts of each file, and on all others.
#[derive(Clone, Debug, Default)]
struct Clients {
    of_files: Vec<Option<Arc<ClientTrust>>>,
    others: Option<Arc<ClientTrust>>,
}

impl Clients {
    fn read(files: &[Certificate], others: Option<&ClientCa>) -> Result<Self, BadCertificate> {
        let read = |clients: Option<&ClientCa>| clients.map(ClientTrust::read).transpose().map(|read| read.map(Arc::new));
        let of_files = files.iter().map(|file| read(file.clients.as_ref())).collect::<Result<_, _>>()?;
        Ok(Self { of_files, others: read(others)? })
    }

    fn all(&self) -> impl Iterator<Item = &Arc<ClientTrust>> {
        self.of_files.iter().flatten().chain(&self.others)
    }
}

impl Fresh {
    /// Whether any host's clients are asked for a certificate.
    pub fn asks(&self) -> bool {
        self.clients.all().next().is_some()
    }

    /// Whose client certificates are taken on a host; `None`: nobody's.
    pub fn clients_of(&self, name: Option<&str>) -> Option<&Arc<ClientTrust>> {
        let by_file = if self.clients.of_files.iter().any(Option::is_some) { name.and_then(|name| self.place(name)) } else { None };
        by_file.and_then(|at| self.clients.of_files.get(at)?.as_ref()).or(self.clients.others.as_ref())
    }

    /// The file whose certificate is shown for a name.
    fn place(&self, name: &str) -> Option<usize> {
        let fitting = || self.files.iter().enumerate().filter(|(_, key)| names(key, name));
        let exact = fitting().find(|(_, key)| !is_wildcard_match(key, name));
        let ordered = || self.issued.as_ref().is_some_and(|issued| issued.names(name));
        exact.or_else(|| fitting().next().filter(|_| !ordered())).map(|(at, _)| at)
    }
}

/// Whether a certificate names a host.
fn names(key: &CertifiedKey, name: &str) -> bool {
    let server = rustls::pki_types::ServerName::try_from(name).ok();
    let parsed = key.end_entity_cert().ok().and_then(|cert| ParsedCertificate::try_from(cert).ok());
    server.zip(parsed).is_some_and(|(server, cert)| rustls::client::verify_server_name(&cert, &server).is_ok())
}

/// The certificates of one listener: those in files, and those by ACME if the listener uses them.
#[derive(Debug)]
pub struct Certificates(ArcSwap<Fresh>);

/// The protocol of a handshake that only answers an authority's challenge (RFC 8737 section 4).
pub const CHALLENGE: &[u8] = b"acme-tls/1";

impl Certificates {
    /// # Errors
    /// Names the first file that cannot be used, and why.
    pub fn load(files: &[Certificate]) -> Result<Arc<Self>, BadCertificate> {
        Self::load_with(files, None, None)
    }

    /// As [`Self::load`], with certificates by ACME beside those in files, and an authority of client certificates for hosts whose file names none.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_with(files: &[Certificate], clients: Option<&ClientCa>, issued: Option<Arc<InForce>>) -> Result<Arc<Self>, BadCertificate> {
        Ok(Arc::new(Self(ArcSwap::from_pointee(Self::read(files, clients, issued)?))))
    }

    /// Reads the files, but puts nothing in force yet.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn read(files: &[Certificate], clients: Option<&ClientCa>, issued: Option<Arc<InForce>>) -> Result<Fresh, BadCertificate> {
        let clients = Clients::read(files, clients)?;
        let files = files.iter().map(|f| read(&f.cert, &f.key).map(Arc::new)).collect::<Result<_, _>>()?;
        Ok(Fresh { files, issued, clients })
    }

    /// Puts what was read in force; existing connections are left alone.
    pub fn exchange(&self, fresh: Fresh) {
        self.0.store(Arc::new(fresh));
    }

    /// Exchanges the certificates for what the files hold now; existing connections are left alone.
    ///
    /// # Errors
    /// As [`Self::load`]; then the old ones stay in force.
    pub fn reload(&self, files: &[Certificate]) -> Result<(), BadCertificate> {
        let before = self.0.load();
        let files = files.iter().map(|f| read(&f.cert, &f.key).map(Arc::new)).collect::<Result<_, _>>()?;
        self.exchange(Fresh { files, issued: before.issued.clone(), clients: before.clients.clone() });
        Ok(())
    }

    /// Reads the authorities of client certificates and their revocation lists again. In the place of what cannot be read, none is taken:
    /// returns why.
    pub fn reload_clients(&self) -> Vec<BadCertificate> {
        let (before, mut faults) = (self.0.load(), Vec::new());
        let mut again = |trust: &Arc<ClientTrust>| {
            Arc::new(ClientTrust::read(trust.files()).unwrap_or_else(|fault| {
                faults.push(fault);
                ClientTrust::closed(trust.files())
            }))
        };
        let of_files = before.clients.of_files.iter().map(|trust| trust.as_ref().map(&mut again)).collect();
        let others = before.clients.others.as_ref().map(&mut again);
        self.exchange(Fresh { files: before.files.clone(), issued: before.issued.clone(), clients: Clients { of_files, others } });
        faults
    }

    /// What is in force now.
    pub fn in_force(&self) -> Arc<Fresh> {
        self.0.load_full()
    }

    /// Whether this is still in force.
    pub fn is_in_force(&self, set: &Arc<Fresh>) -> bool {
        Arc::ptr_eq(&self.0.load(), set)
    }

    /// Whether any client of the listener is asked for a certificate.
    pub fn asks(&self) -> bool {
        self.0.load().asks()
    }

    /// The revocation lists in force, with the times from which on they count no more.
    pub fn lists(&self) -> Vec<(PathBuf, Time)> {
        let set = self.0.load();
        set.clients.all().filter_map(|trust| Some((trust.list()?.to_owned(), trust.list_ends()?))).collect()
    }

    /// Whether one of them names this host.
    pub fn name(&self, host: &str) -> bool {
        self.0.load().issued.as_ref().is_some_and(|issued| issued.names(host)) || self.files_name(host)
    }

    /// Whether a certificate in a file names this host.
    pub fn files_name(&self, host: &str) -> bool {
        self.0.load().files.iter().any(|key| names(key, host))
    }

    /// The certificate for `name`: an exact match before a wildcard, files before ACME; otherwise the first certificate.
    fn choose(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let set = self.0.load();
        let (all, issued) = (&set.files, set.issued.as_ref());
        let fits = |key: &&Arc<CertifiedKey>, name: &str| names(key, name);
        let exact = |name: &str| all.iter().filter(|k| fits(k, name)).find(|k| !is_wildcard_match(k, name)).cloned();
        let any = |name: &str| all.iter().find(|k| fits(k, name)).cloned();
        let ordered = |name: &str| issued.and_then(|issued| issued.certificate(name));
        let first = || all.first().cloned().or_else(|| issued.and_then(|issued| issued.first()));
        name.and_then(|n| exact(n).or_else(|| ordered(n)).or_else(|| any(n))).or_else(first)
    }
}

/// Whether a certificate matches a name only by a wildcard: then it matches a sibling of the name as well.
fn is_wildcard_match(key: &CertifiedKey, name: &str) -> bool {
    let Some((_, parent)) = name.split_once('.') else { return false };
    names(key, &format!("vestibule-no-such-name.{parent}"))
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if hello.alpn().is_some_and(|mut protocols| protocols.next() == Some(CHALLENGE) && protocols.next().is_none()) {
            // Without a challenge under way for this name, the handshake fails.
            let name = hello.server_name()?;
            return self.0.load().issued.as_ref().and_then(|issued| issued.of_challenge(name));
        }
        self.choose(hello.server_name())
    }
}

fn read(cert: &Path, key: &Path) -> Result<CertifiedKey, BadCertificate> {
    let bad = |file: &Path, why: String, remedy| BadCertificate { file: file.display().to_string(), why, remedy };
    let chain: Vec<_> = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<_, _>>)
        .map_err(|e| bad(cert, format!("no certificates in PEM: {e}"), "give PEM with BEGIN CERTIFICATE, the server's own first"))?;
    if chain.is_empty() {
        return Err(bad(cert, "it holds no certificate".to_owned(), "give PEM with BEGIN CERTIFICATE, the server's own first"));
    }
    let secret = PrivateKeyDer::from_pem_file(key)
        .map_err(|e| bad(key, format!("no private key in PEM: {e}"), "give PEM with BEGIN PRIVATE KEY, not encrypted"))?;
    let provider = rustls::crypto::ring::default_provider();
    CertifiedKey::from_der(chain, secret, &provider)
        .map_err(|e| bad(cert, format!("certificate and key do not go together: {e}"), "give the key that the certificate was made for"))
}
