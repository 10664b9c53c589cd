//! A certificate as it is used: read, checked against its key and its host, with its times. And those that the gateway makes itself: one
//! that stands in until there is another, and one that answers a challenge.

use std::sync::Arc;

use rcgen::{CertificateParams, CustomExtension, DistinguishedName, DnType, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::base::Time;
use crate::store::AcmeCertificate;

/// The longest chain that is taken, in bytes of PEM.
const LONGEST: usize = 64 * 1024;

/// A certificate that can be shown.
#[derive(Clone, Debug)]
pub struct Usable {
    pub key: Arc<CertifiedKey>,
    pub not_before: Time,
    pub not_after: Time,
    /// Evenly distributed over certificates, and the same for every gateway: spreads renewals.
    pub spread: u8,
}

impl Usable {
    /// Reads a certificate for this host.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(certificate: &AcmeCertificate, host: &str) -> Result<Self, String> {
        if certificate.chain.len() > LONGEST {
            return Err("the certificate chain is longer than 64 KiB".to_owned());
        }
        let chain = CertificateDer::pem_slice_iter(certificate.chain.as_bytes()).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|e| format!("the certificate is not PEM: {e}"))?;
        let first = chain.first().ok_or("the answer holds no certificate")?;
        let (_, parsed) = X509Certificate::from_der(first).map_err(|e| format!("the certificate cannot be read: {e}"))?;
        let time = |stamp: x509_parser::time::ASN1Time| Time::from_secs(stamp.timestamp());
        let (not_before, not_after) = (time(parsed.validity().not_before), time(parsed.validity().not_after));
        let spread = Sha256::digest(first).first().copied().unwrap_or_default();
        let name = ServerName::try_from(host).map_err(|_| format!("{host} is not a name"))?;
        let named = ParsedCertificate::try_from(first).and_then(|parsed| rustls::client::verify_server_name(&parsed, &name));
        named.map_err(|_| format!("the certificate does not name {host}"))?;
        let key = PrivateKeyDer::from_pem_slice(certificate.key.expose().as_bytes()).map_err(|e| format!("the key is not PEM: {e}"))?;
        Ok(Self { key: certified(chain, key)?, not_before, not_after, spread })
    }
}

fn certified(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Arc<CertifiedKey>, String> {
    let provider = rustls::crypto::ring::default_provider();
    let key = CertifiedKey::from_der(chain, key, &provider);
    key.map(Arc::new).map_err(|e| format!("certificate and key do not belong together: {e}"))
}

/// A self-signed certificate, for the time until there is another.
///
/// # Errors
/// If none can be made.
pub fn stand_in(host: &str) -> Result<Arc<CertifiedKey>, String> {
    signed_by_itself(host, |params| {
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "no certificate yet");
    })
}

/// The certificate that answers a challenge (RFC 8737 section 3).
///
/// # Errors
/// If none can be made.
pub fn of_challenge(host: &str, digest: &[u8; 32]) -> Result<Arc<CertifiedKey>, String> {
    signed_by_itself(host, |params| params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)])
}

fn signed_by_itself(host: &str, shape: impl FnOnce(&mut CertificateParams)) -> Result<Arc<CertifiedKey>, String> {
    let mut params = CertificateParams::new(vec![host.to_owned()]).map_err(|e| e.to_string())?;
    shape(&mut params);
    let pair = KeyPair::generate().map_err(|e| e.to_string())?;
    let made = params.self_signed(&pair).map_err(|e| e.to_string())?;
    let key = PrivateKeyDer::try_from(pair.serialize_der()).map_err(str::to_owned)?;
    // `from_der` refuses the critical extension of a challenge, which webpki does not know.
    let key = rustls::crypto::ring::sign::any_supported_type(&key).map_err(|e| e.to_string())?;
    Ok(Arc::new(CertifiedKey::new(vec![made.der().clone()], key)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Secret;

    #[test]
    fn a_certificate_must_name_its_host_and_fit_its_key() {
        let made = |name: &str| rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let (wiki, other) = (made("wiki.example"), made("other.example"));
        let of = |chain: String, key: String| AcmeCertificate { directory: String::new(), chain, key: Secret::new(key) };
        let good = of(wiki.cert.pem(), wiki.signing_key.serialize_pem());
        let usable = Usable::read(&good, "wiki.example").unwrap();
        assert!(usable.not_before < usable.not_after);
        assert!(Usable::read(&good, "other.example").unwrap_err().contains("does not name other.example"));
        let strange = of(wiki.cert.pem(), other.signing_key.serialize_pem());
        assert!(Usable::read(&strange, "wiki.example").unwrap_err().contains("do not belong together"));
        for chain in [String::new(), "garbage".to_owned(), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned()] {
            assert!(Usable::read(&of(chain.clone(), wiki.signing_key.serialize_pem()), "wiki.example").is_err(), "{chain}");
        }
        assert!(stand_in("wiki.example").is_ok() && of_challenge("wiki.example", &[7; 32]).is_ok());
    }
}
