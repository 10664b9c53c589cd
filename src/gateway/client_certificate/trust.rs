//! Who signs clients' certificates, and which of them are revoked. Guarantees that a list that is broken or has expired lets no
//! certificate through: what is not known to be valid is refused.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use x509_parser::prelude::{CertificateRevocationList, FromDer};

use crate::base::Time;
use crate::config::ClientCa;

/// Why a certificate that a client showed does not count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// It has expired, or is not valid yet.
    Expired,
    Revoked,
    /// It is by nobody whose certificates are taken on this host, or is not meant for clients.
    Unknown,
    /// Whether it is revoked cannot be found out: the list has expired, cannot be read, or is not its issuer's.
    Unchecked,
}

impl Fault {
    /// In the access log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Unknown => "unknown",
            Self::Unchecked => "unchecked",
        }
    }

    /// The reason of a 403 where one that counts is required.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Expired => "client_certificate_expired",
            Self::Revoked => "client_certificate_revoked",
            Self::Unknown => "client_certificate_unknown",
            Self::Unchecked => "client_certificate_unchecked",
        }
    }

    fn of(error: &rustls::Error) -> Self {
        use CertificateError as E;
        match error {
            rustls::Error::InvalidCertificate(E::Revoked) => Self::Revoked,
            rustls::Error::InvalidCertificate(E::Expired | E::ExpiredContext { .. } | E::NotValidYet | E::NotValidYetContext { .. }) => {
                Self::Expired
            }
            rustls::Error::InvalidCertificate(
                E::UnknownRevocationStatus | E::ExpiredRevocationList | E::ExpiredRevocationListContext { .. },
            ) => Self::Unchecked,
            _ => Self::Unknown,
        }
    }
}

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
    ///
    /// # Errors
    /// Why it is not.
    pub fn check(&self, chain: &[CertificateDer<'_>], now: Time) -> Result<(), Fault> {
        let (own, between) = chain.split_first().ok_or(Fault::Unknown)?;
        self.verifier.verify_client_cert(own, between, unix(now)).map(drop).map_err(|error| Fault::of(&error))
    }

    /// For handshakes: asks for certificates, and takes whatever the client holds the key of. Whether it counts is [`Self::check`]ed for
    /// each request, so that the answer can say why not.
    pub fn asks(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::new(Asks(Arc::clone(&self.verifier)))
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

/// The longest chain that is taken though it is not valid, in bytes: it stays in memory as long as its connection.
const MOST_UNKNOWN: usize = 16 * 1024;

/// Verifies that the client holds the key of its certificate, and leaves the rest to [`ClientTrust::check`].
#[derive(Debug)]
struct Asks(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for Asks {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        own: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let length = between.iter().fold(own.len(), |so_far, one| so_far.saturating_add(one.len()));
        if length > MOST_UNKNOWN { self.0.verify_client_cert(own, between, now) } else { Ok(ClientCertVerified::assertion()) }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signature, &algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signature, &algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        algorithms().supported_schemes()
    }
}

fn algorithms() -> WebPkiSupportedAlgorithms {
    rustls::crypto::ring::default_provider().signature_verification_algorithms
}

/// Takes no certificate.
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
    ) -> Result<ClientCertVerified, rustls::Error> {
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
        algorithms().supported_schemes()
    }
}
