//! Connecting an upstream connection that belongs to one client's connection ([`crate::gateway::connection::private`]).

use std::sync::Arc;

use async_trait::async_trait;
use pingora::connectors::L4Connect;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::l4::stream::Stream;
use pingora::upstreams::peer::{HttpPeer, Tracer, Tracing};
use pingora::{Error, ErrorType, OrErr, Result};
use tokio::net::{TcpStream, UnixStream};

use crate::gateway::connection::private::{Handle, PrivateConnections, PrivateSocket};

/// Makes a peer's connections private: `group` tells them from all others in pingora's pool.
pub fn make_private(peer: &mut HttpPeer, owner: &Arc<PrivateConnections>, group: u64) {
    let socket = PrivateSocket::new(owner);
    peer.group_key = group;
    peer.options.custom_l4 = Some(Arc::new(Dialer(socket.clone())));
    peer.options.tracer = Some(Tracer(Box::new(Closed(socket))));
}

/// Connects, and gives the owner a handle of the socket.
#[derive(Debug)]
struct Dialer(PrivateSocket);

#[async_trait]
impl L4Connect for Dialer {
    async fn connect(&self, address: &SocketAddr) -> Result<Stream> {
        let (stream, handle) = match address {
            SocketAddr::Inet(address) => inet(*address).await,
            SocketAddr::Unix(path) => unix(path).await,
        }
        .or_err(ErrorType::ConnectError, "connecting")?;
        if !self.0.opened(handle) {
            return Error::e_explain(ErrorType::ConnectError, "the client is gone");
        }
        Ok(stream)
    }
}

async fn inet(address: std::net::SocketAddr) -> std::io::Result<(Stream, Handle)> {
    let stream = TcpStream::connect(address).await?.into_std()?;
    let handle = Handle::Tcp(stream.try_clone()?);
    Ok((TcpStream::from_std(stream)?.into(), handle))
}

async fn unix(path: &std::os::unix::net::SocketAddr) -> std::io::Result<(Stream, Handle)> {
    let path = path.as_pathname().ok_or(std::io::ErrorKind::AddrNotAvailable)?;
    let stream = UnixStream::connect(path).await?.into_std()?;
    let handle = Handle::Unix(stream.try_clone()?);
    Ok((UnixStream::from_std(stream)?.into(), handle))
}

/// Notes that the connection was closed.
#[derive(Clone, Debug)]
struct Closed(PrivateSocket);

impl Tracing for Closed {
    fn on_connected(&self) {}

    fn on_disconnected(&self) {
        self.0.closed();
    }

    fn boxed_clone(&self) -> Box<dyn Tracing> {
        Box::new(self.clone())
    }
}
