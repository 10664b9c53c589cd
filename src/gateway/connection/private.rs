//! Upstream connections that belong to one client's connection alone. Some applications authenticate the connection and not the request
//! (NTLM, and Negotiate on IIS, RFC 4559 section 6): whoever gets the connection next is taken for the same user. Guarantees that such
//! a connection serves one client's connection, and is closed with it.

use std::collections::HashMap;
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use pingora::protocols::SocketDigest;

/// A second handle of a socket.
#[derive(Debug)]
pub enum Handle {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Handle {
    fn shut_down(&self) {
        let _ = match self {
            Self::Tcp(socket) => socket.shutdown(Shutdown::Both),
            Self::Unix(socket) => socket.shutdown(Shutdown::Both),
        };
    }
}

/// The upstream connections of one client's connection.
#[derive(Debug)]
pub struct PrivateConnections {
    /// Unlike any other's, for as long as the process runs.
    pub id: u64,
    /// A second handle of each socket, by number.
    sockets: Mutex<HashMap<u64, Handle>>,
}

impl PrivateConnections {
    fn new() -> Arc<Self> {
        static IDS: AtomicU64 = AtomicU64::new(1);
        Arc::new(Self { id: IDS.fetch_add(1, Ordering::Relaxed), sockets: Mutex::default() })
    }

    /// The socket is to be shut down with the client's connection.
    pub fn add(&self, number: u64, socket: Handle) {
        locked(&self.sockets).insert(number, socket);
    }

    /// The socket was closed.
    pub fn remove(&self, number: u64) {
        locked(&self.sockets).remove(&number);
    }
}

impl Drop for PrivateConnections {
    fn drop(&mut self) {
        locked(&self.sockets).values().for_each(Handle::shut_down);
    }
}

/// What tells a client's connection from all others while it lives, the same for each of its requests.
pub fn client_id(digest: &Arc<SocketDigest>) -> usize {
    Arc::as_ptr(digest).addr()
}

/// The client connections of a shard that have private upstream connections, by the address of their socket digest, which all requests
/// of a connection share.
#[derive(Debug, Default)]
pub struct PrivateRegistry {
    count: AtomicUsize,
    owners: Mutex<HashMap<usize, Owner>>,
}

/// The digest is kept weakly: while an entry is there, no other digest can be at its address.
#[derive(Debug)]
struct Owner {
    client: Weak<SocketDigest>,
    connections: Arc<PrivateConnections>,
}

impl PrivateRegistry {
    /// What a client's connection has; `None` for nearly all of them.
    pub fn find(&self, client: impl FnOnce() -> Option<usize>) -> Option<Arc<PrivateConnections>> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        locked(&self.owners).get(&client()?).map(|owner| Arc::clone(&owner.connections))
    }

    /// From now on this client's connection has upstream connections of its own.
    pub fn enter(&self, client: &Arc<SocketDigest>) -> Arc<PrivateConnections> {
        let mut owners = locked(&self.owners);
        // A request may outlive its connection, and enter it after it left.
        owners.retain(|_, owner| owner.client.strong_count() > 0);
        let new = || Owner { client: Arc::downgrade(client), connections: PrivateConnections::new() };
        let connections = Arc::clone(&owners.entry(client_id(client)).or_insert_with(new).connections);
        self.count.store(owners.len(), Ordering::Relaxed);
        connections
    }

    /// The client's connection is closed.
    pub fn leave(&self, client: usize) {
        if self.count.load(Ordering::Relaxed) > 0 {
            let mut owners = locked(&self.owners);
            let gone = owners.remove(&client);
            self.count.store(owners.len(), Ordering::Relaxed);
            drop(owners);
            drop(gone);
        }
    }
}

/// A socket's place with its owner, which may be gone.
#[derive(Clone, Debug)]
pub struct PrivateSocket {
    owner: Weak<PrivateConnections>,
    number: u64,
}

impl PrivateSocket {
    pub fn new(owner: &Arc<PrivateConnections>) -> Self {
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        Self { owner: Arc::downgrade(owner), number: NUMBERS.fetch_add(1, Ordering::Relaxed) }
    }

    /// Gives the owner a handle of the socket. `false`: the owner is gone.
    pub fn opened(&self, socket: Handle) -> bool {
        self.owner.upgrade().is_some_and(|owner| {
            owner.add(self.number, socket);
            true
        })
    }

    /// The socket was closed.
    pub fn closed(&self) {
        if let Some(owner) = self.owner.upgrade() {
            owner.remove(self.number);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_private_connection_is_closed_with_its_owner() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let registry = PrivateRegistry::default();
        let digest = || Arc::new(SocketDigest::from_raw_fd(std::os::fd::AsRawFd::as_raw_fd(&listener)));
        let (one, two) = (digest(), digest());
        let found = || registry.find(|| Some(client_id(&one)));
        assert!(found().is_none());
        let socket = PrivateSocket::new(&registry.enter(&one));
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut upstream, _) = listener.accept().unwrap();
        assert!(socket.opened(Handle::Tcp(client.try_clone().unwrap())));
        assert_eq!(found().unwrap().id, registry.enter(&one).id);
        assert_ne!(registry.enter(&two).id, registry.enter(&one).id);
        registry.leave(client_id(&one));
        assert_eq!(upstream.read(&mut [0]).unwrap(), 0, "closed although a handle of it is kept");
        assert!(found().is_none() && !socket.opened(Handle::Tcp(client)));
        drop(two);
        registry.enter(&one);
        assert_eq!(locked(&registry.owners).len(), 1, "who is gone is forgotten");
    }
}
