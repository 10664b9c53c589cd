//! Connections to upstreams for what the gateway sends without pingora's proxy. The chain and the name of TLS are verified against the
//! route's CA or the system's.

use std::io;
use std::sync::{Arc, OnceLock};

use pingora::tls::RootCertStore;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::gateway::upstream::endpoint::Endpoint;
use crate::gateway::upstream::pool::{NEXT_ADDRESS, Pool};
use crate::gateway::upstream::trust::Verifier;

/// A byte stream in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

pub type Io = Box<dyn Duplex>;

/// Connects to an upstream, at the first of its addresses that answers. The caller sets the deadline.
///
/// # Errors
/// If the name, the connection or the handshake fails.
pub async fn connect(pool: &Pool, endpoint: &Endpoint) -> io::Result<Io> {
    let stream = reach(endpoint).await?;
    stream.set_nodelay(true)?;
    if !endpoint.upstream.tls {
        return Ok(Box::new(stream));
    }
    let name = ServerName::try_from(endpoint.upstream.host.clone()).map_err(io::Error::other)?;
    let roots = pool.trust.as_ref().map_or_else(system_roots, |trust| Arc::clone(&trust.roots));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier::new(roots, pool.trust.as_ref(), Arc::clone(&provider))?;
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(io::Error::other)?;
    let config = config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    Ok(Box::new(TlsConnector::from(Arc::new(config)).connect(name, stream).await?))
}

/// The next address is tried if one does not accept the connection, soon if there is another (RFC 8305 section 5).
async fn reach(endpoint: &Endpoint) -> io::Result<TcpStream> {
    let mut tried = Vec::new();
    loop {
        let (address, another) = endpoint.address(&tried).await?;
        let attempt = TcpStream::connect(address);
        let reached = if another {
            tokio::time::timeout(NEXT_ADDRESS, attempt).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        } else {
            attempt.await
        };
        match reached {
            Ok(stream) => return Ok(stream),
            Err(error) => {
                tried.push(address);
                if !endpoint.failed(address, &tried) {
                    return Err(error);
                }
            }
        }
    }
}

/// The system's CA certificates, read once; empty if it has none.
fn system_roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    Arc::clone(ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(pingora::tls::load_native_certs().unwrap_or_default());
        Arc::new(roots)
    }))
}
