//! A shard's idle connections to upstreams, for requests on the straight way. pingora keeps a task for each idle connection, with two channels to
//! it; these lie still, and one round of the shard looks at all of them. Guarantees that a connection on which something arrived while nobody asked,
//! or that was closed, serves nobody, and that none lies longer than its time and one round.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use pingora::protocols::Stream;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Instant;

/// How many a shard keeps.
const MOST: usize = 256;

/// Connections without TLS over which HTTP/1 is spoken, by where they were made to: whoever goes there may have them. A connection is kept
/// itself, never by the number of its descriptor, which the system gives to another one day: so nothing has to be asked of the kernel.
#[derive(Default)]
pub struct IdleConnections(Mutex<Idle>);

#[derive(Default)]
struct Idle {
    count: usize,
    by_address: HashMap<SocketAddr, Vec<Connection>, foldhash::fast::RandomState>,
}

struct Connection {
    stream: Stream,
    /// How long it may lie; `None`: until the upstream closes it.
    most: Option<Duration>,
    /// When a round first found it here.
    since: Option<Instant>,
}

impl IdleConnections {
    /// The one that was used last.
    pub fn take(&self, address: &SocketAddr) -> Option<Stream> {
        let idle = &mut *locked(&self.0);
        let connections = idle.by_address.get_mut(address)?;
        loop {
            let mut connection = connections.pop()?;
            idle.count -= 1;
            if is_quiet(&mut connection.stream) {
                return Some(connection.stream);
            }
        }
    }

    /// Keeps a connection after a whole answer, if nothing more came over it. If there are too many, it is closed.
    pub fn put(&self, address: SocketAddr, mut stream: Stream, most: Option<Duration>) {
        let idle = &mut *locked(&self.0);
        if idle.count < MOST && most != Some(Duration::ZERO) && is_quiet(&mut stream) {
            idle.count += 1;
            idle.by_address.entry(address).or_default().push(Connection { stream, most, since: None });
        }
    }

    /// Closes what lay for its time, and what the upstream closed.
    pub fn sweep(&self, now: Instant) {
        let idle = &mut *locked(&self.0);
        idle.by_address.retain(|_, connections| {
            connections.retain_mut(|connection| connection.may_stay(now));
            !connections.is_empty()
        });
        idle.count = idle.by_address.values().map(Vec::len).sum();
    }
}

impl Connection {
    fn may_stay(&mut self, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        self.most.is_none_or(|most| now.duration_since(since) < most) && is_quiet(&mut self.stream)
    }
}

/// Whether nothing arrived over a connection, not even its end. Costs no system call while the kernel has said nothing.
fn is_quiet(stream: &mut Stream) -> bool {
    let mut byte = [0; 1];
    // As pingora does it: outside the task's budget, which would make a connection look quiet that is not.
    let mut read = tokio::task::unconstrained(std::future::poll_fn(|cx| {
        let mut buffer = ReadBuf::new(&mut byte);
        Pin::new(&mut *stream).poll_read(cx, &mut buffer)
    }));
    Pin::new(&mut read).poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    async fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// A connection, and its other end.
    async fn pair(listener: &TcpListener) -> (Stream, TcpStream) {
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (far, _) = listener.accept().await.unwrap();
        (Box::new(pingora::protocols::l4::stream::Stream::from(near)), far)
    }

    fn count(idle: &IdleConnections) -> usize {
        idle.0.lock().unwrap().count
    }

    #[tokio::test]
    async fn a_connection_is_taken_once_and_only_by_who_goes_there() {
        let idle = IdleConnections::default();
        let ((here, address), (_there, other)) = (listener().await, listener().await);
        let (near, mut far) = pair(&here).await;
        idle.put(address, near, None);
        assert!(idle.take(&other).is_none());
        let mut near = idle.take(&address).unwrap();
        assert!(idle.take(&address).is_none());
        near.write_all(b"x").await.unwrap();
        near.flush().await.unwrap();
        assert_eq!(far.read_u8().await.unwrap(), b'x');
    }

    #[tokio::test]
    async fn what_was_closed_or_spoke_unasked_serves_nobody() {
        let idle = IdleConnections::default();
        let (here, address) = listener().await;
        for word in [&b""[..], b"HTTP/1.1 200 OK\r\n\r\n"] {
            let (near, mut far) = pair(&here).await;
            idle.put(address, near, None);
            far.write_all(word).await.unwrap();
            let _ends = Some(far).filter(|_| !word.is_empty());
            // Until it has arrived.
            while count(&idle) > 0 {
                idle.sweep(Instant::now());
                tokio::task::yield_now().await;
            }
            assert!(idle.take(&address).is_none());
        }
    }

    #[tokio::test]
    async fn none_lies_for_longer_than_its_time_and_there_are_never_too_many() {
        let (idle, start) = (IdleConnections::default(), Instant::now());
        let ((here, address), (there, other)) = (listener().await, listener().await);
        let ((near, _far), (second, _second)) = (pair(&here).await, pair(&there).await);
        idle.put(address, near, Some(Duration::from_secs(5)));
        idle.put(other, second, None);
        idle.sweep(start);
        idle.sweep(start + Duration::from_secs(4));
        assert_eq!(count(&idle), 2);
        idle.sweep(start + Duration::from_secs(5));
        assert!(idle.take(&address).is_none() && idle.take(&other).is_some());
        let mut ends = Vec::new();
        for _ in 0..MOST + 3 {
            let (near, far) = pair(&here).await;
            idle.put(address, near, None);
            ends.push(far);
        }
        assert_eq!(count(&idle), MOST);
    }
}
