//! The listening sockets: one per shard and address, all bound to the same port with SO_REUSEPORT, so that a connection, its upstream
//! and its tasks stay on one thread. They are bound here and given to the shards; pingora's own listeners are keyed by the text of their
//! address, and two shards with the same text would share one socket.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};

/// Connections that the kernel queues for a busy shard.
pub const BACKLOG: u32 = 4096;

/// A listening address is not available.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {why}; {}", remedy(why))]
pub struct CannotListen {
    pub address: SocketAddr,
    pub why: io::Error,
}

fn remedy(why: &io::Error) -> &'static str {
    match why.kind() {
        io::ErrorKind::AddrInUse => "stop what listens there (`ss -ltnp` shows it), or listen elsewhere",
        io::ErrorKind::PermissionDenied => "ports below 1024 need CAP_NET_BIND_SERVICE, or a socket that systemd hands over",
        _ => "name an address of this machine",
    }
}

/// A socket before its shard listens on it.
pub enum Bound {
    /// Our own, one per shard.
    Own(TcpSocket),
    /// Handed over: it listens already, and goes on after this process ends.
    Inherited(std::net::TcpListener),
}

impl Bound {
    /// To be called on the shard's runtime.
    ///
    /// # Errors
    /// The system's.
    pub fn listen(self) -> io::Result<TcpListener> {
        match self {
            Self::Own(socket) => socket.listen(BACKLOG),
            Self::Inherited(listener) => {
                listener.set_nonblocking(true)?;
                TcpListener::from_std(listener)
            }
        }
    }
}

/// The sockets of one address, with the shards that they are for: those of `inherited` that have this address, otherwise new ones. Every
/// inherited socket gets a shard (connections to one from which nobody accepts would hang), and every shard gets a socket.
///
/// # Errors
/// The system's.
pub fn sockets(
    address: SocketAddr,
    shards: usize,
    inherited: &[std::net::TcpListener],
) -> Result<(SocketAddr, Vec<(usize, Bound)>), CannotListen> {
    let ours: Vec<_> = inherited.iter().filter(|socket| socket.local_addr().is_ok_and(|own| own == address)).collect();
    if ours.is_empty() {
        let (resolved, bound) = bind(address, shards)?;
        return Ok((resolved, bound.into_iter().map(Bound::Own).enumerate().collect()));
    }
    let shares = ours.iter().cycle().take(shards.max(ours.len())).enumerate();
    let shares = shares.map(|(i, socket)| Ok((i.checked_rem(shards).unwrap_or(0), Bound::Inherited(socket.try_clone()?))));
    Ok((address, shares.collect::<io::Result<_>>().map_err(|why| CannotListen { address, why })?))
}

/// Binds `shards` sockets to one address. Port 0 is resolved once. Another process on the same port is an error, although SO_REUSEPORT
/// would let both share it: half of the connections would silently go to the other.
///
/// # Errors
/// The system's.
pub fn bind(address: SocketAddr, shards: usize) -> Result<(SocketAddr, Vec<TcpSocket>), CannotListen> {
    let failed = |why| CannotListen { address, why };
    if address.port() != 0 {
        let probe = socket(address).map_err(failed)?;
        probe.bind(address).map_err(failed)?;
    }
    let first = shared(address).map_err(failed)?;
    let resolved = first.local_addr().map_err(failed)?;
    let rest = (1..shards).map(|_| shared(resolved)).collect::<io::Result<Vec<_>>>().map_err(failed)?;
    Ok((resolved, std::iter::once(first).chain(rest).collect()))
}

fn socket(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    Ok(socket)
}

fn shared(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = socket(address)?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Checks that a connection to the address is accepted.
///
/// # Errors
/// If it is not, within five seconds.
pub fn confirm(address: SocketAddr) -> Result<(), CannotListen> {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let reachable = SocketAddr::new(ip, address.port());
    std::net::TcpStream::connect_timeout(&reachable, Duration::from_secs(5)).map(drop).map_err(|why| CannotListen { address, why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sockets_that_are_handed_over_are_used_all_of_them_and_by_every_shard() {
        let handed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = handed.local_addr().unwrap();
        let shards_of = |sockets: &[(usize, Bound)]| sockets.iter().map(|(shard, _)| *shard).collect::<Vec<_>>();
        let (resolved, one) = sockets(address, 3, std::slice::from_ref(&handed)).unwrap();
        assert_eq!((resolved, shards_of(&one)), (address, vec![0, 1, 2]));
        assert!(one.into_iter().all(|(_, socket)| socket.listen().unwrap().local_addr().unwrap() == address));
        confirm(address).unwrap();
        let three: Vec<_> = (0..3).map(|_| handed.try_clone().unwrap()).collect();
        assert_eq!(shards_of(&sockets(address, 2, &three).unwrap().1), [0, 1, 0]);
        assert!(sockets("127.0.0.1:0".parse().unwrap(), 1, &three).unwrap().1.iter().all(|(_, s)| matches!(s, Bound::Own(_))));
    }

    #[tokio::test]
    async fn every_shard_has_a_socket_on_the_same_port_and_strangers_have_none() {
        for ip in ["127.0.0.1:0", "[::1]:0"] {
            let (address, sockets) = bind(ip.parse().unwrap(), 4).unwrap();
            let listeners: Vec<_> = sockets.into_iter().map(|s| s.listen(BACKLOG).unwrap()).collect();
            assert_eq!(listeners.len(), 4);
            assert!(listeners.iter().all(|l| l.local_addr().unwrap() == address) && address.port() != 0);
            assert!(bind(address, 1).is_err(), "a second gateway must not share the port");
            confirm(address).unwrap();
        }
    }
}
