//! Connections to upstreams for what the gateway sends without pingora's proxy. The chain and the name of TLS are verified against the
//! route's CA or the system's.

use std::io;
use std::sync::{Arc, OnceLock};

use pingora::tls::RootCertStore;
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::gateway::upstream::endpoint::{Address, Endpoint};
use crate::gateway::upstream::pool::{NEXT_ADDRESS, Pool};
use crate::gateway::upstream::trust::Verifier;

/// A byte stream in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

pub type Io = Box<dyn Duplex>;

/// A connection, and what is spoken over it.
pub struct Connected {
    pub io: Io,
    pub http2: bool,
}

/// What the caller can speak.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Speaks {
    /// HTTP/1.1 alone: a WebSocket's handshake.
    Http1,
    /// HTTP/2 as well, where the route says so.
    Http2,
}

/// Connects to an upstream, at the first of its addresses that answers. The caller sets the deadline.
///
/// # Errors
/// If the name, the connection or the handshake fails.
pub async fn connect(pool: &Pool, endpoint: &Endpoint, speaks: Speaks) -> io::Result<Connected> {
    let io = reach(endpoint).await?;
    let http2 = pool.http2() && speaks == Speaks::Http2;
    if !endpoint.upstream.tls {
        return Ok(Connected { io, http2 });
    }
    let name = ServerName::try_from(pool.server_name(endpoint).to_owned()).map_err(io::Error::other)?;
    let mut config = client_config(pool)?;
    if http2 {
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    }
    let stream = TlsConnector::from(Arc::new(config)).connect(name, io).await?;
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    Ok(Connected { io: Box::new(stream), http2 })
}

fn client_config(pool: &Pool) -> io::Result<ClientConfig> {
    let roots = pool.trust.as_ref().map_or_else(system_roots, |trust| Arc::clone(&trust.roots));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier::new(roots, pool.trust.as_ref(), Arc::clone(&provider))?;
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(io::Error::other)?;
    let config = config.dangerous().with_custom_certificate_verifier(verifier);
    let Some(shown) = pool.client_certificate() else { return Ok(config.with_no_client_auth()) };
    let chain = shown.chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
    let key = PrivateKeyDer::try_from(shown.key.to_vec()).map_err(io::Error::other)?;
    config.with_client_auth_cert(chain, key).map_err(io::Error::other)
}

/// The next address is tried if one does not accept the connection, soon if there is another (RFC 8305 section 5).
async fn reach(endpoint: &Endpoint) -> io::Result<Io> {
    let mut tried = Vec::new();
    loop {
        let (address, another) = endpoint.address(&tried).await?;
        let address = match address {
            Address::Inet(address) => address,
            Address::Socket(path) => return socket(&path).await,
        };
        let attempt = TcpStream::connect(address);
        let reached = if another {
            tokio::time::timeout(NEXT_ADDRESS, attempt).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        } else {
            attempt.await
        };
        match reached {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(Box::new(stream));
            }
            Err(error) => {
                tried.push(address);
                if !endpoint.failed(address, &tried) {
                    return Err(error);
                }
            }
        }
    }
}

async fn socket(path: &std::os::unix::net::SocketAddr) -> io::Result<Io> {
    let path = path.as_pathname().ok_or(io::ErrorKind::AddrNotAvailable)?;
    Ok(Box::new(UnixStream::connect(path).await?))
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
