//! Files in PEM: a listener's certificate and key, which must belong together, and an upstream's authorities.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::problem::Fault;
use super::section::{Entry, Section};
use super::typed::Certificate;
use super::value;

fn bytes(path: &Path) -> Result<Vec<u8>, Fault> {
    std::fs::read(path)
        .map_err(|e| Fault::new(format!("{} cannot be read: {e}", path.display()), "correct the path, or the file's permissions"))
}

fn certificates(pem: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let fault = |what: &str| Fault::new(format!("{} {what}", path.display()), "give PEM with BEGIN CERTIFICATE, the server's own first");
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(chain) if chain.is_empty() => Err(fault("holds no certificate")),
        Ok(chain) => Ok(chain),
        Err(_) => Err(fault("is not valid PEM")),
    }
}

/// Certificate authorities, for an upstream.
pub(super) fn authorities(entry: &Entry) -> Result<Arc<Vec<u8>>, Fault> {
    let path = value::path(entry)?;
    let pem = bytes(&path)?;
    let mut store = rustls::RootCertStore::empty();
    for certificate in certificates(&pem, &path)? {
        let fault = || Fault::new(format!("{} holds a certificate that cannot be an authority", path.display()), "give X.509 certificates");
        store.add(certificate).map_err(|_| fault())?;
    }
    Ok(Arc::new(pem))
}

/// A certificate chain and its key.
pub(super) fn certificate(section: &Section) -> Option<Certificate> {
    let cert = section.required("cert", "name the file with the certificate chain in PEM", value::path);
    let key = section.required("key", "name the file with the private key in PEM", value::path);
    let certificate = Certificate { cert: cert?, key: key? };
    let chain = bytes(&certificate.cert).and_then(|pem| certificates(&pem, &certificate.cert));
    let chain = chain.map_err(|fault| section.error("cert", fault)).ok();
    let private = private_key(section, &certificate.key).map_err(|fault| section.error("key", fault)).ok();
    let provider = rustls::crypto::ring::default_provider();
    if let Err(error) = CertifiedKey::from_der(chain?, private?, &provider) {
        let remedy = "give the key that the certificate was made for";
        section.error("key", Fault::new(format!("certificate and key do not belong together: {error}"), remedy));
        return None;
    }
    Some(certificate)
}

fn private_key(section: &Section, path: &Path) -> Result<PrivateKeyDer<'static>, Fault> {
    let pem = bytes(path)?;
    let shown = path.display();
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o007 != 0) {
        section.warn("key", format!("{shown} can be read by everybody on this machine"), format!("run: chmod 600 {shown}"));
    }
    PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|_| Fault::new(format!("{shown} holds no private key"), "give PEM with BEGIN PRIVATE KEY, not encrypted"))
}
