//! Certificates by server name, which can be exchanged while the gateway runs. A set that cannot be read changes nothing.

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::config::Certificate;

/// A certificate or key that cannot be used: which file, what is wrong with it, and what would be right.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {why}; {remedy}")]
pub struct BadCertificate {
    pub file: String,
    pub why: String,
    pub remedy: &'static str,
}

/// Certificates that were read and match their keys, not yet in force.
#[derive(Debug)]
pub struct Fresh(Vec<Arc<CertifiedKey>>);

/// The certificates of one listener.
#[derive(Debug)]
pub struct Certificates(ArcSwap<Vec<Arc<CertifiedKey>>>);

impl Certificates {
    /// # Errors
    /// Names the first file that cannot be used, and why.
    pub fn load(files: &[Certificate]) -> Result<Arc<Self>, BadCertificate> {
        Ok(Arc::new(Self(ArcSwap::from_pointee(Self::read(files)?.0))))
    }

    /// Reads the files, but puts nothing in force yet.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn read(files: &[Certificate]) -> Result<Fresh, BadCertificate> {
        files.iter().map(|f| read(&f.cert, &f.key).map(Arc::new)).collect::<Result<_, _>>().map(Fresh)
    }

    /// Puts what was read in force; existing connections are left alone.
    pub fn exchange(&self, fresh: Fresh) {
        self.0.store(Arc::new(fresh.0));
    }

    /// Exchanges the certificates for what the files hold now; existing connections are left alone.
    ///
    /// # Errors
    /// As [`Self::load`]; then the old ones stay in force.
    pub fn reload(&self, files: &[Certificate]) -> Result<(), BadCertificate> {
        self.exchange(Self::read(files)?);
        Ok(())
    }

    /// Whether one of them names this host.
    pub fn name(&self, host: &str) -> bool {
        let Ok(server) = rustls::pki_types::ServerName::try_from(host) else { return false };
        let names = |key: &Arc<CertifiedKey>| {
            let parsed = key.end_entity_cert().ok().and_then(|cert| ParsedCertificate::try_from(cert).ok());
            parsed.is_some_and(|cert| rustls::client::verify_server_name(&cert, &server).is_ok())
        };
        self.0.load().iter().any(names)
    }

    /// The certificate for `name`: an exact match before a wildcard; otherwise the first certificate.
    fn choose(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let all = self.0.load();
        let fits = |key: &&Arc<CertifiedKey>, name: &str| {
            let server = rustls::pki_types::ServerName::try_from(name).ok();
            let parsed = key.end_entity_cert().ok().and_then(|cert| ParsedCertificate::try_from(cert).ok());
            server.zip(parsed).is_some_and(|(server, cert)| rustls::client::verify_server_name(&cert, &server).is_ok())
        };
        let exact = |name: &str| all.iter().filter(|k| fits(k, name)).find(|k| !is_wildcard_match(k, name)).cloned();
        let any = |name: &str| all.iter().find(|k| fits(k, name)).cloned();
        name.and_then(|n| exact(n).or_else(|| any(n))).or_else(|| all.first().cloned())
    }
}

/// Whether a certificate matches a name only by a wildcard: then it matches a sibling of the name as well.
fn is_wildcard_match(key: &CertifiedKey, name: &str) -> bool {
    let Some((_, parent)) = name.split_once('.') else { return false };
    let sibling = format!("vestibule-no-such-name.{parent}");
    let parsed = key.end_entity_cert().ok().and_then(|cert| ParsedCertificate::try_from(cert).ok());
    let server = rustls::pki_types::ServerName::try_from(sibling).ok();
    server.zip(parsed).is_some_and(|(server, cert)| rustls::client::verify_server_name(&cert, &server).is_ok())
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
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
