//! Files in PEM: a listener's certificate and key, which must belong together, and an upstream's authorities.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{CertificateRevocationList, FromDer, GeneralName, X509Certificate, X509Version};
use zeroize::Zeroizing;

use super::value;
use crate::base::Time;
use crate::config::document::problem::Fault;
use crate::config::document::section::{Entry, Section};
use crate::config::typed::{Certificate, ClientCa};

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
pub(in crate::config) fn authorities(entry: &Entry) -> Result<Arc<Vec<u8>>, Fault> {
    let path = value::path(entry)?;
    let pem = bytes(&path)?;
    let mut store = rustls::RootCertStore::empty();
    for certificate in certificates(&pem, &path)? {
        let fault = || Fault::new(format!("{} holds a certificate that cannot be an authority", path.display()), "give X.509 certificates");
        store.add(certificate).map_err(|_| fault())?;
    }
    Ok(Arc::new(pem))
}

/// Who signs clients' certificates, and which are revoked. A list that has expired is a warning: the gateway runs, and takes no certificate.
pub(in crate::config) fn client_ca(section: &Section) -> Option<ClientCa> {
    let pem = section.maybe("client_ca", |entry| Ok((value::path(entry)?, authorities(entry)?)));
    let crl = section.maybe("client_crl", |entry| {
        let path = value::path(entry)?;
        let pem = bytes(&path)?;
        let read: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&pem).collect();
        let is_list = |der: &CertificateRevocationListDer<'_>| CertificateRevocationList::from_der(der).is_ok();
        if read.as_ref().is_ok_and(|lists| !lists.is_empty() && lists.iter().all(is_list)) {
            return Ok(path);
        }
        let remedy = "give PEM with BEGIN X509 CRL: openssl ca -gencrl does";
        Err(Fault::new(format!("{} holds no revocation list", path.display()), remedy))
    });
    if section.collector.outline.is_none() && section.has("client_crl") && !section.has("client_ca") {
        section.error("client_crl", Fault::new("there is no client_ca beside it", "name the authority whose list it is: client_ca"));
    }
    pem.map(|(ca, _)| ClientCa { ca, crl })
}

/// What keeps a certificate among an upstream's authorities from being of use, and what to do.
pub(in crate::config) fn doubts(pem: &[u8], now: Time) -> Vec<(String, &'static str)> {
    let certificates = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok);
    certificates.filter_map(|der| X509Certificate::from_der(&der).ok().and_then(|(_, read)| doubt(&read, now))).collect()
}

fn doubt(certificate: &X509Certificate<'_>, now: Time) -> Option<(String, &'static str)> {
    let (subject, validity) = (certificate.subject(), certificate.validity());
    let date = |seconds: i64| Time::from_secs(seconds).rfc3339();
    if certificate.version() != X509Version::V3 {
        return Some((
            format!("the certificate “{subject}” is not of X.509 version 3: it will be refused"),
            "make it anew: openssl req -x509 does",
        ));
    }
    if now > Time::from_secs(validity.not_after.timestamp()) {
        let until = date(validity.not_after.timestamp());
        return Some((format!("the certificate “{subject}” expired at {until}"), "put the renewed one in its place"));
    }
    (now < Time::from_secs(validity.not_before.timestamp())).then(|| {
        let from = date(validity.not_before.timestamp());
        (format!("the certificate “{subject}” is valid from {from} on"), "check this machine's clock")
    })
}

/// The names of a file's first certificate and when it ends; `None` if it cannot be read.
pub fn certificate_facts(path: &Path) -> Option<(Vec<String>, Time)> {
    let pem = bytes(path).ok()?;
    let first = certificates(&pem, path).ok()?.into_iter().next()?;
    let (_, read) = X509Certificate::from_der(&first).ok()?;
    let names = read.subject_alternative_name().ok().flatten().map(|extension| &extension.value.general_names);
    let names = names.into_iter().flatten().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    });
    Some((names.collect(), Time::from_secs(read.validity().not_after.timestamp())))
}

/// A certificate chain and its key.
pub(in crate::config) fn certificate(section: &Section) -> Option<Certificate> {
    let cert = section.required("cert", "name the file with the certificate chain in PEM", value::path);
    let key = section.required("key", "name the file with the private key in PEM", value::path);
    belongs(section, "cert", "key", Certificate { cert: cert?, key: key?, clients: None })
}

/// The same if both can be read and belong together; the keys are what they stand under.
pub(in crate::config) fn belongs(section: &Section, cert_key: &str, key_key: &str, certificate: Certificate) -> Option<Certificate> {
    let chain = bytes(&certificate.cert).and_then(|pem| certificates(&pem, &certificate.cert));
    let chain = chain.map_err(|fault| section.error(cert_key, fault)).ok();
    let private = private_key(section, key_key, &certificate.key).map_err(|fault| section.error(key_key, fault)).ok();
    let provider = rustls::crypto::ring::default_provider();
    if let Err(error) = CertifiedKey::from_der(chain?, private?, &provider) {
        let remedy = "give the key that the certificate was made for";
        section.error(key_key, Fault::new(format!("certificate and key do not belong together: {error}"), remedy));
        return None;
    }
    Some(certificate)
}

