//! What a route's TLS upstreams are verified against.

use std::sync::Arc;

use pingora::protocols::tls::CaType;
use pingora::tls::{RootCertStore, hash_certificate};
use pingora::utils::tls::{CertKey, WrappedX509, parse_x509};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::policy::ClientCertificate;

/// What a route's TLS upstreams are verified against, in the forms of pingora and of rustls.
pub struct Trust {
    pub ca: Arc<CaType>,
    pub roots: Arc<RootCertStore>,
    /// Digests of the certificates themselves: an upstream that presents one of them is trusted although it is an authority's
    /// (`openssl req -x509` makes such ones), which no chain may end with at its other end (RFC 5280 section 4.2.1.9); and whoever
    /// issued it, and whatever name it is for.
    pins: Vec<Vec<u8>>,
    /// Not all of them are authorities: one may be pinned that somebody else issued.
    has_servers: bool,
}

impl Trust {
    /// `None`: not PEM, or without a certificate that can be used.
    pub fn new(pem: &[u8]) -> Option<Self> {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()?;
        let mut roots = RootCertStore::empty();
        certificates.iter().try_for_each(|c| roots.add(c.clone())).ok()?;
        let wrap = |c: &CertificateDer<'_>| WrappedX509::new(c.to_vec(), parse_x509);
        // pingora's reader panics on what it cannot read; that must come up here, not on a request.
        let ca: Vec<_> = std::panic::catch_unwind(|| certificates.iter().map(wrap).collect()).ok()?;
        if ca.is_empty() {
            return None;
        }
        let is_server = |c: &CertificateDer<'_>| X509Certificate::from_der(c).is_ok_and(|(_, read)| !read.is_ca());
        let has_servers = certificates.iter().any(is_server);
        let pins = certificates.iter().map(hash_certificate).collect();
        Some(Self { ca: ca.into(), roots: Arc::new(roots), pins, has_servers })
    }

    /// Whether a certificate that was refused with this error may be one of those that are trusted themselves.
    pub fn may_be_pinned(&self, error: &str) -> bool {
        is_authority_itself(error) || (self.has_servers && is_of_others(error))
    }

    /// Whether this is the digest of one of the certificates themselves.
    pub fn is_pinned(&self, digest: &[u8]) -> bool {
        self.pins.iter().any(|pin| pin == digest)
    }
}

/// Whether a certificate was refused for nothing but that it is an authority's. Its dates were found good before that.
fn is_authority_itself(error: &str) -> bool {
    error.contains("CaUsedAsEndEntity")
}

/// Whether nothing but its issuer or its name was wrong with a certificate; its dates are looked at before either.
fn is_of_others(error: &str) -> bool {
    ["UnknownIssuer", "NotValidForName", "not valid for name"].iter().any(|word| error.contains(word))
}

/// A client certificate in pingora's form; `None` if it cannot be used, on which pingora would panic at each request.
pub fn shown(certificate: &ClientCertificate) -> Option<Arc<CertKey>> {
    PrivateKeyDer::try_from(certificate.key.as_slice()).ok()?;
    certificate.chain.first().filter(|own| !own.is_empty())?;
    std::panic::catch_unwind(|| Arc::new(CertKey::new(certificate.chain.clone(), certificate.key.to_vec()))).ok()
}

/// What is wrong with an upstream's TLS, by rustls' words.
pub fn cause(error: &str) -> &'static str {
    [
        ("UnknownIssuer", "no authority that is trusted issued its certificate; name its authority's file in proxy.ca"),
        ("NotValidForName", "its certificate is for another name; name it in proxy.certificate_name if that is right"),
        ("not valid for name", "its certificate is for another name; name it in proxy.certificate_name if that is right"),
        ("certificate expired", "its certificate has expired, or this machine's clock is wrong"),
        ("not valid yet", "its certificate is not valid yet, or this machine's clock is wrong"),
        ("Expired", "its certificate has expired, or this machine's clock is wrong"),
        ("NotValidYet", "its certificate is not valid yet, or this machine's clock is wrong"),
        ("UnsupportedCertVersion", "its certificate is of X.509 version 1; version 3 is needed"),
        ("CaUsedAsEndEntity", "its certificate is an authority's, and not one that proxy.ca names"),
        ("ProtocolVersion", "it speaks no version of TLS from 1.2 on"),
        ("InvalidContentType", "it does not speak TLS on this port"),
        ("corrupt message", "it does not speak TLS on this port"),
    ]
    .into_iter()
    .find_map(|(word, cause)| error.contains(word).then_some(cause))
    .unwrap_or("the handshake failed")
}

/// Accepts what the authorities accept, and the certificates themselves.
#[derive(Debug)]
pub struct Verifier {
    chain: Arc<WebPkiServerVerifier>,
    pins: Vec<Vec<u8>>,
}

impl Verifier {
    /// # Errors
    /// If there is no authority.
    pub fn new(roots: Arc<RootCertStore>, trust: Option<&Trust>, provider: Arc<CryptoProvider>) -> std::io::Result<Arc<Self>> {
        let chain = WebPkiServerVerifier::builder_with_provider(roots, provider).build().map_err(std::io::Error::other)?;
        Ok(Arc::new(Self { chain, pins: trust.map(|trust| trust.pins.clone()).unwrap_or_default() }))
    }

    fn may_be_pinned(&self, error: &rustls::Error) -> bool {
        let text = format!("{error:?}");
        is_authority_itself(&text) || is_of_others(&text)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.chain.verify_server_cert(own, others, name, ocsp, now) {
            Err(error) if self.may_be_pinned(&error) && self.pins.contains(&hash_certificate(own)) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_causes_are_found_in_the_words_of_rustls() {
        let told = |error: rustls::CertificateError| cause(&rustls::Error::InvalidCertificate(error).to_string());
        let name = ServerName::try_from("a.example").unwrap();
        let wrong_name = rustls::CertificateError::NotValidForNameContext { expected: name, presented: vec!["b.example".into()] };
        assert!(is_of_others(&rustls::Error::InvalidCertificate(wrong_name.clone()).to_string()));
        assert!(told(wrong_name).contains("another name"));
        let (time, past) =
            (UnixTime::since_unix_epoch(std::time::Duration::from_secs(9)), UnixTime::since_unix_epoch(std::time::Duration::ZERO));
        let expired = rustls::CertificateError::ExpiredContext { time, not_after: past };
        assert!(!is_of_others(&expired.to_string()), "what is pinned may still expire");
        assert!(told(expired).contains("has expired"));
        assert!(told(rustls::CertificateError::UnknownIssuer).contains("no authority"));
    }

    #[test]
    fn a_ca_that_is_none_is_refused() {
        assert!(Trust::new(b"").is_none());
        assert!(Trust::new(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").is_none());
    }
}
