//! What [`crate::service::sessions::replication`] needs of the table: many sessions at once, news of other gateways, and whether the table can
//! be relied on.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use foldhash::fast::RandomState;

use super::registry::LiveSessions;
use super::user_state::UserState;
use crate::base::{SessionId, Time};
use crate::session::SessionRecord;

/// How well the memory follows the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Every change of other gateways was seen.
    Current,
    /// The database was not heard of lately; people who are signed in go on, for `store.max_stale`.
    Behind,
    /// The time is over: nobody is let in.
    Stale,
}

impl LiveSessions {
    pub fn ids(&self) -> Vec<SessionId> {
        let mut ids = Vec::with_capacity(self.sessions.len());
        self.sessions.each(|session| ids.push(session.id()));
        ids
    }

    /// The sessions whose id begins with this byte.
    pub fn ids_beginning(&self, first: u8) -> HashSet<SessionId> {
        let mut ids = HashSet::new();
        self.sessions.each_like(first, |session| {
            if session.id().as_bytes().first() == Some(&first) {
                ids.insert(session.id());
            }
        });
        ids
    }

    /// What gives each of many sessions the shared name of its browser, for [`LiveSessions::insert_all`].
    pub fn names(&self) -> impl FnMut(&str) -> Arc<str> + Send + '_ {
        let mut known: HashMap<Arc<str>, Arc<str>, RandomState> = HashMap::default();
        move |name| {
            if let Some(shared) = known.get(name) {
                return shared.clone();
            }
            let shared = self.browser(name.into());
            known.insert(shared.clone(), shared.clone());
            shared
        }
    }

    /// As [`LiveSessions::insert_under`], for many sessions whose browsers' names are from [`LiveSessions::names`].
    pub fn insert_all(&self, sessions: Vec<(SessionRecord, Arc<UserState>)>) {
        self.sessions.reserve(sessions.iter().map(|(record, _)| record.id));
        for (record, state) in sessions {
            self.insert_named(record, state);
        }
    }

    /// The store has this time of a session's last use; `false` if it is not here.
    pub fn seen(&self, id: SessionId, at: Time) -> bool {
        self.get(id).is_some_and(|session| {
            session.seen(at);
            true
        })
    }

    /// Says whether what is in memory can be relied on. Those who watch a connection are woken when it cannot.
    pub fn set_freshness(&self, freshness: Freshness, now: Time) {
        let (behind, stale) = (freshness != Freshness::Current, freshness == Freshness::Stale);
        let was_behind = self.is_behind();
        if was_behind != behind {
            self.behind.store(if behind { now.millis().max(1) } else { 0 }, Ordering::Release);
        }
        let was_stale = self.stale.swap(stale, Ordering::AcqRel);
        if (was_behind, was_stale) == (behind, stale) {
            return;
        }
        match freshness {
            Freshness::Current => tracing::info!("other gateways' changes are followed again"),
            Freshness::Behind => tracing::error!("no news of other gateways' changes: serving what is known until store.max_stale is over"),
            Freshness::Stale => {
                tracing::error!("no news of other gateways' changes: nobody is let in until the database answers");
                self.recheck();
            }
        }
    }

    /// Nobody is let in from memory.
    pub fn is_stale(&self) -> bool {
        self.stale.load(Ordering::Acquire)
    }

    /// Other gateways may have changed what is in memory here: what is known still counts, and nothing is over by its age. True of
    /// stale memory as well.
    pub fn is_behind(&self) -> bool {
        self.behind.load(Ordering::Acquire) != 0
    }

    /// Since when [`Self::is_behind`].
    pub fn behind_since(&self) -> Option<Time> {
        let since = self.behind.load(Ordering::Acquire);
        (since != 0).then(|| Time::from_millis(since))
    }
}
