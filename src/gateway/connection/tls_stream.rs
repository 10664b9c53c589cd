//! A client's connection over TLS to a listener that asks for certificates: the host that the client names decides whose are taken.
//! Guarantees that nothing is resumed there, so that every connection proves its key again and none moves from one authority to another.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::{io, io::IoSlice};

use async_trait::async_trait;
use pingora::protocols::tls::{ALPN, SslDigest};
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest, UniqueID, UniqueIDType,
};
use rustls::pki_types::UnixTime;
use rustls::server::{NoClientAuth, NoServerSessionStorage};
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, server::danger::ClientCertVerifier};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::watch;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::base::Host;
use crate::gateway::client_certificate::unix;
use crate::gateway::connection::certificates::{CHALLENGE, Certificates};
use crate::gateway::connection::private::client_id;
use crate::gateway::connection::stream::ClientStream;
use crate::gateway::connection::tls_peer::{TlsPeer, TlsPeers};
use crate::gateway::host::GatewayHost;

/// The connection after its handshake.
#[derive(Debug)]
pub struct SecureStream {
    stream: TlsStream<ClientStream>,
    digest: Arc<SslDigest>,
    socket: Arc<SocketDigest>,
    peers: Arc<TlsPeers>,
}

/// The time of the program, in which certificates are judged.
struct HostTime(Arc<dyn GatewayHost>);

impl fmt::Debug for HostTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HostTime")
    }
}

impl TimeProvider for HostTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(unix(self.0.now()))
    }
}

/// Does the handshake. `None` if the connection was an authority's look at a certificate, over which nothing is asked.
///
/// # Errors
/// If the client breaks off, or does not hold the key of the certificate that it shows.
pub async fn accept(
    socket: ClientStream,
    certificates: &Arc<Certificates>,
    host: &Arc<dyn GatewayHost>,
    (peers, close): (&Arc<TlsPeers>, watch::Sender<bool>),
) -> io::Result<Option<SecureStream>> {
    let hello = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), socket).await?;
    let named = hello.client_hello().server_name().map(str::to_owned);
    let verifier = match certificates.in_force().clients_of(named.as_deref()) {
        Some(trust) => trust.asks(),
        None => Arc::new(NoClientAuth),
    };
    let config = config(certificates, verifier, host).map_err(io::Error::other)?;
    let stream = hello.into_stream(Arc::new(config)).await?;
    let (socket, session) = stream.get_ref();
    if session.alpn_protocol() == Some(CHALLENGE) {
        return Ok(None);
    }
    let socket = socket.get_socket_digest().ok_or_else(|| io::Error::other("no socket"))?;
    let chain = session.peer_certificates().unwrap_or_default().iter().map(|der| der.clone().into_owned()).collect();
    let server_name = named.and_then(|name| Host::parse(name.as_bytes()).ok());
    let digest = Arc::new(SslDigest::new("", "", None, None, Vec::new()));
    peers.enter(&socket, TlsPeer::new(Arc::clone(certificates), server_name, chain, close));
    Ok(Some(SecureStream { stream, digest, socket, peers: Arc::clone(peers) }))
}

fn config(
    certificates: &Arc<Certificates>,
    verifier: Arc<dyn ClientCertVerifier>,
    host: &Arc<dyn GatewayHost>,
) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_details(provider, Arc::new(HostTime(Arc::clone(host))));
    let builder = builder.with_protocol_versions(&[&TLS12, &TLS13])?;
    let mut config = builder.with_client_cert_verifier(verifier).with_cert_resolver(Arc::clone(certificates) as _);
    config.alpn_protocols = [&b"h2"[..], b"http/1.1", CHALLENGE].map(<[u8]>::to_vec).into();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

impl Drop for SecureStream {
    fn drop(&mut self) {
        self.peers.leave(client_id(&self.socket));
    }
}

impl AsyncRead for SecureStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for SecureStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

#[async_trait]
impl Shutdown for SecureStream {
    async fn shutdown(&mut self) {
        let _ = self.stream.shutdown().await;
    }
}

impl UniqueID for SecureStream {
    fn id(&self) -> UniqueIDType {
        self.stream.get_ref().0.id()
    }
}

impl Ssl for SecureStream {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        Some(Arc::clone(&self.digest))
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        match self.stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Some(ALPN::H2),
            Some(_) => Some(ALPN::H1),
            None => None,
        }
    }
}

impl Peek for SecureStream {}

impl GetTimingDigest for SecureStream {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for SecureStream {
    fn get_proxy_digest(&self) -> Option<Arc<pingora::protocols::raw_connect::ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for SecureStream {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(Arc::clone(&self.socket))
    }
}
