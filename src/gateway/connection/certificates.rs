//! Certificates by server name, which can be exchanged while the gateway runs. A set that cannot be read changes nothing.

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::acme::InForce;
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
pub struct Fresh {
    files: Vec<Arc<CertifiedKey>>,
    issued: Option<Arc<InForce>>,
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
        Self::load_with(files, None)
    }

    /// As [`Self::load`], with certificates by ACME beside those in files.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_with(files: &[Certificate], issued: Option<Arc<InForce>>) -> Result<Arc<Self>, BadCertificate> {
        Ok(Arc::new(Self(ArcSwap::from_pointee(Self::read(files, issued)?))))
    }

    /// Reads the files, but puts nothing in force yet.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn read(files: &[Certificate], issued: Option<Arc<InForce>>) -> Result<Fresh, BadCertificate> {
        let files = files.iter().map(|f| read(&f.cert, &f.key).map(Arc::new)).collect::<Result<_, _>>()?;
        Ok(Fresh { files, issued })
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
        let issued = self.0.load().issued.clone();
        self.exchange(Self::read(files, issued)?);
        Ok(())
    }

    /// Whether one of them names this host.
    pub fn name(&self, host: &str) -> bool {
        self.0.load().issued.as_ref().is_some_and(|issued| issued.names(host)) || self.files_name(host)
    }

    /// Whether a certificate in a file names this host.
    pub fn files_name(&self, host: &str) -> bool {
        let Ok(server) = rustls::pki_types::ServerName::try_from(host) else { return false };
        let names = |key: &Arc<CertifiedKey>| {
            let parsed = key.end_entity_cert().ok().and_then(|cert| ParsedCertificate::try_from(cert).ok());
            parsed.is_some_and(|cert| rustls::client::verify_server_name(&cert, &server).is_ok())
        };
        self.0.load().files.iter().any(names)
    }

    /// The certificate for `name`: an exact match before a wildcard, files before ACME; otherwise the first certificate.
    fn choose(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let set = self.0.load();
        let (all, issued) = (&set.files, set.issued.as_ref());
        let fits = |key: &&Arc<CertifiedKey>, name: &str| {
            let server = rustls::pki_types::ServerName::try_from(name).ok();
            let parsed = key.end_entity_cert().ok().and_then(|cert| ParsedCertificate::try_from(cert).ok());
            server.zip(parsed).is_some_and(|(server, cert)| rustls::client::verify_server_name(&cert, &server).is_ok())
        };
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
    let sibling = format!("vestibule-no-such-name.{parent}");
    let parsed = key.end_entity_cert().ok().and_then(|cert| ParsedCertificate::try_from(cert).ok());
    let server = rustls::pki_types::ServerName::try_from(sibling).ok();
    server.zip(parsed).is_some_and(|(server, cert)| rustls::client::verify_server_name(&cert, &server).is_ok())
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
