//! What [`crate::service::shared`] does to the memory: other gateways' news, and whether there is any.

use std::sync::atomic::Ordering;

use super::Live;
use crate::base::{SessionId, Time};

impl Live {
    pub fn ids(&self) -> Vec<SessionId> {
        let mut ids = Vec::with_capacity(self.count());
        self.sessions.each(|session| ids.push(session.id()));
        ids
    }

    /// The store has this time of a session's last use; `false` where it is not here.
    pub fn seen(&self, id: SessionId, at: Time) -> bool {
        self.get(id).is_some_and(|session| {
            session.seen(at);
            true
        })
    }

    /// Whether what is in memory can be relied on. Who watches a connection is woken when it cannot.
    pub fn set_stale(&self, stale: bool) {
        if self.stale.swap(stale, Ordering::AcqRel) == stale {
            return;
        }
        if stale {
            tracing::error!("no news of other gateways' changes: nobody is let in until the database answers");
            self.revocations.send_modify(|count| *count = count.wrapping_add(1));
        } else {
            tracing::info!("other gateways' changes are followed again");
        }
    }

    pub fn is_stale(&self) -> bool {
        self.stale.load(Ordering::Acquire)
    }
}
