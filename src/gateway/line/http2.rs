//! Which line an HTTP/2 stream came over: it is served in a task of its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use pingora::protocols::Digest;

use super::{Line, locked};

/// The lines of a shard that speak HTTP/2, by what pingora tells of their sockets.
#[derive(Default)]
pub struct Lines(Mutex<HashMap<usize, Weak<Line>>>);

impl Lines {
    pub(super) fn add(&self, line: &Arc<Line>) {
        let Some(socket) = line.socket.get() else { return };
        let mut lines = locked(&self.0);
        if lines.len() == lines.capacity() {
            lines.retain(|_, line| line.strong_count() > 0);
        }
        lines.insert(*socket, Arc::downgrade(line));
    }

    /// The line over which a stream came. Its socket is alive, so that no other can have come to the same place.
    pub fn of(&self, digest: &Digest) -> Option<Arc<Line>> {
        let socket = Arc::as_ptr(digest.socket_digest.as_ref()?).addr();
        locked(&self.0).get(&socket).and_then(Weak::upgrade)
    }
}
