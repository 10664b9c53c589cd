//! Who signs clients' certificates, and which of them are revoked. Guarantees that a list that is broken or has expired lets no
//! certificate through: what is not known to be valid is refused.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use x509_parser::prelude::{CertificateRevocationList, FromDer};

use crate::base::Time;
use crate::config::ClientCa;

/// A certificate, key or list that cannot be used: which file, what is wrong with it, and what would be right.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {why}; {remedy}")]
pub struct BadCertificate {
    pub file: String,
    pub why: String,
    pub remedy: &'static str,
}

/// An authority of client certificates, with its revocation list.
#[derive(Debug)]
pub struct ClientTrust {
    files: ClientCa,
    verifier: Arc<dyn ClientCertVerifier>,
    /// From when on the revocation list counts no more; `None`: there is none.
    list_ends: Option<Time>,
}

impl ClientTrust {
    /// Reads an authority and its list.
    ///
    /// # Errors
    /// Names the file that cannot be used, and why.
    pub fn read(files: &ClientCa) -> Result<Self, BadCertificate> {
        let roots = Arc::new(authorities(&files.ca)?);
        let (lists, list_ends) = match &files.crl {
            None => (Vec::new(), None),
            Some(path) => lists(path).map(|(lists, ends)| (lists, Some(ends)))?,
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = WebPkiClientVerifier::builder_with_provider(roots, provider).allow_unauthenticated();
        let built = builder.with_crls(lists).enforce_revocation_expiration().build();
        let verifier = built.map_err(|e| bad(files.crl.as_ref().unwrap_or(&files.ca), format!("it cannot be used: {e}"), GIVE_LIST))?;
        Ok(Self { files: files.clone(), verifier, list_ends })
    }

    /// In the place of one that cannot be read any more: asks for certificates and takes none.
    pub fn closed(files: &ClientCa) -> Self {
        Self { files: files.clone(), verifier: Arc::new(Closed), list_ends: None }
    }

    /// Whether a chain, the client's own certificate first, is valid at this time.
    pub fn is_valid(&self, chain: &[CertificateDer<'_>], now: Time) -> bool {
        let Some((own, between)) = chain.split_first() else { return false };
        self.verifier.verify_client_cert(own, between, unix(now)).is_ok()
    }

    pub fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::clone(&self.verifier)
    }

    /// From when on no certificate is taken any more, because the revocation list has expired.
    pub const fn list_ends(&self) -> Option<Time> {
        self.list_ends
    }

    /// The revocation list's file.
    pub fn list(&self) -> Option<&Path> {
        self.files.crl.as_deref()
    }

    pub const fn files(&self) -> &ClientCa {
        &self.files
    }
}

pub fn unix(now: Time) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(now.unix()))
}

const GIVE_CA: &str = "give PEM with BEGIN CERTIFICATE: the authority that signs your clients' certificates";
const GIVE_LIST: &str = "give PEM with BEGIN X509 CRL: openssl ca -gencrl does";

fn bad(file: &Path, why: String, remedy: &'static str) -> BadCertificate {
    BadCertificate { file: file.display().to_string(), why, remedy }
}

fn authorities(path: &Path) -> Result<RootCertStore, BadCertificate> {
    let fault = |why: String| bad(path, why, GIVE_CA);
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let read = read.map_err(|e| fault(format!("no certificates in PEM: {e}")))?;
    let mut roots = RootCertStore::empty();
    for certificate in read {
        roots.add(certificate).map_err(|e| fault(format!("a certificate in it cannot be an authority: {e}")))?;
    }
    if roots.is_empty() { Err(fault("it holds no certificate".to_owned())) } else { Ok(roots) }
}

/// The lists of a file, and when the first of them ends.
fn lists(path: &Path) -> Result<(Vec<CertificateRevocationListDer<'static>>, Time), BadCertificate> {
    let fault = |why: String| bad(path, why, GIVE_LIST);
    let read = CertificateRevocationListDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let read = read.map_err(|e| fault(format!("no revocation list in PEM: {e}")))?;
    let mut ends = None;
    for list in &read {
        let parsed = CertificateRevocationList::from_der(list).map_err(|_| fault("a list in it cannot be read".to_owned()))?.1;
        // RFC 5280 section 5.1.2.5: it must be there.
        let next = parsed.next_update().ok_or_else(|| fault("a list in it does not say until when it counts".to_owned()))?;
        let next = Time::from_secs(next.timestamp().saturating_add(1));
        ends = Some(ends.map_or(next, |so_far: Time| so_far.min(next)));
    }
    ends.map(|ends| (read, ends)).ok_or_else(|| fault("it holds no revocation list".to_owned()))
}

/// Takes no certificate; a client that shows none may go on without.
#[derive(Debug)]
struct Closed;

impl ClientCertVerifier for Closed {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _own: &CertificateDer<'_>,
        _between: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<rustls::server::danger::ClientCertVerified, rustls::Error> {
        Err(rustls::CertificateError::UnknownRevocationStatus.into())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::CertificateError::UnknownRevocationStatus.into())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::CertificateError::UnknownRevocationStatus.into())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
