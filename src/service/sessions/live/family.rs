//! The portal's session and those of the hosts that it was handed over to. Guarantees that a host's session is over with the portal's,
//! and that the portal's session counts as used while one of its hosts' is.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::registry::LiveSessions;
use super::session::LiveSession;
use crate::base::{SessionId, Time, UserId};
use crate::session::{EndReason, SessionRecord};

impl LiveSessions {
    /// The sessions of one user that belong to the same sign-in as this one, itself aside.
    fn relatives(&self, of: &LiveSession) -> Vec<Arc<LiveSession>> {
        if !self.has_families.load(Ordering::Acquire) {
            return Vec::new();
        }
        let (id, family) = (of.id(), of.record.family());
        let ids = of.state.sessions();
        ids.into_iter().filter(|other| *other != id).filter_map(|id| self.get(id)).filter(|other| other.record.family() == family).collect()
    }

    /// The hosts' sessions that belong to this one of the portal's.
    pub fn hosts_of(&self, portals: &LiveSession) -> Vec<Arc<LiveSession>> {
        if portals.is_hosts() {
            return Vec::new();
        }
        let mut hosts = self.relatives(portals);
        hosts.retain(|other| other.is_hosts());
        hosts
    }

    /// The portal's session that a host's belongs to; itself if it is the portal's.
    pub fn portals(&self, session: &Arc<LiveSession>) -> Option<Arc<LiveSession>> {
        if !session.is_hosts() {
            return Some(Arc::clone(session));
        }
        self.relatives(session).into_iter().find(|other| !other.is_hosts())
    }

    /// Ends the hosts' sessions of a portal's session that is gone, unless another one is in its place.
    pub(super) fn end_orphans_of(&self, gone: &LiveSession) {
        if gone.is_hosts() {
            return;
        }
        let relatives = self.relatives(gone);
        if relatives.iter().any(|other| !other.is_hosts()) {
            return;
        }
        for orphan in relatives {
            self.end(orphan.id(), EndReason::Portal);
        }
    }

    /// Whether this is a portal's session to which a host's belongs that is here.
    pub fn has_hosts_of(&self, portals: &SessionRecord) -> bool {
        if portals.is_hosts() || !self.has_families.load(Ordering::Acquire) {
            return false;
        }
        let Some(state) = self.users.get(&portals.user).map(|entry| Arc::clone(entry.value())) else { return false };
        let mut sessions = state.sessions().into_iter().filter_map(|id| self.get(id));
        sessions.any(|session| session.is_hosts() && session.record.family() == portals.family())
    }

    /// Whether news of a session may concern what is here: it is here, or a host's may be that belongs to it.
    pub fn may_concern(&self, id: SessionId) -> bool {
        self.get(id).is_some() || self.has_families.load(Ordering::Acquire)
    }

    /// Ends every host's session whose portal's session is not here. The portal's sessions count as used when their hosts' were.
    pub fn end_orphans(&self) {
        if !self.has_families.load(Ordering::Acquire) {
            return;
        }
        let mut hosts: HashMap<UserId, Vec<Arc<LiveSession>>> = HashMap::new();
        self.sessions.each(|session| {
            if session.is_hosts() {
                hosts.entry(session.user()).or_default().push(Arc::clone(session));
            }
        });
        for sessions in hosts.into_values() {
            let Some(first) = sessions.first() else { continue };
            let all = first.state.sessions().into_iter().filter_map(|id| self.get(id)).filter(|session| !session.is_hosts());
            let portals: HashMap<SessionId, Arc<LiveSession>> = all.map(|session| (session.record.family(), session)).collect();
            for session in sessions {
                match portals.get(&session.record.family()) {
                    Some(portals) => portals.touch(session.last_seen()),
                    None => {
                        self.end(session.id(), EndReason::Portal);
                    }
                }
            }
        }
    }

    /// Whether a portal's session that seems unused is in use at one of its hosts; then it counts as used at that time.
    pub(super) fn is_used_by_hosts(&self, session: &LiveSession, now: Time) -> bool {
        let Some(seen) = self.hosts_of(session).iter().map(|host| host.last_seen()).max() else { return false };
        session.touch(seen);
        session.over(&self.settings.load().0, now).is_none()
    }
}
