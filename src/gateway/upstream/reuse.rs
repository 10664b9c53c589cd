//! Which pooled connection a request may take. A connection that lay idle may be closed by the upstream at the very moment a request is
//! sent over it; a request that may be repeated is then sent again, but one that must not be sent twice would be lost (RFC 9112 section
//! 9.3.1). Such a request gets a fresh connection; only where many of them are under way at once, it takes one that another used just now.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::{Method, header};
use pingora::http::RequestHeader;
use pingora::upstreams::peer::HttpPeer;
use pingora::{ErrorType, OrErr, Result};
use tokio::net::TcpSocket;

use crate::gateway::connection::private::PrivateConnections;
use crate::gateway::upstream::endpoint::millis;
use crate::gateway::upstream::private;

/// So many requests of a shard that must not be sent twice are under way when connections are reused for them.
const BUSY: usize = 16;
/// Then only a connection that such a request used within this time, in milliseconds.
const JUST_NOW: u64 = 500;
/// What pingora keeps of a request's body to send it again, in bytes.
const RETRY_BUFFER: u64 = 64 * 1024;

/// Which connections of the pool a request may use, and who may use its connection afterwards.
#[derive(Clone, Debug)]
pub enum Reuse {
    /// Any that is idle.
    Shared,
    /// None; its own is closed afterwards.
    Fresh,
    /// One that was used by its like in this span of time.
    JustUsed(u64),
    /// Those of one client's connection; the number tells its users apart.
    Private(Arc<PrivateConnections>, u64),
}

impl Reuse {
    /// For a request that must not be sent twice, if so many of them are under way.
    pub fn once(under_way: usize) -> Self {
        if under_way >= BUSY { Self::JustUsed(millis() / JUST_NOW) } else { Self::Fresh }
    }

    /// Sets it for a peer.
    pub fn apply(self, peer: &mut HttpPeer) {
        static FRESH: AtomicU64 = AtomicU64::new(0);
        match self {
            Self::Shared => {}
            Self::Fresh => {
                peer.group_key = mixed(peer.group_key, 1, FRESH.fetch_add(1, Ordering::Relaxed));
                // No shorter: pingora's timer subtracts one from a time of its own that may be zero still.
                peer.options.idle_timeout = Some(Duration::from_millis(1));
                peer.options.upstream_tcp_sock_tweak_hook = Some(closes_at_once());
            }
            Self::JustUsed(span) => {
                peer.group_key = mixed(peer.group_key, 2, span);
                peer.options.idle_timeout = Some(Duration::from_millis(JUST_NOW));
            }
            Self::Private(owner, user) => {
                let group = mixed(mixed(peer.group_key, 3, owner.id), 4, user);
                private::make_private(peer, &owner, group);
            }
        }
    }
}

/// Closed without the wait that would keep its port taken for a minute: thousands of such connections are made under load.
fn closes_at_once() -> Arc<Tweak> {
    static TWEAK: LazyLock<Arc<Tweak>> =
        LazyLock::new(|| Arc::new(|socket: &TcpSocket| socket.set_zero_linger().or_err(ErrorType::SocketError, "setting SO_LINGER")));
    Arc::clone(&TWEAK)
}

type Tweak = dyn Fn(&TcpSocket) -> Result<()> + Send + Sync + 'static;

fn mixed(group: u64, kind: u8, number: u64) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    (group, kind, number).hash(&mut hasher);
    hasher.finish()
}

/// Whether a request may be sent again if its connection turns out to be closed: its method is idempotent (RFC 9110 section 9.2.2), and
/// its body, if any, is kept.
pub fn may_be_repeated(header: &RequestHeader) -> bool {
    let body = match header.headers.get(header::CONTENT_LENGTH) {
        _ if header.headers.contains_key(header::TRANSFER_ENCODING) => return false,
        Some(length) => length.to_str().ok().and_then(|length| length.trim().parse().ok()).unwrap_or(u64::MAX),
        None => 0,
    };
    header.method == Method::GET || (header.method.is_idempotent() && body <= RETRY_BUFFER)
}

/// Counts a request that must not be sent twice while it is under way.
pub struct UnderWay(Arc<AtomicUsize>);

impl UnderWay {
    /// Counts it; with how many others are under way.
    pub fn new(count: &Arc<AtomicUsize>) -> (Self, usize) {
        let others = count.fetch_add(1, Ordering::Relaxed);
        (Self(Arc::clone(count)), others)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_sent_again_may_be() {
        let may = |method: &str, headers: &[(&'static str, &str)]| {
            let mut header = RequestHeader::build(method, b"/", None).unwrap();
            for (name, value) in headers {
                header.append_header(*name, *value).unwrap();
            }
            may_be_repeated(&header)
        };
        assert!(may("GET", &[]) && may("DELETE", &[]) && may("PUT", &[("content-length", "65536")]));
        assert!(!may("POST", &[]) && !may("PATCH", &[("content-length", "1")]));
        assert!(!may("PUT", &[("content-length", "65537")]) && !may("PUT", &[("transfer-encoding", "chunked")]));
    }

    #[test]
    fn fresh_connections_are_nobody_elses() {
        let peer = |reuse: Reuse| {
            let mut peer = HttpPeer::new("127.0.0.1:1", false, String::new());
            reuse.apply(&mut peer);
            peer.group_key
        };
        assert_ne!(peer(Reuse::once(0)), peer(Reuse::once(0)));
        assert_eq!(peer(Reuse::JustUsed(7)), peer(Reuse::JustUsed(7)));
        assert_ne!(peer(Reuse::JustUsed(7)), peer(Reuse::Shared));
        assert!(matches!(Reuse::once(BUSY), Reuse::JustUsed(_)));
    }
}
