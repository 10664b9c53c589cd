//! How sessions leave memory while they go on in the store. Guarantees that a session which anybody holds (a request, an open connection, a
//! shard's cache) stays, so that its end finds it; and that the portal's session stays while one of its hosts' is here.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::registry::{LiveSessions, locked};
use super::session::LiveSession;
use super::table::PARTS;
use crate::base::{SessionId, Time, UserId};
use crate::session::SessionRecord;

/// Each part may have this much more than its share before some of it goes: an eighth.
const SLACK: usize = 8;

impl LiveSessions {
    /// Keeps about so many sessions in memory from now on, and asks the store for the others; zero: all are here.
    pub fn keep(&self, room: usize) {
        self.room.store(room, Ordering::Relaxed);
    }

    /// A session that is not in memory is over. Nothing brings it back.
    pub fn is_over(&self, id: SessionId) {
        if self.is_partial() {
            locked(&self.known_over).add(id);
        }
        self.flights.doubt(id);
    }

    /// Last uses of sessions that have left memory, for the store.
    pub fn left_in_use(&self) -> Vec<SessionRecord> {
        std::mem::take(&mut *locked(&self.left))
    }

    /// The portal's session counts as used with its host's.
    pub(super) fn note_portals_use(&self, host: &Arc<LiveSession>) {
        if let Some(portals) = self.portals(host) {
            portals.touch(host.last_seen());
        }
    }

    /// One more session is here: if there are too many like it, those not used for longest leave.
    pub(super) fn make_room_for(&self, id: SessionId) {
        let room = self.room.load(Ordering::Relaxed);
        if room == 0 {
            return;
        }
        let share = room.div_ceil(PARTS);
        let [first, ..] = id.as_bytes();
        if self.sessions.len_like(*first) <= share + share / SLACK {
            return;
        }
        let mut idle: Vec<(Time, SessionId, UserId)> = Vec::new();
        let mut count = 0;
        self.sessions.each_like(*first, |session| {
            count += 1;
            // Whoever else holds it counts on hearing of its end.
            if Arc::strong_count(session) == 1 {
                idle.push((session.last_seen(), session.id(), session.user()));
            }
        });
        let over = usize::saturating_sub(count, share).min(idle.len());
        if over == 0 {
            return;
        }
        if over < idle.len() {
            idle.select_nth_unstable(over);
            idle.truncate(over);
        }
        for (_, id, user) in idle {
            self.evict(id, user);
        }
    }

    /// Lets one go that nobody else holds. Whoever takes it in again waits for the user's entry: nothing of the new one is removed.
    fn evict(&self, id: SessionId, user: UserId) {
        let dashmap::Entry::Occupied(entry) = self.users.entry(user) else { return };
        let state = Arc::clone(entry.get());
        let has_hosts = || self.get(id).is_some_and(|session| !self.hosts_of(&session).is_empty());
        if has_hosts() {
            return;
        }
        let Some(session) = self.sessions.remove_if(id, |session| Arc::strong_count(session) == 1) else { return };
        self.unbind(&session);
        state.leave(id);
        if !state.has_sessions() {
            entry.remove();
        }
        if let Some(record) = session.unwritten() {
            let portals = if session.is_hosts() { self.portals(&session) } else { None };
            if let Some(portals) = portals {
                portals.touch(session.last_seen());
            }
            locked(&self.left).push(record);
        }
    }
}

#[cfg(test)]
mod tests;