/// A chain and its key, in DER.
type DerPair = (Vec<Vec<u8>>, Zeroizing<Vec<u8>>);

/// The chain and the key of files that belong together, in DER; `None` if they can no longer be read.
pub(in crate::config) fn read_pair(files: &Certificate) -> Option<DerPair> {
    let chain = certificates(&bytes(&files.cert).ok()?, &files.cert).ok()?;
    let key = PrivateKeyDer::from_pem_file(&files.key).ok()?;
    Some((chain.iter().map(|der| der.to_vec()).collect(), Zeroizing::new(key.secret_der().to_vec())))
}

fn private_key(section: &Section, key: &str, path: &Path) -> Result<PrivateKeyDer<'static>, Fault> {
    let pem = bytes(path)?;
    let shown = path.display();
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o007 != 0) {
        section.warn(key, format!("{shown} can be read by everybody on this machine"), format!("run: chmod 600 {shown}"));
    }
    PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|_| Fault::new(format!("{shown} holds no private key"), "give PEM with BEGIN PRIVATE KEY, not encrypted"))
}

#[cfg(test)]
mod tests {
    use crate::config::{Problem, Severity, parse};

    const ROUTE: &str = "[[routes]]\nname = \"a\"\nupstreams = [\"https://h\"]\npolicy = \"deny\"\n";

    /// A folder with two self-signed certificates, their keys, and something else.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "b"] {
            let made = rcgen::generate_simple_self_signed([format!("{name}.example")]).unwrap();
            std::fs::write(folder.path().join(format!("{name}.pem")), made.cert.pem()).unwrap();
            std::fs::write(folder.path().join(format!("{name}.key")), made.signing_key.serialize_pem()).unwrap();
        }
        std::fs::write(folder.path().join("odd.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        std::fs::write(folder.path().join("empty.pem"), "").unwrap();
        folder
    }

    fn errors(text: &str, folder: &tempfile::TempDir) -> Vec<Problem> {
        let found = parse(text, &folder.path().join("vestibule.toml"), []);
        let found = found.map_or_else(|problems| problems.0, |loaded| loaded.warnings);
        found.into_iter().filter(|p| p.severity == Severity::Error).collect()
    }

    #[test]
    fn a_certificate_wants_its_own_key() {
        let folder = folder();
        let pair = |cert: &str, key: &str| {
            let text =
                format!("[[server.tls]]\nlisten = \"127.0.0.1:0\"\ncertificates = [{{ cert = \"{cert}\", key = \"{key}\" }}]\n{ROUTE}");
            errors(&text, &folder).into_iter().map(|p| (p.line, p.key, p.what)).collect::<Vec<_>>()
        };
        assert_eq!(pair("a.pem", "a.key"), []);
        for (cert, key, at, said) in [
            ("a.pem", "b.key", "key", "do not belong together"),
            ("a.pem", "a.pem", "key", "holds no private key"),
            ("a.key", "a.key", "cert", "holds no certificate"),
            ("empty.pem", "a.key", "cert", "holds no certificate"),
            ("nowhere.pem", "a.key", "cert", "cannot be read"),
        ] {
            let found = pair(cert, key);
            assert_eq!(found.len(), 1, "{cert} {key}: {found:?}");
            assert_eq!((found[0].0, found[0].1.as_str()), (Some(3), format!("server.tls[0].certificates[0].{at}").as_str()));
            assert!(found[0].2.contains(said), "{found:?}");
        }
    }

    #[test]
    fn an_authority_is_a_certificate() {
        let folder = folder();
        for (file, right) in [("a.pem", true), ("a.key", false), ("odd.pem", false), ("nowhere.pem", false)] {
            let found = errors(&format!("{ROUTE}proxy = {{ ca = \"{file}\" }}\n"), &folder);
            assert_eq!(found.is_empty(), right, "{file}: {found:?}");
            assert!(found.iter().all(|p| p.key == "routes[0].proxy.ca" && p.line == Some(5)));
        }
    }

    #[test]
    fn an_authority_that_cannot_be_of_use_is_told() {
        let folder = folder();
        let pem = std::fs::read(folder.path().join("a.pem")).unwrap();
        let told = |now: &str| super::doubts(&pem, crate::base::Time::parse(now).unwrap()).pop().map(|(what, _)| what);
        assert_eq!(told("2026-11-30T00:00:00Z"), None);
        assert!(told("5000-01-01T00:00:00Z").unwrap().contains("expired"));
        assert!(told("1970-01-01T00:00:00Z").unwrap().contains("valid from"));
    }
}
