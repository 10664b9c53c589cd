//! What a route's TLS upstreams are verified against.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use pingora::protocols::tls::CaType;
use pingora::tls::{RootCertStore, hash_certificate};
use pingora::utils::tls::{WrappedX509, parse_x509};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};

/// What a route's TLS upstreams are verified against, in the forms of pingora and of rustls.
pub struct Trust {
    pub ca: Arc<CaType>,
    pub roots: Arc<RootCertStore>,
    /// Digests of the certificates themselves: an upstream that presents one of them is trusted although it is an authority's
    /// (`openssl req -x509` makes such ones), which no chain may end with at its other end (RFC 5280 section 4.2.1.9).
    pins: Vec<Vec<u8>>,
    /// Keeps connections of different CAs apart in pingora's pool, whose key does not include the CA.
    pub group: u64,
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
        let mut hasher = DefaultHasher::new();
        pem.hash(&mut hasher);
        let pins = certificates.iter().map(hash_certificate).collect();
        Some(Self { ca: ca.into(), roots: Arc::new(roots), pins, group: hasher.finish() })
    }

    /// Whether this is the digest of one of the certificates themselves.
    pub fn is_pinned(&self, digest: &[u8]) -> bool {
        self.pins.iter().any(|pin| pin == digest)
    }
}

/// Whether a certificate was refused for nothing but that it is an authority's. Its dates were found good before that.
pub fn is_authority_itself(error: &str) -> bool {
    error.contains("CaUsedAsEndEntity")
}

/// What is wrong with an upstream's TLS, by rustls' words.
pub fn cause(error: &str) -> &'static str {
    [
        ("UnknownIssuer", "no authority that is trusted issued its certificate; name its authority's file in proxy.ca"),
        ("NotValidForName", "its certificate is for another name; proxy.ca verifies the host of the upstream's URL"),
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
            Err(error) if is_authority_itself(&error.to_string()) && self.pins.contains(&hash_certificate(own)) => {
                Ok(ServerCertVerified::assertion())
            }
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
    fn a_ca_that_is_none_is_refused() {
        assert!(Trust::new(b"").is_none());
        assert!(Trust::new(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").is_none());
    }
}
