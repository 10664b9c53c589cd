//! TLS towards directories: rustls with ring, certificates always verified against the server's name, an own authority and a client certificate
//! if the configuration names them. Faults are explained in words that an administrator of a directory can act on.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CertificateError, ClientConfig, RootCertStore};

use crate::config::directory::TlsFiles;

/// What connections to a directory are made with; the files are read here.
///
/// # Errors
/// Which file is wrong, and why.
pub(in crate::source::directory) fn client(files: &TlsFiles) -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(|e| e.to_string())?;
    let builder = builder.with_root_certificates(roots(files.ca.as_deref())?);
    let config = match &files.client {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => {
            let key_der = PrivateKeyDer::from_pem_file(key).map_err(|e| format!("{}: {e}", key.display()))?;
            builder.with_client_auth_cert(certificates(cert)?, key_der).map_err(|e| format!("{}: {e}", cert.display()))?
        }
    };
    Ok(Arc::new(config))
}

/// The own authority alone if there is one: a public one has no say about an internal directory.
fn roots(ca: Option<&Path>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let Some(ca) = ca else {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        return Ok(roots);
    };
    for certificate in certificates(ca)? {
        roots.add(certificate).map_err(|e| format!("{}: {e}", ca.display()))?;
    }
    Ok(roots)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(certificates) if certificates.is_empty() => Err(format!("{}: no certificate in it", file.display())),
        Ok(certificates) => Ok(certificates),
        Err(e) => Err(format!("{}: {e}", file.display())),
    }
}

/// A handshake's failure, with what to do.
pub(in crate::source::directory) fn explain(e: &io::Error) -> String {
    let inner = e.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let hint = match inner {
        Some(rustls::Error::InvalidCertificate(fault)) => hint(fault),
        Some(rustls::Error::InvalidMessage(_)) => Some("the server does not speak TLS on this port: use ldap:// with start_tls = true"),
        _ => None,
    };
    match hint {
        Some(hint) => format!("{e}: {hint}"),
        None => e.to_string(),
    }
}

fn hint(fault: &CertificateError) -> Option<&'static str> {
    match fault {
        CertificateError::UnknownIssuer => Some("name the authority that issued the server's certificate in `ca`"),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Some(
            "the certificate must name the host of the URL as a subject alternative name (a common name does not count): issue one that does, or \
             use the name that it has",
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Some("renew the server's certificate"),
        CertificateError::UnsupportedSignatureAlgorithmContext { .. } | CertificateError::BadSignature => {
            Some("the certificate is signed in a way that is no longer safe (SHA-1): issue one signed with SHA-256")
        }
        _ => None,
    }
}
