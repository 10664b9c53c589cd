//! How sessions end: one at a time, with their account, or by their age. A session is out of memory before anybody who watches is woken, exactly
//! one caller learns that it ended it, and nothing brings it back.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::registry::{LiveSessions, locked};
use super::session::LiveSession;
use super::table::PARTS;
use crate::account::Account;
use crate::base::{SessionId, Time, UserId};
use crate::session::{EndReason, SessionRecord};

impl LiveSessions {
    /// Ends a session, and with the portal's those of hosts that belong to it; `true` for the one caller that ended it.
    pub fn end(&self, id: SessionId, reason: EndReason) -> bool {
        let ended = self.end_unheard(id, reason);
        if ended {
            self.recheck();
        }
        ended
    }

    /// Ends a session in whose place another one is, or will be in a moment: those of hosts that belong to it go on.
    pub fn end_alone(&self, id: SessionId, reason: EndReason) -> bool {
        let ended = self.remove(id, reason).is_some();
        if ended {
            self.recheck();
        }
        ended
    }

    /// Ends a session; who watches a connection is to be woken afterwards.
    fn end_unheard(&self, id: SessionId, reason: EndReason) -> bool {
        let Some(session) = self.remove(id, reason) else { return false };
        self.end_orphans_of(&session);
        true
    }

    fn remove(&self, id: SessionId, reason: EndReason) -> Option<Arc<LiveSession>> {
        // Marked before it is gone: nobody who reads it from the store meanwhile takes it in again.
        let marked = locked(&self.unwritten).insert(id);
        let Some(session) = self.sessions.remove(id) else {
            if marked {
                locked(&self.unwritten).remove(&id);
            }
            return None;
        };
        session.end();
        self.unbind(&session);
        let user = session.user();
        locked(&self.recently_ended).add(id, user);
        session.state.leave(id);
        self.users.remove_if(&user, |_, state| !state.has_sessions());
        let _ = self.ended.send(id);
        tracing::debug!(reason = reason.name(), "session ended");
        Some(session)
    }

    /// As [`Self::end`], of a session that may not be in memory: nothing that is still in the store brings it back, and the store is
    /// asked to delete it until it does.
    pub fn end_for_good(&self, id: SessionId, reason: EndReason) -> bool {
        locked(&self.unwritten).insert(id);
        self.is_over(id);
        let ended = self.end(id, reason);
        locked(&self.unwritten).insert(id);
        if !ended {
            let _ = self.ended.send(id);
        }
        ended
    }

    /// Whether this session has ended here. Ids are never used again, so it must not come back, whatever a store says that could
    /// not be written.
    pub fn has_ended(&self, id: SessionId) -> bool {
        locked(&self.unwritten).contains(&id) || locked(&self.recently_ended).owner(id).is_some() || locked(&self.known_over).has(id)
    }

    /// The store has deleted these.
    pub fn ends_are_written(&self, ids: &[SessionId]) {
        let mut unwritten = locked(&self.unwritten);
        ids.iter().for_each(|id| {
            unwritten.remove(id);
        });
    }

    /// Ended sessions that the store may still have.
    pub fn unwritten_ends(&self) -> Vec<SessionId> {
        locked(&self.unwritten).iter().copied().collect()
    }

    /// Ends a session whose place `by` takes. Its cookie opens nothing any more; its downloads and tunnels go on until `by` ends.
    pub fn replace(&self, old: SessionId, by: &Arc<LiveSession>) -> bool {
        if let Some(old) = self.get(old).filter(|old| old.id() != by.id()) {
            old.go_on_as(by);
        }
        self.end(old, EndReason::Replaced)
    }

    /// An account was written or deleted: its sessions follow.
    pub fn account_changed(&self, id: UserId, account: Option<&Account>) {
        self.flights.doubt_user(id);
        self.follow_account(id, account);
    }

    /// The same where a session of this account, as it is now, is taken in.
    pub(in crate::service::sessions) fn follow_account(&self, id: UserId, account: Option<&Account>) {
        let Some(state) = self.users.get(&id).map(|entry| entry.value().clone()) else { return };
        let alive = account.filter(|account| !account.disabled);
        if alive.is_some_and(|account| state.update(account, &self.settings.load().1)) {
            self.recheck();
        }
        let current = alive.map(|_| state.epoch());
        for session in self.of(id) {
            if current != Some(session.record.epoch) {
                self.end(session.id(), EndReason::AccountChanged);
            }
        }
    }

    /// Ends what is over, and returns the sessions whose last use the store does not know yet.
    pub fn sweep(&self, now: Time) -> Vec<SessionRecord> {
        (0..PARTS).for_each(|part| self.find_due(part, now));
        self.close_due();
        (0..PARTS).flat_map(|part| self.sweep_part(part, now)).collect()
    }

    /// Looks in one of [`PARTS`] parts for sessions whose device must be shown by now, or was not for too long.
    pub fn find_due(&self, part: usize, now: Time) {
        let Some(bound) = self.settings.load().0.device_bound else { return };
        let mut is_due = false;
        // Each of them: a session remembers that it was found.
        self.sessions.each_of(part, |session| is_due |= session.is_due(bound.lifetime, now));
        if is_due {
            self.has_due.store(true, Ordering::Release);
        }
    }

    /// Has what is open looked at, if such a session was found. Once for all parts: each request under way is woken.
    pub fn close_due(&self) {
        if self.has_due.swap(false, Ordering::AcqRel) {
            self.recheck();
        }
    }

    /// The same for one of [`PARTS`] parts: some microseconds of work, and no lock that is held longer.
    pub fn sweep_part(&self, part: usize, now: Time) -> Vec<SessionRecord> {
        let settings = self.settings.load_full();
        // Not while the part is locked: other sessions are looked at.
        let is_over = |(id, reason): &(SessionId, EndReason)| {
            *reason != EndReason::Idle || !self.get(*id).is_some_and(|session| self.is_used_by_hosts(&session, now))
        };
        let (mut dead, mut used, mut hosts) = (Vec::new(), Vec::new(), Vec::new());
        self.sessions.each_of(part, |session| match session.over(&settings.0, now) {
            Some(_) if self.is_behind() => {}
            Some(reason) => dead.push((session.id(), reason)),
            None => {
                if let Some(record) = session.unwritten() {
                    hosts.extend(session.is_hosts().then(|| Arc::clone(session)));
                    used.push(record);
                }
            }
        });
        // So that whoever has the portal's session without its hosts' knows that it is used.
        hosts.iter().for_each(|host| self.note_portals_use(host));
        let ended = dead.into_iter().filter(is_over).filter(|(id, reason)| self.end_unheard(*id, *reason)).count();
        if ended > 0 {
            self.recheck();
        }
        used
    }
}
