//! What a connection remembers of its last request, since the next is mostly like it. Guarantees nothing but that it is the same connection's:
//! whoever uses it checks that it is what a look-up would give. It lies in the shard's own memory, where what all shards share would be taken from
//! core to core; a line that idles forgets what is a person's.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderValue;

use super::{line, locked};
use crate::base::Host;
use crate::gateway::front::Visitor;
use crate::gateway::headers::Prepared;

/// Of the last request.
#[derive(Default)]
pub(super) struct Memory {
    /// The host that was named, and the authority that named it.
    place: Option<(Host, Arc<str>)>,
    /// Who it was.
    visitor: Option<Arc<dyn Visitor>>,
    /// What it was sent on with.
    prepared: Option<Prepared>,
}

impl Memory {
    /// Nobody is asking: what a person takes is given back.
    pub(super) fn forget(&mut self) {
        (self.visitor, self.prepared) = (None, None);
    }
}

/// Without anybody's names.
impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

/// The address of the line's client as a header's value, where it is this one.
pub fn peer_as_header(peer: IpAddr) -> Option<HeaderValue> {
    line().and_then(|line| Some(&line.peer).filter(|(own, _)| *own == peer).map(|(_, written)| written.clone()))
}

/// The host that an authority names, where the line's last request named it in the same words.
pub fn place_named_before(authority: &str) -> Option<(Host, Arc<str>)> {
    line().and_then(|line| locked(&line.memory).place.as_ref().filter(|(_, known)| **known == *authority).cloned())
}

/// Keeps what an authority was read as.
pub fn remember_place(place: &(Host, Arc<str>)) {
    if let Some(line) = line() {
        locked(&line.memory).place = Some(place.clone());
    }
}

/// Who made the line's last request, where that is who is looked for.
pub fn last_visitor(is_wanted: impl FnOnce(&dyn Visitor) -> bool) -> Option<Arc<dyn Visitor>> {
    line().and_then(|line| locked(&line.memory).visitor.as_ref().filter(|visitor| is_wanted(&***visitor)).cloned())
}

/// Keeps who made a request for the line's next one; a line that idles forgets it.
pub fn remember_visitor(visitor: &Arc<dyn Visitor>) {
    if let Some(line) = line() {
        locked(&line.memory).visitor = Some(Arc::clone(visitor));
    }
}

/// What the line's last request was sent on with, as the caller reads it.
pub fn last_prepared<T>(read: impl FnOnce(&Prepared) -> Option<T>) -> Option<T> {
    line().and_then(|line| locked(&line.memory).prepared.as_ref().and_then(read))
}

/// Keeps it for the line's next request; a line that idles forgets it.
pub fn remember_prepared(prepared: Prepared) {
    if let Some(line) = line() {
        locked(&line.memory).prepared = Some(prepared);
    }
}
