//! Connecting an upstream connection that belongs to one client's connection ([`crate::gateway::connection::private`]).

use std::sync::Arc;

use async_trait::async_trait;
use pingora::connectors::L4Connect;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::l4::stream::Stream;
use pingora::upstreams::peer::{HttpPeer, Tracer, Tracing};
use pingora::{Error, ErrorType, OrErr, Result};
use tokio::net::TcpStream;

use crate::gateway::connection::private::{PrivateConnections, PrivateSocket};

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
        let address = address.as_inet().ok_or_else(|| Error::explain(ErrorType::ConnectError, "not an address of the internet"))?;
        let stream = TcpStream::connect(address).await.or_err(ErrorType::ConnectError, "connecting")?;
        let stream = stream.into_std().or_err(ErrorType::SocketError, "connecting")?;
        let handle = stream.try_clone().or_err(ErrorType::SocketError, "connecting")?;
        if !self.0.opened(handle) {
            return Error::e_explain(ErrorType::ConnectError, "the client is gone");
        }
        Ok(TcpStream::from_std(stream).or_err(ErrorType::SocketError, "connecting")?.into())
    }
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
