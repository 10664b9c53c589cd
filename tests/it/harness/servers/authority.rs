//! A certificate authority for test servers.

use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};

/// Files in PEM.
pub struct Certificates {
    pub ca: PathBuf,
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// Writes `ca.pem`, `cert.pem` and `key.pem` for a server at this address. Without a name in it, a certificate has the common name alone.
pub fn issue(folder: &Path, address: &str, with_name: bool) -> Certificates {
    let mut ca = CertificateParams::new(Vec::<String>::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.distinguished_name.push(DnType::CommonName, "directory authority");
    let issuer = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
    let mut own = CertificateParams::new(Vec::<String>::new()).unwrap();
    own.distinguished_name.push(DnType::CommonName, address);
    if with_name {
        own.subject_alt_names.push(SanType::IpAddress(address.parse::<IpAddr>().unwrap()));
    }
    let key = KeyPair::generate().unwrap();
    let cert = own.signed_by(&key, &issuer).unwrap();
    let files = Certificates { ca: folder.join("ca.pem"), cert: folder.join("cert.pem"), key: folder.join("key.pem") };
    std::fs::write(&files.ca, issuer.pem()).unwrap();
    std::fs::write(&files.cert, cert.pem()).unwrap();
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
    std::fs::set_permissions(&files.key, std::fs::Permissions::from_mode(0o600)).unwrap();
    files
}
