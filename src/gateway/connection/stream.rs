//! A client's TCP connection as pingora reads and writes it. pingora's own type has a read buffer of 64 KiB; this one has none, since the
//! parser reads into its own, and a small one for writing, so that a header and a short body leave together. While it lives it counts
//! against the connection limits, and the bytes that it reads count against the limit of the header that is awaited.

use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::{io, net::SocketAddr};

use async_trait::async_trait;
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufWriter, ReadBuf};
use tokio::net::TcpStream;

use crate::gateway::connection::client::Connection;
use crate::gateway::connection::limits::Permit;
use crate::gateway::connection::private::{PrivateRegistry, client_id};

const WRITE_BUFFER: usize = 2048;

/// A TCP connection from a client.
#[derive(Debug)]
pub struct ClientStream {
    stream: BufWriter<TcpStream>,
    digest: Arc<SocketDigest>,
    connection: Arc<Connection>,
    private: Arc<PrivateRegistry>,
    _permit: Permit,
}

impl ClientStream {
    pub fn new(stream: TcpStream, peer: SocketAddr, connection: Arc<Connection>, private: Arc<PrivateRegistry>, permit: Permit) -> Self {
        let digest = SocketDigest::from_raw_fd(stream.as_raw_fd());
        let _ = digest.peer_addr.set(Some(peer.into()));
        Self { stream: BufWriter::with_capacity(WRITE_BUFFER, stream), digest: Arc::new(digest), connection, private, _permit: permit }
    }
}

impl Drop for ClientStream {
    fn drop(&mut self) {
        self.private.leave(client_id(&self.digest));
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.connection.may_read() {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        let before = buf.filled().len();
        let read = Pin::new(self.stream.get_mut()).poll_read(cx, buf);
        self.connection.has_read(buf.filled().len() - before);
        read
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[async_trait]
impl Shutdown for ClientStream {
    async fn shutdown(&mut self) {
        let _ = self.stream.shutdown().await;
    }
}

impl UniqueID for ClientStream {
    fn id(&self) -> UniqueIDType {
        self.stream.get_ref().as_raw_fd()
    }
}

impl Ssl for ClientStream {}
impl Peek for ClientStream {}

impl GetTimingDigest for ClientStream {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for ClientStream {
    fn get_proxy_digest(&self) -> Option<Arc<pingora::protocols::raw_connect::ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for ClientStream {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(Arc::clone(&self.digest))
    }
}
