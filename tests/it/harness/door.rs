//! A listener with TLS before a world's gateway, for clients that speak HTTP/2 or are real browsers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use tokio_rustls::TlsConnector;
use vestibule::config::Certificate;
use vestibule::gateway::{self, Certificates, GatewayHost, Listener, Running, Settings};

use super::World;

/// The listener, and what its clients trust.
pub struct Door {
    running: Running,
    connector: TlsConnector,
    /// The digest of its public key, in base64.
    pub pin: String,
    _folder: tempfile::TempDir,
}

impl Door {
    /// With a certificate of its own for this name.
    pub fn before(world: &World, name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        std::fs::write(&cert, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let certificates = Certificates::load(&[Certificate { cert, key, clients: None }]).unwrap();
        let front: Arc<dyn GatewayHost> = world.app().clone();
        let listener = Listener { address: "127.0.0.1:0".parse().unwrap(), certificates: Some(certificates) };
        let running = gateway::start(&front, &[listener], &Settings { shards: 1, drain: Duration::ZERO, ..Settings::default() }).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(made.cert.pem().as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let (_, read) = x509_parser::parse_x509_certificate(made.cert.der()).unwrap();
        let pin = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(read.public_key().raw));
        Self { running, connector: TlsConnector::from(Arc::new(config)), pin, _folder: folder }
    }

    pub fn entrance(&self) -> (SocketAddr, TlsConnector) {
        (self.running.addresses[0], self.connector.clone())
    }
}
